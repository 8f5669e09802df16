"""How a vehicle drives along its way: at its speed, braking to a stand and pulling away again (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

BRAKE_MS2 = 3.0
PULL_MS2 = 1.8
"""What drivers do who are not in a hurry."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A part of the way with one acceleration."""

    begin_s: float
    driven_m: float
    """Way driven before it."""
    speed_ms: float
    """At its begin."""
    pull_ms2: float = 0.0

    def driven(self, moment_s: float) -> float:
        elapsed_s = moment_s - self.begin_s
        return self.driven_m + self.speed_ms * elapsed_s + self.pull_ms2 * elapsed_s**2 / 2

    def speed(self, moment_s: float) -> float:
        return self.speed_ms + self.pull_ms2 * (moment_s - self.begin_s)


@dataclass(frozen=True, slots=True)
class Halt:
    """A stand: after so much way, until a moment or for a time, whichever is given."""

    driven_m: float
    for_s: float | None
    until_s: float | None


@dataclass(frozen=True, slots=True)
class Drive:
    """A whole way."""

    legs: tuple[Leg, ...]

    def driven(self, moment_s: float) -> float:
        """Metres driven at a moment; negative before it enters."""
        return self._leg(moment_s).driven(moment_s)

    def speed(self, moment_s: float) -> float:
        """Metres a second."""
        return self._leg(moment_s).speed(moment_s)

    def rests(self) -> Iterator[tuple[float, float]]:
        """Begin and end of each stand."""
        for leg, following in pairwise(self.legs):
            if leg.speed_ms == 0 and leg.pull_ms2 == 0:
                yield leg.begin_s, following.begin_s

    def _leg(self, moment_s: float) -> Leg:
        return next((leg for leg in reversed(self.legs) if leg.begin_s <= moment_s), self.legs[0])


def drive(enters_at_s: float, speed_ms: float, halts: Sequence[Halt]) -> Drive:
    """The way of a vehicle that enters at a speed. Raises ValueError where it cannot brake in time for a halt."""
    return Drive(tuple(_legs(enters_at_s, speed_ms, halts)))


def _legs(enters_at_s: float, speed_ms: float, halts: Sequence[Halt]) -> Iterator[Leg]:
    now, driven = enters_at_s, 0.0
    for number, halt in enumerate(halts):
        begins_braking = halt.driven_m - speed_ms**2 / (2 * BRAKE_MS2)
        if begins_braking < driven:
            raise ValueError(f"stops[{number}]: is too near to brake for from {speed_ms * 3.6:g} km/h")
        yield Leg(now, driven, speed_ms)
        now += (begins_braking - driven) / speed_ms
        yield Leg(now, begins_braking, speed_ms, -BRAKE_MS2)
        now += speed_ms / BRAKE_MS2
        yield Leg(now, halt.driven_m, 0.0)
        now = max(now, halt.until_s) if halt.until_s is not None else now + (halt.for_s or 0.0)
        yield Leg(now, halt.driven_m, 0.0, PULL_MS2)
        now += speed_ms / PULL_MS2
        driven = halt.driven_m + speed_ms**2 / (2 * PULL_MS2)
    yield Leg(now, driven, speed_ms)
