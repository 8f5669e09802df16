"""`cakra-dispatcher users` and `audit`: the first admin, a lost phone, and whether the trail is whole."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from dispatcher.access import accounts
from dispatcher.access.accounts import Refused
from dispatcher.access.audit import Actor, Audit
from dispatcher.access.office import Office
from dispatcher.access.roles import Role
from dispatcher.app import load_audit, open_store
from dispatcher.console.words import SAID
from dispatcher.errors import UsageError
from dispatcher.settings import load_settings
from dispatcher.store import Store

COMMAND_LINE = Actor(name="command line")
"""Whoever may read the dispatcher's keys; the system's own log knows who that is."""
_ANCHOR = re.compile(r"[0-9]{1,15}:[0-9a-f]{64}")


def add_commands(commands: Any, config: argparse.ArgumentParser) -> None:
    """The commands of this package; `config` is the parent with `--config`."""
    users = commands.add_parser("users", help="who may use the console").add_subparsers(required=True, metavar="VERB")
    adding = users.add_parser("add", parents=[config], help="a new user, with a one-time password")
    adding.add_argument("name")
    adding.add_argument("--role", choices=[*Role], required=True)
    adding.add_argument("--password-stdin", action="store_true", help="take the password from stdin, to stay")
    adding.set_defaults(command=_add)
    resetting = users.add_parser(
        "reset", parents=[config], help="new one-time password, no authenticator, no lock, enabled, logged out"
    )
    resetting.add_argument("name")
    resetting.set_defaults(command=_reset)
    disabling = users.add_parser("disable", parents=[config], help="log out at once and let in no more")
    disabling.add_argument("name")
    disabling.set_defaults(command=_disable)
    listing = users.add_parser("list", parents=[config], help="the users")
    listing.set_defaults(command=_list)

    trail = commands.add_parser("audit", help="the audit trail").add_subparsers(required=True, metavar="VERB")
    verifying = trail.add_parser("verify", parents=[config], help="name what was changed, is missing or was put in")
    verifying.add_argument("--anchor", metavar="NUMBER:MAC", default="", help="as an earlier `audit verify` printed it")
    verifying.set_defaults(command=_verify)


@contextmanager
def _opened(arguments: argparse.Namespace) -> Iterator[tuple[Store, Audit]]:
    settings = load_settings(arguments.config)
    audit = load_audit(settings)
    store = open_store(settings)
    try:
        yield store, audit
    except Refused as refused:
        raise UsageError(f"{arguments.name}: {SAID[str(refused)]}") from None
    finally:
        store.close()


def _add(arguments: argparse.Namespace) -> int:
    password = sys.stdin.readline().rstrip("\n") if arguments.password_stdin else None
    with _opened(arguments) as (store, audit):
        office = Office(store, audit)
        given = office.add(COMMAND_LINE, arguments.name, Role(arguments.role), datetime.now(UTC), password)
    if password is None:
        _hand_out(arguments.name, given)
    return 0


def _reset(arguments: argparse.Namespace) -> int:
    with _opened(arguments) as (store, audit):
        given = Office(store, audit).reset(COMMAND_LINE, arguments.name, datetime.now(UTC))
    _hand_out(arguments.name, given)
    return 0


def _hand_out(name: str, password: str) -> None:
    print(f"one-time password of {name}: {password}")
    print("It is not shown again, and is changed at the first log-in.", file=sys.stderr)


def _disable(arguments: argparse.Namespace) -> int:
    with _opened(arguments) as (store, audit):
        Office(store, audit).disable(COMMAND_LINE, arguments.name, datetime.now(UTC))
    return 0


def _list(arguments: argparse.Namespace) -> int:
    with _opened(arguments) as (store, _), store.reading() as connection:
        users = accounts.listed(connection)
    for user in users:
        state = "disabled" if user.disabled_at else "one-time password" if user.one_time else "active"
        print(f"{user.name:<32}  {user.role:<10}  {'authenticator' if user.has_totp else '-':<13}  {state}")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    """0 when the trail is as it was written, 1 when it is not."""
    if arguments.anchor and not _ANCHOR.fullmatch(arguments.anchor):
        raise UsageError(f"--anchor {arguments.anchor}: not NUMBER:MAC; copy it as `audit verify` printed it")
    with _opened(arguments) as (store, audit), store.reading() as connection:
        examined = audit.verify(connection, arguments.anchor)
    for fault in examined.faults:
        print(fault)
    print(f"{examined.entries} entries, {'NOT ' if examined.faults else ''}as they were written")
    if not examined.faults:
        print(f"anchor: {examined.head}")
    return 1 if examined.faults else 0
