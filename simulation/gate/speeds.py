"""Measured speeds against true ones: how far off, and how often the stated interval holds the truth (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import quantiles

from agent.pipeline import Followed
from agent.rules.pace import measure
from agent.rules.path import main_lane
from agent.scene import Scene
from agent.types import ViolationKind
from simulation.gate.lines import Vehicle


@dataclass(frozen=True, slots=True)
class Reading:
    """One vehicle's speed."""

    true_kmh: float
    measured_kmh: float
    half_width_kmh: float
    """Of the stated 95 % interval."""

    @property
    def error(self) -> float:
        """Share of the true speed."""
        return abs(self.measured_kmh / self.true_kmh - 1)

    @property
    def is_covered(self) -> bool:
        return abs(self.measured_kmh - self.true_kmh) <= self.half_width_kmh


def readings(followed: Sequence[Followed], scene: Scene, vehicles: Sequence[Vehicle]) -> Iterator[Reading]:
    """Of every vehicle whose plate was read rightly and whose way was long enough to be measured, offender or not."""
    true = {vehicle.plate: vehicle.speed_kmh for vehicle in vehicles}
    for each in followed:
        speed_kmh = true.get(each.vote.text)
        found = main_lane(each.track, scene, ViolationKind.SPEED)
        if not speed_kmh or found is None:
            continue
        pace = measure(found[1], found[0], scene, each.vote)
        if pace:
            yield Reading(speed_kmh, pace.speed_kmh, pace.half_width_kmh)


@dataclass(frozen=True, slots=True)
class SpeedFigures:
    count: int
    median_error: float
    p95_error: float
    coverage: float
    """Share of the vehicles whose stated interval holds the truth."""


def figures(found: Sequence[Reading]) -> SpeedFigures | None:
    if len(found) < 2:
        return None
    errors = quantiles((each.error for each in found), n=100, method="inclusive")
    covered = sum(each.is_covered for each in found) / len(found)
    return SpeedFigures(len(found), errors[49], errors[94], covered)
