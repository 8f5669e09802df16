"""The drivers of a suite: for each rule, those who break it and those who come as near as one may (pure).

Offenders are clear ones: a quarter over what is allowed, seconds past a grace. Innocents come close: a stop a metre
before the line, a crossing as the light changes, a speed at the limit, a plate whose grace ends next month.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from agent.markings import ZoneKind
from agent.types import LightState, PlateColour, ViolationKind
from simulation.footage_lights import spells
from simulation.footage_parts import LaneChange, SignalPlan, Stop
from simulation.footage_scenario import Scenario
from simulation.footage_traffic import FAR_M, IN_VIEW_M
from simulation.road.paint import PAINTS
from simulation.road.shapes import SHAPES, Kind

Plan = dict[str, Any]
"""Fields of a `VehiclePlan`."""
_PREFIXES = ("B", "B", "B", "D", "F", "T", "A", "E", "H", "AB", "L", "N", "W", "BK", "DK", "AA")
_NUMBERS: Mapping[Kind, tuple[int, int]] = {
    Kind.MOTORCYCLE: (3000, 6999),
    Kind.BUS: (7000, 7999),
    Kind.TRUCK: (9000, 9999),
}
_ELSEWHERE: Mapping[Kind, tuple[int, int]] = {
    Kind.MOTORCYCLE: (2000, 6999),
    Kind.BUS: (7000, 7999),
    Kind.TRUCK: (8000, 8999),
}
_KINDS = (Kind.SEDAN, Kind.MPV, Kind.MINIBUS, Kind.TRUCK, Kind.BUS, Kind.MOTORCYCLE)
_SHARES = (0.26, 0.34, 0.05, 0.05, 0.06, 0.24)
_LIFT_M = (0.10, 0.12)
_LIFTS_M: Mapping[Kind, tuple[float, float]] = {
    Kind.MOTORCYCLE: (0.12, 0.12),
    Kind.BUS: (0.12, 0.15),
    Kind.TRUCK: (0.12, 0.15),
}
"""Standard deviation of a front and a rear plate's height within its kind, metres; the first is that of cars."""
_MOST_LIFT_M = 0.25
_PRIVATE = (Kind.SEDAN, Kind.MPV, Kind.MOTORCYCLE)


@dataclass(frozen=True, slots=True)
class Setting:
    """The road a driver is found for, and the dice."""

    scenario: Scenario
    rng: np.random.Generator
    span_s: float
    """Moments from the first frame to here are his to come at."""

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def one_of(self, values: Any) -> Any:
        return values[int(self.rng.integers(len(values)))]

    @property
    def signal(self) -> SignalPlan:
        return self.scenario.signals[0]

    def is_away(self, plan: Plan) -> bool:
        towards = self.scenario.street.lane(plan["lane"]).towards
        return towards == (plan.get("direction") == "against")


def any_vehicle(rng: np.random.Generator) -> Kind:
    """As they are met on the road."""
    return _KINDS[int(rng.choice(len(_KINDS), p=_SHARES))]


def driver(kind: ViolationKind, offends: bool, vehicle: Kind, setting: Setting) -> Plan:
    """A driver who breaks the rule, or one who does not; whether he truly does is for the law to say.

    `vehicle` is what he drives, where the rule does not ask for another.
    """
    plan = _common(vehicle, setting)
    _DRIVERS[kind](plan, offends, setting)
    plan["plate"] = plan.get("plate") or plate_text(plan["kind"], setting.rng)
    return plan


def _common(kind: Kind, setting: Setting) -> Plan:
    """What all drivers have: a vehicle, a lane, a speed, a moment, a plate's state."""
    rng = setting.rng
    plan: Plan = {
        "kind": kind,
        "lane": setting.one_of(setting.scenario.lanes).id,
        "speed_kmh": round(setting.between(18, 60), 1),
        "plate_colour": _colour(kind, rng),
        "paint": str(rng.choice(list(PAINTS))),
        "offset_m": round(setting.between(-1.1, 1.1) if kind is Kind.MOTORCYCLE else setting.between(-0.25, 0.25), 2),
    }
    plan["plate_lift_m"] = _lift_m(plan, setting)
    if rng.random() < 0.06:
        plan["dirt"] = round(setting.between(0.2, 0.9), 2)
    return arriving(plan, setting, setting.between(12, 30), setting.between(0.6, setting.span_s))


