"""The intake: what a unit says is stored once and answered after the commit; what is not its own is refused."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dispatcher_world import KEY, NOW, PICTURES, UNIT, event_id, evidence, manifest, report, signed
from sqlalchemy import func, select
from sqlalchemy.exc import DataError

from dispatcher import cases, numbering
from dispatcher.errors import StoreError
from dispatcher.evidence import EvidenceFolder
from dispatcher.intake import Incoming, Intake
from dispatcher.numbering import Numbering
from dispatcher.privacy.erasure import Eraser
from dispatcher.schema import quarantine, unit_event, unit_status
from dispatcher.store import Store, counters
from dispatcher.units import Unit, UnitState
from dispatcher.workflow import State
from wire.canonical import sha256_hex
from wire.codec import encode
from wire.messages import ERASED, Ack, AckResult, EvidenceRole, UnitStatus
from wire.signing import SigningKey
from wire.topics import Up, UpTopic


def status(*, at: datetime = NOW, online: bool = True, backlog: int = 0) -> UnitStatus:
    return UnitStatus(unit_id=UNIT, boot_id=event_id(), online=online, at=at, software="1", backlog=backlog, dead=0)


class World:
    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder
        self.store = Store.open(database, migrating=True)
        units = {UNIT: Unit(UNIT, "Sudirman", UnitState.APPROVED, KEY.public)}
        units["unit-02"] = Unit("unit-02", "Thamrin", UnitState.QUARANTINED, KEY.public)
        self.intake = Intake(self.store, EvidenceFolder(folder / "evidence"), units)

    def say(self, kind: Up, payload: bytes, unit_id: str = UNIT) -> Ack | None:
        return self.intake.take(UpTopic(unit_id, kind), payload, NOW)

    def result(self, kind: Up, payload: bytes, unit_id: str = UNIT) -> tuple[AckResult, bool, str]:
        ack = self.say(kind, payload, unit_id)
        assert ack is not None
        return ack.result, ack.retryable, ack.reason

    def state(self) -> State | None:
        with self.store.reading() as connection:
            case = cases.by_event(connection, UNIT, str(event_id()))
            return case.state if case else None

    def counted(self) -> dict[str, int]:
        with self.store.reading() as connection:
            return counters(connection)


@pytest.fixture
def world(tmp_path: Path, database: str) -> Iterator[World]:
    world = World(tmp_path, database)
    yield world
    world.store.close()


STORED = (AckResult.STORED, False, "")
DUPLICATE = (AckResult.DUPLICATE, False, "")


def test_a_case_is_complete_when_all_its_pieces_are_here_in_any_order(world: World) -> None:
    """Evidence may overtake its report; the case must not wait for ever."""
    assert world.result(Up.EVIDENCE, evidence(EvidenceRole.PLATE)) == STORED
    assert world.state() is None
    assert world.result(Up.VIOLATION, signed(report())) == STORED
    for role in (EvidenceRole.CONTEXT, EvidenceRole.VEILED):
        assert world.state() is State.RECEIVED
        assert world.result(Up.EVIDENCE, evidence(role)) == STORED
    assert world.state() is State.EVIDENCE_COMPLETE
    files = [path.read_bytes() for path in (world.folder / "evidence").rglob("*.jpg")]
    assert sorted(files) == sorted(PICTURES.values())


def test_what_is_said_twice_is_stored_once(world: World) -> None:
    """A unit that missed an answer says it again; the owner must get one message."""
    for _ in range(3):
        world.say(Up.VIOLATION, signed(report()))
        world.say(Up.EVIDENCE, evidence(EvidenceRole.PLATE))
    assert world.result(Up.VIOLATION, signed(report())) == DUPLICATE
    assert world.result(Up.EVIDENCE, evidence(EvidenceRole.PLATE)) == DUPLICATE
    with world.store.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(unit_event)) == 1


def test_the_ack_names_what_it_answers(world: World) -> None:
    """A unit deletes what an ack names; the wrong name would lose a violation."""
    payload = signed(report())
    ack = world.say(Up.VIOLATION, payload)
    assert ack is not None
    assert (ack.event_id, ack.sha256) == (event_id(), sha256_hex(payload))


def test_another_content_under_a_known_id_goes_to_quarantine(world: World) -> None:
    """Somebody rewriting what was reported must be noticed, and must not overwrite it."""
    world.say(Up.VIOLATION, signed(report()))
    changed = signed(report(location="elsewhere"))
    assert world.result(Up.VIOLATION, changed) == (AckResult.REJECTED, False, "other_content")
    with world.store.reading() as connection:
        assert connection.scalar(select(quarantine.c.body)) == changed
    assert world.counted() == {"refused.violation.other_content": 1}


@pytest.mark.parametrize(
    ("unit_id", "key", "reason"),
    [
        ("unit-77", KEY, "unknown_unit"),
        ("unit-02", KEY, "foreign_unit"),
        (UNIT, SigningKey.generate(), "unknown_key"),
    ],
)
def test_reports_of_strangers_are_refused_and_counted(world: World, unit_id: str, key: SigningKey, reason: str) -> None:
    """Nobody but an approved unit may accuse."""
    assert world.result(Up.VIOLATION, signed(report(), key), unit_id) == (AckResult.REJECTED, False, reason)
    assert world.counted() == {f"refused.violation.{reason}": 1}
    assert world.state() is None


def test_what_a_quarantined_unit_says_is_kept_aside(world: World) -> None:
    """Should it have been right after all, nothing is lost; the unit hears it and a count tells it."""
    payload = signed(report(unit_id="unit-02"))
    assert world.result(Up.VIOLATION, payload, "unit-02") == (AckResult.STORED, False, "held")
    assert world.result(Up.VIOLATION, payload, "unit-02") == DUPLICATE
    forged = signed(report(2, unit_id="unit-02"), SigningKey.generate())
    assert world.result(Up.VIOLATION, forged, "unit-02") == (AckResult.REJECTED, False, "unknown_key")
    assert world.counted() == {"held.violation": 1, "refused.violation.unknown_key": 1}


def test_a_tampered_report_is_refused(world: World) -> None:
    """A plate changed on the way must not reach another owner."""
    payload = signed(report()).replace(b"B1234XYZ", b"B1234XYV")
    assert world.result(Up.VIOLATION, payload) == (AckResult.REJECTED, False, "bad_signature")


@pytest.mark.parametrize("payload", [b"", b"{", b"\x00" * 100, b"x" * 70_000])
@pytest.mark.parametrize("kind", list(Up))
def test_rubbish_is_refused_without_a_crash(world: World, kind: Up, payload: bytes) -> None:
    """One broken unit must not stop the intake of all others."""
    ack = world.say(kind, payload)
    assert ack is None if kind is Up.STATUS else ack is not None and ack.result is AckResult.REJECTED
    assert sum(world.counted().values()) == 1


def test_a_picture_that_the_report_does_not_name_is_refused(world: World) -> None:
    """Pictures carry no signature of their own: the signed report vouches for them."""
    world.say(Up.VIOLATION, signed(report()))
    other = evidence(EvidenceRole.PLATE, content=b"another picture")
    assert world.result(Up.EVIDENCE, other) == (AckResult.REJECTED, False, "not_named")
    swapped = evidence(EvidenceRole.PLATE, content=PICTURES[EvidenceRole.CONTEXT])
    assert world.result(Up.EVIDENCE, swapped) == (AckResult.REJECTED, False, "not_named")


def test_a_manifest_with_the_units_signature_is_stored(world: World) -> None:
    """Without it nobody can check at the centre what the unit saw, and with what."""
    assert world.result(Up.EVIDENCE, evidence(EvidenceRole.MANIFEST, content=manifest())) == STORED
    (file,) = (world.folder / "evidence").rglob("*.json")
    assert file.read_bytes() == manifest()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{}", "manifest_invalid"),
        (manifest(key=SigningKey.generate()), "manifest_unknown_key"),
        (manifest().replace(b"B1234XYZ", b"B1234XYV"), "manifest_bad_signature"),
        (manifest(2), "manifest_of_another_event"),
    ],
)
def test_a_manifest_that_does_not_verify_is_refused_and_counted(world: World, content: bytes, reason: str) -> None:
    """The console says of every manifest that is stored that its unit vouches for it."""
    said = evidence(EvidenceRole.MANIFEST, content=content)
    assert world.result(Up.EVIDENCE, said) == (AckResult.REJECTED, False, reason)
    assert world.counted() == {f"refused.evidence.{reason}": 1}
    assert not list((world.folder / "evidence").rglob("*.json"))


def test_a_full_disk_is_answered_with_try_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be stored must stay on the unit; what can be is taken in all the same, at once."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("dispatcher.evidence._write_durably", full)
    said = [(Up.EVIDENCE, evidence(EvidenceRole.PLATE)), (Up.VIOLATION, signed(report()))]
    acks = world.intake.take_all([Incoming(UpTopic(UNIT, kind), payload) for kind, payload in said], NOW)
    assert [(ack.result, ack.retryable) if ack else None for ack in acks] == [
        (AckResult.REJECTED, True),
        (AckResult.STORED, False),
    ]
    assert world.result(Up.EVIDENCE, evidence(EvidenceRole.PLATE)) == (AckResult.REJECTED, True, "store")
    monkeypatch.undo()
    assert world.result(Up.EVIDENCE, evidence(EvidenceRole.PLATE)) == STORED


@pytest.mark.parametrize(
    ("fault", "reason"), [(OverflowError("too large"), "failed"), (DataError("", {}, ValueError("NUL")), "unstorable")]
)
@pytest.mark.parametrize(("kind", "answered"), [(Up.VIOLATION, True), (Up.EVIDENCE, True), (Up.STATUS, False)])
def test_what_cannot_be_stored_ever_is_refused_for_good(
    world: World, monkeypatch: pytest.MonkeyPatch, fault: Exception, reason: str, kind: Up, answered: bool
) -> None:
    """One odd message would end the dispatcher at each start, or be said again for ever."""

    def fails(*_: object) -> bool:
        raise fault

    monkeypatch.setattr("dispatcher.arrivals.insert_all_new", fails)
    monkeypatch.setattr("dispatcher.arrivals.upsert", fails)
    payload = {Up.VIOLATION: signed(report()), Up.EVIDENCE: evidence(EvidenceRole.PLATE), Up.STATUS: encode(status())}
    ack = world.say(kind, payload[kind])
    if answered:
        assert ack is not None
        assert (ack.result, ack.retryable, ack.reason) == (AckResult.REJECTED, False, reason)
    assert world.counted() == {f"refused.{kind}.{reason}": 1}


def test_moments_that_no_calendar_shows_are_refused(world: World) -> None:
    """A report of the year 9999 has no local time, and would end the worker again and again."""
    odd = datetime(9999, 12, 31, 23, tzinfo=UTC)
    assert world.result(Up.VIOLATION, signed(report(at=odd))) == (AckResult.REJECTED, False, "impossible_moment")
    assert world.say(Up.STATUS, encode(status(at=odd))) is None
    assert world.counted() == {"refused.status.impossible_moment": 1, "refused.violation.impossible_moment": 1}


def test_a_refusal_is_short_enough_to_be_read(world: World) -> None:
    """A unit that cannot read the answer would ask for ever."""
    body = json.loads(signed(report()))
    ack = world.say(Up.VIOLATION, json.dumps(body | {"x" * 60_000: 1}).encode())
    assert ack is not None
    assert len(encode(ack)) < 1000


def numbered(world: World) -> Numbering:
    with world.store.reading() as connection:
        return numbering.of_units(connection)[UNIT]


def test_reports_that_are_missing_are_told_until_they_come(world: World) -> None:
    """A report that somebody took out of a unit would be missed by nobody."""
    for number, missing in ((1, 0), (5, 3), (3, 2), (9, 5), (4, 4), (2, 3), (2, 3)):
        world.say(Up.VIOLATION, signed(report(number)))
        assert numbered(world) == Numbering(missing=missing, since=NOW if missing else None)
    said = [Incoming(UpTopic(UNIT, Up.VIOLATION), signed(report(number))) for number in (8, 7, 11, 6, 10)]
    world.intake.take_all(said, NOW)
    assert numbered(world) == Numbering()


def test_a_number_that_two_reports_have_is_told(world: World) -> None:
    """Two that speak with one unit's key would pass for one."""
    for number in (1, 2, 3):
        world.say(Up.VIOLATION, signed(report(number)))
    world.say(Up.VIOLATION, signed(report(4, sequence=2)))
    assert numbered(world) == Numbering(repeated=1)


