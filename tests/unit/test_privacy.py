"""What is kept, held, erased, exported, and who saw it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from console_world import World, token
from dispatcher_world import NOW, OWNERS, PICTURES, UNIT, accepted, event_id, evidence, report, signed
from sqlalchemy import func, select, update

from dispatcher import cases, sends
from dispatcher.access.audit import Actor, Audit
from dispatcher.access.roles import Role
from dispatcher.app import load_parts
from dispatcher.cases import Case
from dispatcher.cli import main
from dispatcher.errors import StoreError
from dispatcher.evidence import SHOWN_TO_OWNERS, EvidenceFolder
from dispatcher.intake import Intake
from dispatcher.owners import SnapshotRegistry, Unavailable
from dispatcher.owners_import import import_owners
from dispatcher.post.commands import make_post
from dispatcher.privacy import holds
from dispatcher.privacy.erasure import Eraser
from dispatcher.privacy.retention import Retention, terms
from dispatcher.privacy.subject import Subject
from dispatcher.schema import cases as case_table
from dispatcher.schema import evidence as evidence_table
from dispatcher.schema import owner, owner_snapshot, timeline, unit_event, webhook_inbox
from dispatcher.settings import RetentionSettings, load_settings
from dispatcher.store import Store, count
from dispatcher.workflow import Event, State
from wire.messages import AckResult, EvidenceRole
from wire.topics import Up, UpTopic

DAY = timedelta(days=1)
POLICY = RetentionSettings()
HEADER = OWNERS.splitlines()[0] + ",address\n"
BUDI = "B 1234 XYZ,Budi Santoso,0812-3456-7890,passenger,white_on_black,active,3171000000000001,Jl. Melati 5\n"
SITI = "B 1777 QQQ,Siti Aminah,0813-1111-2222,passenger,white_on_black,active,3171000000000002,Jl. Mawar 9\n"
PERSONAL = ("B1234XYZ", "B 1234 XYZ", "Budi", "Santoso", "3456-7890", "81234567890", "3171000000000001", "Melati")
ANA = Actor(name="ana")


class Centre:
    """A dispatcher whose data is looked after."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder, self.world, self.store = folder, world, world.store
        self.settings = load_settings(folder / "dispatcher.yaml")
        self.parts = load_parts(self.settings)
        self.eraser = Eraser(self.store, self.parts.evidence)
        self.retention = Retention(eraser=self.eraser, settings=POLICY)
        registry = SnapshotRegistry(self.store, self.parts.sealer)
        self.subject = Subject(eraser=self.eraser, registry=registry, settings=POLICY)

    def registry(self, *rows: str) -> None:
        path = self.folder / "registry.csv"
        path.write_text(HEADER + "".join(rows))
        zone = self.settings.zone
        import_owners(self.store, self.parts.sealer, path, NOW, zone, lambda row: None, lambda rows: None)

    def over(self, state: State = State.WITHDRAWN, number: int = 1) -> Case:
        """A case that ended in this state, now."""
        self.world.arrive(number)
        case = self.case(number)
        with self.store.writing() as connection:
            connection.execute(
                update(case_table).where(case_table.c.case_id == case.case_id).values(state=state, changed_at=NOW)
            )
        return self.case(number)

    def case(self, number: int = 1) -> Case:
        with self.store.reading() as connection:
            case = cases.by_event(connection, UNIT, str(event_id(number)))
        assert case is not None
        return case

    def files(self) -> int:
        return sum(path.is_file() for path in (self.folder / "evidence").rglob("*"))

    def number(self, table: Any) -> int:
        with self.store.reading() as connection:
            return connection.scalar(select(func.count()).select_from(table)) or 0

    def command(self, *words: str) -> int:
        return main(
            [
                words[0],
                *([words[1]] if words[0] == "holds" else []),
                "--config",
                str(self.folder / "dispatcher.yaml"),
                *words[2 if words[0] == "holds" else 1 :],
            ]
        )


@pytest.fixture
def centre(tmp_path: Path, world: World) -> Iterator[Centre]:
    return Centre(tmp_path, world)


