"""`cakra-dispatcher retain`, `holds`, `export`, `erase` and `breach`.

A plate is read from stdin: on the command line everybody on the machine would see it, and the shell would keep it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dispatcher import cases
from dispatcher.access import audit as trail
from dispatcher.access.audit import Audit, What
from dispatcher.access.commands import COMMAND_LINE
from dispatcher.access.sights import LIST
from dispatcher.app import load_audit, open_evidence, open_registry, open_store
from dispatcher.cases import Case
from dispatcher.errors import UsageError
from dispatcher.keys import read_sealer
from dispatcher.privacy import holds
from dispatcher.privacy.erasure import Eraser
from dispatcher.privacy.retention import Retention
from dispatcher.privacy.subject import Subject
from dispatcher.settings import load_settings
from dispatcher.store import Store

_SIGHTS = (What.SEEN, What.REVEALED, What.EXPORTED, What.LETTER_PRINTED)
"""After these somebody knows personal data."""


@dataclass(frozen=True, slots=True)
class _Office:
    store: Store
    audit: Audit
    retention: Retention
    subject: Subject

    def note(self, what: What, about: str, why: str, now: datetime) -> None:
        with self.store.writing() as connection:
            self.audit.append(connection, now, COMMAND_LINE, what, about, why)


def add_commands(commands: Any, config: argparse.ArgumentParser) -> None:
    """The commands of this package; `config` is the parent with `--config`."""
    why = argparse.ArgumentParser(add_help=False)
    why.add_argument("--why", required=True, help="the reason, for the trail")
    sure = argparse.ArgumentParser(add_help=False)
    sure.add_argument("--yes", action="store_true", help="really erase; without it only say what would go")

    retain = commands.add_parser("retain", parents=[config, sure], help="erase what has been kept long enough")
    retain.set_defaults(command=_retain)
    held = commands.add_parser("holds", help="legal holds").add_subparsers(required=True, metavar="VERB")
    for verb, text in (("set", "erase nothing of a case"), ("lift", "let a case go")):
        one = held.add_parser(verb, parents=[config, why], help=text)
        one.add_argument("reference")
        one.set_defaults(command=_hold, verb=verb)
    held.add_parser("list", parents=[config], help="what is held and why").set_defaults(command=_holds)
    export = commands.add_parser("export", parents=[config, why], help="all about one owner; the plate from stdin")
    export.add_argument("--out", type=Path, required=True, metavar="DIR", help="a folder that is not there yet")
    export.set_defaults(command=_export)
    erase = commands.add_parser("erase", parents=[config, why, sure], help="erase a plate's cases; it comes from stdin")
    erase.set_defaults(command=_erase)
    breach = commands.add_parser("breach", parents=[config], help="who saw what since")
    breach.add_argument("--since", type=_moment, required=True, metavar="MOMENT", help="like 2026-11-23T07:00+07:00")
    breach.add_argument("--until", type=_moment, metavar="MOMENT")
    breach.add_argument("--who", help="only this user")
    breach.set_defaults(command=_breach)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text}: has no time zone; write one like 2026-11-23T07:00+07:00")
    return moment


@contextmanager
def _opened(arguments: argparse.Namespace) -> Iterator[_Office]:
    settings = load_settings(arguments.config)
    audit = load_audit(settings)
    sealer = read_sealer(settings.data_key_file, settings.data_key_old_file)
    with closing(open_store(settings)) as store, closing(open_registry(settings, store, sealer)) as registry:
        eraser = Eraser(store, open_evidence(settings))
        max_age = timedelta(days=settings.owners.max_age_days) if settings.owners.registry else None
        yield _Office(
            store,
            audit,
            Retention(eraser=eraser, settings=settings.retention, unused_copy_max_age=max_age),
            Subject(eraser=eraser, registry=registry, settings=settings.retention),
        )


def _plate() -> str:
    if sys.stdin.isatty():
        print("plate: ", end="", file=sys.stderr, flush=True)
    plate = sys.stdin.readline().strip()
    if not plate:
        raise UsageError("stdin: no plate; give it there, not on the command line")
    return plate


def _retain(arguments: argparse.Namespace) -> int:
    """0 when what was due is gone, 1 when something of it is left."""
    now = datetime.now(UTC)
    with _opened(arguments) as office:
        counts = office.retention.run(now) if arguments.yes else office.retention.due(now)
        if arguments.yes and counts:
            said = ", ".join(f"{number} {what}" for what, number in counts.items())
            office.note(What.RETENTION_ENDED, "", said, now)
        for what, number in counts.items():
            print(f"{number:>8}  {what}")
        left = office.retention.eraser.left() if arguments.yes else 0
    print("Erased." if arguments.yes else "Nothing was erased. Add --yes to erase it.")
    return _told(left)


def _hold(arguments: argparse.Namespace) -> int:
    now = datetime.now(UTC)
    with _opened(arguments) as office, office.store.writing() as connection:
        case = cases.by_reference(connection, arguments.reference.upper())
        if case is None:
            raise UsageError(f"{arguments.reference}: no such case; `cakra-dispatcher cases list` shows them")
        if arguments.verb == "set":
            done = holds.hold(connection, case, COMMAND_LINE.name, arguments.why, now)
        else:
            done = holds.lift(connection, case)
        what = What.HOLD_SET if arguments.verb == "set" else What.HOLD_LIFTED
        if done:
            office.audit.append(connection, now, COMMAND_LINE, what, case.reference, arguments.why)
    print(f"{case.reference}: {'done' if done else 'was so already'}")
    return 0


def _holds(arguments: argparse.Namespace) -> int:
    with _opened(arguments) as office, office.store.reading() as connection:
        for hold in holds.listed(connection):
            print(f"{hold.reference}  since {hold.at:%Y-%m-%d %H:%M} UTC  {hold.who}: {hold.why}")
    return 0


def _export(arguments: argparse.Namespace) -> int:
    plate, now = _plate(), datetime.now(UTC)
    with _opened(arguments) as office:
        found = office.subject.export(plate, arguments.out, now)
        for about in [case.reference for case in found] or ["registration"]:
            office.note(What.EXPORTED, about, arguments.why, now)
    print(f"{arguments.out}: {len(found)} cases")
    return 0


def _erase(arguments: argparse.Namespace) -> int:
    """0 when nothing of the plate is left, 1 when something had to stay."""
    plate, now = _plate(), datetime.now(UTC)
    with _opened(arguments) as office:
        going, kept = office.subject.erasable(office.subject.cases(plate))
        gone: tuple[Case, ...] = ()
        if arguments.yes:
            gone = office.subject.erase(going)
            for case in gone:
                office.note(What.ERASED, case.reference, arguments.why, now)
            kept |= {case.reference: "has moved meanwhile; run this again" for case in going if case not in gone}
        left = office.subject.eraser.left() if arguments.yes else 0
    for reference, reason in kept.items():
        print(f"{reference}: stays; it {reason}", file=sys.stderr)
    if arguments.yes:
        print(f"{len(gone)} cases erased")
    else:
        print(f"{len(going)} cases would be erased. Add --yes to erase them.")
    return 1 if _told(left) or kept else 0


def _told(left: int) -> int:
    """The exit code, and a word about pieces of evidence that could not be removed."""
    if left:
        said = f"{left} pieces of evidence are not removed yet, because the evidence storage is away; run this again"
        print(said, file=sys.stderr)
    return 1 if left else 0


def _breach(arguments: argparse.Namespace) -> int:
    until = arguments.until or datetime.now(UTC) + timedelta(days=1)
    people, seen, lists = set(), set(), 0
    with _opened(arguments) as office, office.store.reading() as connection:
        for entry in trail.between(connection, arguments.since, until, _SIGHTS, arguments.who):
            moment = f"{entry.at:%Y-%m-%d %H:%M:%S}"
            print("  ".join((moment, entry.who, entry.address or "-", entry.what, entry.about, entry.why)).rstrip())
            people.add(entry.who)
            if entry.about == LIST:
                lists += 1
            else:
                seen.add(entry.about)
    print(f"{len(people)} people, {len(seen)} cases, lists seen {lists} times (a list shows 50 plates a page)")
    return 0
