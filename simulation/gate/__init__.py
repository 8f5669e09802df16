"""Replay as a gate: clips through the real unit, held against their truth and against what was decided before.

clips --cakra-agent replay--> decisions, tracks, recording
                                  |            |
      truth ---- score ----------+            +-- played again at other hours (borders)
      references ---- compare ---+
"""