def _lift_m(plan: Plan, setting: Setting) -> float:
    """Plates differ in height from vehicle to vehicle of a kind: the unit's intervals have to hold that."""
    front_m, rear_m = _LIFTS_M.get(plan["kind"], _LIFT_M)
    error_m = rear_m if setting.is_away(plan) else front_m
    return round(float(np.clip(setting.rng.normal(0, error_m), -_MOST_LIFT_M, _MOST_LIFT_M)), 3)


def arriving(plan: Plan, setting: Setting, at_m: float, moment_s: float) -> Plan:
    """The plan with its plate at a place at a moment, if it drives on evenly until then."""
    away, shape = setting.is_away(plan), SHAPES[plan["kind"]]
    driven = at_m + shape.rear_plate[0] - IN_VIEW_M if away else FAR_M - at_m + shape.front_plate[0]
    plan["enters_at_s"] = round(max(-119.0, moment_s - driven / (plan["speed_kmh"] / 3.6)), 2)
    return plan


def _colour(kind: Kind, rng: np.random.Generator) -> PlateColour:
    if kind is Kind.BUS or (kind in (Kind.MINIBUS, Kind.TRUCK) and rng.random() < 0.5):
        return PlateColour.YELLOW
    return PlateColour.WHITE if rng.random() < 0.6 else PlateColour.BLACK


def plate_text(kind: Kind, rng: np.random.Generator, odd: bool | None = None) -> str:
    """A plate of its kind's numbers, its last digit odd or even if that matters."""
    prefix = str(rng.choice(_PREFIXES))
    ranges, highest = (_NUMBERS, 2999) if prefix == "B" else (_ELSEWHERE, 1999)
    low, high = ranges.get(kind, (1001, highest))
    number = int(rng.integers(low, high))
    if odd is not None and number % 2 != odd:
        number += 1
    letters = rng.integers(0, 26, int(rng.choice([2, 3])))
    return f"{prefix} {number} {''.join(chr(ord('A') + int(i)) for i in letters)}"


def _odd_even(plan: Plan, offends: bool, setting: Setting) -> None:
    """Innocent: the right digit, or a vehicle the rule is not for."""
    odd_day = setting.scenario.start.day % 2 == 1
    may_drive = not offends and setting.rng.random() < 0.6
    if offends:
        plan.update(kind=setting.one_of((Kind.SEDAN, Kind.MPV)), plate_colour=_colour(Kind.SEDAN, setting.rng))
        plan["offset_m"] = round(setting.between(-0.25, 0.25), 2)
    elif not may_drive:
        plan["kind"] = setting.one_of((Kind.MOTORCYCLE, Kind.BUS, Kind.SEDAN))
        plan["plate_colour"] = {
            Kind.MOTORCYCLE: PlateColour.WHITE, Kind.BUS: PlateColour.YELLOW,
        }.get(plan["kind"], PlateColour.RED)  # fmt: skip
    plan["plate"] = plate_text(plan["kind"], setting.rng, odd=odd_day if may_drive else not odd_day)


def _wrong_way(plan: Plan, offends: bool, setting: Setting) -> None:
    """Innocent: drives as the others do, or changes lanes."""
    plan["speed_kmh"] = round(setting.between(14, 45), 1)
    if offends:
        plan["direction"] = "against"
    elif setting.rng.random() < 0.15:
        _change_lane(plan, setting)
    arriving(plan, setting, 16, setting.between(0.8, setting.span_s))


def _change_lane(plan: Plan, setting: Setting) -> None:
    """Into a neighbouring lane of the same direction, where there is one."""
    lanes = setting.scenario.lanes
    here = next(i for i, lane in enumerate(lanes) if lane.id == plan["lane"])
    beside = [lanes[i] for i in (here - 1, here + 1) if 0 <= i < len(lanes)]
    same = [lane for lane in beside if lane.permitted == lanes[here].permitted]
    if same and plan["kind"] in _PRIVATE:
        plan["lane_change"] = LaneChange(to=setting.one_of(same).id, at_m=round(setting.between(22, 45), 1), over_m=20)


