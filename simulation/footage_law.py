"""Which violations a trip truly is, from the law's facts and not from what the scenario's author had in mind.

Written here on its own, so that the agent's rules are checked against a second reading of the law and not against
themselves. What is a matter of degree (grace, tolerance, how far and how long) is taken from the law files and from
the site, as the unit takes it; where a vehicle is and when is exact. A vehicle's place is that of the plate that the
camera sees. A rule with hours holds for one who is in view within them from first to last.

Odd-even: Pergub DKI Jakarta 155/2018 as amended by 88/2019.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from agent.hours import Hours
from agent.markings import ZoneKind
from agent.plate import parse
from agent.rules.calendar import Calendar, load_calendar
from agent.types import LightState, PlateColour, ViolationKind
from simulation.footage_lights import red_since_s, red_within_s, state_at
from simulation.footage_parts import CLASSES, SignalPlan, ZonePlan
from simulation.footage_scenario import Scenario
from simulation.footage_traffic import Trip
from simulation.road.shapes import Kind

WIB = ZoneInfo("Asia/Jakarta")
_HOURS = ((time(6), time(10)), (time(16), time(21)))
_EXEMPT = (PlateColour.YELLOW, PlateColour.RED, PlateColour.BLUE)
"""Public transport, government, diplomatic."""
_STEP_S = 0.02


@dataclass(frozen=True, slots=True)
class LawInputs:
    """The figures of the law that truth needs."""

    calendar: Calendar
    red_grace_s: float
    speed_tolerance_kmh: float
    expiry_grace_days: int

    @classmethod
    def load(cls, law: Path, calendars: Path) -> LawInputs:
        """From the files that the unit goes by. Raises ConfigError."""
        return cls(
            load_calendar(calendars),
            _term(law / "red_light.yaml", "grace_s"),
            _term(law / "speed.yaml", "tolerance_kmh"),
            _term(law / "expiry.yaml", "grace_days"),
        )


def _term(path: Path, name: str) -> Any:
    """What the version in force says."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))["versions"][-1]["terms"][name]


@dataclass(frozen=True, slots=True)
class TrueViolation:
    """A violation, its moment, and why it is one."""

    kind: ViolationKind
    at_s: float
    """Moment of the clip."""
    reason: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A trip as far as the camera sees its plate: from one moment of the clip to another."""

    trip: Trip
    scenario: Scenario
    law: LawInputs
    begin_s: float
    end_s: float
    best_s: float
    """When its plate is largest."""
    start: datetime
    """Moment of the clip's first frame."""

    def local(self, moment_s: float) -> datetime:
        return (self.start + timedelta(seconds=moment_s)).astimezone(WIB)

    @property
    def clip_s(self) -> float:
        return self.scenario.frame_count / self.scenario.fps

    def steps(self) -> Iterator[float]:
        count = round((self.end_s - self.begin_s) / _STEP_S)
        return (self.begin_s + number * _STEP_S for number in range(count + 1))

    def rests(self) -> Iterator[tuple[float, float]]:
        """Begin and end of each stand that is seen in whole or in part: what is not seen of it is done, too."""
        for begin_s, end_s in self.trip.drive.rests():
            if begin_s < self.end_s and end_s > self.begin_s:
                yield max(begin_s, 0.0), min(end_s, self.clip_s)

    @property
    def local_ends(self) -> tuple[datetime, datetime]:
        return self.local(self.begin_s), self.local(self.end_s)


def violations(passage: Passage) -> tuple[TrueViolation, ...]:
    """What this passage violates of the rules that are on."""
    found = (_RULES[kind](passage) for kind in passage.scenario.rules)
    return tuple(each for each in found if each)


def odd_even_in_force(local: datetime, calendar: Calendar) -> bool:
    """Whether odd-even holds at this local moment: working days, morning and evening."""
    working = local.weekday() < 5 and not calendar.is_off(local.date())
    return working and any(start <= local.time() < end for start, end in _HOURS)


