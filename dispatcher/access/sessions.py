"""Who is logged in: a random token in the browser, its hash here."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update

from dispatcher.access.accounts import User, user_of
from dispatcher.access.tables import account, session

_TOUCH = timedelta(minutes=1)
"""How exactly `seen_at` is kept: a write a minute and session, not one a page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One browser that is logged in."""

    session_id: int
    user: User
    opened_at: datetime
    seen_at: datetime
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a session lasts."""

    idle: timedelta
    longest: timedelta


def new_token() -> str:
    """256 bits that nobody guesses."""
    return secrets.token_urlsafe(32)


def open_session(connection: Connection, user: User, address: str, now: datetime) -> str:
    """A new session; its token, which is stored nowhere."""
    token = new_token()
    values = {"account_id": user.account_id, "opened_at": now, "seen_at": now, "address": address[:64]}
    connection.execute(insert(session).values(sha256=_hash(token), **values))
    return token


def find(connection: Connection, token: str, limits: Limits, now: datetime) -> Session | None:
    """The session of a token, as long as it lasts and its user may come in."""
    joined = select(session, account).join(account).where(session.c.sha256 == _hash(token))
    row = connection.execute(joined.where(_alive(limits, now), account.c.disabled_at.is_(None))).first()
    return _session(row, user_of(row)) if row else None


def is_due(found: Session, now: datetime) -> bool:
    """Whether `touch` is worth a write."""
    return now - found.seen_at >= _TOUCH


def touch(connection: Connection, found: Session, now: datetime) -> None:
    """The session was used."""
    connection.execute(update(session).where(session.c.session_id == found.session_id).values(seen_at=now))


def end(connection: Connection, found: Session) -> None:
    connection.execute(delete(session).where(session.c.session_id == found.session_id))


def end_all(connection: Connection, user: User) -> None:
    """Every browser of a user is logged out."""
    connection.execute(delete(session).where(session.c.account_id == user.account_id))


def end_old(connection: Connection, limits: Limits, now: datetime) -> None:
    """Forget sessions that no longer last."""
    over = (session.c.seen_at <= now - limits.idle) | (session.c.opened_at <= now - limits.longest)
    connection.execute(delete(session).where(over))


def of_user(connection: Connection, user: User, limits: Limits, now: datetime) -> tuple[Session, ...]:
    """Where a user is logged in, the newest first."""
    mine = select(session).where(session.c.account_id == user.account_id, _alive(limits, now))
    return tuple(_session(row, user) for row in connection.execute(mine.order_by(session.c.opened_at.desc())))


def enrolment(connection: Connection, found: Session) -> bytes | None:
    """The sealed secret of the enrolment that this session has begun; locked, so that two pages get the same one."""
    mine = select(session.c.totp_new).where(session.c.session_id == found.session_id)
    return connection.scalar(mine.with_for_update())


def begin_enrolment(connection: Connection, found: Session, sealed: bytes) -> None:
    connection.execute(update(session).where(session.c.session_id == found.session_id).values(totp_new=sealed))


def _alive(limits: Limits, now: datetime) -> ColumnElement[bool]:
    return (session.c.seen_at > now - limits.idle) & (session.c.opened_at > now - limits.longest)


def _session(row: Row[Any], user: User) -> Session:
    return Session(
        session_id=row.session_id, user=user, opened_at=row.opened_at, seen_at=row.seen_at, address=row.address
    )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