def _red_light(plan: Plan, offends: bool, setting: Setting) -> None:
    """Innocent: crosses on green, as the light changes, or waits before the line."""
    plan["speed_kmh"] = round(setting.between(20, 55), 1)
    way_s = 9 / (plan["speed_kmh"] / 3.6)
    state, begin_s, end_s = _spell(setting, LightState.RED if offends else None)
    if offends:
        crosses = setting.between(begin_s + 1.3, max(begin_s + 1.4, end_s - way_s - 0.5))
    elif state is LightState.RED and setting.rng.random() < 0.8:
        _waits(plan, setting, begin_s, end_s)
        return
    elif state is LightState.RED:
        crosses = begin_s + setting.between(-0.6, 0.25)
    else:
        crosses = setting.between(begin_s, end_s - 0.1)
    arriving(plan, setting, setting.signal.line_m, max(0.6, crosses))


def _stop_line(plan: Plan, offends: bool, setting: Setting) -> None:
    """Innocent: waits before the line, crosses in time, or is held up behind a line crossed on green."""
    state, begin_s, end_s = _spell(setting, LightState.RED if offends else None)
    if offends:
        _waits(plan, setting, begin_s, end_s, past_m=setting.between(1.3, 2.8))
        return
    if state is LightState.GREEN and setting.rng.random() < 0.35 and end_s - begin_s > 3:
        _waits(plan, setting, begin_s, end_s, past_m=setting.between(1.3, 2.8), arrives_s=begin_s + 2.5, for_s=8)
        return
    _red_light(plan, False, setting)


def _spell(setting: Setting, wanted: LightState | None) -> tuple[LightState, float, float]:
    """A spell of the light within the driver's time, of a colour or any; the first one, should it come later."""
    found: list[tuple[LightState, float, float]] = []
    for state, begin_s, end_s in spells(setting.signal):
        if found and begin_s >= setting.span_s:
            break
        if wanted in (None, state):
            found.append((state, begin_s, end_s))
    chosen: tuple[LightState, float, float] = setting.one_of(found)
    return chosen


def _waits(
    plan: Plan,
    setting: Setting,
    begin_s: float,
    end_s: float,
    past_m: float | None = None,
    arrives_s: float | None = None,
    for_s: float | None = None,
) -> None:
    """Brakes to a stand with its plate past the line, or with its front before it, until the light changes."""
    plan["speed_kmh"] = round(setting.between(18, 34), 1)
    away, shape = setting.is_away(plan), SHAPES[plan["kind"]]
    plate_m = shape.rear_plate[0] if away else 0.0
    front_m = -setting.between(0.7, 2.5) if past_m is None else past_m + plate_m
    if past_m is not None and plan["kind"] is Kind.MOTORCYCLE:
        front_m += 0.0 if away else 0.6  # its front plate hangs high, which makes it look further off
    stop = {"for_s": for_s} if for_s else {"until_s": round(end_s + setting.between(0.3, 1.5), 1)}
    plan["stops"] = (Stop(past_line_m=round(front_m, 2), **stop),)
    stands_m = setting.signal.line_m + (front_m - plate_m if away else -front_m)
    # braking takes as long again as driving that way evenly would
    delay_s = plan["speed_kmh"] / 3.6 / 3.0 / 2
    arrival = arrives_s if arrives_s is not None else setting.between(begin_s + 0.3, max(begin_s + 0.4, end_s - 8))
    arriving(plan, setting, stands_m, arrival - delay_s)


def _bus_lane(plan: Plan, offends: bool, setting: Setting) -> None:
    """Innocent: a bus or a yellow plate, beside it, hugging its line, or leaving it."""
    ours = [lane.id for lane in setting.scenario.lanes if lane.id != "BUS"]
    plan["speed_kmh"] = round(setting.between(18, 50), 1)
    turn = setting.rng.random()
    if offends:
        kind = plan["kind"] if plan["kind"] in _PRIVATE else Kind.SEDAN
        plan.update(lane="BUS", kind=kind, plate_colour=_colour(kind, setting.rng))
    elif turn < 0.4:
        plan.update(lane="BUS", kind=setting.one_of((Kind.BUS, Kind.MINIBUS)), plate_colour=PlateColour.YELLOW)
    elif turn < 0.55:
        plan.update(lane="BUS", kind=Kind.SEDAN, lane_change=LaneChange(to=ours[0], at_m=62, over_m=24))
    else:
        plan["lane"] = setting.one_of(ours)
        if plan["lane"] == ours[0] and plan["kind"] is not Kind.MOTORCYCLE:
            plan["offset_m"] = round(setting.between(-0.55, 0.2), 2)
    if plan["lane"] == "BUS":
        wide = plan["kind"] is Kind.MOTORCYCLE
        plan["offset_m"] = round(setting.between(-0.9, 0.9) if wide else setting.between(-0.25, 0.25), 2)
    arriving(plan, setting, 16, setting.between(0.8, setting.span_s))


