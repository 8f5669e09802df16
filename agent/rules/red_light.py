"""Red light (menerobos lampu merah): crosses the stop line, and leaves it behind, while the light has long been red.

For how long is counted from the first frame that showed red to the last one in which the vehicle was before the line,
so that neither the camera's interval nor an occlusion at the line ever counts against it. The light must still be red
when the vehicle has left the line behind: who creeps over it on red and goes on green has broken `stop_line` only.
"""

from __future__ import annotations

from pydantic import Field

from agent.rules.crossing import find_crossing
from agent.rules.law import LawPart, RuleLaw
from agent.rules.path import named_frames
from agent.scene import Scene
from agent.signal import Signals
from agent.types import PlateVote, Track, Violation, ViolationKind


class RedLightTerms(LawPart):
    """How strictly red is taken."""

    grace_s: float = Field(gt=0, le=10)
    """How long after the change to red nobody is accused, seconds."""


class RedLight:
    """The rule with its law."""

    kind = ViolationKind.RED_LIGHT

    def __init__(self, law: RuleLaw[RedLightTerms]) -> None:
        self._law = law

    def evaluate(self, track: Track, vote: PlateVote, scene: Scene, signals: Signals) -> Violation | None:
        """A finding when the light was red at the line and behind it; its margin is the red time past the grace."""
        crossing = find_crossing(track, vote, scene, signals, self.kind)
        if crossing is None or not crossing.ran_red:
            return None
        moment = crossing.points[crossing.after]
        version = self._law.on(moment.at.astimezone(scene.zone).date())
        red_s = crossing.light.red_for_s(crossing.points[crossing.before].mono_ns)
        if version is None or red_s is None or red_s <= version.terms.grace_s:
            return None
        last = crossing.points[crossing.cleared or crossing.after]
        return Violation(
            kind=self.kind,
            article=version.pasal,
            track_id=track.track_id,
            lane_id=crossing.lane.id,
            at=moment.at,
            frame_index=moment.frame_index,
            vote=vote,
            margin=red_s / version.terms.grace_s - 1,
            facts=(
                ("local_time", moment.at.astimezone(scene.zone).isoformat(timespec="milliseconds")),
                ("red_for", f"{red_s:.2f} s"),
                ("grace", f"{version.terms.grace_s:.2f} s"),
                ("past_line", f"{max(crossing.past_m):.1f} m"),
                ("clear", f"{scene.crossing.clear_m:.1f} m"),
                ("signal", crossing.signal.id),
                ("lane", crossing.lane.id),
            ),
            frames=named_frames(crossing.points[crossing.before], moment, last),
        )