def test_the_last_word_of_a_unit_is_kept(world: World) -> None:
    """A camera that is away must be seen to be away."""
    for online, backlog in ((True, 3), (False, 0)):
        assert world.say(Up.STATUS, encode(status(online=online, backlog=backlog))) is None
    with world.store.reading() as connection:
        row = connection.execute(select(unit_status)).one()
    assert (row.online, row.backlog, row.seen_at) == (False, 0, NOW)


def test_a_torn_picture_is_written_anew(world: World) -> None:
    """Half a file of the right name would be acknowledged, and the unit would delete the only whole one."""
    world.say(Up.EVIDENCE, evidence(EvidenceRole.PLATE))
    (file,) = (world.folder / "evidence").rglob("*.jpg")
    file.write_bytes(b"\xff\xd8")
    (file.parent / f"{file.stem}.dispatcher.part").write_bytes(b"left by a kill")
    assert world.result(Up.EVIDENCE, evidence(EvidenceRole.PLATE)) == DUPLICATE
    assert file.read_bytes() == PICTURES[EvidenceRole.PLATE]
    assert list(file.parent.iterdir()) == [file]


def test_each_new_folder_is_on_the_disk_before_the_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut after the ack would take the folder, and the picture with it."""
    synced: list[Path] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    world.say(Up.EVIDENCE, evidence(EvidenceRole.PLATE))
    (file,) = (world.folder / "evidence").rglob("*.jpg")
    folders = [folder for folder in file.parents if folder.is_relative_to(world.folder)]
    assert len(folders) == 5
    assert set(folders) <= set(synced)


def test_pieces_of_an_erased_case_cost_their_neighbours_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit that missed an ack says a piece again long after; a hundred messages would be taken one by one for it."""
    world.say(Up.VIOLATION, signed(report()))
    with world.store.reading() as connection:
        case = cases.by_event(connection, UNIT, str(event_id()))
    assert case is not None
    assert Eraser(world.store, EvidenceFolder(world.folder / "evidence")).drop_case(case)
    batches: list[int] = []
    real = Intake._take_all

    def counted(intake: Intake, messages: Sequence[Incoming], now: datetime) -> Sequence[Ack | None]:
        batches.append(len(messages))
        return real(intake, messages, now)

    monkeypatch.setattr(Intake, "_take_all", counted)
    said = [(Up.EVIDENCE, evidence(EvidenceRole.PLATE)), (Up.VIOLATION, signed(report(2)))]
    acks = world.intake.take_all([Incoming(UpTopic(UNIT, kind), payload) for kind, payload in said], NOW)
    assert [(ack.result, ack.reason) if ack else None for ack in acks] == [
        (AckResult.REJECTED, ERASED),
        (AckResult.STORED, ""),
    ]
    assert world.counted() == {"refused.evidence.erased": 1}
    assert batches == [2]
    assert not list((world.folder / "evidence").rglob("*.jpg"))


