"""The same traffic a minute earlier and a minute later, over the borders of the law: every decision has to follow.

A border is a moment at which a rule with a clock begins or ends to hold: an hour, midnight, the first and last moment
of a holiday, the day a plate's grace ends. Rules without a clock have to decide the same on both sides of midnight. A
clip's recording is played so that it ends half a minute before the border, and so that it begins half a minute after.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from agent.recording import Recording
from agent.settings import load_yaml
from agent.types import Corners, Point, ViolationKind
from simulation.footage_law import WIB, LawInputs, violations
from simulation.footage_scenario import Scenario
from simulation.footage_traffic import Trip, trips
from simulation.footage_truth import Sightings, passage_of
from simulation.gate.play import decided, play

HALF_MINUTE = timedelta(seconds=30)
_HOURS = (time(6), time(10), time(16), time(21))


@dataclass(frozen=True, slots=True)
class Border:
    """A moment at which what is allowed changes."""

    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Crossing:
    """A clip played on one side of a border."""

    border: Border
    side: str
    judged: int
    """Vehicles that the unit accused on some side of some border, so that it can read them."""
    astray: tuple[str, ...]
    """Those whose decision does not follow the law here: rule and plate."""


def borders(scenario: Scenario, law: LawInputs, cast: Sequence[Trip]) -> list[Border]:
    """Those of the rules that are on, near the scenario's own day."""
    day = scenario.start.astimezone(WIB).date()
    found = [Border("midnight", datetime.combine(day + timedelta(days=1), time(0), WIB))]
    if ViolationKind.ODD_EVEN in scenario.rules or any(zone.hours for zone in scenario.zones):
        working = _working_day(day, law)
        found += [Border(f"{hour:%H:%M}", datetime.combine(working, hour, WIB)) for hour in _hours(scenario)]
        found += list(_days(scenario, working, law))
    if ViolationKind.EXPIRY in scenario.rules:
        found += _graces(cast, law)
    return found


def _hours(scenario: Scenario) -> list[time]:
    signs = {hour for zone in scenario.zones for span in zone.hours or () for hour in (span.begin, span.end)}
    return sorted(signs or _HOURS)


def _days(scenario: Scenario, working: date, law: LawInputs) -> Iterator[Border]:
    """At an hour at which the rule holds: the same hour of the next day, and of a holiday."""
    hour = (datetime.combine(working, _hours(scenario)[0], WIB) + timedelta(minutes=40)).time()
    following = _working_day(working + timedelta(days=1), law)
    yield Border("next working day", datetime.combine(following, hour, WIB))
    holiday = next((each for each in sorted(law.calendar.days) if each > working and each.weekday() < 5), None)
    if holiday:
        yield Border("holiday", datetime.combine(holiday, hour, WIB))


def _working_day(day: date, law: LawInputs) -> date:
    while day.weekday() > 4 or law.calendar.is_off(day):
        day += timedelta(days=1)
    return day


def _graces(cast: Sequence[Trip], law: LawInputs) -> Iterator[Border]:
    """Midnight after the last day of grace, for three plates."""
    expiries = sorted({trip.spec.expiry for trip in cast if trip.spec.expiry}, key=lambda each: (each[1], each[0]))
    for month, year in expiries[:3]:
        end = date(year, month, monthrange(year, month)[1])
        day = end + timedelta(days=law.expiry_grace_days + 1)
        yield Border(f"grace of {end:%m.%Y}", datetime.combine(day, time(0), WIB))


def cross_all(
    recording: Recording,
    scenario: Scenario,
    cast: Sequence[Trip],
    seen: Mapping[int, Sightings],
    law: Path,
    calendars: Path,
) -> list[Crossing]:
    """The clip on both sides of each of its borders. `seen`: where each vehicle's plate is to be seen."""
    inputs = LawInputs.load(law, calendars)
    sides = [
        (border, side, start)
        for border in borders(scenario, inputs, cast)
        for side, start in _sides(border, scenario)
    ]  # fmt: skip
    accused = [_accused(decided(play(recording, law, calendars, start))) for _, _, start in sides]
    readable = {plate for each in accused for _, plate in each}
    crossings = []
    for (border, side, start), got in zip(sides, accused, strict=True):
        wanted = set(_guilty(scenario, cast, seen, inputs, start))
        astray = sorted(each for each in got ^ wanted if each[1] in readable)
        crossings.append(Crossing(border, side, len(readable), tuple(f"{kind} {plate}" for kind, plate in astray)))
    return crossings


def _sides(border: Border, scenario: Scenario) -> Iterator[tuple[str, datetime]]:
    yield "before", border.at - timedelta(seconds=scenario.duration_s) - HALF_MINUTE
    yield "after", border.at + HALF_MINUTE


def _accused(decisions: Sequence[Mapping[str, Any]]) -> set[tuple[str, str]]:
    return {(each["kind"], each["plate"]) for each in decisions if each["outcome"] == "accepted"}


def _guilty(
    scenario: Scenario, cast: Sequence[Trip], seen: Mapping[int, Sightings], law: LawInputs, start: datetime
) -> Iterator[tuple[str, str]]:
    for trip in cast:
        for each in violations(passage_of(trip, scenario, seen[trip.id], law, start)):
            yield each.kind.value, trip.spec.characters


def load_cast(folder: Path, seed: int) -> tuple[Scenario, tuple[Trip, ...]]:
    """The scenario of a simulated clip and who drives in it. Raises ConfigError."""
    scenario = load_yaml(folder / "scenario.yaml", Scenario)
    return scenario, trips(scenario, seed)


def sightings(line: Mapping[str, Any]) -> dict[int, Corners]:
    """Where a vehicle's plate is to be seen, by frame, from its line of truth."""
    first = (line["frames"] or [0])[0]
    found = {}
    for number, corners in enumerate(line["corners"]):
        if corners:
            a, b, c, d = (Point(x, y) for x, y in corners)
            found[first + number] = (a, b, c, d)
    return found