def _odd_even(passage: Passage) -> TrueViolation | None:
    trip = passage.trip
    ends = passage.local_ends
    day = ends[0].day
    number = parse(trip.spec.characters)
    assert number is not None
    last = int(number.number[-1])
    subject = trip.plan.kind is not Kind.MOTORCYCLE and trip.spec.colour not in _EXEMPT
    in_force = ends[0].date() == ends[1].date() and _one_span(ends, passage.law.calendar)
    if not subject or not in_force or last % 2 == day % 2:
        return None
    reason = f"number ends in {last} on day {day}, {passage.local(passage.best_s):%H:%M} WIB"
    return TrueViolation(ViolationKind.ODD_EVEN, passage.best_s, reason)


def _one_span(ends: Sequence[datetime], calendar: Calendar) -> bool:
    spans = [{span for span in _HOURS if span[0] <= end.time() < span[1]} for end in ends]
    return all(odd_even_in_force(end, calendar) for end in ends) and bool(spans[0] & spans[1])


def _wrong_way(passage: Passage) -> TrueViolation | None:
    trip = passage.trip
    if trip.plan.direction == "with":
        return None
    way = "away from" if trip.away else "towards"
    return TrueViolation(ViolationKind.WRONG_WAY, passage.best_s, f"drives {way} the camera in {trip.lane.id}")


def _red_light(passage: Passage) -> TrueViolation | None:
    crossing = _crossing(passage)
    if crossing is None or not crossing.on_red:
        return None
    red_s = crossing.at_s - (crossing.red_since_s or 0.0)
    if red_s <= passage.law.red_grace_s:
        return None
    reason = f"crosses the stop line {red_s:.1f} s into red and drives on"
    return TrueViolation(ViolationKind.RED_LIGHT, crossing.at_s, reason)


def _stop_line(passage: Passage) -> TrueViolation | None:
    crossing = _crossing(passage)
    if crossing is None or crossing.on_red or crossing.on_green:
        return None
    settings = passage.scenario.crossing
    for begin_s, end_s in passage.rests():
        past_m, stood_s = crossing.past_m(begin_s), red_within_s(crossing.signal, begin_s, end_s)
        if 0 < past_m < settings.clear_m and stood_s >= settings.min_stand_s:
            reason = f"stands {past_m:.1f} m past the line for {stood_s:.1f} s of red"
            return TrueViolation(ViolationKind.STOP_LINE, end_s, reason)
    return None


@dataclass(frozen=True, slots=True)
class _Crossing:
    """How a plate goes over its stop line."""

    signal: SignalPlan
    past_m: Callable[[float], float]
    at_s: float
    red_since_s: float | None
    on_green: bool
    on_red: bool
    """Whether it is the same red until the vehicle has left the line behind, be its plate still seen there or not."""


def _crossing(passage: Passage) -> _Crossing | None:
    signal = passage.scenario.signal_of(passage.trip.lane.id)
    if signal is None or passage.trip.plan.direction == "against":
        return None
    sense = 1.0 if passage.trip.away else -1.0

    def past_m(moment_s: float) -> float:
        place = passage.trip.plate_m(moment_s)
        return sense * (place[1] - signal.line_m) if place else 0.0

    over = [t for t in passage.steps() if past_m(t) >= 0]
    if not over or past_m(passage.begin_s) >= 0:
        return None
    onwards = (over[0] + number * _STEP_S for number in range(round((passage.clip_s - over[0]) / _STEP_S)))
    cleared = next((t for t in onwards if past_m(t) >= passage.scenario.crossing.clear_m), None)
    since_s = red_since_s(signal, over[0])
    same_red = since_s is not None and cleared is not None and red_since_s(signal, cleared) == since_s
    on_green = state_at(signal, over[0]) is LightState.GREEN
    return _Crossing(signal, past_m, over[0], since_s, on_green, same_red)


