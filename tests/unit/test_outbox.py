"""The outbox: nothing twice, nothing lost, and plain words when the file fails."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from agent.delivery import State
from agent.errors import StoreError
from agent.evidence import EvidenceStore
from agent.outbox import Outbox
from agent.retention import Limits, sweep
from wire.canonical import sha256_hex
from wire.messages import UNREAD, EvidenceRef, EvidenceRole, Plate, Provenance, SignedReport, Verdict, ViolationReport
from wire.signing import SigningKey

KEY = SigningKey.generate()
NOW = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)


def piece(name: str, role: EvidenceRole = EvidenceRole.CONTEXT) -> EvidenceRef:
    return EvidenceRef(role=role, sha256=sha256_hex(name.encode()), media_type="image/jpeg", size_bytes=100)


def building(number: int, *evidence: EvidenceRef) -> Callable[[int, str | None], SignedReport]:
    plate = Plate(
        text="B1234XYZ", confidence=0.99, runner_up="", runner_up_confidence=0, support=5, reads=5,
        colour="white_on_black", vehicle_class="passenger", expiry=None,
    )  # fmt: skip

    def build(sequence: int, previous: str | None) -> SignedReport:
        report = ViolationReport(
            event_id=UUID(int=number), unit_id="unit-01", sequence=sequence, site_id="s", lane_id="l", location="Jalan",
            kind="odd_even", article="Pasal 287", occurred_at=NOW, reported_at=NOW, verdict=Verdict.ACCEPTED,
            reasons=(), margin=1, facts=(), plate=plate, evidence=evidence or (piece(f"{number}"),),
            provenance=Provenance(software="0", models={}, config="0" * 64, clock_synchronised=True),
        )  # fmt: skip
        return KEY.sign(report)

    return build


def acknowledge_all(outbox: Outbox, now: datetime = NOW) -> None:
    while rows := outbox.rows(0.0):
        for row in rows:
            outbox.store(replace(row, state=State.ACKED), now)


def add_many(outbox: Outbox) -> None:
    for number in range(1000):
        outbox.add(UUID(int=number), building(number))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "outbox.sqlite"


def test_replayed_event_changes_nothing(path: Path) -> None:
    """A restart would report each violation again."""
    with Outbox(path) as outbox:
        assert outbox.add(UUID(int=1), building(1))
        assert not outbox.add(UUID(int=1), building(1))
        assert outbox.backlog() == 1
        acknowledge_all(outbox)
        outbox.forget(NOW + timedelta(days=1), 10)
        assert not outbox.add(UUID(int=1), building(1))


def test_numbers_have_no_gaps(path: Path) -> None:
    """The centre could not tell a lost report from a skipped number."""

    def fails(sequence: int, previous: str | None) -> SignedReport:
        raise RuntimeError("the key is gone")

    with Outbox(path) as outbox:
        outbox.add(UUID(int=1), building(1))
        with pytest.raises(RuntimeError):
            outbox.add(UUID(int=2), fails)
        outbox.add(UUID(int=1), building(1))
        outbox.add(UUID(int=3), building(3))
        reports = [SignedReport.model_validate_json(outbox.report(UUID(int=number))).body for number in (1, 3)]
    assert [report.sequence for report in reports] == [1, 2]


def test_pictures_follow_their_acknowledged_report(path: Path) -> None:
    """A refused report's pictures would cost mobile data."""
    with Outbox(path) as outbox:
        outbox.add(UUID(int=1), building(1, piece("a"), piece("b", EvidenceRole.PLATE)))
        (report,) = outbox.rows(0.0)
        assert report.evidence is None
        assert report.sha256 == sha256_hex(outbox.report(UUID(int=1)))
        outbox.store(replace(report, state=State.ACKED), NOW)
        assert [row.evidence for row in outbox.rows(0.0)] == [piece("a"), piece("b", EvidenceRole.PLATE)]
        assert outbox.backlog() == 1


def test_one_content_of_two_events_is_owed_for_each(path: Path) -> None:
    """The second case would wait for its picture for ever."""
    with Outbox(path) as outbox:
        for number in (1, 2):
            outbox.add(UUID(int=number), building(number, piece("same"), piece("same", EvidenceRole.PLATE)))
        for row in outbox.rows(0.0):
            outbox.store(replace(row, state=State.ACKED), NOW)
        assert [row.event_id.int for row in outbox.rows(0.0)] == [1, 2]


def test_dead_is_seen_and_can_be_retried(path: Path) -> None:
    """A refused violation would vanish without a word."""
    with Outbox(path) as outbox:
        outbox.add(UUID(int=1), building(1))
        (row,) = outbox.rows(0.0)
        outbox.store(replace(row, state=State.DEAD, reason="unknown_key", attempts=4), NOW)
        assert (outbox.backlog(), outbox.rows(0.0)) == (0, [])
        (dead,) = outbox.dead()
        assert (dead["event_id"], dead["what"], dead["reason"]) == (str(UUID(int=1)), "report", "unknown_key")
        assert outbox.retry_dead() == 1
        assert outbox.backlog() == 1


