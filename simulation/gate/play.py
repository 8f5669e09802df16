"""Recordings through the pipeline, in this process and at any moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.app import Stages, make_pipeline
from agent.pipeline import Followed
from agent.recording import Player, Recording
from agent.replay import decision_line


def play(recording: Recording, law: Path, calendars: Path, start: datetime | None = None) -> tuple[Followed, ...]:
    """The vehicles of a recording and what was found about them, as if it had begun at `start`."""
    player = Player(recording, start)
    stages = Stages(player, player, player, player)
    pipeline = make_pipeline(recording.header.site, stages, law, calendars)
    return tuple(pipeline.run(player.frames()))


def decided(followed: Sequence[Followed]) -> list[dict[str, Any]]:
    """The decisions, as they are compared."""
    return [decision_line(finding) for each in followed for finding in each.findings]
