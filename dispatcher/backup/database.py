"""A database as one file, and back: SQLite's own online backup, PostgreSQL's own pg_dump and pg_restore."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

from sqlalchemy import URL, Connection, inspect, make_url, text

from dispatcher.backup.archive import copied
from dispatcher.engine import connect
from dispatcher.errors import StoreError, UsageError
from dispatcher.evidence import sync
from dispatcher.store import Store

FILES = {"sqlite": "database.sqlite", "postgresql": "database.pgdump"}
_DEBIAN = Path("/usr/lib/postgresql")
"""Debian keeps a server's programs out of PATH, a folder for each version."""


def kind(url: str) -> Literal["sqlite", "postgresql"]:
    """Which of the two it is. Raises ConfigError for neither."""
    return "sqlite" if connect(url).dialect.name == "sqlite" else "postgresql"


def dump(connection: Connection, url: str, password: str | None, target: Path) -> None:
    """What a reading transaction sees, as a file on the disk. Raises StoreError."""
    if kind(url) == "sqlite":
        with closing(sqlite3.connect(target)) as copy:
            connection.connection.dbapi_connection.backup(copy)  # type: ignore[union-attr]
    else:
        seen = connection.scalar(text("SELECT pg_export_snapshot()"))
        _run("pg_dump", make_url(url), password, "--format=custom", f"--snapshot={seen}", f"--file={target}")
    target.chmod(0o600)
    sync(target)


def check_empty(url: str, password: str | None) -> None:
    """Raises UsageError for a database that holds something, StoreError for one that is away."""
    if kind(url) == "sqlite":
        file = make_url(url).database or ""
        if Path(file).exists():
            raise UsageError(f"{file}: is there already; restore into a database that is not there yet")
        return
    with closing(Store(connect(url, password))) as store, store.reading() as connection:
        if inspect(connection).get_table_names():
            raise UsageError("database: holds tables already; restore into an empty one (createdb)")


@contextmanager
def loaded(source: Path, url: str, password: str | None) -> Iterator[str]:
    """The URL of a filled database to finish; it is in its place when the block ends. Raises StoreError."""
    if kind(url) == "postgresql":
        _run("pg_restore", make_url(url), password, "--single-transaction", "--exit-on-error", str(source))
        yield url
        return
    file = Path(make_url(url).database or "")
    part = file.with_name(file.name + ".part")
    try:
        part.unlink(missing_ok=True)
        copied(source, part)
        yield f"sqlite:///{part}"
        part.rename(file)
        sync(file.parent)
    except OSError as error:
        raise StoreError(f"{file}: {error.strerror}; mend the disk, empty the evidence folder, restore again") from None


def _run(program: str, url: URL, password: str | None, *arguments: str) -> None:
    """One of PostgreSQL's programs on a database; the password goes by the environment, where nobody else reads it."""
    where = {"host": url.host, "port": url.port, "username": url.username, "dbname": url.database}
    place = [f"--{name}={value}" for name, value in where.items() if value]
    command = [_found(program), "--no-password", "--no-owner", "--no-privileges", *place, *arguments]
    secret = password or url.password
    environment = os.environ | ({"PGPASSWORD": secret} if secret else {})
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
        raise StoreError(f"{program}: {said[0].removeprefix(f'{program}: ')}")


def _found(program: str) -> str:
    newest = sorted(_DEBIAN.glob(f"*/bin/{program}"), key=lambda path: int(path.parts[-3]), reverse=True)
    found = shutil.which(program) or next(map(str, newest), None)
    if found is None:
        raise StoreError(
            f"{program}: is not installed; install PostgreSQL's client programs (Debian: postgresql-client)"
        )
    return found