def test_a_report_that_could_not_be_read_is_found_by_its_hash(path: Path) -> None:
    """The centre's refusal of a garbled report would find nothing to end."""
    with Outbox(path) as outbox:
        outbox.add(UUID(int=1), building(1))
        (row,) = outbox.rows(0.0)
        assert outbox.find(UNREAD, row.sha256) == outbox.find(row.event_id, row.sha256) == row
        assert outbox.find(UNREAD, piece("1").sha256) is None
        assert outbox.find(UUID(int=2), row.sha256) is None


def test_retention_never_touches_what_is_owed_or_dead(path: Path, tmp_path: Path) -> None:
    """A full disk would delete violations that the centre has not seen."""
    store = EvidenceStore(tmp_path / "evidence")
    with Outbox(path) as outbox:
        for number in (1, 2, 3):
            outbox.add(
                UUID(int=number),
                building(number, store.save(UUID(int=number), b"%d" % number, EvidenceRole.PLATE, "image/jpeg")),
            )
        first, second, _ = outbox.rows(0.0)
        outbox.store(replace(first, state=State.ACKED), NOW)
        outbox.store(replace(second, state=State.DEAD), NOW)
        later = NOW + timedelta(days=3650)
        assert sweep(outbox, store, later, Limits(), lambda: 1.0).events == 0
        assert len(list(store.bundles())) == 3
        picture = next(row for row in outbox.rows(0.0) if row.evidence)
        outbox.store(replace(picture, state=State.ACKED), NOW)
        assert sweep(outbox, store, later, Limits(), lambda: 0.0).events == 1
        assert sorted(folder.name for folder in store.bundles()) == [str(UUID(int=number)) for number in (2, 3)]
        assert outbox.backlog() == 1


_ADDER = """
import sys
from pathlib import Path
from uuid import UUID
sys.path.insert(0, {tests!r})
from test_outbox import Outbox, building
with Outbox(Path({path!r})) as outbox:
    for number in range({first}, {first} + 300):
        outbox.add(UUID(int=number), building(number))
        print(number, flush=True)
"""


def _adder(path: Path, first: int) -> subprocess.Popen[str]:
    code = _ADDER.format(tests=str(Path(__file__).parent), path=str(path), first=first)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_two_killed_processes_leave_whole_events(path: Path) -> None:
    """`kill -9` or a power cut would leave a report without its evidence, or two reports with one number."""
    said: set[int] = set()
    processes = [_adder(path, 1), _adder(path, 5001)]
    for process in processes:
        assert process.stdout is not None
        said |= {int(process.stdout.readline()) for _ in range(3)}
    for process in processes:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    with Outbox(path) as outbox:
        reports = outbox.rows(0.0, limit=5000)
        bodies = [SignedReport.model_validate_json(outbox.report(row.event_id)).body for row in reports]
    assert said <= {body.event_id.int for body in bodies}
    assert sorted(body.sequence for body in bodies) == list(range(1, len(bodies) + 1))
    with sqlite3.connect(path) as connection:
        assert connection.execute("select count(*) from item").fetchone() == (2 * len(bodies),)
    connection.close()


def test_broken_files_are_told_in_one_line(path: Path) -> None:
    """A technician would read a traceback and not which file to mend."""
    path.parent.mkdir()
    path.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(StoreError, match=r"outbox\.sqlite: file is not a database; move the file away"):
        Outbox(path)
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("pragma user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="schema 99 is newer"):
        Outbox(path)


def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A wrong `data:` would end in a traceback."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        Outbox(tmp_path / "file" / "data" / "outbox.sqlite")


def test_full_disk_owes_nothing_half(path: Path) -> None:
    """A full disk would leave a report that names evidence it does not owe."""
    with Outbox(path) as outbox:
        outbox._db.execute(f"pragma max_page_count = {outbox._one('pragma page_count') + 2}")
        with pytest.raises(StoreError, match="make room on the disk"):
            add_many(outbox)
        outbox._db.execute("pragma max_page_count = 100000")
        acknowledge_all(outbox)
        assert outbox.backlog() == 0
        assert outbox.add(UUID(int=5000), building(5000))


def test_counters_are_those_of_the_last_start(path: Path) -> None:
    """The status would mix the counts of two starts."""
    with Outbox(path) as outbox:
        outbox.set_counters({"frames": 9, "old": 1})
        outbox.set_counters({"frames": 10})
        assert outbox.counters() == {"frames": 10}
