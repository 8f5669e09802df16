"""Several workers at one PostgreSQL database, one of them killed in the middle of its work."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from brokers import eventually
from dispatcher_world import PICTURES, UNIT, evidence, report, signed, write_config

from dispatcher import cases
from dispatcher.app import load_parts, utc_now
from dispatcher.evidence import EvidenceFolder
from dispatcher.intake import Intake
from dispatcher.owners_import import import_owners
from dispatcher.settings import load_settings
from dispatcher.store import Store
from dispatcher.workflow import State
from wire.topics import Up, UpTopic

CASES = 200
HANGS_AT = 30
LEASE_S = 3
SCRIPT = Path(__file__).with_name("worker_process.py")
PREPARED = ["reported", "evidence_arrived", "passed", "owner_found", "composed", "attempted"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a worker's process by its name."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(name: str, *hangs_at: str) -> subprocess.Popen[bytes]:
        place = [str(tmp_path / "dispatcher.yaml"), name, str(tmp_path / "notices"), str(LEASE_S)]
        with (tmp_path / f"{name}.log").open("wb") as log:
            started.append(subprocess.Popen([sys.executable, str(SCRIPT), *place, *hangs_at], stderr=log))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def store(tmp_path: Path, postgres: str, open_store: Callable[..., Store]) -> Store:
    """A database with cases that wait for a worker."""
    settings = load_settings(write_config(tmp_path, database=postgres))
    parts = load_parts(settings)
    store = open_store(postgres, migrating=True)
    import_owners(
        store, parts.sealer, tmp_path / "owners.csv", utc_now(), settings.zone, lambda _: None, lambda _: None
    )
    intake = Intake(store, EvidenceFolder(settings.evidence), parts.units)
    for number in range(1, CASES + 1):
        now = utc_now()
        intake.take(UpTopic(UNIT, Up.VIOLATION), signed(report(number, now - timedelta(seconds=5))), now)
        for role in PICTURES:
            intake.take(UpTopic(UNIT, Up.EVIDENCE), evidence(role, number), now)
    return store


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
    start("survivor")
    eventually(lambda: any(line[3] == "hangs" for line in said()), "the victim is in the middle of a case")
    victim.kill()
    lost = Counter({State.UNKNOWN: 1} if call == "send" else {})
    ended = Counter({State.ACCEPTED: CASES}) - Counter({State.ACCEPTED: sum(lost.values())}) + lost
    eventually(lambda: states() == ended, f"all cases end; now {states()}")

    sent = Counter(reference for _, what, reference, _ in said() if what == "send")
    assert len(sent) == CASES
    assert set(sent.values()) == {1}
    assert {name for name, *_ in said()} == {"victim", "survivor"}
    with store.reading() as connection:
        for case in cases.listed(connection, limit=CASES):
            end = "unclear" if case.state is State.UNKNOWN else "was_accepted"
            assert [entry.event for entry in cases.history(connection, case.case_id)] == [*PREPARED, end]
            assert case.worker is None
