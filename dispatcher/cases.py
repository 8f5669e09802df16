"""Cases in the database: opened, moved along the workflow with a line in the timeline, claimed and listed.

A worker claims a case before it works on it: until the lease is over no other worker is given it, and each move of the
worker's says whose lease it relies on. So a case is in one pair of hands, and one whose worker was killed comes back
when the lease is over. A move by anyone else (WhatsApp, the owner, a person) ends the lease.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict, Unpack

from sqlalchemy import ColumnElement, Connection, Row, func, insert, literal, select, update

from dispatcher.metrics import MOVES
from dispatcher.reference import new_reference
from dispatcher.schema import cases, evidence, timeline, unit_event
from dispatcher.workflow import Event, State, advance
from wire.messages import SignedReport, ViolationReport

MACHINE = "machine"
"""Who moved a case when no person did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One violation as the dispatcher follows it."""

    case_id: int
    unit_id: str
    event_id: str
    reference: str
    state: State
    kind: str
    plate: str
    occurred_at: datetime
    reported_at: datetime
    received_at: datetime
    changed_at: datetime
    next_at: datetime | None
    reasons: tuple[str, ...]
    """Why it is where it is, as codes; empty when there is nothing to say."""
    approved: bool
    """A person has accepted it; what the machine doubted no longer holds it up."""
    tries: int
    """How often what comes next failed: attempts since it was queued or a person ordered it sent again, or look-ups
    that the registry answered wrongly."""
    deadline: datetime | None
    """End of the owner's time to answer."""
    media_id: str | None
    """The uploaded picture, for the next attempt."""
    media_at: datetime | None
    worker: str | None
    """Who works on it now."""
    lease_until: datetime | None
    """Until then it is given to no other worker."""

    def in_log(self, **more: object) -> dict[str, object]:
        """What a line of the log names it by, and what else it says."""
        return {"case": self.case_id, "unit": self.unit_id, "event_id": self.event_id, **more}


class LeaseLost(Exception):
    """The case is not this worker's any more: its lease was over, or somebody else moved the case."""


class Changes(TypedDict, total=False):
    """What a move may change in a case beside its state."""

    next_at: datetime
    reasons: str
    approved: bool
    tries: int
    deadline: datetime
    plate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a case's timeline."""

    at: datetime
    from_state: str
    to_state: str
    event: str
    who: str
    why: str


def _case(row: Row[Any], **changes: Any) -> Case:
    """The case in a row of the table, as it is after `changes`."""
    fields = {**row._mapping, **changes}
    fields["state"] = State(fields["state"])
    fields["reasons"] = tuple(filter(None, fields["reasons"].split(",")))
    return Case(**fields)


def open_case(connection: Connection, report: ViolationReport, now: datetime) -> Case:
    """A new case for a stored report."""
    statement = insert(cases).values(
        unit_id=report.unit_id,
        event_id=str(report.event_id),
        reference=new_reference(),
        state=State.RECEIVED,
        kind=report.kind,
        plate=report.plate.text,
        occurred_at=report.occurred_at,
        reported_at=report.reported_at,
        received_at=now,
        changed_at=now,
    )
    case_id = connection.execute(statement).inserted_primary_key[0]  # type: ignore[index]
    _remember(connection, case_id, now, "", State.RECEIVED, "reported", report.unit_id, "")
    case = find(connection, case_id)
    assert case is not None
    return case


def find(connection: Connection, case_id: int) -> Case | None:
    row = connection.execute(select(cases).where(cases.c.case_id == case_id)).first()
    return _case(row) if row else None


def lock(connection: Connection, case: Case) -> Case:
    """The case as it stands now; nobody moves it before this transaction ends."""
    return _case(connection.execute(select(cases).where(cases.c.case_id == case.case_id).with_for_update()).one())


def by_event(connection: Connection, unit_id: str, event_id: str) -> Case | None:
    where = (cases.c.unit_id == unit_id) & (cases.c.event_id == event_id)
    row = connection.execute(select(cases).where(where)).first()
    return _case(row) if row else None


def by_reference(connection: Connection, reference: str) -> Case | None:
    row = connection.execute(select(cases).where(cases.c.reference == reference)).first()
    return _case(row) if row else None


