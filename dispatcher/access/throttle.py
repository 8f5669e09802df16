"""How long the next try to log in has to wait: by name and by address, longer with each failure.

A name that nobody has waits like any other, so waiting tells nothing about who is a user here.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select, update

from dispatcher.access.tables import login_failure
from dispatcher.store import insert_new

FREE_BY_NAME = 5
FREE_BY_ADDRESS = 20
"""An office's users may share one address."""
_FIRST_WAIT = timedelta(minutes=1)
_LONGEST_WAIT = timedelta(minutes=15)
"""100 guesses a day at one name; and nobody is kept out for longer by somebody who plays with their name."""
_FORGOTTEN_AFTER = {"name:": timedelta(days=1), "address:": timedelta(hours=1)}
"""Since the last failure."""


def by_name(name: str) -> str:
    """Scope of a name; hashed, because people type passwords into the wrong field."""
    return "name:" + hashlib.sha256(name.encode()).hexdigest()[:32]


def by_address(address: str) -> str:
    return "address:" + address


def waits(connection: Connection, scope: str, now: datetime) -> bool:
    """Whether the next try has to wait."""
    until = connection.scalar(select(login_failure.c.until).where(login_failure.c.scope == scope))
    return until is not None and until > now


def failed(connection: Connection, scope: str, free: int, now: datetime) -> bool:
    """Remember a failure; whether the next try has to wait now."""
    for kind, kept in _FORGOTTEN_AFTER.items():
        old = login_failure.c.scope.startswith(kind) & (login_failure.c.last_at < now - kept)
        connection.execute(delete(login_failure).where(old))
    insert_new(connection, login_failure, {"scope": scope, "failures": 0, "last_at": now, "until": now})
    here = login_failure.c.scope == scope
    before = connection.execute(select(login_failure.c.failures).where(here).with_for_update()).scalar_one()
    until = now + wait(before + 1, free)
    connection.execute(update(login_failure).where(here).values(failures=before + 1, last_at=now, until=until))
    return until > now


def forget(connection: Connection, scope: str) -> None:
    """A log-in succeeded, or a person lifted the lock."""
    connection.execute(delete(login_failure).where(login_failure.c.scope == scope))


def wait(failures: int, free: int) -> timedelta:
    """No wait up to `free` failures in a row, then a minute, twice as long each time, a quarter of an hour at most."""
    if failures < free:
        return timedelta(0)
    return min(_FIRST_WAIT * (1 << min(failures - free, 10)), _LONGEST_WAIT)
