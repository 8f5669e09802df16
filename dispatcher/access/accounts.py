"""Users in the database: added, looked up, changed. Nothing here decides who may do so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from dispatcher.access.roles import RIGHTS, Right, Role
from dispatcher.access.tables import account
from dispatcher.store import insert_new

_NAME = re.compile(r"[a-z][a-z0-9._-]{1,31}")
_MACHINES = frozenset({"machine", "whatsapp", "owner"})
"""Names that stand in a case's timeline for something that is no person."""


class Refused(Exception):
    """Something that was wanted of a user is not done; `str()` is the code of why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who may log in."""

    account_id: int
    name: str
    role: Role
    one_time: bool
    """The password was given by somebody else and is to be changed."""
    has_totp: bool
    created_at: datetime
    disabled_at: datetime | None

    def may(self, right: Right) -> bool:
        return right in RIGHTS[self.role]


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a log-in is checked against; never shown."""

    password: str
    totp: bytes | None
    totp_step: int

    def __repr__(self) -> str:
        return "Secrets(...)"


def is_name(text: str) -> bool:
    """Whether a user can be called so: 2 to 32 lower-case letters, digits, `.`, `_`, `-`, a letter first."""
    return _NAME.fullmatch(text) is not None and text not in _MACHINES


def user_of(row: Row[Any]) -> User:
    """The user in a row of the table."""
    return User(
        account_id=row.account_id,
        name=row.name,
        role=Role(row.role),
        one_time=row.one_time,
        has_totp=row.totp is not None,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )


def find(connection: Connection, name: str) -> tuple[User, Secrets] | None:
    """The user of this name, with what a log-in is checked against."""
    row = connection.execute(select(account).where(account.c.name == name)).first()
    return (user_of(row), Secrets(row.password, row.totp, row.totp_step)) if row else None


def listed(connection: Connection) -> tuple[User, ...]:
    """All users by name."""
    return tuple(map(user_of, connection.execute(select(account).order_by(account.c.name))))


def add(connection: Connection, name: str, role: Role, password: str, *, one_time: bool, now: datetime) -> bool:
    """A new user; `password` is the hash. False when there is one of this name."""
    values = {"name": name, "role": role, "password": password, "one_time": one_time, "created_at": now}
    return insert_new(connection, account, values)


def change(connection: Connection, user: User, **values: Any) -> None:
    connection.execute(update(account).where(account.c.account_id == user.account_id).values(**values))


def use_step(connection: Connection, user: User, step: int) -> bool:
    """Mark the authenticator's code of this step as used; False when another log-in was faster with the same code."""
    here = (account.c.account_id == user.account_id) & (account.c.totp_step < step)
    return connection.execute(update(account).where(here).values(totp_step=step)).rowcount == 1