def move(
    connection: Connection,
    case_id: int,
    event: Event,
    now: datetime,
    *,
    who: str = MACHINE,
    why: str = "",
    holder: str | None = None,
    keep_until: datetime | None = None,
    **changes: Unpack[Changes],
) -> Case:
    """Let an event happen to a case, with what else it changes in the row. Raises IllegalMove, LeaseLost.

    `holder` is the worker whose lease this relies on; the lease ends with the move, or is renewed to `keep_until`. The
    row is locked (SQLite: the whole database is, by the writing transaction), so the state cannot change between
    looking and moving. News that adds nothing leaves no line and changes nothing. Reasons end with the state.
    """
    row = connection.execute(select(cases).where(cases.c.case_id == case_id).with_for_update()).one()
    case = _case(row)
    if holder is not None and case.worker != holder:
        raise LeaseLost(f"is not in the hands of {holder} any more")
    target = advance(case.state, event)
    if target is case.state:
        return case
    lease = {"worker": holder if keep_until else None, "lease_until": keep_until}
    values = {"next_at": None, "reasons": "", **changes, **lease, "state": target, "changed_at": now}
    connection.execute(update(cases).where(cases.c.case_id == case_id).values(**values))
    _remember(connection, case_id, now, case.state, target, event, who, why)
    MOVES.labels(target).inc()
    return _case(row, **values)


def put_off(connection: Connection, case: Case, until: datetime, *, tried: bool = False) -> None:
    """Leave a claimed case where it is, for any worker to look at later; `tried` counts as one of its tries."""
    values = {"next_at": until, "tries": case.tries + tried, "worker": None, "lease_until": None}
    where = (cases.c.case_id == case.case_id) & (cases.c.worker == case.worker)
    connection.execute(update(cases).where(where).values(**values))


def keep_media(connection: Connection, case_id: int, media_id: str, now: datetime) -> None:
    """Remember the uploaded picture, so that another attempt need not upload it again."""
    connection.execute(update(cases).where(cases.c.case_id == case_id).values(media_id=media_id, media_at=now))


def note(connection: Connection, case: Case, event: str, now: datetime, who: str, why: str) -> None:
    """A line in the timeline of a case that stays where it is."""
    _remember(connection, case.case_id, now, case.state, case.state, event, who, why)


def explain(connection: Connection, case: Case, reasons: Sequence[str]) -> None:
    """Say anew why a case that stays is where it is."""
    connection.execute(update(cases).where(cases.c.case_id == case.case_id).values(reasons=",".join(reasons)))


def _remember(
    connection: Connection, case_id: int, at: datetime, source: str, target: str, event: str, who: str, why: str
) -> None:
    connection.execute(
        insert(timeline).values(
            case_id=case_id, at=at, from_state=source, to_state=target, event=event, who=who, why=why
        )
    )


def claim(
    connection: Connection, states: Collection[State], worker: str, now: datetime, until: datetime
) -> Case | None:
    """The case that has waited longest among those in these states that are due and nobody's; now it is `worker`'s."""
    due = cases.c.next_at.is_(None) | (cases.c.next_at <= now)
    free = cases.c.lease_until.is_(None) | (cases.c.lease_until <= now)
    statement = select(cases).where(cases.c.state.in_(states), due, free)
    statement = statement.order_by(cases.c.changed_at, cases.c.case_id).limit(1)
    row = connection.execute(statement.with_for_update(skip_locked=True)).first()
    if row is None:
        return None
    lease = {"worker": worker, "lease_until": until}
    connection.execute(update(cases).where(cases.c.case_id == row.case_id).values(**lease))
    return _case(row, **lease)


def release(connection: Connection, states: Collection[State], worker: str) -> None:
    """End the leases of a worker that does not work on anything: it starts, or was thrown off its course."""
    where = cases.c.state.in_(states) & (cases.c.worker == worker)
    connection.execute(update(cases).where(where).values(worker=None, lease_until=None))


def next_time(connection: Connection, states: Collection[State]) -> datetime | None:
    """When the next of the waiting cases is due."""
    moment: datetime | None = connection.scalar(select(func.min(cases.c.next_at)).where(cases.c.state.in_(states)))
    return moment


