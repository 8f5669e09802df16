"""Import a snapshot of the owner registry from CSV.

The first line names the columns, in any order, UTF-8, comma separated:

| column | |
|---|---|
| `plate` | as written on the plate, with or without blanks |
| `name` | of the owner |
| `phone` | in any form people write Indonesian numbers in; may be empty (such a case goes to a person) |
| `vehicle_class` | passenger, motorcycle, bus, goods, special |
| `plate_colour` | text on base: black_on_white, white_on_black, black_on_yellow, white_on_red, black_on_green, ... |
| `status` | active, blocked, sold, transfer, exempt |
| `nik` | optional: identity number |
| `address` | optional: for the post; lines parted by line breaks or `|` |
| `electric` | optional: yes or no; an electric car is exempt from odd-even |
| `valid_from` | optional: date (YYYY-MM-DD) since when this is the owner |

Bad rows are listed with line and reason and left out. The old snapshot stays in service until the new one is whole.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any, TextIO
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, delete, insert, select, update

from dispatcher.errors import ConfigError, StoreError
from dispatcher.keys import Sealer
from dispatcher.owners import CLASSES, Status
from dispatcher.owners_signature import digest, signature_path, signed_moment
from dispatcher.plate import normalise
from dispatcher.schema import owner, owner_snapshot
from dispatcher.store import Store
from wire.signing import VerifyKey

REQUIRED = ("plate", "name", "phone", "vehicle_class", "plate_colour", "status")
OPTIONAL = ("nik", "address", "electric", "valid_from")
_BATCH_ROWS = 10_000
"""About 3 MB in memory and a fifth of a second of write lock: intake goes on beside an import."""
_YES_NO = {"yes": True, "no": False, "": False}


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was left out."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Imported:
    """How an import went."""

    good_rows: int
    bad_rows: int
    as_of: datetime | None = None
    """When the registry took the snapshot; None where no signature was checked."""


def import_owners(
    store: Store,
    sealer: Sealer,
    path: Path,
    now: datetime,
    zone: ZoneInfo,
    on_bad: Callable[[BadRow], None],
    on_progress: Callable[[int], None],
    signer: VerifyKey | None = None,
) -> Imported:
    """Read a snapshot and put it into service. Raises ConfigError for a file that is none, or that `signer` did not
    sign, StoreError when another import has begun meanwhile; then the snapshot in service stays."""
    good = bad = 0
    try:
        with path.open("rb") as raw, TextIOWrapper(raw, encoding="utf-8-sig", newline="") as file:
            sha256 = digest(raw)
            as_of = signed_moment(path, sha256, signer, now) if signer else None
            raw.seek(0)
            rows = _rows(file, path, sealer, zone)
            snapshot_id = _begin(store, path, {"imported_at": now, "as_of": as_of, "sha256": sha256})
            while batch := list(islice(rows, _BATCH_ROWS)):
                fine = [row for row in batch if isinstance(row, dict)]
                for row in batch:
                    if isinstance(row, BadRow):
                        on_bad(row)
                _add(store, snapshot_id, fine)
                good, bad = good + len(fine), bad + len(batch) - len(fine)
                on_progress(good + bad)
            raw.seek(0)
            if digest(raw) != sha256:
                raise ConfigError(f"{path}: changed while it was read; import it again. The old one stays in service")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; check the path") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8; save the snapshot as UTF-8. The old one stays in service") from None
    if not good:
        raise ConfigError(f"{path}: no usable row; the old snapshot stays in service")
    _put_in_service(store, snapshot_id, good, bad)
    return Imported(good, bad, as_of)


def _rows(file: TextIO, path: Path, sealer: Sealer, zone: ZoneInfo) -> Iterator[dict[str, Any] | BadRow]:
    reader = csv.reader(file)
    header = [name.strip() for name in next(reader, [])]
    missing = [name for name in REQUIRED if name not in header]
    unknown = [name for name in header if name not in REQUIRED + OPTIONAL]
    if missing:
        raise ConfigError(f"{path}: line 1: no column {', '.join(missing)}; the first line names the columns")
    if unknown:
        raise ConfigError(f"{path}: line 1: unknown column {', '.join(unknown)}; remove it")
    return _parsed(reader, header, sealer, zone)


def _parsed(reader: Any, header: list[str], sealer: Sealer, zone: ZoneInfo) -> Iterator[dict[str, Any] | BadRow]:
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadRow(reader.line_num, f"not CSV: {error}")
            continue
        if not cells:
            continue
        try:
            yield _row(cells, header, sealer, zone)
        except ValueError as error:
            yield BadRow(reader.line_num, str(error))


def _row(cells: list[str], header: list[str], sealer: Sealer, zone: ZoneInfo) -> dict[str, Any]:
    """One row for the database. Raises ValueError with the reason, which never repeats what the cell says."""
    if len(cells) != len(header):
        raise ValueError(f"{len(cells)} cells instead of {len(header)}")
    row = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    plate = normalise(row["plate"])
    if not (2 <= len(plate) <= 10 and plate.isascii() and plate.isalnum()):
        raise ValueError("plate: not 2 to 10 letters and digits")
    if row["vehicle_class"] not in CLASSES:
        raise ValueError(f"vehicle_class: not one of {', '.join(sorted(CLASSES))}")
    if row["status"] not in set(Status):
        raise ValueError(f"status: not one of {', '.join(Status)}")
    if not row["plate_colour"] or len(row["plate_colour"]) > 24:
        raise ValueError("plate_colour: is empty or too long")
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
        _drop(connection, "loading")
        values = {"state": "loading", "good_rows": 0, "bad_rows": 0, **facts}
        key = connection.execute(insert(owner_snapshot).values(**values)).inserted_primary_key
        return int(key[0])  # type: ignore[index]


def _add(store: Store, snapshot_id: int, rows: list[dict[str, Any]]) -> None:
    if rows:
        many = insert(owner).returning(owner.c.owner_id)  # on PostgreSQL hundreds a statement, not one: 7 times as fast
        with store.writing() as connection:
            _update(connection, snapshot_id, good_rows=owner_snapshot.c.good_rows + len(rows))
            connection.execute(many, [{"snapshot_id": snapshot_id, **row} for row in rows])


def _put_in_service(store: Store, snapshot_id: int, good: int, bad: int) -> None:
    with store.writing() as connection:
        _drop(connection, "old")
        where = owner_snapshot.c.state == "current"
        connection.execute(update(owner_snapshot).where(where).values(state="old"))
        _update(connection, snapshot_id, state="current", good_rows=good, bad_rows=bad)


def _update(connection: Connection, snapshot_id: int, **values: Any) -> None:
    """Of a snapshot that is loading. Raises StoreError when another import has begun, and dropped it."""
    where = (owner_snapshot.c.snapshot_id == snapshot_id) & (owner_snapshot.c.state == "loading")
    if connection.execute(update(owner_snapshot).where(where).values(**values)).rowcount != 1:
        raise StoreError("owners: another import has begun since; this one ends, that one goes on")


def _drop(connection: Connection, state: str) -> None:
    """Forget the owners of snapshots in this state; personal data that serves nobody is not kept."""
    gone = update(owner_snapshot).where(owner_snapshot.c.state == state).values(state="dropped")
    # First, so that an import that adds rows is waited for, and then finds itself dropped.
    ids = connection.scalars(gone.returning(owner_snapshot.c.snapshot_id)).all()
    connection.execute(delete(owner).where(owner.c.snapshot_id.in_(ids)))
