"""When a rule with hours is in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from agent.hours import Hours
from agent.rules.calendar import Calendar
from agent.types import TrackPoint


@dataclass(frozen=True, slots=True)
class InForce:
    """The span that holds for a vehicle."""

    span: str
    """As printed: `06:00-10:00`, or `always`."""
    certain: bool
    """False where the calendar does not say whether the day is off: a person has to know."""


def in_force(
    hours: Sequence[Hours] | None,
    off_on_holidays: bool,
    points: Sequence[TrackPoint],
    calendar: Calendar,
    zone: ZoneInfo,
) -> InForce | None:
    """The span in which all the points lie, so that one who comes before it or leaves as it begins is free; None: free.

    `hours` None: it holds at any hour.
    """
    ends = [points[index].at.astimezone(zone) for index in (0, -1)]
    days = {end.date() for end in ends}
    if off_on_holidays and any(map(calendar.is_off, days)):
        return None
    certain = not off_on_holidays or all(map(calendar.covers, days))
    if hours is None:
        return InForce("always", certain)
    held = (span for span in hours if all(span.hold(end.date(), end.time()) for end in ends))
    span = next(held, None) if len(days) == 1 else None
    return InForce(f"{span.begin:%H:%M}-{span.end:%H:%M}", certain) if span else None
