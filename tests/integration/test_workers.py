"""Several workers at one PostgreSQL database, one of them killed in the middle of its work."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from dispatcher_world import PICTURES, report, signed, write_config
from sqlalchemy import Connection, insert
from worker_process import AT_ONCE

from dispatcher import cases
from dispatcher.app import load_parts, utc_now
from dispatcher.evidence import EvidenceStore, place_of
from dispatcher.owners_import import import_owners
from dispatcher.schema import evidence as pieces
from dispatcher.schema import unit_event
from dispatcher.settings import load_settings
from dispatcher.store import Store
from dispatcher.workflow import Event, State
from wire.messages import EvidenceHeader, ViolationReport

CASES = 120
HANGS_AT = 30
LEASE_S = 3
LONGEST_S = 400.0
SCRIPT = Path(__file__).with_name("worker_process.py")
PREPARED = ["reported", "evidence_arrived", "passed", "owner_found", "composed", "attempted"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a worker's process by its name, and waits until it could begin."""
    with ExitStack() as stack:

        def begin(name: str, *hangs_at: str) -> subprocess.Popen[bytes]:
            place = [str(tmp_path / "dispatcher.yaml"), name, str(tmp_path / "notices"), str(LEASE_S)]
            command = [sys.executable, str(SCRIPT), *place, *hangs_at]
            with (tmp_path / f"{name}.log").open("wb") as log:
                process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
            stack.enter_context(process)
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            return process

        yield begin


@pytest.fixture
def store(tmp_path: Path, postgres: str, open_store: Callable[..., Store]) -> Store:
    """A database with cases that wait for a worker."""
    settings = load_settings(write_config(tmp_path, database=postgres))
    parts = load_parts(settings)
    store = open_store(postgres, migrating=True)
    import_owners(
        store, parts.sealer, tmp_path / "owners.csv", utc_now(), settings.zone, lambda _: None, lambda _: None
    )
    now = utc_now()
    with store.writing() as connection:  # as the intake does, but in one transaction
        for number in range(1, CASES + 1):
            _open(connection, parts.evidence, report(number, now - timedelta(seconds=5)), now)
    return store


def _open(connection: Connection, kept: EvidenceStore, body: ViolationReport, now: datetime) -> None:
    key = {"unit_id": body.unit_id, "event_id": str(body.event_id), "received_at": now}
    connection.execute(insert(unit_event).values(**key, sha256="", sequence=body.sequence, body=signed(body)))
    for piece in body.evidence:
        said = piece.model_dump(include={"role", "sha256", "media_type", "size_bytes"})
        header = EvidenceHeader(event_id=body.event_id, unit_id=body.unit_id, **said)
        kept.put(place_of(header), PICTURES[piece.role])
        connection.execute(insert(pieces).values(**key, **said, path=place_of(header)))
    cases.open_cases(connection, [body], now)
    case = cases.by_event(connection, body.unit_id, str(body.event_id))
    assert case is not None
    cases.move(connection, case.case_id, Event.EVIDENCE_ARRIVED, now)


def _wait(holds: Callable[[], bool], what: str) -> None:
    """On a busy machine hundreds of cases take their time; a worker that makes no progress fails all the same."""
    deadline = time.monotonic() + LONGEST_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {LONGEST_S:.0f} s: {what}"
        time.sleep(0.2)


@pytest.mark.parametrize("call", ["upload", "send"])
def test_each_case_is_worked_on_once_though_a_worker_is_killed(
    call: str, store: Store, tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    """With two dispatchers no owner may be told twice, and what the dead one held must not stay with it."""
    notices = tmp_path / "notices"

    def said() -> list[list[str]]:
        return [line.split() for line in notices.read_text().splitlines()] if notices.exists() else []

    def states() -> Counter[State]:
        with store.reading() as connection:
            return Counter({state: number for state, (number, _) in cases.tally(connection).items()})

    victim = start("victim", call, str(HANGS_AT))
    for worker in (victim, start("survivor")):  # together: one that came late would find nothing left
        assert worker.stdin is not None
        worker.stdin.close()
    _wait(lambda: any(line[3] == "hangs" for line in said()), "the victim is in the middle of a case")
    victim.kill()
    _wait(lambda: states()[State.ACCEPTED] + states()[State.UNKNOWN] == CASES, "all cases end")
    assert states()[State.UNKNOWN] in (range(1, AT_ONCE + 1) if call == "send" else (0,))

    sent = Counter(reference for _, what, reference, _ in said() if what == "send")
    assert set(sent.values()) == {1}
    assert {name for name, *_ in said()} == {"victim", "survivor"}
    with store.reading() as connection:
        for case in cases.listed(connection, limit=CASES):
            assert case.reference in sent or case.state is State.UNKNOWN
            end = "unclear" if case.state is State.UNKNOWN else "was_accepted"
            assert [entry.event for entry in cases.history(connection, case.case_id)] == [*PREPARED, end]
            assert case.worker is None
