"""Cases in the database: opened, moved along the workflow with a line in the timeline, claimed and listed.

A worker claims cases before it works on them: until the lease is over no other worker is given them, and each move of
the worker's says whose lease it relies on. So a case is in one pair of hands, and one whose worker was killed comes
back when the lease is over. A move by anyone else (WhatsApp, the owner, a person) ends the lease.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias, TypedDict, Unpack

from prometheus_client import Counter as Metric
from sqlalchemy import ColumnElement, Connection, RowMapping, func, insert, literal, select, text, tuple_, update

from dispatcher.metrics import MOVES
from dispatcher.reference import new_reference
from dispatcher.schema import WORKED, cases, evidence, timeline, unit_event
from dispatcher.store import count_committed, grouped, insert_all
from dispatcher.workflow import Event, State, advance
from wire.messages import SignedReport, ViolationReport

Key: TypeAlias = tuple[str, str]
"""A unit and its event: what a report and its case are known by."""
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


def _case(row: Mapping[str, Any] | RowMapping) -> Case:
    fields = dict(row)
    fields["state"] = State(fields["state"])
    fields["reasons"] = tuple(filter(None, fields["reasons"].split(",")))
    return Case(**fields)


def open_cases(connection: Connection, reports: Sequence[ViolationReport], now: datetime) -> None:
    """New cases for stored reports."""
    if not reports:
        return
    rows = [
        {
            "unit_id": report.unit_id,
            "event_id": str(report.event_id),
            "reference": new_reference(),
            "state": State.RECEIVED,
            "kind": report.kind,
            "plate": report.plate.text,
            "occurred_at": report.occurred_at,
            "reported_at": report.reported_at,
            "received_at": now,
            "changed_at": now,
        }
        for report in reports
    ]
    opened = connection.execute(insert(cases).returning(cases.c.case_id, cases.c.unit_id), rows)
    lines = [_line(row.case_id, now, "", State.RECEIVED, "reported", row.unit_id, "") for row in opened]
    insert_all(connection, timeline, lines)


def unfinished(connection: Connection, keys: Collection[Key]) -> Mapping[Key, int]:
    """By event: the number of the case, where it still waits for evidence."""
    if not keys:
        return {}
    statement = select(cases.c.unit_id, cases.c.event_id, cases.c.case_id).where(cases.c.state == State.RECEIVED)
    rows = connection.execute(statement.where(tuple_(cases.c.unit_id, cases.c.event_id).in_(list(keys))))
    return {(row.unit_id, row.event_id): row.case_id for row in rows}


def find(connection: Connection, case_id: int) -> Case | None:
    return _first(connection, cases.c.case_id == case_id)


def lock(connection: Connection, case: Case) -> Case:
    """The case as it stands now; nobody moves it before this transaction ends."""
    statement = select(cases).where(cases.c.case_id == case.case_id).with_for_update()
    return _case(connection.execute(statement).mappings().one())


def by_event(connection: Connection, unit_id: str, event_id: str) -> Case | None:
    return _first(connection, (cases.c.unit_id == unit_id) & (cases.c.event_id == event_id))


def by_reference(connection: Connection, reference: str) -> Case | None:
    return _first(connection, cases.c.reference == reference)


def ids_of(connection: Connection, references: Collection[str]) -> Mapping[str, int]:
    """By reference: the number of the case, where there is one."""
    statement = select(cases.c.reference, cases.c.case_id).where(cases.c.reference.in_(references))
    return {row.reference: row.case_id for row in connection.execute(statement)} if references else {}


def _first(connection: Connection, holds: ColumnElement[bool]) -> Case | None:
    row = connection.execute(select(cases).where(holds)).mappings().first()
    return _case(row) if row else None


def _line(
    case_id: int, at: datetime, source: str, target: str, event: str, who: str, why: str
) -> dict[str, int | datetime | str]:
    """A row of the timeline."""
    said = {"from_state": source, "to_state": target, "event": event, "who": who, "why": why}
    return {"case_id": case_id, "at": at, **said}


class Moves:
    """Moves of several cases in one transaction: their rows are locked together, and written together by `write`.

    They are locked in the order of their numbers, whoever moves them (SQLite: the whole database is, by the writing
    transaction): a state cannot change between looking and moving, and nobody waits in a circle.
    """

    def __init__(self, connection: Connection, case_ids: Collection[int]) -> None:
        self._connection = connection
        columns = cases.c.case_id, cases.c.state, cases.c.worker, cases.c.tries
        statement = select(*columns).where(cases.c.case_id.in_(case_ids)).order_by(cases.c.case_id).with_for_update()
        found = connection.execute(statement).mappings() if case_ids else ()
        self._rows: dict[int, dict[str, Any]] = {row["case_id"]: dict(row) for row in found}
        self._changes: dict[int, dict[str, Any]] = defaultdict(dict)
        self._lines: list[dict[str, Any]] = []

    def __contains__(self, case_id: object) -> bool:
        """Whether there is such a case; one that was erased meanwhile is not."""
        return case_id in self._rows

    def state(self, case_id: int) -> State:
        """Where a case stands after its moves so far."""
        return State(self._rows[case_id]["state"])

    def move(
        self,
        case_id: int,
        event: Event,
        now: datetime,
        *,
        who: str = MACHINE,
        why: str = "",
        holder: str | None = None,
        keep_until: datetime | None = None,
        **changes: Unpack[Changes],
    ) -> State:
        """Let an event happen to a case, with what else it changes in the row. Raises IllegalMove, LeaseLost.

        `holder` is the worker whose lease this relies on; the lease ends with the move, or is renewed to `keep_until`.
        News that adds nothing leaves no line and changes nothing. Reasons end with the state.
        """
        row = self._rows[case_id]
        if holder is not None and row["worker"] != holder:
            raise LeaseLost(f"is not in the hands of {holder} any more")
        source = State(row["state"])
        target = advance(source, event)
        if target is not source:
            lease = {"worker": holder if keep_until else None, "lease_until": keep_until}
            self._change(
                case_id, {"next_at": None, "reasons": "", **changes, **lease, "state": target, "changed_at": now}
            )
            self._lines.append(_line(case_id, now, source, target, event, who, why))
        return target

    def put_off(self, case_id: int, until: datetime | None, holder: str, *, tried: bool = False) -> None:
        """Leave a claimed case where it is, for any worker to look at then or at once; `tried` counts as a try."""
        row = self._rows[case_id]
        if row["worker"] == holder:
            tries = row["tries"] + tried
            self._change(case_id, {"next_at": until, "tries": tries, "worker": None, "lease_until": None})

    def keep_media(self, case_id: int, media_id: str, now: datetime) -> None:
        """Remember the uploaded picture, so that another attempt need not upload it again."""
        self._change(case_id, {"media_id": media_id, "media_at": now})

    def note(self, case_id: int, event: str, now: datetime, who: str, why: str) -> None:
        """A line in the timeline of a case that stays where it is."""
        state = self._rows[case_id]["state"]
        self._lines.append(_line(case_id, now, state, state, event, who, why))

    def count(self, metric: Metric) -> None:
        """One more of what these moves bring about, once they are committed."""
        count_committed(self._connection, metric)

    def _change(self, case_id: int, values: Mapping[str, Any]) -> None:
        self._rows[case_id].update(values)
        self._changes[case_id].update(values)

    def write(self) -> None:
        """A statement for all cases that change alike, and one for the timeline."""
        alike = grouped({case_id: tuple(sorted(values.items())) for case_id, values in self._changes.items()})
        for values, case_ids in alike.items():
            self._connection.execute(update(cases).where(cases.c.case_id.in_(case_ids)).values(**dict(values)))
        insert_all(self._connection, timeline, self._lines)
        for line in self._lines:
            if line["to_state"] != line["from_state"]:
                self.count(MOVES.labels(line["to_state"]))


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
    """The one move of one case: see `Moves.move`."""
    moves = Moves(connection, [case_id])
    moves.move(case_id, event, now, who=who, why=why, holder=holder, keep_until=keep_until, **changes)
    moves.write()
    return _case(connection.execute(select(cases).where(cases.c.case_id == case_id)).mappings().one())


def note(connection: Connection, case: Case, event: str, now: datetime, who: str, why: str) -> None:
    """A line in the timeline of a case that stays where it is."""
    connection.execute(insert(timeline), [_line(case.case_id, now, case.state, case.state, event, who, why)])


def explain(connection: Connection, case: Case, reasons: Sequence[str]) -> None:
    """Say anew why a case that stays is where it is."""
    connection.execute(update(cases).where(cases.c.case_id == case.case_id).values(reasons=",".join(reasons)))


def claim(
    connection: Connection, states: Collection[State], worker: str, now: datetime, until: datetime, limit: int
) -> tuple[Case, ...]:
    """The cases that have waited longest among those in these states that are due and nobody's; now they are
    `worker`'s."""
    due = cases.c.next_at.is_(None) | (cases.c.next_at <= now)
    free = cases.c.lease_until.is_(None) | (cases.c.lease_until <= now)
    statement = select(cases).where(cases.c.state.in_(states), text(WORKED), due, free)
    statement = statement.order_by(cases.c.changed_at, cases.c.case_id).limit(limit)
    rows = connection.execute(statement.with_for_update(skip_locked=True)).mappings().all()
    lease = {"worker": worker, "lease_until": until}
    if rows:
        claimed = [row["case_id"] for row in rows]
        connection.execute(update(cases).where(cases.c.case_id.in_(claimed)).values(**lease))
    return tuple(_case({**row, **lease}) for row in rows)


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
    return tuple(map(_case, connection.execute(statement.with_for_update(skip_locked=True)).mappings()))


