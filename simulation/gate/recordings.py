"""Recordings with the decisions expected of them: exact, and fast, as no network runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from agent.config import HOME
from agent.recording import Recording
from simulation.gate.changes import Change, compare
from simulation.gate.lines import Decision
from simulation.gate.play import decided, play

_LAW = HOME / "config" / "law"
_CALENDARS = HOME / "config" / "calendars"


def check_recordings(folder: Path, *, accept: bool) -> int:
    """Print what changed in the recordings of a folder; returns how much. `accept` rewrites what is expected."""
    total = 0
    for path in sorted(folder.glob("*.jsonl")):
        changes = list(changes_of(path, accept=accept))
        total += len(changes)
        for change in changes:
            print(f"{path.stem}: {change}")
    return total


def changes_of(path: Path, *, accept: bool = False) -> Iterator[Change]:
    """What one recording gives now and did not before. Raises ConfigError."""
    recording = Recording.load(path)
    now = decided(play(recording, _LAW, _CALENDARS))
    if accept and list(recording.decisions) != now:
        replace(recording, decisions=tuple(now)).save(path)
    yield from compare([Decision(line) for line in recording.decisions], [Decision(line) for line in now])