def _bus_lane(passage: Passage) -> TrueViolation | None:
    settings = passage.scenario.bus_lane
    for zone in _zones(passage, ZoneKind.BUS_LANE):
        steps = list(passage.steps())
        inside = [t for t in steps if _is_inside(passage, zone, t)]
        if len(inside) >= settings.min_share_inside * len(steps):
            span = f"{len(inside) / len(steps):.0%} of its way"
            return TrueViolation(ViolationKind.BUS_LANE, passage.best_s, f"drives in {zone.id} for {span}")
    return None


def _stopping(passage: Passage) -> TrueViolation | None:
    settings = passage.scenario.stopping
    for zone in _zones(passage, ZoneKind.BOX_JUNCTION, ZoneKind.NO_STOPPING):
        most_s = settings.max_rest_box_s if zone.kind is ZoneKind.BOX_JUNCTION else settings.max_rest_s
        for begin_s, end_s in passage.rests():
            if _is_inside(passage, zone, begin_s) and end_s - begin_s >= most_s:
                reason = f"stands in {zone.id} for {end_s - begin_s:.1f} s"
                return TrueViolation(ViolationKind.STOPPING, end_s, reason)
    return None


def _zones(passage: Passage, *kinds: ZoneKind) -> Iterator[ZonePlan]:
    """The zones that hold for this vehicle at this time."""
    trip = passage.trip
    for zone in passage.scenario.zones:
        permitted = CLASSES[trip.plan.kind] in zone.permitted_classes or trip.spec.colour in zone.permitted_colours
        if zone.kind in kinds and not permitted and _hold(zone.hours, zone.off_on_holidays, passage):
            yield zone


def _hold(hours: Sequence[Hours] | None, off_on_holidays: bool, passage: Passage) -> bool:
    ends = passage.local_ends
    if off_on_holidays and any(passage.law.calendar.is_off(end.date()) for end in ends):
        return False
    return hours is None or any(all(span.hold(end.date(), end.time()) for end in ends) for span in hours)


def _is_inside(passage: Passage, zone: ZonePlan, moment_s: float) -> bool:
    place = passage.trip.plate_m(moment_s)
    left_m, right_m = passage.scenario.street.span(zone.lanes)
    return place is not None and left_m <= place[0] <= right_m and zone.from_m <= place[1] <= zone.to_m


def _speed(passage: Passage) -> TrueViolation | None:
    lane = next(lane for lane in passage.scenario.lanes if lane.id == passage.trip.lane.id)
    speed_kmh = mean_speed_kmh(passage)
    if lane.speed_limit_kmh is None or speed_kmh <= lane.speed_limit_kmh + passage.law.speed_tolerance_kmh:
        return None
    reason = f"{speed_kmh:.1f} km/h where {lane.speed_limit_kmh:g} is the limit"
    return TrueViolation(ViolationKind.SPEED, passage.best_s, reason)


def mean_speed_kmh(passage: Passage) -> float:
    """Over the time in which its plate is seen."""
    drive, lasts_s = passage.trip.drive, passage.end_s - passage.begin_s
    if lasts_s <= 0:
        return drive.speed(passage.begin_s) * 3.6
    return (drive.driven(passage.end_s) - drive.driven(passage.begin_s)) / lasts_s * 3.6


def _expiry(passage: Passage) -> TrueViolation | None:
    assert passage.trip.spec.expiry is not None
    month, year = passage.trip.spec.expiry
    over = (passage.local(passage.best_s).date() - date(year, month, monthrange(year, month)[1])).days
    if over <= passage.law.expiry_grace_days:
        return None
    return TrueViolation(ViolationKind.EXPIRY, passage.best_s, f"valid to {month:02d}.{year}, {over} days ago")


_RULES: Mapping[ViolationKind, Callable[[Passage], TrueViolation | None]] = {
    ViolationKind.ODD_EVEN: _odd_even,
    ViolationKind.WRONG_WAY: _wrong_way,
    ViolationKind.RED_LIGHT: _red_light,
    ViolationKind.STOP_LINE: _stop_line,
    ViolationKind.BUS_LANE: _bus_lane,
    ViolationKind.SPEED: _speed,
    ViolationKind.STOPPING: _stopping,
    ViolationKind.EXPIRY: _expiry,
}
