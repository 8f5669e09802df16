"""The numbers that matter, counted from the cases and their timelines: by day, by unit, by rule.

A day is one of the violation. Each is counted by a query of its own over the index of moments, because databases do not
agree on how to say "day in this time zone".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Column, ColumnElement, Connection, Row, and_, case, exists, extract, func, literal, or_, select

from dispatcher.post.tables import letter
from dispatcher.schema import attempt, cases, timeline
from dispatcher.sends import AttemptState
from dispatcher.workflow import State

MOST_DAYS = 92
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


def numbers(
    connection: Connection, first: date, last: date, zone: ZoneInfo, *, unit_id: str = "", kind: str = ""
) -> Numbers:
    """All violations of these days, or of one unit or rule alone."""
    chosen = and_(
        *(column == value for column, value in ((cases.c.unit_id, unit_id), (cases.c.kind, kind)) if value),
        cases.c.occurred_at >= _midnight(first, zone),
        cases.c.occurred_at < _midnight(last + timedelta(days=1), zone),
    )
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return Numbers(
        total=_counts(connection, chosen),
        by_day={day: _counts(connection, chosen & _on(day, zone)) for day in days},
        by_unit=_by(connection, chosen, cases.c.unit_id),
        by_kind=_by(connection, chosen, cases.c.kind),
    )


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _on(day: date, zone: ZoneInfo) -> ColumnElement[bool]:
    return and_(
        cases.c.occurred_at >= _midnight(day, zone), cases.c.occurred_at < _midnight(day + timedelta(days=1), zone)
    )


def _counts(connection: Connection, chosen: ColumnElement[bool]) -> Counts:
    return _by(connection, chosen, None).get("", Counts())


def _by(connection: Connection, chosen: ColumnElement[bool], column: Column[str] | None) -> dict[str, Counts]:
    """The counts by the values of a column, most violations first; without one all under an empty name."""
    this = cases.c.case_id
    sent = exists().where(attempt.c.case_id == this, attempt.c.state == AttemptState.ACCEPTED)
    posted = exists().where(letter.c.case_id == this)
    moved = timeline.c.from_state == State.DISPUTED, timeline.c.to_state == State.WITHDRAWN
    wronged = (cases.c.state == State.WITHDRAWN) & exists().where(timeline.c.case_id == this, *moved)
    arrived_at = select(func.min(timeline.c.at)).where(timeline.c.case_id == this, timeline.c.to_state.in_(_ARRIVED))
    wait_s = extract("epoch", arrived_at.scalar_subquery()) - extract("epoch", cases.c.reported_at)
    name = literal("") if column is None else column
    each = (
        select(
            name.label("name"),
            or_(sent, posted).label("told"),
            (cases.c.state == State.CONFIRMED).label("confirmed"),
            or_(cases.c.state == State.DISPUTED, wronged).label("disputed"),
            wronged.label("wronged"),
            wait_s.label("wait_s"),
        )
        .where(chosen)
        .subquery()
    )
    is_waited = each.c.wait_s.is_not(None)
    rank = func.row_number().over(partition_by=[each.c.name, is_waited], order_by=each.c.wait_s)
    waited = func.count(each.c.wait_s).over(partition_by=each.c.name)
    ranked = select(each, rank.label("rank"), waited.label("waited")).subquery().c

    def number(holds: ColumnElement[Any]) -> ColumnElement[int]:
        return func.sum(case((holds, 1), else_=0))

    def sooner(tenths: int) -> ColumnElement[int]:
        """The shortest wait that so many tenths of all do not exceed."""
        return func.min(case((ranked.rank * 10 >= ranked.waited * tenths, ranked.wait_s)))

    statement = select(
        ranked.name,
        func.count().label("captured"),
        *(number(ranked[what]).label(what) for what in ("told", "confirmed", "disputed", "wronged")),
        sooner(5).label("median_s"),
        sooner(9).label("slow_s"),
    ).group_by(ranked.name)
    rows = connection.execute(statement.order_by(func.count().desc(), ranked.name))
    return {row.name: _row(row) for row in rows}


def _row(row: Row[Any]) -> Counts:
    """PostgreSQL sums to decimals and tells seconds with fractions."""
    told = {key: None if value is None else int(value) for key, value in row._asdict().items() if key != "name"}
    fields: dict[str, Any] = told
    return Counts(**fields)
