"""Import a snapshot of the owner registry (`owners_file` says what it looks like).

Bad rows are listed with line and reason and left out. The old snapshot stays in service until the new one is whole; an
import that fails leaves nothing behind, and what one that was killed left is dropped by the next, or by `retain`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from dispatcher.engine import insert_many
from dispatcher.errors import ConfigError, StoreError
from dispatcher.keys import Sealer
from dispatcher.owners import CLASSES, Status
from dispatcher.owners_file import BadRow, Numbered, opened
from dispatcher.owners_signature import signature_path, signed_moment
from dispatcher.plate import normalise
from dispatcher.schema import owner, owner_snapshot
from dispatcher.store import Store
from wire.signing import VerifyKey

_BATCH_ROWS = 10_000
"""About 3 MB in memory and a fifth of a second of write lock: intake goes on beside an import."""
_YES_NO = {"yes": True, "no": False, "": False}


@dataclass(frozen=True, slots=True)
class Imported:
    """How an import went."""

    good_rows: int
    bad_rows: int
    sha256: str
    as_of: datetime | None = None
    """When the registry took the snapshot; None where no signature was checked."""

    def __str__(self) -> str:
        said = f"as of {self.as_of.isoformat()}" if self.as_of else "unsigned"
        return f"{self.good_rows} registrations, {self.bad_rows} bad rows left out, {said}, SHA-256 {self.sha256}"


Noted: TypeAlias = Callable[[Connection, Imported], None]
"""Told in the transaction that puts a snapshot into service."""


def import_owners(
    store: Store,
    sealer: Sealer,
    path: Path,
    now: datetime,
    zone: ZoneInfo,
    on_bad: Callable[[BadRow], None],
    on_progress: Callable[[int], None],
    signer: VerifyKey | None = None,
    noted: Noted = lambda _connection, _done: None,
) -> Imported:
    """Read a snapshot and put it into service. Raises ConfigError for a file that is none, or that `signer` did not
    sign, StoreError when another import has begun meanwhile; then the snapshot in service stays."""
    with opened(path) as file:
        sha256 = file.digest()
        as_of = signed_moment(path, sha256, signer, now) if signer else None
        rows = file.rows()
        snapshot_id = _begin(store, path, {"imported_at": now, "as_of": as_of, "sha256": sha256})
        try:
            good, bad = _load(store, snapshot_id, (_row(each, sealer, zone) for each in rows), on_bad, on_progress)
            if file.digest() != sha256:
                raise ConfigError(f"{path}: changed while it was read; import it again. The old one stays in service")
            if not good:
                raise ConfigError(f"{path}: no usable row; the old snapshot stays in service")
            done = Imported(good, bad, sha256, as_of)
            _put_in_service(store, snapshot_id, done, noted)
        except BaseException:
            _abandon(store, snapshot_id)
            raise
    return done


def _load(
    store: Store,
    snapshot_id: int,
    rows: Iterator[dict[str, Any] | BadRow],
    on_bad: Callable[[BadRow], None],
    on_progress: Callable[[int], None],
) -> tuple[int, int]:
    """How many rows are good and in the database, and how many bad."""
    good = bad = 0
    while batch := list(islice(rows, _BATCH_ROWS)):
        fine = [row for row in batch if isinstance(row, dict)]
        for row in batch:
            if isinstance(row, BadRow):
                on_bad(row)
        _add(store, snapshot_id, fine)
        good, bad = good + len(fine), bad + len(batch) - len(fine)
        on_progress(good + bad)
    return good, bad


def _row(read: Numbered | BadRow, sealer: Sealer, zone: ZoneInfo) -> dict[str, Any] | BadRow:
    """One row for the database, or why it is left out."""
    if isinstance(read, BadRow):
        return read
    line, cells = read
    try:
        return _sealed({name: cell.strip() for name, cell in cells.items()}, sealer, zone)
    except ValueError as error:
        return BadRow(line, str(error))


def _sealed(row: Mapping[str, str], sealer: Sealer, zone: ZoneInfo) -> dict[str, Any]:
    """Raises ValueError with the reason, which never repeats what the cell says."""
    plate = normalise(row["plate"])
    if not (2 <= len(plate) <= 10 and plate.isascii() and plate.isalnum()):
        raise ValueError("plate: not 2 to 10 letters and digits")
    if row["vehicle_class"] not in CLASSES:
        raise ValueError(f"vehicle_class: not one of {', '.join(sorted(CLASSES))}")
    if row["status"] not in set(Status):
        raise ValueError(f"status: not one of {', '.join(Status)}")
    if not (0 < len(row["plate_colour"]) <= 24 and row["plate_colour"].isprintable()):
        raise ValueError("plate_colour: is empty, too long, or no text")
    if row.get("electric", "") not in _YES_NO:
        raise ValueError("electric: neither yes nor no")
    private = {name: row.get(name, "") for name in ("name", "phone", "nik")} | {
        "address": _lines(row.get("address", ""))
    }
    return {
        "plate": plate,
        "sealed": sealer.seal(private, bound_to=plate),
        "vehicle_class": row["vehicle_class"],
        "plate_colour": row["plate_colour"],
        "status": row["status"],
        "electric": _YES_NO[row.get("electric", "")],
        "valid_from": _day(row.get("valid_from", ""), zone),
    }


def _lines(address: str) -> str:
    return "\n".join(" ".join(line.split()) for line in re.split(r"[|\n]", address) if line.strip())


def _day(text: str, zone: ZoneInfo) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=zone)
    except ValueError:
        raise ValueError("valid_from: not a date like 2026-01-31") from None


def _begin(store: Store, path: Path, facts: Mapping[str, Any]) -> int:
    """A new snapshot that is loading; what an import that broke off left behind goes. Raises ConfigError for one that
    is older than the one in service."""
    as_of = facts["as_of"]
    with store.writing() as connection:
        newest = connection.scalar(select(owner_snapshot.c.as_of).where(owner_snapshot.c.state == "current"))
        if as_of and newest and as_of < newest:
            raise ConfigError(
                f"{signature_path(path)}: as_of: older than the snapshot in service, of {newest.isoformat()}; "
                "fetch the latest"
            )
        _drop(connection, owner_snapshot.c.state == "loading")
        values = {"state": "loading", "good_rows": 0, "bad_rows": 0, **facts}
        key = connection.execute(insert(owner_snapshot).values(**values)).inserted_primary_key
        return int(key[0])  # type: ignore[index]


def _add(store: Store, snapshot_id: int, rows: list[dict[str, Any]]) -> None:
    if rows:
        with store.writing() as connection:
            _update(connection, snapshot_id, good_rows=owner_snapshot.c.good_rows + len(rows))
            insert_many(connection, owner, [{"snapshot_id": snapshot_id, **row} for row in rows])


def _put_in_service(store: Store, snapshot_id: int, done: Imported, noted: Noted) -> None:
    with store.writing() as connection:
        _drop(connection, owner_snapshot.c.state == "old")
        where = owner_snapshot.c.state == "current"
        connection.execute(update(owner_snapshot).where(where).values(state="old"))
        _update(connection, snapshot_id, state="current", good_rows=done.good_rows, bad_rows=done.bad_rows)
        noted(connection, done)


def _abandon(store: Store, snapshot_id: int) -> None:
    """After a fault; where the database is at fault as well, what is left is dropped later."""
    with suppress(StoreError), store.writing() as connection:
        _drop(connection, (owner_snapshot.c.snapshot_id == snapshot_id) & (owner_snapshot.c.state == "loading"))


def _update(connection: Connection, snapshot_id: int, **values: Any) -> None:
    """Of a snapshot that is loading. Raises StoreError when another import has begun, and dropped it."""
    where = (owner_snapshot.c.snapshot_id == snapshot_id) & (owner_snapshot.c.state == "loading")
    if connection.execute(update(owner_snapshot).where(where).values(**values)).rowcount != 1:
        raise StoreError("owners: another import has begun since; this one ends, that one goes on")


def _drop(connection: Connection, where: ColumnElement[bool]) -> None:
    """Forget the owners of these snapshots; personal data that serves nobody is not kept."""
    gone = update(owner_snapshot).where(where).values(state="dropped")
    # First, so that an import that adds rows is waited for, and then finds itself dropped.
    ids = connection.scalars(gone.returning(owner_snapshot.c.snapshot_id)).all()
    connection.execute(delete(owner).where(owner.c.snapshot_id.in_(ids)))
