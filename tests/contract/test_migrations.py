"""Migrations: from every schema there ever was to the one that the tables declare, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any, TypeAlias

import pytest
from sqlalchemy import Engine, inspect, select, text

import dispatcher.access.tables
import dispatcher.post.tables
import dispatcher.privacy.tables  # noqa: F401
from dispatcher import migrations
from dispatcher.engine import connect
from dispatcher.errors import StoreError
from dispatcher.schema import cases, metadata, schema_version
from dispatcher.store import Store

OpenStore: TypeAlias = Callable[..., Store]
SCHEMAS = Path(__file__).parent / "schemas"
"""What dispatchers made before there were migrations, as their databases told it then; never changed."""
CASE = (
    "INSERT INTO cases (unit_id, event_id, reference, state, kind, plate, occurred_at, reported_at, received_at, "
    "changed_at, reasons, approved, tries) VALUES ('unit-01', 'e', 'REF', 'sending', 'odd_even', 'B1234XYZ', "
    "{0}, {0}, {0}, {0}, '', false, 1)"
)


def described(engine: Engine) -> dict[str, Any]:
    """All that the database itself says about its tables."""
    inspector = inspect(engine)
    return {
        name: {
            "columns": {
                column["name"]: (str(column["type"]), column["nullable"], column["default"])
                for column in inspector.get_columns(name)
            },
            "key": inspector.get_pk_constraint(name)["constrained_columns"],
            "foreign": sorted((key["constrained_columns"], key["referred_table"]) for key in _foreign(inspector, name)),
            "unique": sorted(unique["column_names"] for unique in inspector.get_unique_constraints(name)),
            "indexes": sorted((str(index["name"]), index["column_names"]) for index in inspector.get_indexes(name)),
        }
        for name in inspector.get_table_names()
        if name != "alembic_version"
    }


def _foreign(inspector: Any, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = inspector.get_foreign_keys(name)
    return found


@pytest.fixture
def declared(request: pytest.FixtureRequest, tmp_path: Path, database: str) -> dict[str, Any]:
    """What a database of the kind that `database` is says of tables made as they are declared."""
    server = request.getfixturevalue("postgres_server") if database.startswith("postgresql") else None
    engine = connect(server.create() if server else f"sqlite:///{tmp_path / 'another.db'}")
    metadata.create_all(engine)
    found = described(engine)
    engine.dispose()
    return found


@pytest.fixture
def first(database: str) -> Iterator[Engine]:
    """A database as 0.1.0 made it, with a case that was being sent."""
    engine = connect(database)
    moment = "'2026-11-23 01:00:00'" if engine.dialect.name == "sqlite" else "'2026-11-23 01:00:00+00'"
    script = (SCHEMAS / f"1.{engine.dialect.name}.sql").read_text() + CASE.format(moment) + ";"
    with engine.begin() as connection:
        for statement in script.split(";\n"):
            if statement.strip(" ;\n") not in ("", "BEGIN TRANSACTION", "COMMIT"):
                connection.execute(text(statement))
    yield engine
    engine.dispose()


def test_an_empty_database_becomes_what_the_tables_declare(
    open_store: OpenStore, database: str, declared: dict[str, Any]
) -> None:
    """A column declared and never migrated would break the first statement that names it, in service."""
    open_store(database, migrating=True)
    engine = connect(database)
    found = described(engine)
    engine.dispose()
    assert found == declared


def test_the_first_schema_becomes_what_the_tables_declare_and_keeps_its_cases(
    open_store: OpenStore, first: Engine, database: str, declared: dict[str, Any]
) -> None:
    """An update in service must cost no case, and leave no old column behind."""
    store = open_store(database, migrating=True)
    with store.reading() as connection:
        (case,) = connection.execute(select(cases)).all()
    assert (case.reference, case.state, case.worker) == ("REF", "sending", None)
    assert case.occurred_at == datetime(2026, 11, 23, 1, tzinfo=UTC)
    assert described(first) == declared


def test_a_database_that_was_migrated_is_left_alone(open_store: OpenStore, database: str) -> None:
    """A second start, or a second dispatcher, must find nothing to do."""
    open_store(database, migrating=True)
    store = open_store(database, migrating=True)
    assert store.schema() == migrations.HEAD
    assert open_store(database).schema() == migrations.HEAD


def test_dispatchers_that_migrate_at_once_do_it_once(open_store: OpenStore, first: Engine, database: str) -> None:
    """After an update all dispatchers start together."""
    failed: list[StoreError] = []

    def start() -> None:
        try:
            Store.open(database, migrating=True).close()
        except StoreError as error:
            failed.append(error)

    threads = [Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert open_store(database).schema() == migrations.HEAD


def test_a_newer_database_is_left_alone(open_store: OpenStore, database: str) -> None:
    """An old dispatcher started by mistake must not write into a newer one's tables."""
    store = open_store(database, migrating=True)
    with store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for migrating in (False, True):
        with pytest.raises(StoreError, match=r"^database: schema 9999 is newer than this dispatcher's [^\n]*$"):
            open_store(database, migrating=migrating)


def test_dispatchers_from_before_the_migrations_refuse_the_new_schema(
    open_store: OpenStore, first: Engine, database: str
) -> None:
    """They know one number, and take a database that has it for their own."""
    store = open_store(database, migrating=True)
    with store.reading() as connection:
        assert connection.execute(select(schema_version.c.version)).scalar_one() > 1


def test_a_server_is_migrated_by_its_operator_alone(open_store: OpenStore, postgres: str) -> None:
    """One dispatcher that was updated too early must not stop the others."""
    with pytest.raises(StoreError, match=r"^database: is empty, not at \d+; run `cakra-dispatcher migrate`$"):
        open_store(postgres)
