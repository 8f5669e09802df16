"""Reads a snapshot of the owner registry: a CSV file, or an SQLite file with a table `owners`.

In both, in any order:

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

CSV: the first line names the columns; UTF-8, comma separated. SQLite: text, integers, or NULL for what is empty.
"""

from __future__ import annotations

import csv
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import Any, TextIO, TypeAlias
from urllib.parse import quote

from dispatcher.errors import ConfigError
from dispatcher.owners_signature import digest

REQUIRED = ("plate", "name", "phone", "vehicle_class", "plate_colour", "status")
OPTIONAL = ("nik", "address", "electric", "valid_from")
_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was left out."""

    line: int
    """Of a CSV file; of an SQLite file the row's number."""
    reason: str


Numbered: TypeAlias = tuple[int, Mapping[str, str]]
"""A row's cells by column, and its line."""


class SnapshotFile:
    """A snapshot that is open for reading."""

    def __init__(self, path: Path, raw: BufferedReader, text: TextIO) -> None:
        self._path = path
        self._raw = raw
        self._text = text

    def digest(self) -> str:
        """SHA-256 of the whole file. Raises ConfigError for one that another has taken the place of."""
        if not os.path.samestat(os.fstat(self._raw.fileno()), self._path.stat()):
            raise ConfigError(f"{self._path}: was replaced while it was read; import it again")
        self._raw.seek(0)
        return digest(self._raw)

    def rows(self) -> Iterator[Numbered | BadRow]:
        """Each row, in order. Raises ConfigError, at once for a file that is no snapshot."""
        self._raw.seek(0)
        is_sqlite = self._raw.read(len(_SQLITE)) == _SQLITE
        self._raw.seek(0)
        return _of_sqlite(self._path) if is_sqlite else _of_csv(self._path, self._text)


@contextmanager
def opened(path: Path) -> Iterator[SnapshotFile]:
    """A snapshot to read. Raises ConfigError, also in the block."""
    try:
        with path.open("rb") as raw, TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
            yield SnapshotFile(path, raw, text)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; check the path") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8; save the snapshot as UTF-8. The old one stays in service") from None
    except sqlite3.Error as error:
        raise ConfigError(f"{path}: {error}; write the snapshot anew. The old one stays in service") from None


def _of_csv(path: Path, file: TextIO) -> Iterator[Numbered | BadRow]:
    reader = csv.reader(file)
    header = [name.strip() for name in next(reader, [])]
    _check(header, f"{path}: line 1", "the first line names the columns")
    return _lines(reader, header)


def _lines(reader: Any, header: Sequence[str]) -> Iterator[Numbered | BadRow]:
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadRow(reader.line_num, f"not CSV: {error}")
            continue
        if len(cells) == len(header):
            yield reader.line_num, dict(zip(header, cells, strict=True))
        elif cells:
            yield BadRow(reader.line_num, f"{len(cells)} cells instead of {len(header)}")


def _of_sqlite(path: Path) -> Iterator[Numbered | BadRow]:
    journal = Path(f"{path}-wal")
    if journal.exists() and journal.stat().st_size:
        raise ConfigError(f"{journal}: holds rows that no signature covers; `PRAGMA wal_checkpoint(TRUNCATE)` first")
    connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1", uri=True)
    connection.text_factory = bytes
    try:
        cursor = connection.execute("SELECT * FROM owners")
        header = [str(column[0]) for column in cursor.description]
        _check(header, f"{path}: table owners", "each column has its name")
    except BaseException:
        connection.close()
        raise
    return _records(connection, cursor, header)


def _records(
    connection: sqlite3.Connection, cursor: sqlite3.Cursor, header: Sequence[str]
) -> Iterator[Numbered | BadRow]:
    with closing(connection):
        for number, values in enumerate(cursor, start=1):
            try:
                yield number, {name: _cell(name, value) for name, value in zip(header, values, strict=True)}
            except ValueError as error:
                yield BadRow(number, str(error))


def _cell(name: str, value: object) -> str:
    """Raises ValueError with the reason, which never repeats what the cell says."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise ValueError(f"{name}: not UTF-8") from None
    if isinstance(value, int):
        return str(value)
    raise ValueError(f"{name}: neither text nor a whole number")


def _check(header: Sequence[str], where: str, mend: str) -> None:
    """Raises ConfigError for columns that are missing or unknown."""
    missing = [name for name in REQUIRED if name not in header]
    unknown = [name for name in header if name not in REQUIRED + OPTIONAL]
    if missing:
        raise ConfigError(f"{where}: no column {', '.join(missing)}; {mend}")
    if unknown:
        raise ConfigError(f"{where}: unknown column {', '.join(unknown)}; remove it")
