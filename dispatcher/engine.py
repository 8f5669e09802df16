"""What is one database's own: how to connect, how a transaction begins, what an error means.

On SQLite a writing transaction takes the write lock when it begins (so that it can never fail half-way for want of
it), the journal is WAL, and a commit is on the disk before it returns. On PostgreSQL a writing transaction sees what
others have committed by each statement and locks the rows it decides about; a reading one sees one moment.
"""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    Connection,
    Dialect,
    Engine,
    Table,
    Text,
    create_engine,
    event,
    func,
    insert,
    literal,
    make_url,
    select,
)
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    SQLAlchemyError,
    TimeoutError,
)

from dispatcher.errors import AwayError, ConfigError, ContendedError, StoreError, UnstorableError
from dispatcher.metrics import DATABASE_ERRORS, word

READING = "reading"
"""Execution option of a connection that only reads."""
_BUSY_TIMEOUT_S = 10
"""Writers queue behind each other for milliseconds; ten seconds is a disk in trouble."""
_SILENCE_S = 300
"""No statement takes that long but the deletion of a large snapshot; a server silent for longer is gone."""
_CONTENDED = {"40001", "40P01"}
"""SQLSTATE of a transaction that stood in another's way."""
_UNSTORABLE = "22"
"""SQLSTATE class of values that the columns do not hold."""
_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
"""What COPY's text would take for the end of a value or a row."""
_TIMESTAMPTZ = 1184
"""The server's number of the type."""
_AWAY = ("08", "25006", "53", "57", "58")
"""SQLSTATE classes, and one state, of a server that breaks off, stops, starts, is full, or only reads for now."""
_STARTUP = {"jit": "off"}
"""Compiling a statement takes the server seconds, and none of ours is worth it: the numbers of a day took 6 s for 2."""
_SQLITE_AWAY = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}


def connect(url: str, password: str | None = None) -> Engine:
    """The database behind a URL; connects when it is first used. Raises ConfigError for a URL that is none."""
    try:
        place = make_url(url)
        if place.get_backend_name() == "sqlite":
            return _sqlite(create_engine(place, connect_args={"timeout": _BUSY_TIMEOUT_S}, hide_parameters=True))
        if place.get_backend_name() == "postgresql":
            place = place.set(drivername="postgresql+pg8000", password=password or place.password)
            options = {"timeout": _SILENCE_S, "application_name": "cakra-dispatcher", "startup_params": _STARTUP}
            return _postgresql(create_engine(place, connect_args=options, pool_pre_ping=True, hide_parameters=True))
    except ModuleNotFoundError:
        raise ConfigError("database: PostgreSQL's driver is not installed; install cakra[postgres]") from None
    except (ArgumentError, NoSuchModuleError) as error:
        raise ConfigError(f"database: not a usable SQLAlchemy URL ({type(error).__name__}); mend it") from None
    raise ConfigError(f"database: {place.get_backend_name()} is not supported; write sqlite:/// or postgresql://")


def hold(connection: Connection, *names: str) -> None:
    """Until this transaction ends, let no other go past its own `hold` of any of these names.

    SQLite needs nothing here: it has one writing transaction at a time.
    """
    if connection.dialect.name == "postgresql" and names:
        each = func.unnest(literal(sorted(names), ARRAY(Text))).column_valued("name")
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(each, 0))))


def insert_many(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put in new rows that have the same columns; on PostgreSQL by COPY, which costs the server half."""
    if connection.dialect.name != "postgresql":
        connection.execute(insert(table), rows)
        return
    names = tuple(rows[0])
    lines = ("\t".join(_copied(row[name]) for name in names) for row in rows)
    statement = f"COPY {table.name} ({', '.join(names)}) FROM STDIN"
    driver: Any = connection.dialect.dbapi
    cursor: Any = connection.connection.cursor()
    try:
        with closing(cursor):
            cursor.execute(statement, stream=["\n".join((*lines, "")).encode()])
    except driver.Error as error:
        raise DBAPIError.instance("COPY", None, error, driver.Error, dialect=connection.dialect) from error


def _copied(value: object) -> str:
    """A value as COPY's text has it."""
    match value:
        case None:
            return "\\N"
        case bytes():
            return f"\\\\x{value.hex()}"
        case datetime():
            return value.isoformat()
    return str(value).translate(_ESCAPED)


def fault(error: SQLAlchemyError) -> StoreError:
    """What an error of the database means to us, in the server's own words without the statement and its values."""
    told = getattr(error, "orig", None) or type(error).__name__
    said = told.args[0] if isinstance(told, Exception) and told.args else told
    state = said.get("C", "") if isinstance(said, dict) else ""
    words = " ".join(str(said.get("M", "") if isinstance(said, dict) else said).split())
    told_as = _kind(error, state)(f"database: {words}")
    DATABASE_ERRORS.labels(word(told_as)).inc()
    return told_as


def _kind(error: SQLAlchemyError, state: str) -> type[StoreError]:
    """Whether to try again: what the server or the connection to it could not do, or what nobody will ever do."""
    if isinstance(error, DataError) or state.startswith(_UNSTORABLE):
        return UnstorableError
    if state in _CONTENDED:
        return ContendedError
    primary = getattr(getattr(error, "orig", None), "sqlite_errorcode", 0) & 0xFF
    is_cut = not state and isinstance(error, InterfaceError | TimeoutError)
    return AwayError if is_cut or state.startswith(_AWAY) or primary in _SQLITE_AWAY else StoreError


def _sqlite(engine: Engine) -> Engine:
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(dbapi_connection: Any, _record: Any) -> None:
    dbapi_connection.isolation_level = None  # the transactions are ours, not the driver's
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
        dbapi_connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get(READING, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _postgresql(engine: Engine) -> Engine:
    engine.dialect.use_insertmanyvalues_wo_returning = True  # the driver would send many rows one by one
    event.listen(engine, "begin", _begin_postgresql)
    event.listen(engine, "do_connect", _connect_postgresql)
    _mend_driver()
    return engine


@cache
def _mend_driver() -> None:
    """Two things of pg8000 1.31: a connection that is reset is told as what the socket said, not as the driver's error,
    and of a statement it looks at each character each time it sends it, where once is enough."""
    from pg8000 import core, legacy

    read, convert = core._read, legacy.convert_paramstyle

    def told(sock: Any, size: int) -> bytes:
        try:
            return bytes(read(sock, size))
        except OSError as error:
            raise core.InterfaceError("network error") from error

    core._read = told
    placed = lru_cache(maxsize=1024)(lambda style, statement: convert(style, statement, ())[0])
    legacy.convert_paramstyle = lambda style, statement, values: (placed(style, statement), values)


def _connect_postgresql(dialect: Dialect, _record: Any, arguments: Any, options: Any) -> Any:
    """A server that goes away in the middle of a greeting is told by the driver as what the socket said."""
    try:
        connection = dialect.connect(*arguments, **options)
    except OSError as error:
        raise dialect.dbapi.InterfaceError(str(error)) from error  # type: ignore[union-attr]
    if connection._usock.family != socket.AF_UNIX:  # else each statement waits 40 ms for the answer to the one before
        connection._usock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.register_in_adapter(_TIMESTAMPTZ, datetime.fromisoformat)  # a tenth of the driver's own way
    return connection


def _begin_postgresql(connection: Connection) -> None:
    if connection.get_execution_options().get(READING, False):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
