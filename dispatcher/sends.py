"""Attempts to send, pauses of sending, and WhatsApp's calls, in the database."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, delete, false, or_, select, update

from dispatcher.schema import attempt, pause, webhook_inbox
from dispatcher.store import grouped, insert_all, insert_new, upsert
from wire.canonical import sha256_hex

SENDER = "sender"
BY_HAND = -1
"""The code of a pause that a person ordered; WhatsApp's own begin at 0."""


class AttemptState(StrEnum):
    """What is known of one attempt."""

    STARTED = "started"
    """Written down; the request may have left."""
    ACCEPTED = "accepted"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to send a case's notice."""

    attempt_id: str
    """Travels as `biz_opaque_callback_data`."""
    case_id: int
    state: AttemptState
    started_at: datetime
    ended_at: datetime | None
    wamid: str | None
    code: int | None


@dataclass(frozen=True, slots=True)
class Pause:
    """What does not send until a person says so."""

    scope: str
    since: datetime
    code: int


@dataclass(frozen=True, slots=True)
class Call:
    """One of WhatsApp's calls, as it came."""

    call_id: int
    body: bytes


def _attempt(row: Row[Any]) -> Attempt:
    fields = dict(row._mapping)
    return Attempt(**{**fields, "state": AttemptState(fields["state"])})


def new_attempt_id() -> str:
    return "ntf_" + secrets.token_hex(16)


def start_attempts(connection: Connection, attempts: Mapping[int, str], now: datetime) -> None:
    """Write attempts down, by case, before their requests leave."""
    state = {"state": AttemptState.STARTED, "started_at": now}
    rows = [{"attempt_id": attempt_id, "case_id": case_id, **state} for case_id, attempt_id in attempts.items()]
    insert_all(connection, attempt, rows)


class Attempts:
    """Attempts that one transaction decides about: locked together, in order, and written together by `write`.

    Whoever decides about cases as well locks their attempts first.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        ids: Collection[str] = (),
        wamids: Collection[str] = (),
        case_ids: Collection[int] = (),
    ) -> None:
        self._connection = connection
        columns = attempt.c
        asked = ((columns.attempt_id, ids), (columns.wamid, wamids), (columns.case_id, case_ids))
        where = [column.in_(values) for column, values in asked if values]
        statement = select(attempt).where(or_(false(), *where)).order_by(columns.attempt_id).with_for_update()
        found = map(_attempt, connection.execute(statement) if where else ())
        self._found = {each.attempt_id: each for each in found}
        self._ids = {each.wamid: each.attempt_id for each in self._found.values() if each.wamid}
        self._ended: set[str] = set()

    def __iter__(self) -> Iterator[Attempt]:
        return iter(tuple(self._found.values()))

    def about(self, callback: str | None, wamid: str | None) -> Attempt | None:
        """The attempt a status or a reply is about: by our own id if it came back, else by WhatsApp's."""
        return self._found.get(callback or "") or self._found.get(self._ids.get(wamid or "", ""))

    def is_open(self, attempt_id: str) -> bool:
        """Whether nobody knows yet how an attempt ended; one that was never written down never began."""
        found = self._found.get(attempt_id)
        return found is not None and found.state in (AttemptState.STARTED, AttemptState.UNKNOWN)

    def end(
        self, attempt_id: str, state: AttemptState, now: datetime, wamid: str | None = None, code: int | None = None
    ) -> None:
        """What became of an attempt."""
        before = self._found[attempt_id]
        after = replace(before, state=state, ended_at=now, code=code, wamid=wamid or before.wamid)
        self._found[attempt_id] = after
        self._ended.add(attempt_id)
        if after.wamid:
            self._ids[after.wamid] = attempt_id

    def write(self) -> None:
        ended = (self._found[attempt_id] for attempt_id in sorted(self._ended))
        rows = [{name: getattr(each, name) for name in Attempt.__slots__} for each in ended]
        upsert(self._connection, attempt, rows, ("state", "ended_at", "wamid", "code"))


def attempts_of(connection: Connection, case_id: int) -> tuple[Attempt, ...]:
    """A case's attempts, oldest first."""
    statement = select(attempt).where(attempt.c.case_id == case_id).order_by(attempt.c.started_at)
    return tuple(map(_attempt, connection.execute(statement)))


def attempt_ids(connection: Connection, case_ids: Collection[int]) -> Mapping[int, Sequence[str]]:
    """By case: the ids of its attempts, oldest first; the last one's failure decides about the case."""
    found: dict[int, list[str]] = {case_id: [] for case_id in case_ids}
    columns = attempt.c
    statement = select(columns.case_id, columns.attempt_id).where(columns.case_id.in_(case_ids))
    for row in connection.execute(statement.order_by(columns.started_at)) if case_ids else ():
        found[row.case_id].append(row.attempt_id)
    return found


def stop(connection: Connection, scope: str, code: int, now: datetime) -> bool:
    """Pause a scope until a person resumes it; False when it is paused already."""
    return insert_new(connection, pause, {"scope": scope, "since": now, "code": code})


def resume(connection: Connection, scope: str) -> bool:
    """Let a scope send again; whether it was paused."""
    return connection.execute(delete(pause).where(pause.c.scope == scope)).rowcount == 1


def pauses(connection: Connection) -> tuple[Pause, ...]:
    return tuple(Pause(**row._mapping) for row in connection.execute(select(pause).order_by(pause.c.since)))


def keep_call(connection: Connection, body: bytes, now: datetime) -> bool:
    """Keep one of WhatsApp's calls for later; False for one that is here already, byte for byte."""
    return insert_new(connection, webhook_inbox, {"sha256": sha256_hex(body), "body": body, "received_at": now})


def next_calls(connection: Connection, limit: int) -> tuple[Call, ...]:
    """The oldest calls that were not processed, locked against other workers."""
    statement = select(webhook_inbox.c.call_id, webhook_inbox.c.body).where(webhook_inbox.c.done_at.is_(None))
    statement = statement.order_by(webhook_inbox.c.call_id).limit(limit)
    return tuple(Call(row.call_id, row.body) for row in connection.execute(statement.with_for_update(skip_locked=True)))


def calls_done(connection: Connection, remarks: Mapping[int, str], now: datetime) -> None:
    """These calls were processed; what could not be applied stands in their remark."""
    for remark, call_ids in grouped(remarks).items():
        where = webhook_inbox.c.call_id.in_(call_ids)
        connection.execute(update(webhook_inbox).where(where).values(done_at=now, remark=remark))