@pytest.mark.parametrize("state", [State.CONFIRMED, State.DISPUTED, State.EXPIRED, State.WITHDRAWN])
def test_a_case_that_is_over_goes_by_its_term(centre: Centre, state: State) -> None:
    """Pictures of people are kept as long as the law needs them, and not a day longer."""
    kept = terms(POLICY)[state]
    centre.over(state)
    assert centre.retention.run(NOW + kept.evidence_days * DAY) == {}
    assert centre.retention.due(NOW + kept.evidence_days * DAY + DAY) == {f"evidence: {state}": 1}
    assert centre.files() == len(PICTURES)
    assert centre.retention.run(NOW + kept.evidence_days * DAY + DAY) == {f"evidence: {state}": 1}
    assert (centre.files(), centre.number(evidence_table), centre.number(case_table)) == (0, 0, 1)
    assert centre.world.web.get(f"/cases/{centre.case().reference}").status_code == 200
    assert centre.retention.run(NOW + kept.case_days * DAY + DAY)[f"whole cases: {state}"] == 1
    assert (centre.number(case_table), centre.number(timeline)) == (0, 0)


@pytest.mark.parametrize("state", sorted(set(State) - set(terms(POLICY))))
def test_what_somebody_still_has_to_do_stays(centre: Centre, state: State) -> None:
    """A case that waits for a person for ten years is a fault to be seen, not to be swept away."""
    centre.over(state)
    centre.retention.run(NOW + 3650 * DAY)
    assert (centre.files(), centre.number(case_table)) == (len(PICTURES), 1)


class Far(EvidenceFolder):
    """A store that may be away, and sees whether the database is kept waiting for it."""

    def __init__(self, root: Path, store: Store) -> None:
        super().__init__(root)
        self.store = store
        self.is_away = False

    def remove(self, place: str) -> None:
        with self.store.writing() as connection:
            count(connection, "nobody waits")
        if self.is_away:
            raise StoreError("evidence: S3: ReadTimeoutError; check s3.endpoint and the server")
        super().remove(place)


@pytest.fixture
def far(centre: Centre) -> Far:
    """The evidence of a centre, far away."""
    far = Far(centre.folder / "evidence", centre.store)
    centre.eraser = Eraser(centre.store, far)
    centre.retention = Retention(eraser=centre.eraser, settings=POLICY)
    return far


def test_pictures_whose_removal_broke_off_are_removed_later(centre: Centre, far: Far) -> None:
    """A storage that hangs must stop no intake, and a crash in the middle must leave no picture that nothing knows."""
    centre.over()
    far.is_away = True
    later = NOW + 3650 * DAY
    assert centre.retention.run(later)["whole cases: withdrawn"] == 1
    assert (centre.number(case_table), centre.number(evidence_table), centre.files()) == (0, 0, len(PICTURES))
    assert centre.eraser.left() == len(PICTURES)
    assert centre.retention.due(later) == {"pieces erased before and not removed yet": len(PICTURES)}
    far.is_away = False
    assert centre.retention.run(later) == {}
    assert (centre.files(), centre.eraser.left()) == (0, 0)


@pytest.mark.parametrize("is_said_again", [False, True])
def test_a_piece_that_came_to_lie_late_stays_only_if_its_unit_says_it_again(
    centre: Centre, monkeypatch: pytest.MonkeyPatch, is_said_again: bool
) -> None:
    """A picture in a slow storage of which no row tells is one that no term and no erasure ever reaches."""
    intake, topic, plate = centre.world.dispatcher.intake, UpTopic(UNIT, Up.EVIDENCE), evidence(EvidenceRole.PLATE)
    put_all = EvidenceFolder.put_all
    with monkeypatch.context() as slow:
        slow.setattr(
            EvidenceFolder, "put_all", lambda store, pieces: put_all(store, pieces) or dict.fromkeys(pieces, True)
        )
        ack = intake.take(topic, plate, NOW)
    assert ack is not None
    assert (ack.result, ack.retryable, centre.files()) == (AckResult.REJECTED, True, 1)
    if is_said_again:
        intake.take(topic, plate, NOW)
    assert centre.eraser.sweep() == 0
    assert centre.files() == centre.number(evidence_table) == is_said_again


def test_a_piece_said_again_after_its_erasure_is_not_swept_away(centre: Centre, far: Far) -> None:
    """The unit was told that it is stored, and has deleted it."""
    case = centre.over()
    far.is_away = True
    assert centre.eraser.drop_evidence(case)
    assert centre.eraser.sweep() == len(PICTURES)
    ack = centre.world.dispatcher.intake.take(UpTopic(UNIT, Up.EVIDENCE), evidence(EvidenceRole.PLATE), NOW)
    assert ack is not None
    assert ack.result is AckResult.STORED
    far.is_away = False
    assert centre.eraser.sweep() == 0
    assert (centre.files(), centre.number(evidence_table)) == (1, 1)


