"""Decisions, tracks and truth as they are read from their files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.errors import ConfigError

Place = tuple[float, float]

RECALL_PX = 70.0
"""Plates from this width on have to be found: below, a miss is forgiven."""


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """What the unit decided about one violation."""

    line: Mapping[str, Any]
    """As written, without the digests of its evidence."""

    @property
    def kind(self) -> str:
        return str(self.line["kind"])

    @property
    def plate(self) -> str:
        return str(self.line["plate"])

    @property
    def outcome(self) -> str:
        return str(self.line["outcome"])

    @property
    def frame(self) -> int:
        return int(self.line["frame"])

    @property
    def track(self) -> int:
        return int(self.line["track"])

    @property
    def reasons(self) -> tuple[str, ...]:
        return tuple(self.line["reasons"])


@dataclass(frozen=True, slots=True, eq=False)
class Vehicle:
    """What truth says of a vehicle. Only `plate` and `violations` are needed; the rest is taken at its best."""

    id: int
    plate: str
    violations: frozenset[str]
    hidden: frozenset[str]
    """Those of its violations that the camera does not see."""
    width_px: float
    """Of its plate at its widest."""
    readable: bool
    speed_kmh: float | None
    places: Mapping[int, Place]
    """Middle of its plate by frame."""

    def counts(self, kind: str) -> bool:
        """Whether missing it is held against the unit."""
        shown = kind in self.violations - self.hidden
        return shown and self.readable and self.width_px >= RECALL_PX


def decisions(path: Path) -> list[Decision]:
    """Those of a file; none where it is not there."""
    return [Decision(without_evidence(line)) for line in _lines(path)] if path.exists() else []


def without_evidence(line: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key != "evidence"}


def tracks(path: Path) -> dict[int, dict[int, Place]]:
    """Middle of the plate by track and frame."""
    return {
        int(line["track"]): {int(point["frame"]): _middle(point["box"]) for point in line["path"]}
        for line in _lines(path)
    }


def truth(path: Path) -> list[Vehicle]:
    """Raises ConfigError for a line that is none."""
    found = []
    for number, line in enumerate(_lines(path), start=1):
        try:
            found.append(_vehicle(number, line))
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"{path}: line {number}: {error} is missing or wrong; see docs/reference/scenario.md"
            ) from None
    return found


def _vehicle(number: int, line: Mapping[str, Any]) -> Vehicle:
    first, corners = (line.get("frames") or [0])[0], line.get("corners") or ()
    middles = {
        first + i: (sum(x for x, _ in each) / 4, sum(y for _, y in each) / 4) for i, each in enumerate(corners) if each
    }
    return Vehicle(
        id=int(line.get("id", number)),
        plate=str(line["plate"]).replace(" ", ""),
        violations=frozenset(str(each["kind"]) for each in line["violations"]),
        hidden=frozenset(str(each["kind"]) for each in line["violations"] if not each.get("shown", True)),
        width_px=float(line.get("width_px", RECALL_PX)),
        readable=bool(line.get("readable", True)),
        speed_kmh=line.get("speed_kmh"),
        places=middles,
    )


def _middle(box: list[float]) -> Place:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as JSON lines ({error}); make it again") from None
