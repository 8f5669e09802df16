"""A worker as a process that a test may kill; it writes to a file what it would send to WhatsApp.

    worker_process.py CONFIG NAME FILE LEASE_S [upload|send NUMBER]

It says `ready` on its standard output and begins when its standard input ends. With the last two arguments, it stops
for ever in the middle of that upload or send.
"""

from __future__ import annotations

import itertools
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Event

from dispatcher.answers import Accepted
from dispatcher.app import load_parts, make_planner, utc_now
from dispatcher.hearing import Hearing
from dispatcher.owners import SnapshotRegistry
from dispatcher.settings import load_settings
from dispatcher.store import Store
from dispatcher.whatsapp import TemplateMessage, Uploaded
from dispatcher.worker import Worker

AT_ONCE = 4
"""Cases that a worker has in hand together."""


class FileOfNotices:
    """WhatsApp that accepts everything, until it hangs."""

    def __init__(self, name: str, file: Path, hangs_at: tuple[str, int]) -> None:
        self._name = name
        self._file = file
        self._hangs_at = hangs_at
        self._calls = {"upload": itertools.count(1), "send": itertools.count(1)}

    def upload(self, jpeg: bytes) -> Callable[[], Uploaded]:
        self._note("upload", "-")
        return lambda: Uploaded("MEDIA")

    def send(self, message: TemplateMessage) -> Callable[[], Accepted]:
        self._note("send", message.url_suffix)
        return lambda: Accepted(f"wamid.{message.callback}")

    def _note(self, call: str, reference: str) -> None:
        hangs = (call, next(self._calls[call])) == self._hangs_at
        with self._file.open("a") as file:
            file.write(f"{self._name} {call} {reference} {'hangs' if hangs else 'done'}\n")
        if hangs:
            while True:
                signal.pause()


def main(config: str, name: str, file: str, lease_s: str, call: str = "", number: str = "0") -> None:
    settings = load_settings(Path(config))
    parts = load_parts(settings)
    store = Store.open(settings.database)
    worker = Worker(
        store,
        parts.evidence,
        Hearing(store, parts.writer.mac_key, parts.writer.template.name),
        make_planner(parts, SnapshotRegistry(store, parts.sealer), parts.units),
        FileOfNotices(name, Path(file), (call, int(number))),  # type: ignore[arg-type]
        name=name,
        at_once=AT_ONCE,
        lease=timedelta(seconds=float(lease_s)),
        clock=utc_now,
    )
    print("ready", flush=True)
    sys.stdin.read()
    worker.run(Event(), Event())


if __name__ == "__main__":
    main(*sys.argv[1:])