def test_a_database_that_cannot_be_opened_is_told_in_one_line(tmp_path: Path) -> None:
    """An operator must read what is wrong, not a traceback."""
    (tmp_path / "d.db").write_bytes(b"this is not a database, and it is long enough to be seen as none" * 20)
    with pytest.raises(StoreError, match=r"^database: file is not a database") as caught:
        Store.open(f"sqlite:///{tmp_path / 'd.db'}")
    assert "\n" not in str(caught.value)


def test_messages_that_come_together_are_each_taken_for_what_they_are(world: World) -> None:
    """The broker brings many at once; what one of them is must not depend on its neighbours."""
    body, other = signed(report()), signed(report(location="elsewhere", evidence=report().evidence[:1]))
    pieces = [(Up.EVIDENCE, evidence(role)) for role in PICTURES]
    stray = (Up.EVIDENCE, evidence(EvidenceRole.PLATE, content=b"of another event"))
    said = [pieces[0], (Up.VIOLATION, body), (Up.VIOLATION, b"{"), (Up.VIOLATION, body), stray, (Up.VIOLATION, other)]
    messages = [
        Incoming(UpTopic(UNIT, kind), payload) for kind, payload in (*said, *pieces, (Up.STATUS, encode(status())))
    ]
    acks = world.intake.take_all(messages, NOW)
    told = [(ack.result, ack.reason) if ack else None for ack in acks]
    stored, again = (AckResult.STORED, ""), (AckResult.DUPLICATE, "")
    assert told[2] == (AckResult.REJECTED, "invalid:message:json_invalid")
    refused = [(AckResult.REJECTED, "not_named"), (AckResult.REJECTED, "other_content")]
    assert [*told[:2], *told[3:]] == [stored, stored, again, *refused, again, *[stored] * (len(pieces) - 1), None]
    assert world.state() is State.EVIDENCE_COMPLETE


def test_one_message_that_the_database_does_not_hold_costs_its_neighbours_nothing(world: World) -> None:
    """A unit that says one odd thing would otherwise hold up all units, again and again."""
    odd = signed(report(2, kind="nul\0"))
    messages = [
        Incoming(UpTopic(UNIT, Up.VIOLATION), payload) for payload in (signed(report()), odd, signed(report(3)))
    ]
    results = [ack.result if ack else None for ack in world.intake.take_all(messages, NOW)]
    assert (results[0], results[2]) == (AckResult.STORED, AckResult.STORED)
    with world.store.reading() as connection:
        assert {case.event_id for case in cases.listed(connection)} >= {str(event_id()), str(event_id(3))}
