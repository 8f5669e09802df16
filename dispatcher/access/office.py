"""What an admin does with users, from the console or the command line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from dispatcher.access import accounts, passwords, sessions, throttle
from dispatcher.access.accounts import Refused, User
from dispatcher.access.audit import Actor, Audit, What
from dispatcher.access.roles import Role
from dispatcher.store import Store


@dataclass(frozen=True, slots=True)
class Office:
    """Users are added and changed here, each time with a line in the trail."""

    store: Store
    audit: Audit

    def add(self, actor: Actor, name: str, role: Role, now: datetime, password: str | None = None) -> str:
        """A new user; the password, made up and to be changed at the first log-in unless one is given.

        Raises Refused with the code of what is wrong.
        """
        if not accounts.is_name(name):
            raise Refused("name_wrong")
        if password is not None and (fault := passwords.fault(password, name)):
            raise Refused(fault)
        given = password or passwords.new_password()
        hashed = passwords.hash_password(given)
        with self.store.writing() as connection:
            if not accounts.add(connection, name, role, hashed, one_time=password is None, now=now):
                raise Refused("name_taken")
            self.audit.append(connection, now, actor, What.USER_ADDED, name, role)
        return given

    def reset(self, actor: Actor, name: str, now: datetime) -> str:
        """A fresh start: the new one-time password; authenticator, lock, sessions and a disabling are gone."""
        given = passwords.new_password()
        hashed = passwords.hash_password(given)
        with self.store.writing() as connection:
            user = self._other(connection, actor, name)
            values = {"password": hashed, "one_time": True, "totp": None, "disabled_at": None}
            accounts.change(connection, user, **values)
            sessions.end_all(connection, user)
            throttle.forget(connection, throttle.by_name(name))
            self.audit.append(connection, now, actor, What.USER_RESET, name)
        return given

    def disable(self, actor: Actor, name: str, now: datetime) -> None:
        """The user is out at once and cannot come in again."""
        with self.store.writing() as connection:
            user = self._other(connection, actor, name)
            accounts.change(connection, user, disabled_at=now)
            sessions.end_all(connection, user)
            self.audit.append(connection, now, actor, What.USER_DISABLED, name)

    def change_role(self, actor: Actor, name: str, role: Role, now: datetime) -> None:
        """Another role, at once."""
        with self.store.writing() as connection:
            user = self._other(connection, actor, name)
            accounts.change(connection, user, role=role)
            self.audit.append(connection, now, actor, What.ROLE_CHANGED, name, f"{user.role} -> {role}")

    def _other(self, connection: Connection, actor: Actor, name: str) -> User:
        """The user who is changed. An admin is changed by another one, so that one always remains."""
        found = accounts.find(connection, name)
        if found is None:
            raise Refused("name_unknown")
        if actor.name == name:
            raise Refused("name_own")
        return found[0]
