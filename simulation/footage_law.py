"""Which violations a trip truly is, from the law's facts and not from what the scenario's author had in mind.

Odd-even: Pergub DKI Jakarta 155/2018 as amended by 88/2019. Written here on its own, so that the agent's rules are
checked against a second reading of the law and not against themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

import holidays

from agent.plate import parse
from agent.types import PlateColour, ViolationKind
from simulation.footage_traffic import Trip
from simulation.road.shapes import Kind

WIB = ZoneInfo("Asia/Jakarta")
_HOURS = ((time(6), time(10)), (time(16), time(21)))
_EXEMPT = (PlateColour.YELLOW, PlateColour.RED, PlateColour.BLUE)
"""Public transport, government, diplomatic."""


@dataclass(frozen=True, slots=True)
class TrueViolation:
    """A violation and why it is one."""

    kind: ViolationKind
    reason: str


def violations(trip: Trip, moment: datetime) -> tuple[TrueViolation, ...]:
    """What this trip violates when the vehicle passes at this moment (aware)."""
    return tuple(_violations(trip, moment.astimezone(WIB)))


def _violations(trip: Trip, local: datetime) -> Iterator[TrueViolation]:
    if odd_even_in_force(local) and _subject_to_odd_even(trip):
        number = parse(trip.spec.characters)
        assert number is not None
        odd_day = local.day % 2 == 1
        if (int(number.number[-1]) % 2 == 1) != odd_day:
            reason = f"number ends in {number.number[-1]} on day {local.day}, {local:%H:%M} WIB"
            yield TrueViolation(ViolationKind.ODD_EVEN, reason)
    if trip.away == trip.lane.towards:
        way = "away from" if trip.away else "towards"
        yield TrueViolation(ViolationKind.WRONG_WAY, f"drives {way} the camera in {trip.lane.id}")


def odd_even_in_force(local: datetime) -> bool:
    """Whether odd-even holds at this local moment: working days, morning and evening."""
    calendar = holidays.country_holidays("ID", years=local.year, categories=("public", "government"))
    working = local.weekday() < 5 and local.date() not in calendar
    return working and any(start <= local.time() < end for start, end in _HOURS)


def _subject_to_odd_even(trip: Trip) -> bool:
    return trip.plan.kind is not Kind.MOTORCYCLE and trip.spec.colour not in _EXEMPT
