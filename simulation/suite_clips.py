"""A suite's scenarios: a road and the drivers who find room on it, from a seed, a rule and a number (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from agent.types import ViolationKind
from simulation.footage_parts import RandomTraffic, VehiclePlan
from simulation.footage_scenario import Scenario
from simulation.footage_traffic import Trip, first_meeting_s, footprints, make_trip
from simulation.road.camera import Floats
from simulation.road.shapes import SHAPES
from simulation.suite_drivers import Plan, Setting, any_vehicle, driver
from simulation.suite_roads import road

PER_CLIP = 10
"""Vehicles of a clip: short enough that a clip can be looked at, long enough that setting up costs little."""
_TRIES = 400
_PATIENCE_S = 0.15
"""How much later a driver may come for each time that the road was full."""
_SPACING_S = 1.1
_TAILGATING = 0.1
_MOST_S = 90.0

RULES = tuple(ViolationKind)


def clip_sizes(vehicles: int) -> list[int]:
    """How many vehicles each clip of a rule has."""
    count = math.ceil(vehicles / PER_CLIP)
    return [vehicles // count + (1 if n < vehicles % count else 0) for n in range(count)]


def clip_scenario(kind: ViolationKind, seed: int, number: int, vehicles: int) -> Scenario:
    """The scenario of one clip: half of its drivers break the rule, as far as its day and hour allow."""
    rng = np.random.default_rng([seed, RULES.index(kind), number])
    fields = road(kind, number, rng).content(kind, number)
    empty = Scenario.model_validate(fields | {"duration_s": 600, "random": RandomTraffic(vehicles=1)})
    cast = list(_cast(kind, empty, vehicles, seed, rng))
    plans = tuple(trip.plan for trip in cast)
    return empty.model_copy(update={"vehicles": plans, "random": None, "duration_s": _duration_s(cast)})


def _cast(
    kind: ViolationKind, scenario: Scenario, vehicles: int, seed: int, rng: np.random.Generator
) -> Iterator[Trip]:
    """One driver after the other; where the road is full, more time is given."""
    taken: list[Floats] = []
    ahead: Trip | None = None
    span_s = max(4.0, _SPACING_S * vehicles)
    while len(taken) < vehicles:
        offends, vehicle = bool(rng.random() < 0.5), any_vehicle(rng)
        close = ahead is not None and bool(rng.random() < _TAILGATING)
        for tries in range(_TRIES):
            setting = Setting(scenario, rng, span_s + tries * _PATIENCE_S)
            plan = driver(kind, offends, vehicle, setting)
            if ahead and close and tries == 0:
                _close_up(plan, ahead, setting)
            trip = _trip(len(taken), plan, scenario, seed)
            own = footprints(trip, _MOST_S) if trip else _NOBODY
            if trip and all(first_meeting_s(own, its) is None for its in taken):
                taken.append(own)
                # nobody follows a follower: the last of three would not be seen at all
                ahead = None if close else trip
                yield trip
                break


_NOBODY = np.empty((0, 4))


def _close_up(plan: Plan, ahead: Trip, setting: Setting) -> None:
    """Follow the vehicle ahead closely."""
    if ahead.plan.stops or ahead.plan.lane_change or "lane_change" in plan or "stops" in plan:
        return
    ways = plan.get("direction", "with"), ahead.plan.direction
    if plan["lane"] != ahead.plan.lane or ways[0] != ways[1]:
        return
    plan["speed_kmh"] = ahead.plan.speed_kmh
    gap_s = (SHAPES[ahead.plan.kind].length_m + setting.between(2, 9)) / (ahead.plan.speed_kmh / 3.6)
    plan["enters_at_s"] = round(ahead.plan.enters_at_s + gap_s, 2)


def _trip(number: int, plan: Plan, scenario: Scenario, seed: int) -> Trip | None:
    """The trip that the scenario's vehicle of this number will make; None where it cannot brake in time."""
    try:
        rng = np.random.default_rng([seed, number])
        return make_trip(number + 1, VehiclePlan.model_validate(plan), scenario, rng)
    except ValueError:
        return None


def _duration_s(cast: list[Trip]) -> float:
    """Until the last one has gone out of sight."""
    moments = np.arange(0, _MOST_S, 0.5)
    last = max((float(t) for t in moments for trip in cast if _in_sight(trip, float(t))), default=1.0)
    return round(last + 1.0, 1)


def _in_sight(trip: Trip, moment_s: float) -> bool:
    place = trip.plate_m(moment_s)
    return place is not None and 8 < place[1] < 45