def test_a_case_that_moved_meanwhile_is_not_erased(centre: Centre) -> None:
    """Between the list of what goes and its end somebody may have reopened a case, freed it, or erased it."""
    case = centre.over(State.EXPIRED)
    with centre.store.writing() as connection:
        cases.move(connection, case.case_id, Event.DENIED, NOW + DAY)
    for drop in (centre.eraser.drop_case, centre.eraser.drop_evidence):
        assert not drop(case)
    assert (centre.files(), centre.number(case_table)) == (len(PICTURES), 1)
    assert centre.eraser.drop_case(centre.case())
    assert not centre.eraser.drop_case(case)


def test_strays_whose_report_came_meanwhile_are_not_erased(centre: Centre) -> None:
    """A report that comes after weeks must still find its pictures."""
    centre.world.arrive()
    assert not centre.eraser.drop_strays(UNIT, str(event_id()))
    assert centre.files() == len(PICTURES)


def test_a_hold_keeps_everything(centre: Centre) -> None:
    """A court that asks for evidence after two years must find it."""
    case = centre.over()
    assert centre.command("holds", "set", case.reference.lower(), "--why", "court asks") == 0
    centre.retention.run(NOW + 3650 * DAY)
    assert centre.subject.erase((case,)) == ()
    assert (centre.files(), centre.number(case_table)) == (len(PICTURES), 1)
    assert centre.command("holds", "lift", case.reference, "--why", "judged") == 0
    assert centre.retention.run(NOW + 3650 * DAY)["whole cases: withdrawn"] == 1
    assert centre.files() == 0


