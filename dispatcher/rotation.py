"""Seals with a new key what the old one sealed, beside dispatchers that go on working.

Each record opens with the one key or the other all the time, and whoever has both reads on. Killed at any moment, it
is run again: what was done is passed over. At the end all records are opened once more, and counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Row, Select, bindparam, func, select, update

from dispatcher.access import gate
from dispatcher.access.tables import account, session
from dispatcher.errors import ConfigError
from dispatcher.keys import Sealer
from dispatcher.post import batch
from dispatcher.post.tables import letter
from dispatcher.schema import cases, owner
from dispatcher.store import Store

_BATCH_ROWS = 1000
"""A twentieth of a second of write lock: intake goes on beside a rotation."""


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """Where sealed records lie, and what each is bound to."""

    column: Column[Any]
    name: Column[Any]
    bound_to: Callable[[str], str]
    """From the name in a record's row, or in the row that it belongs to."""

    @property
    def key(self) -> Column[Any]:
        (key,) = self.column.table.primary_key
        return key

    def after(self, key: int, rows: int) -> Select[Any]:
        """The next so many of `key`, `sealed` and `name`."""
        named = (self.key.label("key"), self.column.label("sealed"), self.name.label("name"))
        here = self.column.table
        found = select(*named).select_from(here if self.name.table is here else here.join(self.name.table))
        return found.where(self.key > key, self.column.is_not(None)).order_by(self.key).limit(rows)

    def number(self, connection: Connection) -> int:
        return connection.scalar(select(func.count(self.column))) or 0


SEALED: tuple[SealedColumn, ...] = (
    SealedColumn(owner.c.sealed, owner.c.plate, str),
    SealedColumn(letter.c.sealed, cases.c.reference, batch.bound_to),
    SealedColumn(account.c.totp, account.c.name, gate.bound_to),
    SealedColumn(session.c.totp_new, account.c.name, gate.bound_to),
)
"""All that `data_key_file` seals."""


@dataclass(slots=True)
class Sealed:
    """How many records open with which key."""

    new: int = 0
    old: int = 0
    lost: int = 0
    """With neither."""

    def __str__(self) -> str:
        return f"{self.new} with the new key, {self.old} with the old, {self.lost} with neither"


def rotate(
    store: Store, sealer: Sealer, on_progress: Callable[[int, int], None], batch_rows: int = _BATCH_ROWS
) -> Sealed:
    """Seal everything with the sealer's new key; what is found afterwards. Raises StoreError."""
    with store.reading() as connection:
        total = sum(each.number(connection) for each in SEALED)
    done = 0
    for each in SEALED:
        last = 0
        while rows := _reseal(store, sealer, each, last, batch_rows):
            last, done = rows[-1].key, done + len(rows)
            on_progress(done, total)
    store.scrub()
    return _count(store, sealer)


def _reseal(store: Store, sealer: Sealer, each: SealedColumn, last: int, batch_rows: int) -> list[Row[Any]]:
    """One batch. Rows that somebody has locked are left out: who never waits stands in nobody's way."""
    with store.writing() as connection:
        free = each.after(last, batch_rows).with_for_update(of=each.column.table, skip_locked=True)
        rows = list(connection.execute(free))
        changed = []
        for row in rows:
            try:
                sealed = sealer.reseal(row.sealed, each.bound_to(row.name))
            except ConfigError:
                continue  # told by the count
            if sealed is not None:
                changed.append({"at": row.key, "anew": sealed})
        if changed:
            statement = update(each.column.table).where(each.key == bindparam("at"))
            connection.execute(statement.values({each.column: bindparam("anew")}), changed)
    return rows


def _count(store: Store, sealer: Sealer) -> Sealed:
    found = Sealed()
    with store.reading() as connection:
        for each in SEALED:
            last = 0
            while rows := connection.execute(each.after(last, _BATCH_ROWS)).all():
                last = rows[-1].key
                for row in rows:
                    try:
                        is_old = sealer.reseal(row.sealed, each.bound_to(row.name)) is not None
                    except ConfigError:
                        found.lost += 1
                    else:
                        found.old += is_old
                        found.new += not is_old
    return found
