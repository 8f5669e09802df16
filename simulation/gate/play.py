"""Recordings through the pipeline, in this process and at any moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.config import HOME
from agent.pipeline import Followed, Pipeline
from agent.recording import Player, Recording
from agent.replay import decision_line
from agent.rules import build_rules, load_calendar, load_law
from agent.settings import load_yaml
from agent.track import Tracker
from agent.validate import Thresholds

VALIDATION = HOME / "config" / "validation.yaml"


def play(recording: Recording, law: Path, calendars: Path, start: datetime | None = None) -> tuple[Followed, ...]:
    """The vehicles of a recording and what was found about them, as if it had begun at `start`."""
    player = Player(recording, start)
    scene = recording.header.site
    rules = build_rules(scene, load_law(law), load_calendar(calendars))
    thresholds = load_yaml(VALIDATION, Thresholds)
    tracker = Tracker(ground=scene.calibration)
    pipeline = Pipeline(
        player, player, tracker, scene, rules, thresholds, player, clock_synchronised=True, cuts=player
    )  # fmt: skip
    return tuple(pipeline.run(player.frames()))


def decided(followed: Sequence[Followed]) -> list[dict[str, Any]]:
    """The decisions, as they are compared."""
    return [decision_line(finding) for each in followed for finding in each.findings]
