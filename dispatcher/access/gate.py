"""The way in and out: log-in, session, password, authenticator, each in one transaction with its line in the trail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection

from dispatcher.access import accounts, passwords, sessions, throttle, totp
from dispatcher.access.accounts import Refused, Secrets, User
from dispatcher.access.audit import Actor, Audit, What
from dispatcher.access.sessions import Limits, Session
from dispatcher.engine import hold
from dispatcher.keys import Sealer
from dispatcher.store import Store

Owed = Literal["password", "totp"]
"""What a user has to do before anything else."""
_TRIES = "tries at passwords"
"""They stand in line, at all dispatchers: a burst gets no more guesses than it would one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Lets users in, by what the database and the policy say of them."""

    store: Store
    sealer: Sealer
    audit: Audit
    limits: Limits
    must_enrol: bool
    """Everybody needs an authenticator."""
    issuer: str
    """What the authenticator calls this dispatcher."""

    def log_in(self, name: str, password: str, code: str, address: str, now: datetime) -> str | None:
        """A new session's token; None for whatever is wrong, after the same time and with nothing to tell it by."""
        by_name, by_address = throttle.by_name(name), throttle.by_address(address)
        with self.store.reading() as connection:
            if throttle.waits(connection, by_address, now):
                return None  # said of the address, whoever is named
            known = accounts.find(connection, name)
        open_to = known if known and known[0].disabled_at is None else None
        right = passwords.is_right(open_to[1].password if open_to else None, password)
        with self.store.writing() as connection:
            hold(connection, _TRIES)
            locked = throttle.waits(connection, by_name, now) or throttle.waits(connection, by_address, now)
            if open_to and right and not locked and self._code_is_right(connection, *open_to, code, now):
                return self._enter(connection, open_to[0], address, now)
            actor = Actor(name=known[0].name if known else "", address=address)
            self._refuse(connection, actor, (by_name, by_address), now, locked=locked)
        return None

    def _enter(self, connection: Connection, user: User, address: str, now: datetime) -> str:
        throttle.forget(connection, throttle.by_name(user.name))
        sessions.end_old(connection, self.limits, now)
        self.audit.append(connection, now, Actor(name=user.name, address=address), What.LOGGED_IN)
        return sessions.open_session(connection, user, address, now)

    def _refuse(
        self, connection: Connection, actor: Actor, scopes: tuple[str, str], now: datetime, *, locked: bool
    ) -> None:
        """Counted and written down; while a name is locked its lock does not grow, so that a user gets in again."""
        by_name = not locked and throttle.failed(connection, scopes[0], throttle.FREE_BY_NAME, now)
        by_address = throttle.failed(connection, scopes[1], throttle.FREE_BY_ADDRESS, now)
        if not locked:
            self.audit.append(connection, now, actor, What.LOGIN_REFUSED)
        if by_name or by_address:
            self.audit.append(connection, now, actor, What.LOCKED, "name" if by_name else "address")

    def _code_is_right(self, connection: Connection, user: User, kept: Secrets, code: str, now: datetime) -> bool:
        """Whether the authenticator agrees; a user without one needs none, and is made to enrol."""
        if kept.totp is None:
            return True
        secret = self.sealer.open(kept.totp, bound_to=bound_to(user.name))["secret"]
        step = totp.step_of(secret, code, now, kept.totp_step)
        return step is not None and accounts.use_step(connection, user, step)

    def find(self, token: str, now: datetime) -> Session | None:
        """Who comes with this token."""
        with self.store.reading() as connection:
            found = sessions.find(connection, token, self.limits, now)
        if found is not None and sessions.is_due(found, now):
            with self.store.writing() as connection:
                sessions.touch(connection, found, now)
        return found

    def owed(self, user: User) -> Owed | None:
        """What a user has to do first."""
        if user.one_time:
            return "password"
        return "totp" if self.must_enrol and not user.has_totp else None

    def log_out(self, found: Session, now: datetime, *, everywhere: bool = False) -> None:
        actor = Actor(name=found.user.name, address=found.address)
        with self.store.writing() as connection:
            if everywhere:
                sessions.end_all(connection, found.user)
            else:
                sessions.end(connection, found)
            self.audit.append(connection, now, actor, What.LOGGED_OUT_EVERYWHERE if everywhere else What.LOGGED_OUT)

    def change_password(self, found: Session, old: str, new: str, now: datetime) -> str:
        """A new session's token, all others ended. Raises Refused with the code of what is wrong."""
        self._check_password(found, old, now)
        if fault := passwords.fault(new, found.user.name):
            raise Refused(fault)
        if new == old:
            raise Refused("password_same")
        hashed = passwords.hash_password(new)
        return self._renew(found, What.PASSWORD_CHANGED, now, password=hashed, one_time=False)

    def enrolment(self, found: Session, now: datetime) -> str:
        """The secret that this session may enrol; the same one until it is used."""
        with self.store.writing() as connection:
            sealed = sessions.enrolment(connection, found)
            if sealed is not None:
                return self.sealer.open(sealed, bound_to=bound_to(found.user.name))["secret"]
            secret = totp.new_secret()
            sessions.begin_enrolment(connection, found, self.sealer.seal({"secret": secret}, bound_to(found.user.name)))
            return secret

    def enrol(self, found: Session, password: str, code: str, now: datetime) -> str:
        """Take the authenticator into use; a new session's token. Raises Refused with the code of what is wrong."""
        self._check_password(found, password, now)
        secret = self.enrolment(found, now)
        step = totp.step_of(secret, code, now, 0)
        if step is None:
            raise Refused("code_wrong")
        sealed = self.sealer.seal({"secret": secret}, bound_to(found.user.name))
        return self._renew(found, What.TOTP_ENROLLED, now, totp=sealed, totp_step=step)

    def _check_password(self, found: Session, password: str, now: datetime) -> None:
        """The person at the keyboard is the user, no passer-by; guessed as slowly as at log-in. Raises Refused."""
        scope = throttle.by_name(found.user.name)
        with self.store.reading() as connection:
            known = accounts.find(connection, found.user.name)
        right = passwords.is_right(known[1].password if known else None, password)
        with self.store.writing() as connection:
            hold(connection, _TRIES)
            locked = throttle.waits(connection, scope, now)
            if right and not locked:
                return
            if not locked:
                throttle.failed(connection, scope, throttle.FREE_BY_NAME, now)
        raise Refused("password_wrong")

    def _renew(self, found: Session, what: What, now: datetime, **values: object) -> str:
        with self.store.writing() as connection:
            accounts.change(connection, found.user, **values)
            sessions.end_all(connection, found.user)
            self.audit.append(connection, now, Actor(name=found.user.name, address=found.address), what)
            return sessions.open_session(connection, found.user, found.address, now)


def bound_to(name: str) -> str:
    """What a user's sealed secret is bound to, so that nobody's can be put in another's place."""
    return f"totp:{name}"
