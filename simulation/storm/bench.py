"""`scripts/bench-dispatcher`: what a violation costs the centre, on PostgreSQL, in time and in the processors' time.

On a machine that does other things too, the processors' time says what one that does not would reach; it is the
dispatcher's own and the database's, without that of the simulated WhatsApp.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from sqlalchemy import select

from agent.bench import commit
from agent.errors import CakraError
from dispatcher.app import load_parts, make_workers, utc_now
from dispatcher.census import Census
from dispatcher.intake import Incoming, Intake
from dispatcher.numbers import KeptNumbers
from dispatcher.owners import SnapshotRegistry
from dispatcher.schema import cases
from dispatcher.settings import load_settings
from dispatcher.store import Store
from dispatcher.whatsapp import WhatsAppClient
from dispatcher.worker import Worker
from dispatcher.workflow import State
from simulation.storm import fill, town
from simulation.storm.world import World
from wire.topics import UpTopic

PICTURE_BYTES = 100_000
_AT_ONCE = 20
"""Messages that mosquitto sends before the first is acknowledged, unless it is told otherwise."""
_LONGEST_START_S = 60.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_WAITING = (State.EVIDENCE_COMPLETE, State.VALIDATED, State.OWNER_RESOLVED, State.QUEUED, State.SENDING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one measurement took."""

    what: str
    violations: int
    stored: int
    """Cases that were there before."""
    wall_s: float
    ours_s: float
    """Processors' time of the dispatchers."""
    database_s: float
    whatsapp_s: float
    """Of the simulated WhatsApp, which is not the dispatchers' to pay."""
    load: float
    """Of the machine in that minute: how many processes wanted to run."""

    def row(self) -> str:
        def each_ms(spent_s: float) -> str:
            return f"{1000 * spent_s / self.violations:.1f}"

        return table_row(
            self.what,
            f"{self.stored:,}",
            f"{self.violations:,}",
            f"{self.violations / self.wall_s:.0f}",
            each_ms(self.ours_s),
            each_ms(self.database_s),
            f"{self.violations / (self.ours_s + self.database_s):.0f}",
            each_ms(self.whatsapp_s),
            f"{self.load:.0f}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """How long what a page shows takes to count."""

    what: str
    stored: int
    first_s: float
    again_s: float
    load: float

    def row(self) -> str:
        times = (f"{1000 * wait_s:.0f}" for wait_s in (self.first_s, self.again_s))
        return table_row(self.what, f"{self.stored:,}", *times, f"{self.load:.0f}")


HEAD = (
    "| date | commit | what | stored before | violations | a second | dispatcher ms | database ms | a second of a core "
    "| whatsapp ms | load |"
)
PAGES_HEAD = "| date | commit | what | stored | first ms | again ms | load |"


def table_row(*cells: str) -> str:
    """A row of a table of `docs/benchmarks.md`, with today's date and the commit."""
    return f"| {datetime.now(UTC):%Y-%m-%d} | {commit()} | {' | '.join(cells)} |"


def record(head: str, row: str, path: Path) -> None:
    """Append a row to the table that has this head. Raises CakraError when there is none."""
    lines = path.read_text().splitlines()
    if head not in lines:
        raise CakraError(f"{path}: no table begins with: {head}")
    end = lines.index(head)
    while end < len(lines) and lines[end].startswith("|"):
        end += 1
    path.write_text("\n".join([*lines[:end], row, *lines[end:]]) + "\n")


def tree_cpu_s(root: int) -> float:
    """Processors' time of a process and its children, those that ended too (Linux)."""
    parents, spent = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        process = int(stat.parent.name)
        parents[process] = int(fields[1])
        spent[process] = sum(map(int, fields[11:15])) / _TICKS_PER_S
    return sum(spent_s for process, spent_s in spent.items() if root in (process, parents[process]))


class Bench:
    """One database and one WhatsApp, measured again as the database fills."""

    def __init__(self, world: World, units: tuple[town.Unit, ...]) -> None:
        self._units = units
        self.world = world
        self._config = world.folder / "dispatcher-1.yaml"
        self._next = 0
        self.stored = 0
        self.world.whatsapp.start()

    @contextmanager
    def _measured(self, what: str, violations: int, ours_s: Callable[[], float]) -> Iterator[list[Figures]]:
        found: list[Figures] = []
        whatsapp = self.world.whatsapp.process
        assert whatsapp is not None
        wall_s, own_s = time.perf_counter(), ours_s()
        database_s, whatsapp_s = tree_cpu_s(self.world.postgres.pid), tree_cpu_s(whatsapp.pid)
        yield found
        found.append(
            Figures(
                what=what,
                violations=violations,
                stored=self.stored,
                wall_s=time.perf_counter() - wall_s,
                ours_s=ours_s() - own_s,
                database_s=tree_cpu_s(self.world.postgres.pid) - database_s,
                whatsapp_s=tree_cpu_s(whatsapp.pid) - whatsapp_s,
                load=os.getloadavg()[0],
            )
        )

    def intake(self, violations: int, what: str = "intake") -> Figures:
        """Reports and pictures as they come from the broker."""
        settings = load_settings(self._config)
        parts = load_parts(settings)
        intake = Intake(self.world.store, parts.evidence, parts.units)
        people = range(self._next, self._next + violations)
        self._next += violations
        incidents = town.incidents(people, self._units, datetime.now(UTC), PICTURE_BYTES)
        messages = [
            Incoming(UpTopic(incident.unit_id, said.kind), said.payload)
            for incident in incidents
            for said in incident.said
        ]
        with self._measured(what, violations, time.process_time) as found:
            for first in range(0, len(messages), _AT_ONCE):
                intake.take_all(messages[first : first + _AT_ONCE], utc_now())
        self.stored += violations
        return found[0]

    def sending(self, what: str, dispatchers: int) -> Figures:
        """From complete evidence to WhatsApp's answer, by as many dispatchers."""
        violations = sum(self.world.states()[state] for state in _WAITING)
        spawn = multiprocessing.get_context("spawn")
        ready, spent = spawn.Barrier(dispatchers + 1), spawn.Queue()
        for index in range(1, dispatchers + 1):
            config = self.world.folder / f"dispatcher-{index}.yaml"
            spawn.Process(target=_send_all, args=(config, ready, spent), daemon=True).start()
        ready.wait(_LONGEST_START_S)
        with self._measured(what, violations, lambda: 0.0) as found:
            ours_s = sum(spent.get(timeout=violations) for _ in range(dispatchers))
        (figures,) = found
        return replace(figures, ours_s=ours_s)

    def pages(self) -> Iterator[Page]:
        """What the console counts, asked for twice."""
        census, kept = Census(), KeptNumbers(self.world.store)
        zone, today = load_settings(self._config).zone, datetime.now(UTC).date()

        def counts() -> None:
            with self.world.store.reading() as connection:
                census.tally(connection)

        def day() -> None:
            kept.numbers(today - timedelta(days=20), today - timedelta(days=20), zone)

        for what, count in (("counts by state", counts), ("numbers of a day", day)):
            first_s, again_s = _timed(count), _timed(count)
            yield Page(what=what, stored=self.stored, first_s=first_s, again_s=again_s, load=os.getloadavg()[0])

    def fill(self, stored: int) -> None:
        """Cases of the past, as many as are missing."""
        fill.fill(self.world.store, self.stored, stored, datetime.now(UTC) - timedelta(days=30))
        self.stored = stored


def _timed(work: Callable[[], None]) -> float:
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def _send_all(config: Path, ready: Barrier, spent: Queue[float]) -> None:
    """Work until nothing is left, once all are ready; tells the processor's time it took."""
    settings = load_settings(config)
    parts = load_parts(settings)
    store = Store.open(settings.database)
    client = WhatsAppClient(settings.whatsapp, parts.token)
    workers = make_workers(parts, store, SnapshotRegistry(store, parts.sealer), parts.units, client, utc_now)
    ready.wait(_LONGEST_START_S)
    began_s = time.process_time()
    with ThreadPoolExecutor(len(workers)) as pool:
        for done in [pool.submit(_work, worker, store) for worker in workers]:
            done.result()
    spent.put(time.process_time() - began_s)
    client.close()
    store.close()


def _work(worker: Worker, store: Store) -> None:
    while _is_left(store):
        while worker.step():
            pass


def _is_left(store: Store) -> bool:
    with store.reading() as connection:
        return connection.scalar(select(cases.c.case_id).where(cases.c.state.in_(_WAITING)).limit(1)) is not None


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("bench-dispatcher", description=__doc__)
    parser.add_argument("--violations", type=int, default=300, help="in each measurement")
    parser.add_argument("--at-once", type=int, default=32, help="requests under way together (whatsapp.at_once)")
    parser.add_argument("--record", type=Path, help="append the rows to the tables of this file (docs/benchmarks.md)")
    parser.add_argument("--stored", type=int, nargs="*", default=[10_000, 1_000_000], help="measure again so full")
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    number, units, at_once = arguments.violations, town.units(4), arguments.at_once
    owners = town.registry(range(number * (3 + 2 * len(arguments.stored))))
    tells = {"messages_per_s": 1e6, "calls_back": False, "at_once": at_once}

    def say(head: str, row: str) -> None:
        print(row, flush=True)
        if arguments.record:
            record(head, row, arguments.record)

    print(f"{HEAD}\n{PAGES_HEAD}")
    with (
        tempfile.TemporaryDirectory(prefix="cakra-bench-") as folder,
        World(Path(folder), units, owners, {}, **tells) as world,
    ):
        bench = Bench(world, units)
        bench.intake(number)
        bench.sending("", 1)  # what is measured after it finds everything imported, planned and cached
        for stored in arguments.stored:
            bench.fill(stored)
            say(HEAD, bench.intake(number).row())
            say(HEAD, bench.sending(f"work to send, {at_once} at once", 1).row())
            for page in bench.pages():
                say(PAGES_HEAD, page.row())
        bench.intake(number)
        say(HEAD, bench.sending(f"work to send, {at_once} at once, two dispatchers", 2).row())
    return 0


if __name__ == "__main__":
    sys.exit(main())
