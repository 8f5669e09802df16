"""What people did, so that a change to it shows.

Each entry carries the MAC of the one before and its own over all it says. The key is not in the database: whoever can
only write there can neither change an entry nor put one in. Entries that are gone leave a hole in the numbers, or the
head points past the last one. Only a database rolled back as a whole looks sound; against that, an anchor (number and
MAC of an entry, written down elsewhere) is checked as well.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from dispatcher.access.tables import audit_entry, audit_head
from dispatcher.metrics import DEEDS
from dispatcher.store import count_committed, insert_new
from wire.canonical import canonical_json

_START = "0" * 64
_READ_ROWS = 1000


class What(StrEnum):
    """What was done."""

    LOGGED_IN = "logged_in"
    LOGIN_REFUSED = "login_refused"
    LOCKED = "locked"
    LOGGED_OUT = "logged_out"
    LOGGED_OUT_EVERYWHERE = "logged_out_everywhere"
    PASSWORD_CHANGED = "password_changed"
    TOTP_ENROLLED = "totp_enrolled"
    USER_ADDED = "user_added"
    USER_RESET = "user_reset"
    USER_DISABLED = "user_disabled"
    ROLE_CHANGED = "role_changed"
    SEEN = "seen"
    """A case or a list of cases was shown; once an hour and person."""
    REVEALED = "revealed"
    EXPORTED = "exported"
    ERASED = "erased"
    RETENTION_ENDED = "retention_ended"
    HOLD_SET = "hold_set"
    HOLD_LIFTED = "hold_lifted"
    APPROVED = "case_approve"
    CORRECTED = "case_correct"
    WITHDRAWN = "case_withdraw"
    RESENT = "case_resend"
    SENDING_PAUSED = "sending_paused"
    PROPOSED = "case_proposed"
    OPPOSED = "case_opposed"
    SENDING_RESUMED = "sending_resumed"
    LETTER_PRINTED = "letter_printed"
    KEY_ROTATED = "key_rotated"
    """What is sealed was sealed anew."""
    KEY_APPROVED = "key_approved"
    UNIT_HELD = "unit_held"
    UNIT_DISCARDED = "unit_discarded"
    UNIT_RELEASED = "unit_released"
    OWNERS_IMPORTED = "owners_imported"
    """A snapshot of the registry came into service."""
    BACKED_UP = "backed_up"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who does something, and from where."""

    name: str
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of the trail."""

    number: int
    at: datetime
    who: str
    what: str
    about: str
    """A case's reference, a user or a unit; never a plate or a number."""
    why: str
    address: str
    previous: str
    mac: str


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the trail, and where."""

    number: int
    what: str

    def __str__(self) -> str:
        return f"entry {self.number}: {self.what}"


@dataclass(frozen=True, slots=True)
class Examined:
    """The trail as `verify` found it."""

    entries: int
    head: str
    """`NUMBER:MAC` of the newest entry: the anchor for the next time."""
    faults: tuple[Fault, ...]


class Audit:
    """Writes and checks the trail with one key."""

    def __init__(self, mac_key: bytes) -> None:
        self._key = hmac.new(mac_key, b"cakra audit trail", hashlib.sha256).digest()

    def append(
        self, connection: Connection, now: datetime, actor: Actor, what: What, about: str = "", why: str = ""
    ) -> None:
        """One more entry, in the caller's transaction: it stands or falls with what it tells of."""
        insert_new(connection, audit_head, {"head_id": 1, "number": 0, "mac": _START})
        head = connection.execute(select(audit_head).with_for_update()).one()
        said = {
            "number": head.number + 1,
            "at": now,
            "who": actor.name,
            "what": what,
            "about": about,
            "why": why,
            "address": actor.address,
            "previous": head.mac,
        }
        mac = self._mac(said)
        connection.execute(insert(audit_entry).values(**said, mac=mac))
        connection.execute(update(audit_head).values(number=head.number + 1, mac=mac))
        count_committed(connection, DEEDS.labels(what))

    def verify(self, connection: Connection, anchor: str = "") -> Examined:
        """Read the whole trail; each entry that was changed, put in or is missing is named."""
        faults: list[Fault] = []
        before = _head(connection)
        number, mac, entries = 0, _START, 0
        for row in _rows(connection):
            faults.extend(Fault(missing, "is missing") for missing in range(number + 1, row.number))
            if not hmac.compare_digest(self._mac(dict(row._mapping)), row.mac):
                faults.append(Fault(row.number, "was changed or put in"))
            elif row.number == number + 1 and row.previous != mac:
                faults.append(Fault(row.number, "does not follow from the entry before"))
            number, mac, entries = row.number, row.mac, entries + 1
        faults.extend(_end(before, _head(connection), number, mac))
        if anchor and not _holds(connection, anchor):
            faults.append(Fault(int(anchor.partition(":")[0]), "is not the one of the anchor"))
        return Examined(entries, f"{number}:{mac}", tuple(faults))

    def _mac(self, said: dict[str, Any]) -> str:
        moment = said["at"].astimezone(UTC).isoformat(timespec="microseconds")
        named = {name: value for name, value in said.items() if name != "mac"} | {"at": moment}
        return hmac.new(self._key, canonical_json(named), hashlib.sha256).hexdigest()


