"""The database as the rest of the dispatcher sees it: a reading and a writing transaction, and an idempotent insert."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

from prometheus_client import Counter as Metric
from sqlalchemy import JSON, Connection, Engine, Table, Text, bindparam, cast, column, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from dispatcher import migrations
from dispatcher.engine import READING, connect, fault, hold
from dispatcher.errors import StoreError
from dispatcher.schema import counter

_Key = TypeVar("_Key")
_Value = TypeVar("_Value", bound=Hashable)
_COUNTED = "counted"
"""Where a connection keeps what its transaction counts."""


class Store:
    """One database at this dispatcher's schema."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**{READING: True})

    @classmethod
    def open(cls, url: str, password: str | None = None, *, migrating: bool = False) -> Store:
        """Connect. A SQLite file is brought to this dispatcher's schema, as any database is when `migrating`.

        Raises ConfigError for a URL that is none, StoreError for a database that is away or at another schema.
        """
        engine = connect(url, password)
        store = cls(engine)
        try:
            if migrating or engine.dialect.name == "sqlite":
                store._migrate()
            elif (found := store.schema()) != migrations.HEAD:
                told = f"is at schema {found}" if found else "is empty"
                raise StoreError(f"database: {told}, not at {migrations.HEAD}; run `cakra-dispatcher migrate`")
        except BaseException:
            engine.dispose()
            raise
        return store

    def schema(self) -> str | None:
        """The schema the database is at; None when it is empty. Raises StoreError."""
        with self.reading() as connection:
            return migrations.revision(connection)

    def _migrate(self) -> None:
        if self.schema() != migrations.HEAD:
            with self.writing() as connection:
                hold(connection, "migrations")
                migrations.upgrade(connection)

    def close(self) -> None:
        self._engine.dispose()

    def scrub(self) -> None:
        """After an erasure: what SQLite's journal still holds of it goes too, unless somebody reads there just now."""
        if self._engine.dialect.name == "sqlite":
            with self._reader.connect() as connection:
                connection.connection.dbapi_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()  # type: ignore[union-attr]

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is committed at the end of the block. Raises StoreError; then nothing was written."""
        try:
            with self._engine.begin() as connection:
                counted = connection.info[_COUNTED] = Counter[Metric]()
                yield connection
        except SQLAlchemyError as error:
            raise fault(error) from error
        for metric, number in counted.items():
            metric.inc(number)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent view. Raises StoreError."""
        try:
            with self._reader.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise fault(error) from error


def insert_new(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless its key is there already; whether it was inserted."""
    result = connection.execute(_dialect(connection).insert(table).values(**values).on_conflict_do_nothing())
    return result.rowcount == 1


def _dialect(connection: Connection) -> Any:
    """Where SQLAlchemy keeps the `insert` of this database."""
    return postgresql if connection.dialect.name == "postgresql" else sqlite


def insert_all(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all name the same columns."""
    if rows:
        connection.execute(*_inserting(connection, table, rows))


def _inserting(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> tuple[Any, Any]:
    """An insert of these rows, and its parameters."""
    if connection.dialect.name == "postgresql":
        return _as_document(table, tuple(rows[0])), {"rows": json.dumps(rows, default=str)}
    return sqlite.insert(table), rows


@lru_cache(maxsize=32)
def _as_document(table: Table, names: tuple[str, ...]) -> postgresql.Insert:
    """An insert whose rows come as one JSON document, which costs the driver less than as many parameters. Not for
    bytes."""
    document = cast(bindparam("rows", type_=Text), JSON)
    columns = (column(name, table.c[name].type) for name in names)
    rows = func.json_to_recordset(document).table_valued(*columns).render_derived(with_types=True)
    return postgresql.insert(table).from_select(names, select(*rows.c))


def insert_all_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> set[tuple[Any, ...]]:
    """Insert the rows whose keys are not there already, the first of each key; the keys of those inserted."""
    if not rows:
        return set()
    statement = _dialect(connection).insert(table).on_conflict_do_nothing().returning(*table.primary_key.columns)
    return {tuple(key) for key in connection.execute(statement, rows)}


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], columns: Collection[str]) -> None:
    """Insert these rows, or give those that are there already their new values in these columns: one statement."""
    if rows:
        statement, parameters = _inserting(connection, table, rows)
        key = list(table.primary_key.columns)
        values = {name: statement.excluded[name] for name in columns}
        connection.execute(statement.on_conflict_do_update(index_elements=key, set_=values), parameters)


def grouped(values: Mapping[_Key, _Value]) -> Mapping[_Value, list[_Key]]:
    """By value: the keys that have it, for one statement a value."""
    alike: dict[_Value, list[_Key]] = defaultdict(list)
    for key, value in values.items():
        alike[value].append(key)
    return alike


def count(connection: Connection, name: str, number: int = 1) -> None:
    """So many more of `name`."""
    statement = _dialect(connection).insert(counter).values(name=name, value=number)
    more = {"value": counter.c.value + statement.excluded.value}
    connection.execute(statement.on_conflict_do_update(index_elements=[counter.c.name], set_=more))


def count_committed(connection: Connection, metric: Metric) -> None:
    """One more of a metric, once this writing transaction is committed: what is taken back never happened."""
    connection.info[_COUNTED][metric] += 1


def counters(connection: Connection) -> dict[str, int]:
    """What was counted so far."""
    return {row.name: row.value for row in connection.execute(select(counter).order_by(counter.c.name))}
