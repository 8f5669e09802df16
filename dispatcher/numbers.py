"""The numbers that matter, counted from the cases and their timelines: by day, by unit, by rule.

A day is one of the violation. The violations of the days that are asked for are looked up once, and counted four times.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from threading import Lock
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    and_,
    case,
    cast,
    exists,
    extract,
    func,
    literal,
    or_,
    select,
    union_all,
)

from dispatcher.post.tables import letter
from dispatcher.schema import attempt, cases, timeline
from dispatcher.sends import AttemptState
from dispatcher.store import Store
from dispatcher.workflow import State

MOST_DAYS = 92
_MANY = 10_000
"""Fewer are counted in less than a second."""
_KEPT_S = 60.0
_COUNTED = ("told", "confirmed", "disputed", "wronged")
_ARRIVED = (State.DELIVERED, State.READ, State.CONFIRMED, State.DISPUTED)
"""WhatsApp may skip `delivered`; who read or answered a message has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What became of some violations."""

    captured: int = 0
    told: int = 0
    """WhatsApp accepted the notice, or the letter was printed."""
    confirmed: int = 0
    disputed: int = 0
    """Also those that a person withdrew since."""
    wronged: int = 0
    """Disputed, and withdrawn by a person since: the accusation was wrong."""
    median_s: int | None = None
    """From the unit's report to the message's arrival."""
    slow_s: int | None = None
    """Nine of ten messages arrived sooner."""

    @property
    def wrong_share(self) -> float | None:
        """Of those who were told, how many were told wrongly, as far as it is known."""
        return self.wronged / self.told if self.told else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """The counts of a range of days."""

    total: Counts
    by_day: Mapping[date, Counts]
    by_unit: Mapping[str, Counts]
    by_kind: Mapping[str, Counts]


class KeptNumbers:
    """Numbers of many violations are a minute old at most; may be used by several threads."""

    def __init__(self, store: Store, clock: Callable[[], float] = monotonic) -> None:
        self._store = store
        self._clock = clock
        self._lock = Lock()
        self._kept: dict[Hashable, tuple[float, Numbers]] = {}

    def numbers(self, first: date, last: date, zone: ZoneInfo, *, unit_id: str = "", kind: str = "") -> Numbers:
        """See `numbers`. Raises StoreError."""
        asked = (first, last, unit_id, kind)
        with self._lock:  # one count at a time, however many people look
            now_s = self._clock()
            self._kept = {key: kept for key, kept in self._kept.items() if kept[0] > now_s}
            if asked in self._kept:
                return self._kept[asked][1]
            with self._store.reading() as connection:
                found = numbers(connection, first, last, zone, unit_id=unit_id, kind=kind)
            if found.total.captured >= _MANY:
                self._kept[asked] = self._clock() + _KEPT_S, found
            return found


def numbers(
    connection: Connection, first: date, last: date, zone: ZoneInfo, *, unit_id: str = "", kind: str = ""
) -> Numbers:
    """All violations of these days, or of one unit or rule alone."""
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    chosen = and_(
        *(column == value for column, value in ((cases.c.unit_id, unit_id), (cases.c.kind, kind)) if value),
        cases.c.occurred_at >= _midnight(first, zone),
        cases.c.occurred_at < _midnight(last + timedelta(days=1), zone),
    )
    found: dict[str, dict[str, Counts]] = {what: {} for what in ("total", "day", "unit", "kind")}
    for row in connection.execute(_counted(_violations(chosen, days, zone))):
        found[row.what][row.name] = _row(row)
    return Numbers(
        total=found["total"].get("", Counts()),
        by_day={day: found["day"].get(day.isoformat(), Counts()) for day in days},
        by_unit=found["unit"],
        by_kind=found["kind"],
    )


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _violations(chosen: ColumnElement[bool], days: Sequence[date], zone: ZoneInfo) -> CTE:
    """A row a violation: its day, unit and rule, and what became of it. Looked up once, however often it is counted."""
    this = cases.c.case_id
    sent = exists().where(attempt.c.case_id == this, attempt.c.state == AttemptState.ACCEPTED)
    posted = exists().where(letter.c.case_id == this)
    moved = timeline.c.from_state == State.DISPUTED, timeline.c.to_state == State.WITHDRAWN
    wronged = (cases.c.state == State.WITHDRAWN) & exists().where(timeline.c.case_id == this, *moved)
    arrived_at = select(func.min(timeline.c.at)).where(timeline.c.case_id == this, timeline.c.to_state.in_(_ARRIVED))
    wait_s = extract("epoch", arrived_at.scalar_subquery()) - extract("epoch", cases.c.reported_at)
    ends = {day: _midnight(day + timedelta(days=1), zone) for day in days}
    of_day = case(*((cases.c.occurred_at < end, literal(day.isoformat())) for day, end in ends.items()))
    return (
        select(
            of_day.label("day"),
            cases.c.unit_id.label("unit"),
            cases.c.kind,
            or_(sent, posted).label("told"),
            (cases.c.state == State.CONFIRMED).label("confirmed"),
            or_(cases.c.state == State.DISPUTED, wronged).label("disputed"),
            wronged.label("wronged"),
            cast(wait_s, Integer).label("wait_s"),
        )
        .where(chosen)
        .cte("violations")
    )


def _counted(violations: CTE) -> Select[Any]:
    """The counts of all, by day, by unit and by rule; of each, most violations first."""
    each = violations.c
    waits = union_all(
        *(
            _by_wait(each, what, name)
            for what, name in (("total", literal("")), ("day", each.day), ("unit", each.unit), ("kind", each.kind))
        )
    ).subquery()
    group = [waits.c.what, waits.c.name]
    is_waited = waits.c.wait_s.is_not(None)
    as_soon = func.sum(waits.c.captured).over(partition_by=[*group, is_waited], order_by=waits.c.wait_s)
    waited = func.sum(case((is_waited, waits.c.captured), else_=0)).over(partition_by=group)
    ranked = select(waits, as_soon.label("as_soon"), waited.label("waited")).subquery().c

    def sooner(tenths: int) -> ColumnElement[int]:
        """The shortest wait that so many tenths of all do not exceed."""
        return func.min(case((ranked.as_soon * 10 >= ranked.waited * tenths, ranked.wait_s)))

    captured = func.sum(ranked.captured)
    return (
        select(
            ranked.what,
            ranked.name,
            captured.label("captured"),
            *(func.sum(ranked[what]).label(what) for what in _COUNTED),
            sooner(5).label("median_s"),
            sooner(9).label("slow_s"),
        )
        .group_by(ranked.what, ranked.name)
        .order_by(captured.desc(), ranked.name)
    )


def _by_wait(each: Any, what: str, name: ColumnElement[str]) -> Select[Any]:
    """How many violations of each name waited how many seconds: few rows, of which the medians are taken."""
    numbers = (func.sum(case((each[column], 1), else_=0)).label(column) for column in _COUNTED)
    kinds = literal(what).label("what"), name.label("name"), each.wait_s
    return select(*kinds, func.count().label("captured"), *numbers).group_by(name, each.wait_s)


def _row(row: Row[Any]) -> Counts:
    """PostgreSQL sums to decimals."""
    told = {
        key: None if value is None else int(value)
        for key, value in row._asdict().items()
        if key not in ("what", "name")
    }
    fields: dict[str, Any] = told
    return Counts(**fields)
