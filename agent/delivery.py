"""What the unit sends next, and what an answer changes (pure).

A row is one thing owed to the dispatcher: a signed report or one piece of its evidence.

    PENDING --publish--> SENT --stored, duplicate, erased--> ACKED
       ^                  |  \\
       |                  |   `--rejected for good--> DEAD --a person's retry--> PENDING
       `--no answer in time, rejected for now

Only the dispatcher's own ack ends what is owed; a broker's word ends nothing. DEAD rows stay, visible, with a reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from wire.messages import ERASED, MAX_EVIDENCE_BYTES, MAX_REPORT_BYTES, UNREAD, Ack, AckResult, EvidenceRef

HEADER_BYTES = 4096
"""Room for an evidence message's header, which is about 300 bytes."""
NO_ACK = "no_ack"
"""Reason of a row whose answer did not come in time."""


class State(StrEnum):
    PENDING = "pending"
    SENT = "sent"
    ACKED = "acked"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing owed, as the outbox keeps it."""

    row_id: int
    """Rises with age: a report comes before its evidence, an older violation before a younger one."""
    event_id: UUID
    sha256: str
    """Of the signed report's bytes or of the evidence: what the ack names."""
    evidence: EvidenceRef | None
    """None: the row is the report itself."""
    size_bytes: int
    state: State = State.PENDING
    attempts: int = 0
    due_s: float = 0.0
    """Monotonic time: pending, not to be sent before; sent, when the answer is overdue."""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The limits of sending."""

    window: int = 8
    """Rows sent and not yet answered. 8 x 512 kB stays below paho's 20 messages in flight and keeps a 1 MB/s uplink
    busy through a dispatcher's answer time of 4 s."""
    ack_timeout_s: float = 30.0
    """A full window over a 1 Mbit/s uplink takes 33 s at most, 8 s with usual pictures of 120 kB."""
    backoff_first_s: float = 2.0
    backoff_longest_s: float = 600.0
    """A dispatcher that comes back is found within ten minutes even by the row that waited longest."""
    message_bytes: int = MAX_EVIDENCE_BYTES + HEADER_BYTES
    """What the broker takes; it may announce less. A larger publish would end the connection, again and again."""


@dataclass(frozen=True, slots=True)
class Publish:
    """Store the row as it is here (sent), then publish it."""

    row: Row


@dataclass(frozen=True, slots=True)
class Change:
    """Store the row as it is here: time or a limit has changed its state."""

    row: Row


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before this monotonic time, unless an answer or a new row comes."""

    until_s: float


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing is owed that can be sent."""


Task: TypeAlias = Publish | Change | Wait | Idle


def next_task(rows: Sequence[Row], now_s: float, policy: Policy, *, silent: bool = False) -> Task:
    """The next thing to do for these pending and sent rows.

    `silent`: the last answer awaited did not come. Then one row at a time goes out as a question whether the
    dispatcher is back, so that an outage costs a report every `ack_timeout_s` and not the whole backlog again.
    """
    for row in rows:
        if row.state is State.SENT and row.due_s <= now_s:
            return Change(postponed(row, NO_ACK, now_s, policy))
    in_flight = sum(row.state is State.SENT for row in rows)
    due = [row for row in rows if row.state is State.PENDING and row.due_s <= now_s]
    if due and in_flight < (1 if silent else policy.window):
        return _send(min(due, key=lambda row: row.row_id), now_s, policy)
    later = [row.due_s for row in rows if row.state in (State.PENDING, State.SENT) and row.due_s > now_s]
    return Wait(min(later)) if later else Idle()


def _send(row: Row, now_s: float, policy: Policy) -> Task:
    limit = min(policy.message_bytes, MAX_REPORT_BYTES) if row.evidence is None else policy.message_bytes - HEADER_BYTES
    if row.size_bytes > limit:
        return Change(buried(row, f"oversize:{row.size_bytes}>{limit}"))
    due_s = now_s + policy.ack_timeout_s
    return Publish(replace(row, state=State.SENT, attempts=row.attempts + 1, due_s=due_s))


def on_ack(row: Row, ack: Ack, now_s: float, policy: Policy) -> Row:
    """The row after the dispatcher's word on it; a word on another row, or after the row is done, changes nothing."""
    is_unread = ack.event_id == UNREAD and ack.result is AckResult.REJECTED
    is_named = ack.sha256 == row.sha256 and (ack.event_id == row.event_id or is_unread)
    if not is_named or row.state is State.ACKED:
        return row
    if ack.result is not AckResult.REJECTED or ack.reason == ERASED:
        return replace(row, state=State.ACKED, reason="")
    reason = ack.reason or "rejected"
    return postponed(row, reason, now_s, policy) if ack.retryable else buried(row, reason)


def postponed(row: Row, reason: str, now_s: float, policy: Policy) -> Row:
    """The row to be sent again, later with each attempt."""
    return replace(row, state=State.PENDING, due_s=now_s + backoff_s(row, policy), reason=reason)


def buried(row: Row, reason: str) -> Row:
    """The row that waits for a person."""
    return replace(row, state=State.DEAD, reason=reason)


def backoff_s(row: Row, policy: Policy) -> float:
    """Doubles with each attempt; spread by the row's name, so that the rows of one outage do not come back as one."""
    doublings = min(max(row.attempts - 1, 0), 30)
    longest = min(policy.backoff_first_s * 2.0**doublings, policy.backoff_longest_s)
    name = f"{row.event_id}|{row.sha256}|{row.attempts}".encode()
    spread = int.from_bytes(hashlib.sha256(name).digest()[:4], "big") / 2**32
    return longest * (0.5 + spread / 2)