def past_deadline(connection: Connection, states: Collection[State], now: datetime, limit: int) -> tuple[Case, ...]:
    """Cases whose owner's time to answer is over, but for those that another transaction is moving."""
    statement = select(cases).where(cases.c.state.in_(states), cases.c.deadline < now).limit(limit)
    return tuple(map(_case, connection.execute(statement.with_for_update(skip_locked=True))))


def listed(
    connection: Connection, states: Sequence[State] = (), limit: int = 200, offset: int = 0, *, reason: str = ""
) -> tuple[Case, ...]:
    """Cases, the latest violation first; of some states, or of all; with a reason, or with any."""
    statement = select(cases).order_by(cases.c.occurred_at.desc(), cases.c.case_id.desc()).limit(limit).offset(offset)
    if states:
        statement = statement.where(cases.c.state.in_(states))
    if reason:
        listed_reasons = literal(",").concat(cases.c.reasons).concat(",")
        statement = statement.where(listed_reasons.contains(f",{reason},", autoescape=True))
    return tuple(map(_case, connection.execute(statement)))


def where(connection: Connection, holds: ColumnElement[bool], limit: int) -> tuple[Case, ...]:
    """Cases for which a condition holds, oldest first."""
    statement = select(cases).where(holds).order_by(cases.c.case_id).limit(limit)
    return tuple(map(_case, connection.execute(statement)))


def tally(connection: Connection) -> Mapping[State, tuple[int, datetime]]:
    """By state: how many cases, and since when the one that has been there longest is there."""
    statement = select(cases.c.state, func.count(), func.min(cases.c.changed_at)).group_by(cases.c.state)
    # min() of a typed column keeps the column's type, so the moments come back aware
    return {State(state): (number, since) for state, number, since in connection.execute(statement)}


def tally_reasons(connection: Connection, state: State) -> Mapping[str, tuple[int, datetime]]:
    """By reason, commonest first: how many cases of a state have it, and since when the one that has been there longest
    is there."""
    statement = select(cases.c.reasons, func.count(), func.min(cases.c.changed_at)).where(cases.c.state == state)
    found: dict[str, tuple[int, datetime]] = {}
    for reasons, number, since in connection.execute(statement.group_by(cases.c.reasons)):
        for reason in filter(None, reasons.split(",")):
            known, oldest = found.get(reason, (0, since))
            found[reason] = (known + number, min(oldest, since))
    return dict(sorted(found.items(), key=lambda item: (-item[1][0], item[0])))


def history(connection: Connection, case_id: int) -> tuple[Entry, ...]:
    """A case's timeline, oldest first."""
    columns = [column for column in timeline.c if column.name not in ("entry_id", "case_id")]
    statement = select(*columns).where(timeline.c.case_id == case_id).order_by(timeline.c.entry_id)
    return tuple(Entry(**row._mapping) for row in connection.execute(statement))


def reached(connection: Connection, case_ids: Collection[int]) -> Mapping[int, Mapping[State, datetime]]:
    """By case and state: when the case first came there."""
    columns = timeline.c
    statement = (
        select(columns.case_id, columns.to_state, func.min(columns.at))
        .where(columns.case_id.in_(case_ids))
        .group_by(columns.case_id, columns.to_state)
    )
    times: dict[int, dict[State, datetime]] = {case_id: {} for case_id in case_ids}
    for case_id, state, at in connection.execute(statement):
        times[case_id][State(state)] = at
    return times


def report_of(connection: Connection, case: Case) -> ViolationReport:
    """The signed report a case was opened for."""
    where = (unit_event.c.unit_id == case.unit_id) & (unit_event.c.event_id == case.event_id)
    body = connection.execute(select(unit_event.c.body).where(where)).scalar_one()
    return SignedReport.model_validate_json(body).body


def evidence_paths(connection: Connection, case: Case) -> Mapping[str, str]:
    """By role: where in the evidence folder a case's pieces lie. Only pieces the signed report names."""
    named = {piece.sha256 for piece in report_of(connection, case).evidence}
    where = (evidence.c.unit_id == case.unit_id) & (evidence.c.event_id == case.event_id)
    rows = connection.execute(select(evidence.c.role, evidence.c.sha256, evidence.c.path).where(where))
    return {row.role: row.path for row in rows if row.sha256 in named}