def _speed(plan: Plan, offends: bool, setting: Setting) -> None:
    """Offenders go at 1.25 to 1.8 times what is allowed, innocents up to the limit itself."""
    limit_kmh = setting.scenario.lanes[0].speed_limit_kmh
    assert limit_kmh is not None
    share = setting.between(1.25, 1.8) if offends else setting.between(0.3, 1.0)
    plan["speed_kmh"] = round(min(118.0, (limit_kmh + (5 if offends else 0)) * share), 1)
    plan["offset_m"] = round(plan["offset_m"] * 0.5, 2)
    arriving(plan, setting, 16, setting.between(0.8, setting.span_s))


def _stopping(plan: Plan, offends: bool, setting: Setting) -> None:
    """Innocent: drives through, stands for less, stands elsewhere, or may stand."""
    zone, rng = setting.scenario.zones[0], setting.rng
    limits = setting.scenario.stopping
    most_s = limits.max_rest_box_s if zone.kind is ZoneKind.BOX_JUNCTION else limits.max_rest_s
    plan["speed_kmh"] = round(setting.between(16, 34), 1)
    plan["lane"] = setting.one_of(zone.lanes)
    turn = rng.random()
    stands_m, for_s = setting.between(zone.from_m + 1.5, min(19.0, zone.to_m - 3)), setting.between(1.4, 2.2) * most_s
    if not offends:
        if turn < 0.25:
            arriving(plan, setting, 16, setting.between(0.8, setting.span_s))
            return
        if turn < 0.6 or (zone.kind is ZoneKind.BOX_JUNCTION and turn >= 0.8):
            for_s = setting.between(0.2, 0.7) * most_s
        elif turn < 0.8 and zone.kind is ZoneKind.BOX_JUNCTION:
            stands_m = zone.to_m + setting.between(2.5, 5)
        elif zone.kind is ZoneKind.NO_STOPPING and turn < 0.8:
            plan["lane"] = setting.scenario.lanes[0].id
        else:
            plan.update(kind=Kind.BUS, plate_colour=PlateColour.YELLOW)
    elif plan["kind"] is Kind.BUS and zone.permitted_classes:
        plan.update(kind=Kind.MPV, plate_colour=PlateColour.WHITE)
    plan["stops"] = (Stop(at_m=round(stands_m, 2), for_s=round(for_s, 1)),)
    arriving(plan, setting, stands_m, setting.between(0.5, setting.span_s))


def _expiry(plan: Plan, offends: bool, setting: Setting) -> None:
    """Offenders are two months to four years over, innocents in their last month or years ahead."""
    plan["speed_kmh"] = round(setting.between(15, 40), 1)
    today = setting.scenario.start.date()
    months = -int(setting.rng.integers(3, 48)) if offends else int(setting.one_of((0, 1, 2, 6, 14, 30, 50)))
    plan["expiry"] = _month(today, months)
    plan["offset_m"] = round(plan["offset_m"] * 0.4, 2)
    arriving(plan, setting, 14, setting.between(0.8, setting.span_s))


def _month(day: date, later: int) -> str:
    number = day.year * 12 + day.month - 1 + later
    return f"{number % 12 + 1:02d}.{number // 12}"


_DRIVERS: Mapping[ViolationKind, Callable[[Plan, bool, Setting], None]] = {
    ViolationKind.ODD_EVEN: _odd_even,
    ViolationKind.WRONG_WAY: _wrong_way,
    ViolationKind.RED_LIGHT: _red_light,
    ViolationKind.STOP_LINE: _stop_line,
    ViolationKind.BUS_LANE: _bus_lane,
    ViolationKind.SPEED: _speed,
    ViolationKind.STOPPING: _stopping,
    ViolationKind.EXPIRY: _expiry,
}
