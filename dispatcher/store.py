"""The database as the rest of the dispatcher sees it: a reading and a writing transaction, and an idempotent insert.

On SQLite a writing transaction takes the write lock when it begins (so that it can never fail half-way for want of
it), the journal is WAL, a commit is on the disk before it returns, and what is deleted is overwritten.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, make_url, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DataError, NoSuchModuleError, SQLAlchemyError

from dispatcher.errors import ConfigError, StoreError, UnstorableError
from dispatcher.schema import counter, migrate

_BUSY_TIMEOUT_S = 10
"""Writers queue behind each other for milliseconds; ten seconds is a disk in trouble."""


class Store:
    """One database, migrated to this dispatcher's schema."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reading=True)

    @classmethod
    def open(cls, url: str) -> Store:
        """Connect and migrate. Raises ConfigError for a URL that is none, StoreError for a database that is away."""
        try:
            engine = _engine(url)
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise ConfigError(f"database: not a usable SQLAlchemy URL ({type(error).__name__}); mend it") from None
        store = cls(engine)
        try:
            with store.writing() as connection:
                migrate(connection)
        except BaseException:
            engine.dispose()
            raise
        return store

    def close(self) -> None:
        self._engine.dispose()

    def scrub(self) -> None:
        """After an erasure: what SQLite's journal still holds of it goes too, unless somebody reads there just now."""
        if self._engine.dialect.name == "sqlite":
            with self._reader.connect() as connection:
                connection.connection.dbapi_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()  # type: ignore[union-attr]

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is committed at the end of the block. Raises StoreError."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except DataError as error:
            raise UnstorableError(f"database: {_reason(error)}; nothing was written") from error
        except SQLAlchemyError as error:
            raise StoreError(f"database: {_reason(error)}; nothing was written") from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent view. Raises StoreError."""
        try:
            with self._reader.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StoreError(f"database: {_reason(error)}") from error


def insert_new(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless its key is there already; whether it was inserted."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    result = connection.execute(dialect.insert(table).values(**values).on_conflict_do_nothing())
    return result.rowcount == 1


def count(connection: Connection, name: str, number: int = 1) -> None:
    """So many more of `name`."""
    if not insert_new(connection, counter, {"name": name, "value": number}):
        connection.execute(update(counter).where(counter.c.name == name).values(value=counter.c.value + number))


def counters(connection: Connection) -> dict[str, int]:
    """What was counted so far."""
    return {row.name: row.value for row in connection.execute(select(counter).order_by(counter.c.name))}


def _reason(error: SQLAlchemyError) -> str:
    """The driver's own words, without the statement and its values."""
    return " ".join(str(getattr(error, "orig", None) or type(error).__name__).split())


def _engine(url: str) -> Engine:
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, hide_parameters=True)
    engine = create_engine(url, connect_args={"timeout": _BUSY_TIMEOUT_S}, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(dbapi_connection: Any, _record: Any) -> None:
    dbapi_connection.isolation_level = None  # the transactions are ours, not the driver's
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
        dbapi_connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