def tally_units(connection: Connection, state: State) -> Mapping[str, int]:
    """By unit: how many cases are in a state."""
    number = func.count().label("number")
    statement = select(cases.c.unit_id, number).where(cases.c.state == state).group_by(cases.c.unit_id)
    return {row.unit_id: row.number for row in connection.execute(statement)}


def of_units(connection: Connection, state: State, unit_ids: Collection[str], limit: int) -> tuple[Case, ...]:
    """Cases of these units in a state, oldest first, but for those that another transaction is moving."""
    statement = select(cases).where(cases.c.state == state, cases.c.unit_id.in_(unit_ids))
    statement = statement.order_by(cases.c.case_id).limit(limit).with_for_update(skip_locked=True)
    return tuple(map(_case, connection.execute(statement).mappings()))


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
    return tuple(map(_case, connection.execute(statement).mappings()))


def where(connection: Connection, holds: ColumnElement[bool], limit: int) -> tuple[Case, ...]:
    """Cases for which a condition holds, oldest first."""
    statement = select(cases).where(holds).order_by(cases.c.case_id).limit(limit)
    return tuple(map(_case, connection.execute(statement).mappings()))


def tally(connection: Connection, states: Collection[State] = ()) -> Mapping[State, tuple[int, datetime]]:
    """By state, of some states or of all: how many cases, and since when the one that has been there longest is
    there."""
    statement = select(cases.c.state, func.count(), func.min(cases.c.changed_at)).group_by(cases.c.state)
    if states:
        statement = statement.where(cases.c.state.in_(states))
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
    return signed_of(connection, [case])[case.case_id].body


