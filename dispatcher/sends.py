"""Attempts to send, pauses of sending, and WhatsApp's calls, in the database."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from dispatcher.schema import attempt, pause, webhook_inbox
from dispatcher.store import insert_new
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


def start_attempt(connection: Connection, case_id: int, now: datetime) -> str:
    """Write an attempt down before its request leaves; its id."""
    attempt_id = "ntf_" + secrets.token_hex(16)
    values = {"attempt_id": attempt_id, "case_id": case_id, "state": AttemptState.STARTED, "started_at": now}
    connection.execute(insert(attempt).values(**values))
    return attempt_id


def end_attempt(
    connection: Connection,
    attempt_id: str,
    state: AttemptState,
    now: datetime,
    wamid: str | None = None,
    code: int | None = None,
) -> None:
    """What became of an attempt."""
    values: dict[str, Any] = {"state": state, "ended_at": now, "code": code}
    if wamid is not None:
        values["wamid"] = wamid
    connection.execute(update(attempt).where(attempt.c.attempt_id == attempt_id).values(**values))


def is_open(connection: Connection, attempt_id: str) -> bool:
    """Whether nobody knows yet how an attempt ended; locked, so that nobody else decides it meanwhile."""
    where = attempt.c.attempt_id == attempt_id
    state = connection.execute(select(attempt.c.state).where(where).with_for_update()).scalar_one()
    return state in (AttemptState.STARTED, AttemptState.UNKNOWN)


def attempts_of(connection: Connection, case_id: int) -> tuple[Attempt, ...]:
    """A case's attempts, oldest first."""
    statement = select(attempt).where(attempt.c.case_id == case_id).order_by(attempt.c.started_at)
    return tuple(map(_attempt, connection.execute(statement)))


def is_last(connection: Connection, case_id: int, attempt_id: str) -> bool:
    """Whether this is the case's last attempt, the one whose failure decides about the case."""
    return attempts_of(connection, case_id)[-1].attempt_id == attempt_id


def attempt_for(connection: Connection, callback: str | None, wamid: str | None) -> Attempt | None:
    """The attempt a status or a reply is about, locked: by our own id if it came back, else by WhatsApp's."""
    for column, value in ((attempt.c.attempt_id, callback), (attempt.c.wamid, wamid)):
        row = connection.execute(select(attempt).where(column == value).with_for_update()).first() if value else None
        if row:
            return _attempt(row)
    return None


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


def next_call(connection: Connection) -> Call | None:
    """The oldest call that was not processed, locked against other workers."""
    statement = select(webhook_inbox.c.call_id, webhook_inbox.c.body).where(webhook_inbox.c.done_at.is_(None))
    statement = statement.order_by(webhook_inbox.c.call_id).limit(1)
    row = connection.execute(statement.with_for_update(skip_locked=True)).first()
    return Call(row.call_id, row.body) if row else None


def call_done(connection: Connection, call_id: int, now: datetime, remark: str = "") -> None:
    where = webhook_inbox.c.call_id == call_id
    connection.execute(update(webhook_inbox).where(where).values(done_at=now, remark=remark))
