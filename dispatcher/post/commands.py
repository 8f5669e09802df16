"""`cakra-dispatcher letters`: a day's batch as files for the printer."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack, closing
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

from dispatcher.access.audit import Audit
from dispatcher.access.commands import COMMAND_LINE
from dispatcher.app import load_parts, open_registry, open_store
from dispatcher.errors import StoreError, UsageError
from dispatcher.post.batch import Post
from dispatcher.post.wording import load_wording
from dispatcher.settings import Settings, load_settings
from dispatcher.store import Store


def add_commands(commands: Any, config: argparse.ArgumentParser) -> None:
    """The command of this package; `config` is the parent with `--config`."""
    letters = commands.add_parser("letters", parents=[config], help="print a day's letters as PDF")
    letters.add_argument("--out", type=Path, required=True, metavar="DIR", help="one file a letter, in a folder a day")
    letters.add_argument("--day", type=date.fromisoformat, help="print this day's batch again (default: today's)")
    letters.set_defaults(command=_letters)


def make_post(settings: Settings, store: Store) -> Post:
    """The post of a dispatcher; close its registry. Raises ConfigError."""
    parts = load_parts(settings)
    wordings = cache(partial(load_wording, settings.letters, official_domain=settings.official_domain))
    wordings(settings.letter)
    return Post(
        store=store,
        evidence=parts.evidence,
        registry=open_registry(settings, store, parts.sealer),
        sealer=parts.sealer,
        audit=Audit(parts.writer.mac_key),
        writer=parts.writer,
        wording=settings.letter,
        wordings=wordings,
        snapshot_max_age=timedelta(days=settings.owners.max_age_days),
        post_days=settings.post_days,
    )


def _letters(arguments: argparse.Namespace) -> int:
    """0 when every case that waits has its letter, 1 when some had to be left out."""
    settings, now = load_settings(arguments.config), datetime.now(UTC)
    today = now.astimezone(settings.zone).date()
    day = arguments.day or today
    if day > today:
        raise UsageError(f"--day {day}: is not here yet; leave it out for today's batch")
    with ExitStack() as stack:
        store = stack.enter_context(closing(open_store(settings)))
        post = make_post(settings, store)
        stack.callback(post.registry.close)
        new, left = post.write_down(COMMAND_LINE, now) if day == today else (0, ())
        folder, printed = arguments.out / str(day), 0
        for reference, content in post.batch(day):
            _file(folder / f"{reference}.pdf", content)
            printed += 1
    for case in left:
        print(f"{case.reference}: left out: {', '.join(case.reasons)}", file=sys.stderr)
    print(f"{printed} letters of {day} in {folder}, {new} of them new; {len(left)} left out")
    return 1 if left else 0


def _file(target: Path, content: bytes) -> None:
    """Whole or not there, and for the printer's user alone. Raises StoreError."""
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = target.with_suffix(".part")
        temporary.touch(mode=0o600)
        temporary.write_bytes(content)
        temporary.replace(target)
    except OSError as error:
        raise StoreError(f"{target}: {error.strerror}; mend --out and print the day again") from None
