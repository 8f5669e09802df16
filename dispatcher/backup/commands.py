"""`cakra-dispatcher backup` and `restore`.

A backup is older than what it replaces: a case that stood in the queue then may have been sent since, and WhatsApp
sends whatever it is given. So nothing that was on its way is sent by the machine after a restore; a person looks
(docs/adr/0021-restored-cases.md).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select

from dispatcher import cases, migrations
from dispatcher.access.audit import Audit, What
from dispatcher.access.commands import COMMAND_LINE
from dispatcher.access.tables import session
from dispatcher.app import database_password, load_audit, open_evidence, open_store
from dispatcher.backup import archive, database
from dispatcher.backup.archive import EVIDENCE, MANIFEST, Entry, Manifest
from dispatcher.errors import StoreError, UsageError
from dispatcher.evidence import EvidenceStore
from dispatcher.schema import cases as table
from dispatcher.schema import evidence
from dispatcher.settings import Settings, load_settings
from dispatcher.store import Store
from dispatcher.workflow import TABLE, Event

RESTORED = "restored"
"""Why a case that was on its way needs a person."""
_BATCH = 500


def add_commands(commands: Any, config: argparse.ArgumentParser) -> None:
    """The commands of this package; `config` is the parent with `--config`."""
    backup = commands.add_parser("backup", parents=[config], help="database and evidence into a folder; no keys")
    backup.add_argument("folder", type=Path, metavar="DIR", help="a folder that is not there yet")
    how = "into the folder, or only list it; copy for a folder, list for a bucket, unless said otherwise"
    backup.add_argument("--evidence", choices=("copy", "list"), help=how)
    backup.set_defaults(command=_backup)
    restore = commands.add_parser("restore", parents=[config], help="a backup into an empty database and folder")
    restore.add_argument("folder", type=Path, metavar="DIR")
    restore.add_argument(
        "--check",
        action="store_true",
        help="only say whether the backup, and evidence left elsewhere, is whole and would fit",
    )
    restore.set_defaults(command=_restore)


def _backup(arguments: argparse.Namespace) -> int:
    settings, now = load_settings(arguments.config), datetime.now(UTC)
    audit = load_audit(settings)
    with closing(open_store(settings)) as store, archive.made(arguments.folder) as part:
        with store.writing() as connection:
            audit.append(connection, now, COMMAND_LINE, What.BACKED_UP, why=str(arguments.folder))
        kind = database.kind(settings.database)
        dumped = part / database.FILES[kind]
        with store.reading() as connection:
            places = connection.scalars(select(evidence.c.path).order_by(evidence.c.path)).all()
            database.dump(connection, settings.database, database_password(settings), dumped)
        is_listed = (arguments.evidence or ("copy" if settings.evidence_folder else "list")) == "list"
        files, missing = _copy_evidence(open_evidence(settings), () if is_listed else places, part)
        manifest = Manifest(
            made_at=now,
            revision=migrations.HEAD,
            database=kind,
            files=files | {dumped.name: archive.entry(dumped)},
            missing=missing,
            stays_in=settings.evidence if is_listed else "",
            listed=tuple(places) if is_listed else (),
        )
        archive.write_manifest(part, manifest)
    for place in manifest.missing:
        print(f"{place}: is missing or not whole; left out", file=sys.stderr)
    told = f"{arguments.folder}: {len(manifest.files)} files, {len(missing)} pieces of evidence left out"
    stays = f", {len(places)} stay in {settings.evidence}" if is_listed else ""
    print(f"{told}{stays}; keys are not in it")
    return 0


def _copy_evidence(kept: EvidenceStore, places: Iterable[str], part: Path) -> tuple[dict[str, Entry], tuple[str, ...]]:
    """Copy the pieces that the database names; what was copied, and what has been erased meanwhile or is not whole."""
    files: dict[str, Entry] = {}
    missing: list[str] = []
    for place in places:
        name, content = f"{EVIDENCE}/{place}", kept.read(place)
        if content is None:
            missing.append(place)
        else:
            files[name] = archive.written(content, part / name)
    return files, tuple(missing)


def _restore(arguments: argparse.Namespace) -> int:
    settings, now = load_settings(arguments.config), datetime.now(UTC)
    audit = load_audit(settings)
    manifest = archive.examined(arguments.folder)
    _check_target(settings, manifest)
    told = f"{arguments.folder}: whole, of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC"
    if arguments.check:
        lost = _lost(settings, manifest)
        print(f"{told}; {lost} pieces of evidence are lost; nothing was restored")
        return 1 if lost else 0
    _restore_evidence(settings, manifest, arguments.folder)
    doubted = _restore_database(settings, manifest, arguments.folder, audit, now)
    print(f"{told}; restored")
    print(f"{doubted} cases were on their way; they wait for a person, for their message may have gone out since")
    return 0


def _check_target(settings: Settings, manifest: Manifest) -> None:
    """Raises UsageError for a place that is not empty or not of this kind, StoreError for a schema we do not know."""
    if not migrations.is_known(manifest.revision):
        raise StoreError(
            f"{MANIFEST}: schema {manifest.revision} is newer than this dispatcher's; install the newer one"
        )
    kind = database.kind(settings.database)
    if kind != manifest.database:
        raise UsageError(f"database: is {kind}, the backup is of {manifest.database}; restore into the same kind")
    database.check_empty(settings.database, database_password(settings))
    is_empty = open_evidence(settings).is_empty()
    if manifest.listed and is_empty:
        raise UsageError(
            f"{settings.evidence}: is empty; the evidence is in {manifest.stays_in}: name it, or a copy of it"
        )
    if not manifest.stays_in and not is_empty:
        raise UsageError(f"{settings.evidence}: is not empty; restore into an empty place")


def _lost(settings: Settings, manifest: Manifest) -> int:
    """How many of the pieces that were left in their place are not there, or not whole; each is named."""
    kept = open_evidence(settings)
    lost = [place for place in manifest.listed if kept.read(place) is None]
    for place in lost:
        print(f"{place}: is missing or not whole", file=sys.stderr)
    return len(lost)


def _restore_evidence(settings: Settings, manifest: Manifest, source: Path) -> None:
    """Before the database: a cut-off restore leaves pictures that no case names, never a case without its pictures."""
    kept = open_evidence(settings)
    try:
        for name in manifest.files:
            if name.startswith(f"{EVIDENCE}/"):
                kept.put(name.removeprefix(f"{EVIDENCE}/"), (source / name).read_bytes())
    except OSError as error:
        raise StoreError(f"{source}: {error.strerror}; empty {settings.evidence} and restore again") from None


def _restore_database(settings: Settings, manifest: Manifest, source: Path, audit: Audit, now: datetime) -> int:
    """Load, migrate, and put what was on its way before a person; how many cases."""
    password, dumped = database_password(settings), source / database.FILES[manifest.database]
    with (
        database.loaded(dumped, settings.database, password) as url,
        closing(Store.open(url, password, migrating=True)) as store,
    ):
        doubted = 0
        while found := _doubt(store, now):
            doubted += found
        with store.writing() as connection:
            connection.execute(delete(session))  # somebody may have been logged out since
            audit.append(connection, now, COMMAND_LINE, What.RESTORED, why=f"{source}, {doubted} cases to review")
    return doubted


def _doubt(store: Store, now: datetime) -> int:
    on_their_way = [state for state, row in TABLE.items() if Event.DOUBTED in row]
    with store.writing() as connection:
        found = cases.where(connection, table.c.state.in_(on_their_way), _BATCH)
        for case in found:
            cases.move(
                connection, case.case_id, Event.DOUBTED, now, who=COMMAND_LINE.name, why=RESTORED, reasons=RESTORED
            )
    return len(found)