def _head(connection: Connection) -> tuple[int, str]:
    head = connection.execute(select(audit_head)).first()
    return (head.number, head.mac) if head else (0, _START)


def _end(before: tuple[int, str], after: tuple[int, str], number: int, mac: str) -> Iterator[Fault]:
    """What the head says of the end, read before and after the entries: others may append meanwhile."""
    yield from (Fault(missing, "is missing at the end") for missing in range(number + 1, before[0] + 1))
    yield from (Fault(extra, "was put in at the end") for extra in range(after[0] + 1, number + 1))
    if before[0] == after[0] == number and after[1] != mac:
        yield Fault(number, "is not the newest that was written")


def _holds(connection: Connection, anchor: str) -> bool:
    number, _, mac = anchor.partition(":")
    found = connection.scalar(select(audit_entry.c.mac).where(audit_entry.c.number == int(number)))
    return found == mac


def _rows(connection: Connection) -> Iterator[Row[Any]]:
    """All entries, a thousand at a time: the trail grows for years."""
    last = 0
    while True:
        following = select(audit_entry).where(audit_entry.c.number > last).order_by(audit_entry.c.number)
        rows = connection.execute(following.limit(_READ_ROWS)).all()
        yield from rows
        if len(rows) < _READ_ROWS:
            return
        last = rows[-1].number


def latest(connection: Connection, limit: int, offset: int = 0) -> tuple[AuditEntry, ...]:
    """The newest entries first."""
    statement = select(audit_entry).order_by(audit_entry.c.number.desc()).limit(limit).offset(offset)
    return tuple(AuditEntry(**row._mapping) for row in connection.execute(statement))


def between(
    connection: Connection, since: datetime, until: datetime, whats: Collection[What], who: str | None = None
) -> Iterator[AuditEntry]:
    """Entries of these kinds from one moment to another, oldest first; of one person, or of all."""
    when = (audit_entry.c.at >= since) & (audit_entry.c.at < until)
    statement = select(audit_entry).where(when, audit_entry.c.what.in_(whats)).order_by(audit_entry.c.number)
    if who is not None:
        statement = statement.where(audit_entry.c.who == who)
    yield from (AuditEntry(**row._mapping) for row in connection.execute(statement))


def times(connection: Connection, who: str, what: What, since: datetime, about: str | None = None) -> int:
    """How often somebody did something since then, to anything or to one thing."""
    where = (audit_entry.c.who == who) & (audit_entry.c.what == what) & (audit_entry.c.at > since)
    if about is not None:
        where &= audit_entry.c.about == about
    return connection.scalar(select(func.count()).select_from(audit_entry).where(where)) or 0
