"""`cakra-dispatcher`: serve, import owners, look at cases, decide about them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection

from dispatcher import cases, decisions, logs, migrations, sends
from dispatcher.access import commands as access
from dispatcher.access.audit import What
from dispatcher.access.commands import COMMAND_LINE
from dispatcher.app import load_audit, load_parts, open_store, run, utc_now
from dispatcher.backup import commands as backup
from dispatcher.cases import Case
from dispatcher.console.views import case_json
from dispatcher.errors import CakraError, ConfigError, UsageError
from dispatcher.keys import read_sealer, write_new_key
from dispatcher.notice import compose, preview
from dispatcher.owners_file import BadRow
from dispatcher.owners_import import Imported, import_owners
from dispatcher.owners_signature import parse_moment, read_signer, sign
from dispatcher.plate import mask_plate
from dispatcher.post import commands as post
from dispatcher.post.wording import load_wording
from dispatcher.privacy import commands as privacy
from dispatcher.reference import new_reference
from dispatcher.rotation import rotate
from dispatcher.settings import Settings, load_settings
from dispatcher.store import Store
from dispatcher.tls import client_context
from dispatcher.workflow import IllegalMove, State
from wire.signing import SigningKey, VerifyKey


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. Faults are one line on stderr: 2 usage, 78 configuration, 1 anything else."""
    arguments = _parser().parse_args(argv)
    logs.configure()
    try:
        code: int = arguments.command(arguments)
    except CakraError as error:
        print(f"cakra-dispatcher: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        return 0
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cakra-dispatcher", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    config = argparse.ArgumentParser(add_help=False)
    config.add_argument("--config", type=Path, required=True, metavar="FILE", help="the dispatcher's configuration")

    serve = commands.add_parser("run", parents=[config], help="serve until SIGTERM or Ctrl-C")
    serve.set_defaults(command=lambda arguments: run(load_settings(arguments.config)))
    check = commands.add_parser("check", parents=[config], help="read every file the configuration names")
    check.set_defaults(command=_check)
    migrate = commands.add_parser("migrate", parents=[config], help="bring the database to this version's schema")
    migrate.set_defaults(command=_migrate)
    keygen = commands.add_parser("keygen", help="write a new key (for mac_key_file, data_key_file)")
    keygen.add_argument("file", type=Path)
    keygen.set_defaults(command=_keygen)
    keys = commands.add_parser("keys", help="the key of personal data").add_subparsers(required=True, metavar="VERB")
    rotating = keys.add_parser("rotate", parents=[config], help="seal with data_key_file what data_key_old_file sealed")
    rotating.set_defaults(command=_rotate)

    owners = commands.add_parser("owners", help="the owner registry").add_subparsers(required=True, metavar="VERB")
    importing = owners.add_parser("import", parents=[config], help="put a CSV snapshot into service")
    importing.add_argument("file", type=Path)
    importing.set_defaults(command=_import_owners)
    signing = owners.add_parser("sign", help="for whoever runs the registry: write FILE.sig beside a snapshot")
    signing.add_argument("file", type=Path)
    signing.add_argument("--key", type=Path, required=True, help="the registry's private key (Ed25519, PEM)")
    signing.add_argument(
        "--as-of", required=True, metavar="MOMENT", help="when it was taken: 2026-11-23T07:00:00+07:00"
    )
    signing.set_defaults(command=_sign_owners)

    notice = commands.add_parser("notice", help="the notice").add_subparsers(required=True, metavar="VERB")
    previewing = notice.add_parser("preview", parents=[config], help="print the notice as an owner would read it")
    previewing.add_argument("--kind", default="odd_even", help="kind of violation (default: odd_even)")
    previewing.set_defaults(command=_preview)

    listing = commands.add_parser("cases", help="the cases").add_subparsers(required=True, metavar="VERB")
    listed = listing.add_parser("list", parents=[config], help="list cases, the latest violation first")
    listed.add_argument("--state", choices=[*State], help="only cases in this state")
    listed.add_argument("--limit", type=int, default=1000)
    listed.add_argument("--json", action="store_true", help="one JSON array")
    listed.set_defaults(command=_list_cases)
    resend = listing.add_parser("resend", parents=[config], help="send the notice of an unknown or failed case again")
    resend.add_argument("reference")
    resend.add_argument("--yes", action="store_true", help="really send; without it only say what would happen")
    resend.set_defaults(command=_resend)

    sending = commands.add_parser("sending", help="pauses of sending").add_subparsers(required=True, metavar="VERB")
    show = sending.add_parser("show", parents=[config], help="what is paused, since when and why")
    show.set_defaults(command=_show_pauses)
    stop = sending.add_parser("pause", parents=[config], help="send nothing at all until `sending resume sender`")
    stop.add_argument("--why", required=True, help="the reason, for the trail")
    stop.set_defaults(command=_pause)
    resume = sending.add_parser("resume", parents=[config], help="send again after the cause is mended")
    resume.add_argument("scope", help="as `sending show` prints it")
    resume.set_defaults(command=_resume)
    for add in (access.add_commands, backup.add_commands, post.add_commands, privacy.add_commands):
        add(commands, config)
    return parser


@contextmanager
def _store(arguments: argparse.Namespace) -> Iterator[tuple[Settings, Store]]:
    settings = load_settings(arguments.config)
    store = open_store(settings)
    try:
        yield settings, store
    finally:
        store.close()


def _check(arguments: argparse.Namespace) -> int:
    settings = load_settings(arguments.config)
    parts = load_parts(settings)
    wording = load_wording(settings.letters, settings.letter, settings.official_domain)
    registry = settings.owners.registry
    for tls, field in ((settings.mqtt.tls, "mqtt.tls"), (registry and registry.tls, "owners.registry.tls")):
        if tls:
            client_context(tls, field)
    _signer(settings)
    named = f"{len(parts.units)} units, template {parts.writer.template.name}, letter {wording.name}"
    print(f"{arguments.config}: good; {named}")
    return 0


def _migrate(arguments: argparse.Namespace) -> int:
    settings = load_settings(arguments.config)
    open_store(settings, migrating=True).close()
    print(f"the database is at schema {migrations.HEAD}")
    return 0


def _keygen(arguments: argparse.Namespace) -> int:
    write_new_key(arguments.file)
    return 0


def _rotate(arguments: argparse.Namespace) -> int:
    """0 when nothing needs the old key any more, 1 when something does."""

    def progress(done: int, total: int) -> None:
        print(f"\r{done:,} of {total:,} records", end="", file=sys.stderr, flush=True)

    with _store(arguments) as (settings, store):
        if settings.data_key_old_file is None:
            raise ConfigError(f"{arguments.config}: data_key_old_file: is missing; name the key before data_key_file")
        sealer = read_sealer(settings.data_key_file, settings.data_key_old_file)
        audit = load_audit(settings)
        done = rotate(store, sealer, progress)
        with store.writing() as connection:
            audit.append(connection, utc_now(), COMMAND_LINE, What.KEY_ROTATED, why=str(done))
    print(f"\n{done}", file=sys.stderr)
    if done.lost:
        print(f"{done.lost:,} records open with neither key; find the key that sealed them", file=sys.stderr)
    if done.old:
        print(f"{done.old:,} records still need the old key; they were in use: run this again", file=sys.stderr)
    if done.old or done.lost:
        return 1
    print(f"All {done.new:,} records open with data_key_file; the old key is no longer needed.")
    return 0


def _import_owners(arguments: argparse.Namespace) -> int:
    def bad(row: BadRow) -> None:
        print(f"{arguments.file}: line {row.line}: {row.reason}; left out", file=sys.stderr)

    def progress(rows: int) -> None:
        print(f"\r{rows:,} rows", end="", file=sys.stderr, flush=True)

    with _store(arguments) as (settings, store):
        sealer = read_sealer(settings.data_key_file, settings.data_key_old_file)
        signer = _signer(settings)
        audit = load_audit(settings)

        def noted(connection: Connection, done: Imported) -> None:
            audit.append(connection, utc_now(), COMMAND_LINE, What.OWNERS_IMPORTED, why=str(done))

        done = import_owners(store, sealer, arguments.file, utc_now(), settings.zone, bad, progress, signer, noted)
    print(file=sys.stderr)
    print(f"{done.good_rows:,} registrations in service, {done.bad_rows:,} bad rows left out")
    if signer and done.as_of:
        print(f"signed by key {signer.key_id}, as of {done.as_of.isoformat()}")
    else:
        print("no signature was checked: anybody may have written this file; name the registry's key in owners.signer")
    return 0


def _signer(settings: Settings) -> VerifyKey | None:
    path = settings.owners.signer
    return read_signer(path) if path else None


def _sign_owners(arguments: argparse.Namespace) -> int:
    try:
        as_of = parse_moment(arguments.as_of)
    except ValueError as error:
        raise UsageError(f"--as-of {arguments.as_of}: {error}") from None
    try:
        key = SigningKey.from_pem(arguments.key.read_bytes())
    except OSError as error:
        raise UsageError(f"--key {arguments.key}: {error.strerror}; check the path") from None
    except ValueError as error:
        make = f"openssl genpkey -algorithm ed25519 -out {arguments.key}"
        raise UsageError(f"--key {arguments.key}: {error}; make one with `{make}`") from None
    print(f"{sign(arguments.file, key, as_of)}: signed by key {key.public.key_id}")
    return 0


def _preview(arguments: argparse.Namespace) -> int:
    writer = load_parts(load_settings(arguments.config)).writer
    now = utc_now()
    offence = writer.law.offence(arguments.kind, now.astimezone(writer.zone).date())
    if offence is None:
        raise UsageError(f"--kind {arguments.kind}: no law in force describes it; known: {', '.join(writer.law.kinds)}")
    sample = compose(
        writer.template,
        offence,
        plate="B1234XYZ",
        reference=new_reference(),
        location="Jl. Jenderal Sudirman, arah utara",
        occurred_at=now - timedelta(minutes=1),
        deadline=writer.last_day(now),
        zone=writer.zone,
        key=writer.mac_key,
    )
    print(preview(writer.template, sample))
    return 0


def _list_cases(arguments: argparse.Namespace) -> int:
    states = [State(arguments.state)] if arguments.state else []
    with _store(arguments) as (settings, store), store.reading() as connection:
        found = cases.listed(connection, states, arguments.limit)
        times = cases.reached(connection, [case.case_id for case in found])
    if arguments.json:
        print(json.dumps([case_json(case, times[case.case_id]) for case in found], indent=1))
        return 0
    for case in found:
        at = f"{case.occurred_at.astimezone(settings.zone):%Y-%m-%d %H:%M:%S}"
        print(f"{case.reference}  {case.state:<17}  {case.kind:<10}  {mask_plate(case.plate):<12}  {at}")
    return 0


def _resend(arguments: argparse.Namespace) -> int:
    """Two steps: what would happen, then `--yes`. A message that did arrive after all would reach the owner twice."""
    with _store(arguments) as (settings, store):
        audit = load_audit(settings)
        with store.reading() as connection:
            case = cases.by_reference(connection, arguments.reference.upper())
            attempts = sends.attempts_of(connection, case.case_id) if case else ()
        if case is None:
            raise UsageError(f"{arguments.reference}: no such case; `cakra-dispatcher cases list` shows them")
        if "resend" not in decisions.possible(case):
            raise UsageError(f"{case.reference}: is {case.state}; only unknown and dead cases are sent again")
        if not arguments.yes:
            _explain_resend(case, attempts)
            return 0
        try:
            decisions.decide(store, audit, case, "resend", COMMAND_LINE, "", utc_now())
        except IllegalMove as refused:
            raise UsageError(f"{case.reference}: {refused}; look at it again") from None
    print(f"{case.reference}: queued to be sent again")
    return 0


def _explain_resend(case: Case, attempts: Sequence[sends.Attempt]) -> None:
    print(f"{case.reference} is {case.state} since {case.changed_at:%Y-%m-%d %H:%M:%S} UTC. Attempts:")
    for attempt in attempts:
        code = f", code {attempt.code}" if attempt.code is not None else ""
        print(f"  {attempt.started_at:%Y-%m-%d %H:%M:%S} UTC  {attempt.state}{code}")
    if case.state is State.UNKNOWN:
        print("The last message may have arrived; sent again, the owner may get it twice.")
    print("Nothing was done. Add --yes to send it again.")


def _show_pauses(arguments: argparse.Namespace) -> int:
    with _store(arguments) as (_, store), store.reading() as connection:
        for pause in sends.pauses(connection):
            cause = "by hand" if pause.code == sends.BY_HAND else f"WhatsApp code {pause.code}"
            print(f"{pause.scope}  since {pause.since:%Y-%m-%d %H:%M:%S} UTC  {cause}")
    return 0


def _pause(arguments: argparse.Namespace) -> int:
    with _store(arguments) as (settings, store), store.writing() as connection:
        now = utc_now()
        if not sends.stop(connection, sends.SENDER, sends.BY_HAND, now):
            raise UsageError(f"{sends.SENDER}: is paused already; `cakra-dispatcher sending show` says since when")
        load_audit(settings).append(connection, now, COMMAND_LINE, What.SENDING_PAUSED, sends.SENDER, arguments.why)
    print(f"nothing is sent until `cakra-dispatcher sending resume {sends.SENDER}`")
    return 0


def _resume(arguments: argparse.Namespace) -> int:
    with _store(arguments) as (settings, store), store.writing() as connection:
        if not sends.resume(connection, arguments.scope):
            raise UsageError(f"{arguments.scope}: is not paused; `cakra-dispatcher sending show` lists what is")
        load_audit(settings).append(connection, utc_now(), COMMAND_LINE, What.SENDING_RESUMED, arguments.scope)
    print(f"{arguments.scope}: sends again")
    return 0


if __name__ == "__main__":
    sys.exit(main())
