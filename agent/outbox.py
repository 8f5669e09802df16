"""The outbox: what the unit owes the centre, in one SQLite file (WAL) that agent and uplink share.

    event    one violation: its number in the unit's gap-free count, and its signed report while it is needed
    item     one thing owed: the report or a piece of evidence (`agent.delivery.Row`)
    chain    the head of the unit's chain of bundles: the hash of its latest manifest
    counter  what the agent counted since it started, for the status

`event` rows stay for good (about 60 bytes each), so that a replayed violation is known however old it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlite_utils import Database

from agent.delivery import Row, State
from agent.errors import StoreError
from wire.canonical import sha256_hex
from wire.codec import encode
from wire.messages import UNREAD, EvidenceRef, EvidenceRole, SignedReport

BUSY_S = 30.0
"""How long one process waits for the other's transaction. Each is a few rows, 10-20 ms with fsync on an SD card (a new
report's 60 ms, its manifest being written within), but SQLite's lock has no queue: while the uplink works off a long
backlog the agent must try some times."""
ROWS = 100
"""Rows taken up at a time: some windows full, and so few that sorting out the next one takes microseconds."""


def _first_tables(db: Database) -> None:
    db.table("event").create({"event_id": str, "sequence": int, "report": bytes}, pk="event_id", not_null={"sequence"})
    db.table("event").create_index(["sequence"], unique=True)
    db.table("item").create(
        {
            "item_id": int,
            "event_id": str,
            "sha256": str,
            "role": str,
            "media_type": str,
            "size_bytes": int,
            "state": str,
            "attempts": int,
            "due_s": float,
            "reason": str,
            "acked_at": str,
        },
        pk="item_id",
        not_null={"event_id", "sha256", "size_bytes", "state", "attempts", "due_s", "reason"},
        foreign_keys=[("event_id", "event", "event_id")],
    )
    db.table("item").create_index(["event_id", "sha256"], unique=True)
    db.table("item").create_index(["state"])
    db.table("counter").create({"name": str, "value": int}, pk="name", not_null={"value"})


def _chain(db: Database) -> None:
    db.table("chain").create({"chain_id": int, "manifest": str}, pk="chain_id", not_null={"manifest"})


MIGRATIONS: tuple[Callable[[Database], None], ...] = (_first_tables, _chain)
"""Schema version n is made by the first n of these (`PRAGMA user_version`); one that was released never changes."""

_SENDABLE = """
select * from item where state in ('pending', 'sent') and (role is null or exists (
    select 1 from item as report
    where report.event_id = item.event_id and report.role is null and report.state = 'acked'
)) order by state = 'sent' desc, due_s > :now_s, item_id limit :limit
"""
_OWED_EVENTS = """
select count(distinct event_id) from item where state in ('pending', 'sent') and not exists (
    select 1 from item as report
    where report.event_id = item.event_id and report.role is null and report.state = 'dead'
)
"""
_DEAD = """
select item.event_id, event.sequence, coalesce(item.role, 'report') as what, item.sha256, item.size_bytes,
    item.attempts, item.reason
