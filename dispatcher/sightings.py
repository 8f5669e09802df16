"""The same plate in two places between which no vehicle comes in the time: one of the two is a copy, or misread."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import asin, cos, radians, sin, sqrt

from sqlalchemy import Connection, select

from dispatcher.cases import Case
from dispatcher.schema import cases
from dispatcher.units import Place, Unit
from dispatcher.workflow import State

SPAN = timedelta(hours=12)
"""So long before and after a violation its plate is looked for elsewhere: in that time one crosses Java twice."""
_FASTEST_KMH = 150.0
"""As the crow flies, from one place to the other: on a road nobody keeps that up."""
_NEAR_KM = 2.0
"""What clocks that are minutes apart, and places that were noted roughly, may make of one and the same place."""
_EARTH_KM = 6371.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A plate that a unit read, whatever became of the case."""

    unit_id: str
    reference: str
    state: State
    at: datetime


def of_plates(connection: Connection, found: Collection[Case]) -> Mapping[str, Sequence[Sighting]]:
    """By plate of these cases: where it was seen about that time, but for what a person has withdrawn."""
    if not found:
        return {}
    times = [case.occurred_at for case in found]
    columns = cases.c
    statement = select(columns.plate, columns.unit_id, columns.reference, columns.state, columns.occurred_at).where(
        columns.plate.in_({case.plate for case in found}),
        columns.occurred_at.between(min(times) - SPAN, max(times) + SPAN),
        columns.state != State.WITHDRAWN,
    )
    seen: dict[str, list[Sighting]] = defaultdict(list)
    for row in connection.execute(statement):
        seen[row.plate].append(
            Sighting(unit_id=row.unit_id, reference=row.reference, state=State(row.state), at=row.occurred_at)
        )
    return seen


def elsewhere(case: Case, seen: Collection[Sighting], units: Mapping[str, Unit]) -> Sequence[Sighting]:
    """Those of a plate's sightings that this case's vehicle cannot have been at. Units without a place tell nothing."""
    here = units.get(case.unit_id)
    return [each for each in seen if _is_too_far(here, units.get(each.unit_id), abs(each.at - case.occurred_at))]


def _is_too_far(here: Unit | None, there: Unit | None, apart: timedelta) -> bool:
    if here is None or there is None or here.place is None or there.place is None:
        return False
    return distance_km(here.place, there.place) > _NEAR_KM + _FASTEST_KMH * apart / timedelta(hours=1)


def distance_km(one: Place, other: Place) -> float:
    """As the crow flies, over a round earth."""
    north, east = radians(other.lat - one.lat), radians(other.lon - one.lon)
    half = sin(north / 2) ** 2 + cos(radians(one.lat)) * cos(radians(other.lat)) * sin(east / 2) ** 2
    return 2 * _EARTH_KM * asin(sqrt(half))