def test_holds_are_listed_with_their_reason(centre: Centre, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody has to know when a hold may be lifted."""
    case = centre.over()
    with centre.store.writing() as connection:
        assert holds.hold(connection, case, "ana", "complaint 12", NOW)
        assert not holds.hold(connection, case, "budi", "again", NOW)
    centre.command("holds", "list")
    assert f"{case.reference}  since 2026-11-23 01:00 UTC  ana: complaint 12" in capsys.readouterr().out
    assert centre.command("holds", "set", "ABCD-EFGH-JKLM-NPQR", "--why", "x") == 2


def test_retain_says_first_and_does_it_when_told(centre: Centre, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody erases a year of cases by trying a command out."""
    centre.over()
    with centre.store.writing() as connection:
        connection.execute(update(case_table).values(changed_at=NOW - 3650 * DAY))
    assert centre.command("retain") == 0
    assert "1  whole cases: withdrawn" in capsys.readouterr().out
    assert centre.number(case_table) == 1
    assert centre.command("retain", "--yes") == 0
    assert centre.number(case_table) == 0


def test_strays_go(centre: Centre) -> None:
    """Pictures of a report that never came, and WhatsApp's calls with their numbers, belong to no case's term."""
    stray = evidence(EvidenceRole.PLATE, 9)
    centre.world.dispatcher.intake.take(UpTopic(UNIT, Up.EVIDENCE), stray, NOW)
    with centre.store.writing() as connection:
        sends.keep_call(connection, b'{"entry":[]}', NOW)
    late = NOW + (POLICY.stray_days + 1) * DAY
    assert centre.retention.run(late) == {"evidence without a case": 1}  # the call was not worked off yet
    centre.world.work()
    assert centre.retention.run(late) == {"WhatsApp's calls": 1}
    assert centre.files() == centre.number(webhook_inbox) == 0


def test_the_same_report_does_not_open_an_erased_case_anew(centre: Centre) -> None:
    """A unit, or a thief of a backup, that says an old report again must not bring back what was erased."""
    centre.subject.erase((centre.over(),))
    body = signed(report(event_id=event_id(), sequence=1))
    intake = Intake(centre.store, centre.parts.evidence, centre.parts.units)
    ack = intake.take(UpTopic(UNIT, Up.VIOLATION), body, NOW)
    assert ack is not None
    assert ack.result is AckResult.DUPLICATE
    assert centre.number(case_table) == 0
    with centre.store.reading() as connection:
        assert connection.scalar(select(unit_event.c.body)) == b""


def lived(centre: Centre) -> Case:
    """A case that has been everywhere a case can leave something: message, letter, page, console, refused report."""
    world = centre.world
    centre.registry(BUDI)
    case = centre.over(State.QUEUED)
    with centre.store.writing() as connection:
        attempt_id = accepted(connection, case.case_id, NOW, "wamid.7")
        cases.move(connection, case.case_id, Event.ATTEMPTED, NOW, why=attempt_id, deadline=NOW + 10 * DAY)
        status = {"id": "wamid.7", "status": "failed", "recipient_id": "6281234567890", "errors": [{"code": 131026}]}
        call = {"entry": [{"changes": [{"value": {"statuses": [status]}}]}]}
        sends.keep_call(connection, json.dumps(call).encode(), NOW)
    world.work()
    assert make_post(centre.settings, centre.store).write_down(ANA, NOW) == (1, ())
    owner = world.browser()
    path = owner.post("/k", data={"reference": case.reference, "plate": "B 1234 XYZ"}).headers["location"]
    owner.post(path, data={"answer": "dispute", "reason": "Saya, Budi Santoso, 0812-3456-7890, di Jl. Melati"})
    world.browser().post("/k", data={"reference": case.reference, "plate": "B 1234 XYY"})
    other = signed(report(location="Jl. Lain"))
    world.dispatcher.intake.take(UpTopic(UNIT, Up.VIOLATION), other, NOW)
    form = {"token": token(world.web, f"/cases/{case.reference}/owner"), "why": "a call"}
    assert "Budi Santoso" in world.web.post(f"/cases/{case.reference}/owner", data=form).text
    world.web.get(f"/cases/{case.reference}")
    form = {"token": token(world.web, f"/cases/{case.reference}/withdraw"), "why": "he is right"}
    assert world.web.post(f"/cases/{case.reference}/withdraw", data=form).status_code == 303
    return centre.case()


def database(centre: Centre) -> bytes:
    """All that the database's files hold, free pages and journal too."""
    return b"".join(path.read_bytes() for path in centre.folder.glob("dispatcher.db*"))


def test_erasure_leaves_nothing_in_database_evidence_and_logs(centre: Centre, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever is told that their data is erased can be sure of it, against somebody with the disk in hand, too."""
    caplog.set_level(logging.INFO)
    case = lived(centre)
    before = database(centre)
    assert all(each.encode() in before for each in ("B1234XYZ", "Jl. Melati", "6281234567890"))
    assert centre.subject.erasable((case,)) == ((case,), {})
    assert centre.subject.erase((case,)) == (case,)
    for _ in range(2):  # the registry has this owner no more; a snapshot is kept until the one after it
        centre.registry(SITI)
    centre.store.scrub()
    after = database(centre)
    assert [each for each in PERSONAL if each.encode() in after] == []
    assert centre.files() == 0
    assert [each for each in PERSONAL if each in caplog.text] == []
    assert caplog.text
    with centre.store.reading() as connection:
        assert Audit(centre.parts.writer.mac_key).verify(connection).faults == ()
    assert centre.world.web.get("/").status_code == 200


def test_the_commands_take_the_plate_from_stdin(
    centre: Centre, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is erased, and what is not because it is not over, is said before it is done."""
    centre.over()
    waiting = centre.over(State.READ, 2)

    def erase(*more: str) -> int:
        monkeypatch.setattr("sys.stdin", io.StringIO("b 1234 xyz\n"))
        return centre.command("erase", "--why", "asked for", *more)

    assert erase() == 1
    said = capsys.readouterr()
    assert "1 cases would be erased" in said.out
    assert f"{waiting.reference}: stays; it is read: not over" in said.err
    assert erase("--yes") == 1
    assert centre.number(case_table) == 1
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert centre.command("erase", "--why", "x") == 2


def test_an_erasure_that_a_move_came_before_is_told(
    centre: Centre, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who asked to be erased would be told that they are, while a dispute of this very minute keeps their case."""
    case = centre.over()
    monkeypatch.setattr(Eraser, "drop_case", lambda *_: False)
    monkeypatch.setattr("sys.stdin", io.StringIO("B 1234 XYZ\n"))
    assert centre.command("erase", "--why", "asked for", "--yes") == 1
    assert f"{case.reference}: stays; it has moved meanwhile; run this again" in capsys.readouterr().err


def test_an_export_holds_all_of_one_owner_and_of_nobody_else(
    centre: Centre, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Owners may know what is kept about them; the people of the service and in the street are not theirs to know."""
    case = lived(centre)
    monkeypatch.setattr("sys.stdin", io.StringIO("B1234XYZ\n"))
    out = tmp_path / "export"
    assert centre.command("export", "--out", str(out), "--why", "letter of 1 Nov") == 0
    said = json.loads((out / "data.json").read_text())
    assert said["registration"]["name"] == "Budi Santoso"
    assert said["registration"]["address"] == "Jl. Melati 5"
    (told,) = said["cases"]
    assert told["case"]["reference"] == case.reference
    assert told["report"]["location"] == "Jl. Jenderal Sudirman, arah utara"
    assert told["letter"] == "2026-11-23"
    assert {entry["who"] for entry in told["timeline"]} == {None, "machine", "owner", "whatsapp", UNIT}
    assert {each["purpose"] for each in told["lookups"]} >= {"notice", "letter", "reveal"}
    assert [each["what"] for each in told["seen"]].count("revealed") == 1
    assert "supervisor" not in (out / "data.json").read_text()
    assert {path.name for path in out.iterdir()} == {
        "data.json",
        *(f"{case.reference}-{role}.jpg" for role in SHOWN_TO_OWNERS),
    }
    assert all(path.stat().st_mode & 0o077 == 0 for path in (out, *out.iterdir()))


def test_a_copy_of_the_registry_that_nobody_looks_into_goes(centre: Centre) -> None:
    """Whoever changes over to a registry that is asked does not keep a nation's owners for no purpose."""
    late = NOW + 31 * DAY
    assert centre.retention.run(late) == {}
    asks = Retention(eraser=centre.eraser, settings=POLICY, unused_copy_max_age=30 * DAY)
    assert asks.due(NOW + 29 * DAY) == {}
    assert asks.due(late) == asks.run(late) == {"registrations in an unused snapshot": 1}
    assert centre.number(owner) == 0
    # back at the snapshot, it is missing: cases wait for an import, instead of going to people as nobody's
    assert centre.subject.registry.lookup("B1234XYZ", late, "notice", 1) == Unavailable("no_snapshot")


def test_nothing_is_exported_while_the_registry_is_away(
    centre: Centre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An outage must not hand an earlier owner's cases to the one who asks."""
    centre.over()
    with centre.store.writing() as connection:
        connection.execute(update(owner_snapshot).values(state="dropped"))
    monkeypatch.setattr("sys.stdin", io.StringIO("B 1234 XYZ\n"))
    assert centre.command("export", "--out", str(tmp_path / "export"), "--why", "letter of 1 Nov") == 1
    assert "owner registry: cannot be asked now (no_snapshot)" in capsys.readouterr().err
    assert not (tmp_path / "export").exists()


def test_an_earlier_owners_cases_are_not_exported(centre: Centre, tmp_path: Path) -> None:
    """Who bought the car has no right to what its last owner did."""
    centre.over()
    header, row = HEADER.strip() + ",valid_from\n", BUDI.strip() + ",2026-11-24\n"
    (tmp_path / "new.csv").write_text(header + row)
    zone, sealer = centre.settings.zone, centre.parts.sealer
    import_owners(centre.store, sealer, tmp_path / "new.csv", NOW, zone, lambda row: None, lambda rows: None)
    assert centre.subject.export("B1234XYZ", tmp_path / "export", NOW) == ()


def test_the_breach_report_says_who_saw_what(centre: Centre, capsys: pytest.CaptureFixture[str]) -> None:
    """After a breach the law gives three days to tell those concerned; this says who they are."""
    case = lived(centre)
    budi = centre.world.browser(Role.OPERATOR, "budi")
    for _ in range(3):
        budi.get("/")
        budi.get(f"/cases/{case.reference}")
        budi.get(f"/cases/{case.reference}/evidence/context")
    assert centre.command("breach", "--since", "2026-11-23T00:00+00:00") == 0
    said = capsys.readouterr().out
    assert said.count(f"budi  127.0.0.1  seen  {case.reference}") == 1
    assert f"supervisor  127.0.0.1  revealed  {case.reference}  a call" in said
    assert "ana  -  letter_printed" in said
    assert "3 people, 1 cases, lists seen 1 times" in said
    assert centre.command("breach", "--since", "2026-11-23T00:00+00:00", "--who", "budi") == 0
    assert "1 people, 1 cases" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        centre.command("breach", "--since", "2026-11-23T00:00")