def signed_of(connection: Connection, found: Collection[Case]) -> Mapping[int, SignedReport]:
    """By case: the report it was opened for, as its unit signed it."""
    said = signed_reports(connection, {(case.unit_id, case.event_id) for case in found})
    return {case.case_id: each for case in found if (each := said[case.unit_id, case.event_id])}


def signed_reports(connection: Connection, keys: Collection[Key]) -> Mapping[Key, SignedReport | None]:
    """By event: the report as its unit signed it, where there is one; None for one that was erased."""
    if not keys:
        return {}
    columns = unit_event.c
    statement = select(columns.unit_id, columns.event_id, columns.body)
    rows = connection.execute(statement.where(tuple_(columns.unit_id, columns.event_id).in_(list(keys))))
    return {
        (row.unit_id, row.event_id): SignedReport.model_validate_json(row.body) if row.body else None for row in rows
    }


def evidence_paths(connection: Connection, case: Case) -> Mapping[str, str]:
    """By role: where in the evidence folder a case's pieces lie. Only pieces the signed report names."""
    return evidence_of(connection, {case.case_id: report_of(connection, case)})[case.case_id]


def evidence_of(connection: Connection, reports: Mapping[int, ViolationReport]) -> Mapping[int, Mapping[str, str]]:
    """`evidence_paths` by case, for cases whose reports are known."""
    by_event = {(report.unit_id, str(report.event_id)): case_id for case_id, report in reports.items()}
    named = {case_id: {piece.sha256 for piece in report.evidence} for case_id, report in reports.items()}
    columns = evidence.c
    where = tuple_(columns.unit_id, columns.event_id).in_(list(by_event))
    paths: dict[int, dict[str, str]] = {case_id: {} for case_id in reports}
    statement = select(columns.unit_id, columns.event_id, columns.sha256, columns.role, columns.path).where(where)
    for row in connection.execute(statement) if by_event else ():
        case_id = by_event[row.unit_id, row.event_id]
        if row.sha256 in named[case_id]:
            paths[case_id][row.role] = row.path
    return paths