from item join event using (event_id) where item.state = 'dead' order by item_id
"""
_DONE_EVENTS = """
select event_id from item group by event_id having min(state = 'acked') = 1 and max(acked_at) < :before
order by max(acked_at) limit :limit
"""


class Outbox:
    """The unit's outbox; all its methods raise StoreError, one line, when the file fails them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._told():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(
                    f"{path.parent}: cannot be made ({error.strerror}); check the folder's rights"
                ) from None
            connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
            self._db = Database(connection)
            try:
                self._open()
            except BaseException:
                connection.close()
                raise

    def __enter__(self) -> Outbox:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def knows(self, event_id: UUID) -> bool:
        """Whether this event was ever owed."""
        with self._told():
            return self._is_known(str(event_id))

    def add(self, event_id: UUID, build: Callable[[int, str | None], SignedReport]) -> bool:
        """Owe a report and its evidence, all or nothing; `build` gets the report's number and the hash of the
        manifest before it, None for the first.

        A known event changes nothing and gives False: replays are idempotent.
        """
        key = str(event_id)
        with self._transaction():
            if self._is_known(key):
                return False
            sequence = (self._one("select max(sequence) from event") or 0) + 1
            signed = build(sequence, self._one("select manifest from chain"))
            payload = encode(signed)
            self._db.table("event").insert({"event_id": key, "sequence": sequence, "report": payload})
            self._insert_item(key, sha256_hex(payload), None, len(payload))
            for piece in signed.body.evidence:
                self._insert_item(key, piece.sha256, piece, piece.size_bytes)
                if piece.role is EvidenceRole.MANIFEST:
                    self._db.table("chain").insert({"chain_id": 1, "manifest": piece.sha256}, replace=True)
        return True

    def rows(self, now_s: float, limit: int = ROWS) -> list[Row]:
        """What is in flight, due and waiting, in this order; evidence only once its report is acknowledged.

        A picture is a hundred times a report: none travels for a report that may be refused.
        """
        with self._told():
            return [_row(each) for each in self._db.query(_SENDABLE, {"now_s": now_s, "limit": limit})]

    def find(self, event_id: UUID, sha256: str) -> Row | None:
        """The row that an ack names; of a report that could not be read (`UNREAD`) it knows the hash alone."""
        where, values = "sha256 = ? and event_id = ?", [sha256, str(event_id)]
        if event_id == UNREAD:
            where, values = "sha256 = ? and role is null", [sha256]
        with self._told():
            found = list(self._db.table("item").rows_where(where, values))
        return _row(found[0]) if found else None

    def store(self, row: Row, now: datetime) -> None:
        """Write down a row's new state."""
        change: dict[str, Any] = {
            "state": row.state.value,
            "attempts": row.attempts,
            "due_s": row.due_s,
            "reason": row.reason,
        }
        if row.state is State.ACKED:
            change["acked_at"] = now.isoformat()
        with self._transaction():
            self._db.table("item").update(row.row_id, change)

    def report(self, event_id: UUID) -> bytes:
        """The signed report's bytes as they travel."""
        with self._told():
            payload = self._one("select report from event where event_id = ?", str(event_id))
        if not isinstance(payload, bytes):
            raise StoreError(f"{self._path}: event {event_id}: its report is gone; restore the file")
        return payload

    def release(self) -> None:
        """A connection begins: what was sent has no answer coming, and monotonic times may be of another boot."""
        with self._transaction():
            self._db.execute("update item set state = 'pending', due_s = 0 where state in ('pending', 'sent')")

    def backlog(self) -> int:
        """Events of which the dispatcher has not acknowledged everything; refused ones are not counted."""
        with self._told():
            return int(self._one(_OWED_EVENTS))

    def dead(self) -> list[dict[str, Any]]:
        """What was refused for good or cannot be sent, with the reason; it waits for a person."""
        with self._told():
            return list(self._db.query(_DEAD))

    def retry_dead(self) -> int:
        """Owe again all that is dead; returns how much."""
        with self._transaction():
            revived = self._db.execute(
                "update item set state = 'pending', attempts = 0, due_s = 0 where state = 'dead'"
            )
            return int(revived.rowcount)

    def set_counters(self, counters: Mapping[str, int]) -> None:
        """What the agent has counted since it started: it replaces what was there."""
        with self._transaction():
            self._db.execute("delete from counter")
            self._db.table("counter").insert_all({"name": name, "value": value} for name, value in counters.items())

    def counters(self) -> dict[str, int]:
        with self._told():
            return {each["name"]: each["value"] for each in self._db.table("counter").rows}

    def forget(self, before: datetime, limit: int) -> int:
        """Drop the oldest events of which everything was acknowledged before this moment; returns how many.

        Only their numbers stay. What is owed or dead is never touched.
        """
        with self._transaction():
            done = [
                each["event_id"]
                for each in self._db.query(_DONE_EVENTS, {"before": before.isoformat(), "limit": limit})
            ]
            for event_id in done:
                self._db.execute("delete from item where event_id = ?", [event_id])
                self._db.execute("update event set report = null where event_id = ?", [event_id])
        return len(done)

    def kept(self) -> set[str]:
        """Ids of the events of which something is still kept here."""
        with self._told():
            return {each["event_id"] for each in self._db.query("select distinct event_id from item")}

    def _open(self) -> None:
        for pragma in ("journal_mode = wal", "synchronous = full", "foreign_keys = on"):
            self._db.execute(f"pragma {pragma}").fetchall()
        if self._version() == len(MIGRATIONS):
            return  # the usual case takes no lock from the other process
        with self._transaction():
            for migrate in MIGRATIONS[self._version() :]:
                migrate(self._db)
            self._db.execute(f"pragma user_version = {len(MIGRATIONS)}")

    def _version(self) -> int:
        version = int(self._one("pragma user_version"))
        if version > len(MIGRATIONS):
            raise StoreError(f"{self._path}: schema {version} is newer than this software; update the software")
        return version

    def _is_known(self, key: str) -> bool:
        return self._one("select 1 from event where event_id = ?", key) is not None

    def _insert_item(self, event_id: str, sha256: str, piece: EvidenceRef | None, size_bytes: int) -> None:
        self._db.table("item").insert(
            {
                "event_id": event_id,
                "sha256": sha256,
                "role": piece.role.value if piece else None,
                "media_type": piece.media_type if piece else None,
                "size_bytes": size_bytes,
                "state": State.PENDING.value,
                "attempts": 0,
                "due_s": 0.0,
                "reason": "",
            },
            ignore=True,  # two roles, one content: it travels once
        )

    def _one(self, sql: str, *parameters: object) -> Any:
        """The first value of the first row, or None."""
        found = self._db.execute(sql, list(parameters)).fetchone()
        return found[0] if found else None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """A write transaction, begun as one: a read that turns into a write would fail when the other process wrote."""
        with self._told():
            self._db.execute("begin immediate")
            try:
                yield
                self._db.execute("commit")
            except BaseException:
                self._db.rollback()
                raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}; {_mend(error)}") from None


def _mend(error: sqlite3.Error) -> str:
    match getattr(error, "sqlite_errorname", ""):
        case "SQLITE_FULL":
            return "make room on the disk"
        case "SQLITE_NOTADB" | "SQLITE_CORRUPT":
            return "move the file away and restore it from a copy"
        case "SQLITE_BUSY":
            return "end the other process that holds the file"
    return "check the rights of the file and its folder"


def _row(found: Mapping[str, Any]) -> Row:
    evidence = found["role"] and EvidenceRef.model_validate(
        {name: found[name] for name in ("role", "sha256", "media_type", "size_bytes")}
    )
    return Row(
        row_id=found["item_id"],
        event_id=UUID(found["event_id"]),
        sha256=found["sha256"],
        evidence=evidence or None,
        size_bytes=found["size_bytes"],
        state=State(found["state"]),
        attempts=found["attempts"],
        due_s=found["due_s"],
        reason=found["reason"],
    )
