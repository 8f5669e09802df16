"""`cakra-agent`: the commands of a unit and of the people who look after it.

Exit codes: 0 done, 1 a fault, 2 called wrongly, 78 a config or model that does not hold together (never restarted by
systemd). Results go to standard output, everything else to standard error.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from agent import logs
from agent.errors import CakraError, UsageError, exit_code

if TYPE_CHECKING:
    from agent import app


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; a fault is told in one line."""
    args = _parser().parse_args(argv)
    logs.configure(args.log_format)
    return exit_code("cakra-agent", lambda: args.command(args))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "cakra-agent", description="The unit at the road: plates, rules, evidence, outbox."
    )
    parser.add_argument("--version", action="version", version=f"cakra {version('cakra')}")
    parser.add_argument("--log-format", choices=get_args(logs.Form), default="text", help="one line an event")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for add in (
        _add_read,
        _add_replay,
        _add_run,
        _add_uplink,
        _add_outbox,
        _add_check,
        _add_keygen,
        _add_verify,
        _add_bench,
    ):
        add(commands)
    return parser


def _add_read(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("read", help="read the plates of pictures")
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a picture or a folder of pictures")
    parser.add_argument("--json", action="store_true", help="one JSON line per picture instead of a table")
    parser.add_argument("--crop", action="store_true", help="each picture is a plate crop: read it without detection")
    parser.add_argument("--grammar", choices=("id", "none"), default="id", help="Indonesian plates, or any Latin ones")
    parser.add_argument("--overlay", type=Path, metavar="DIR", help="write pictures with the readings drawn on them")
    _add_models(parser)
    parser.set_defaults(command=read)


def _add_replay(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("replay", help="recorded footage through the unit's pipeline")
    parser.add_argument("video", type=Path, metavar="VIDEO", help="a video file, a folder of pictures, or a recording")
    parser.add_argument("--site", type=Path, help="the site file (default: the recording's)")
    parser.add_argument(
        "--start", type=_moment, help="moment of the first frame, ISO 8601 (default: the recording's, the file's date)"
    )
    parser.add_argument("--record", type=Path, metavar="FILE", help="write what the networks saw, to be played again")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep decisions, tracks, evidence and overlays here")
    parser.add_argument("--json", action="store_true", help="violations and summary as JSON lines")
    _add_models(parser)
    _add_law(parser)
    parser.set_defaults(command=replay)


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("run", help="the agent service: camera to outbox")
    _add_config(parser)
    parser.set_defaults(command=run)


def _add_uplink(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("uplink", help="the uplink service: outbox to broker")
    _add_config(parser)
    parser.set_defaults(command=uplink)


def _add_outbox(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("outbox", help="what the unit owes the centre")
    _add_config(parser)
    parser.add_argument("--retry-dead", action="store_true", help="send again what the dispatcher refused for good")
    parser.set_defaults(command=outbox)


def _add_check(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("check", help="check a unit's configuration, key, site, law and models")
    _add_config(parser)
    parser.set_defaults(command=check)


def _add_keygen(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("keygen", help="make a unit's signing key and print its public key")
    parser.add_argument("path", type=Path, help="where the private key goes (never overwritten)")
    parser.set_defaults(command=keygen)


def _add_verify(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("verify", help="whether evidence is as a unit wrote it, and what was touched")
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="a bundle's folder or manifest, or many bundles")
    parser.add_argument("--key", metavar="PUB", help="the unit's public key (base64, or a file of it)")
    parser.add_argument("--previous", type=Path, metavar="MANIFEST", help="manifest of the bundle before the first")
    parser.set_defaults(command=verify)


def _add_bench(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("bench", help="speed, memory and start-up of this machine on a clip")
    parser.add_argument("video", type=Path, metavar="VIDEO")
    parser.add_argument("--site", type=Path, required=True, help="the site file")
    parser.add_argument("--record", type=Path, metavar="FILE", help="append the figures to this table (Markdown)")
    _add_models(parser)
    _add_law(parser)
    parser.set_defaults(command=bench)


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the unit's configuration")


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder of the networks (default: the shipped ones)")
    parser.add_argument("--threads", type=_threads, default=1, metavar="N", help="threads of each network (default 1)")


def _add_law(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--law", type=Path, metavar="DIR", help="folder of law files (default: the shipped ones)")
    parser.add_argument("--validation", type=Path, metavar="FILE", help="thresholds (default: the shipped ones)")
    parser.add_argument("--calendars", type=Path, metavar="DIR", help="folder of calendars (default: the shipped ones)")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not ISO 8601, e.g. 2026-11-23T07:30:00+07:00") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no zone; write e.g. {text}+07:00")
    return moment


def _threads(text: str) -> int:
    from agent.config import MAX_THREADS  # needs what `--help` does not

    if not text.isdigit() or not 1 <= int(text) <= MAX_THREADS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {MAX_THREADS}")
    return int(text)


# --- The commands. Imports stay inside: `--help` and `keygen` need no OpenCV. --------------------------------------


def read(args: argparse.Namespace) -> int:
    from agent import app, reading

    files = reading.expand(args.paths)
    networks = app.load_networks(app.model_settings(args.models, args.threads), args.grammar)
    detector = None if args.crop else networks.detector
    if not args.json:
        print(reading.TABLE_HEAD)
    base = reading.common_folder(files)
    failures = 0
    for done, result in enumerate(reading.read_files(files, detector, networks.reader), start=1):
        reading.progress(done, len(files))
        if isinstance(result, CakraError):
            failures += 1
            print(f"cakra-agent: {result}", file=sys.stderr)
            continue
        reading.print_reading(result, sys.stdout, json_lines=args.json)
        if args.overlay:
            reading.write_overlay(result, base, args.overlay)
    return 1 if failures else 0


def replay(args: argparse.Namespace) -> int:
    from agent import app

    app.replay(_replay_settings(args), json_lines=args.json)
    return 0


def _replay_settings(args: argparse.Namespace) -> app.ReplaySettings:
    from agent import app

    return app.ReplaySettings(
        video=args.video,
        site=args.site,
        start=getattr(args, "start", None),
        out=getattr(args, "out", None),
        record=getattr(args, "record", None),
        models=app.model_settings(args.models, args.threads),
        law=args.law or app.LAW,
        calendars=args.calendars or app.CALENDARS,
        validation=args.validation or app.VALIDATION,
    )


def run(args: argparse.Namespace) -> int:
    from agent import app
    from agent.config import load_unit

    app.run_agent(load_unit(args.config), _stop_on_signals())
    return 0


def uplink(args: argparse.Namespace) -> int:
    from agent import app
    from agent.config import load_unit

    app.run_uplink(load_unit(args.config), _stop_on_signals())
    return 0


def outbox(args: argparse.Namespace) -> int:
    from agent import app
    from agent.config import load_unit

    print(json.dumps(app.outbox_state(load_unit(args.config), retry_dead=args.retry_dead), indent=2))
    return 0


def check(args: argparse.Namespace) -> int:
    from agent import app
    from agent.config import load_unit

    for line in app.check(load_unit(args.config)):
        print(line)
    return 0


def keygen(args: argparse.Namespace) -> int:
    from wire.signing import SigningKey

    key = SigningKey.generate()
    try:
        descriptor = args.path.open("xb")
    except OSError as error:
        raise UsageError(f"{args.path}: {error.strerror}; give a path that does not exist yet") from None
    with descriptor as file:
        args.path.chmod(0o600)
        file.write(key.to_pem())
    print(key.public.to_base64())
    return 0


def verify(args: argparse.Namespace) -> int:
    from agent import verify as verifying

    key = verifying.load_key(args.key) if args.key else None
    before = verifying.load_head(args.previous) if args.previous else None
    is_whole, lines = verifying.verify(args.bundle, key, before)
    print("\n".join(lines))
    return 0 if is_whole else 1


def bench(args: argparse.Namespace) -> int:
    from agent import app
    from agent import bench as benchmark

    figures = app.bench(_replay_settings(args))
    print(benchmark.table(figures))
    if args.record:
        benchmark.record(figures, args.record)
    return 0


def _stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set, so that a service ends its work in hand and goes."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
