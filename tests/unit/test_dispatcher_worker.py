"""The worker and what WhatsApp says: each case moves by itself, is messaged once, and shows its doubts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event as Flag
from typing import Any

import pytest
from dispatcher_world import (
    NOW,
    OWNERS,
    PHONE,
    PICTURES,
    UNIT,
    event_id,
    evidence,
    manifest,
    report,
    signed,
    write_config,
)
from sqlalchemy import Connection, select

from dispatcher import cases, decisions, sends
from dispatcher.access.audit import Actor, Audit
from dispatcher.answers import Accepted, Answer, Failure, NextChannel, OurBug, Retry, Scope, StopSender, Throttled
from dispatcher.answers import Unknown as Unclear
from dispatcher.app import load_parts, make_planner
from dispatcher.cases import Case
from dispatcher.errors import AwayError, StoreError
from dispatcher.hearing import Hearing
from dispatcher.intake import Intake
from dispatcher.owners import SnapshotRegistry
from dispatcher.owners_import import import_owners
from dispatcher.reference import payload
from dispatcher.schema import webhook_inbox
from dispatcher.settings import load_settings
from dispatcher.store import Store, counters
from dispatcher.units import Place, UnitState
from dispatcher.whatsapp import TemplateMessage, Uploaded
from dispatcher.worker import Worker
from dispatcher.workflow import State
from wire.canonical import sha256_hex
from wire.messages import AckResult, EvidenceRef, EvidenceRole, Provenance, Verdict, ViolationReport
from wire.signing import SigningKey
from wire.topics import Up, UpTopic


class FakeWhatsApp:
    """Answers as scripted, then accepts."""

    def __init__(self) -> None:
        self.sent: list[TemplateMessage] = []
        self.uploads: list[bytes] = []
        self.answers: list[Answer] = []
        self.upload_answers: list[Failure] = []

    def upload(self, jpeg: bytes) -> Callable[[], Uploaded | Failure]:
        self.uploads.append(jpeg)
        answer = self.upload_answers.pop(0) if self.upload_answers else Uploaded("MEDIA")
        return lambda: answer

    def send(self, message: TemplateMessage) -> Callable[[], Answer]:
        self.sent.append(message)
        answer = self.answers.pop(0) if self.answers else Accepted(f"wamid.{len(self.sent)}")
        return lambda: answer


LEASE = timedelta(minutes=1)


class PowerCut(BaseException):
    """The process is gone in the middle of a send."""


class World:
    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder
        self.settings = load_settings(write_config(folder, database=database))
        self.parts = load_parts(self.settings)
        self.store = Store.open(database, migrating=True)
        self.whatsapp = FakeWhatsApp()
        self.now = NOW
        self.units = dict(self.parts.units)
        self.restart()

    def restart(self) -> None:
        """A new process on the same database."""
        self.intake = Intake(self.store, self.parts.evidence, self.units)
        self.worker = self.another("dispatcher")

    def another(self, name: str) -> Worker:
        """A worker of this name at the same database."""
        return Worker(
            self.store,
            self.parts.evidence,
            Hearing(self.store, self.parts.writer.mac_key, "etle_konfirmasi_v1"),
            replace(
                make_planner(self.parts, SnapshotRegistry(self.store, self.parts.sealer), self.units), most_tries=3
            ),
            self.whatsapp,  # type: ignore[arg-type]
            name=name,
            at_once=4,
            lease=LEASE,
            clock=lambda: self.now,
            chance=lambda: 0.0,
        )

    def owners(self, content: str = OWNERS) -> None:
        path = self.folder / "owners.csv"
        path.write_text(content)
        zone = self.settings.zone
        import_owners(self.store, self.parts.sealer, path, NOW, zone, lambda row: None, lambda rows: None)

    def arrive(self, body: ViolationReport | None = None, number: int = 1) -> None:
        self.intake.take(UpTopic(UNIT, Up.VIOLATION), signed(body or report()), NOW)
        for role in PICTURES:
            self.intake.take(UpTopic(UNIT, Up.EVIDENCE), evidence(role, number), NOW)

    def work(self, after: timedelta = timedelta()) -> State:
        self.now += after
        while self.worker.step():
            pass
        return self.case().state

    def case(self, number: int = 1) -> Case:
        with self.store.reading() as connection:
            case = cases.by_event(connection, UNIT, str(event_id(number)))
        assert case is not None
        return case

    def hear(self, **news: Any) -> State:
        body = {"entry": [{"changes": [{"value": news}]}]}
        with self.store.writing() as connection:
            sends.keep_call(connection, json.dumps(body).encode(), self.now)
        return self.work()

    def status(self, status: str, wamid: str = "wamid.1", **more: Any) -> State:
        return self.hear(statuses=[{"id": wamid, "status": status, **more}])

    def reply(self, answer: str, wamid: str = "wamid.1", key: bytes | None = None) -> State:
        said = payload(key or self.parts.writer.mac_key, self.case().reference, answer)
        message = {"type": "button", "button": {"payload": said, "text": answer}, "context": {"id": wamid}}
        return self.hear(messages=[message])

    def decide(self, decision: str) -> State:
        return decisions.decide(
            self.store, Audit(bytes(32)), self.case(), decision, Actor(name="operator"), "", self.now
        ).state

    def counted(self) -> dict[str, int]:
        with self.store.reading() as connection:
            return counters(connection)

    def events(self) -> list[str]:
        with self.store.reading() as connection:
            return [entry.event for entry in cases.history(connection, self.case().case_id)]


@pytest.fixture
def world(tmp_path: Path, database: str) -> Iterator[World]:
    world = World(tmp_path, database)
    world.owners()
    yield world
    world.store.close()


def test_a_good_case_goes_out_once_with_its_notice(world: World) -> None:
    """The whole point: the right owner gets the right notice, once."""
    world.arrive()
    assert world.work() is State.ACCEPTED
    assert world.work(timedelta(minutes=10)) is State.ACCEPTED
    (message,) = world.whatsapp.sent
    assert message.to == PHONE
    assert message.body[0] == "B 1234 XYZ"
    assert message.body[1] == message.url_suffix == world.case().reference
    assert world.whatsapp.uploads == [PICTURES[EvidenceRole.VEILED]]
    assert world.case().deadline is not None


def test_the_owners_answer_closes_the_case(world: World) -> None:
    """A confirmation must reach the console, whatever statuses are late."""
    world.arrive()
    world.work()
    assert world.status("delivered") is State.DELIVERED
    assert world.reply("own") is State.CONFIRMED
    assert world.status("sent") is State.CONFIRMED
    assert world.status("read") is State.CONFIRMED
    assert world.reply("not_mine") is State.DISPUTED


def test_a_forged_or_misplaced_reply_changes_nothing(world: World) -> None:
    """Nobody may answer for the owner."""
    world.arrive()
    world.work()
    assert world.reply("own", key=b"x" * 32) is State.ACCEPTED
    assert world.hear(messages=[{"type": "text", "text": {"body": "halo"}}]) is State.ACCEPTED
    assert world.counted() == {"webhook.reply_forged": 1}


def test_rubbish_from_the_webhook_is_counted_and_passed(world: World) -> None:
    """One call that cannot be read must not hold up all later ones."""
    world.arrive()
    world.work()
    with world.store.writing() as connection:
        for body in (b"{", b"[]", b'{"entry": [{"changes": 3}, 7, {"changes": [{"value": null}]}]}'):
            sends.keep_call(connection, body, world.now)
    assert world.status("delivered") is State.DELIVERED
    with world.store.reading() as connection:
        assert connection.execute(select(webhook_inbox).where(webhook_inbox.c.done_at.is_(None))).all() == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (report(verdict=Verdict.REVIEW, reasons=("low_confidence",)), "unit_review"),
        (report(kind="jaywalking"), "no_law"),
        (report(at=NOW - timedelta(days=5)), "too_old"),
        (report(at=NOW + timedelta(hours=1)), "clock"),
        (
            report(provenance=Provenance(software="1", models={}, config="0" * 64, clock_synchronised=False)),
            "clock",
        ),
        (report(plate=report().plate.model_copy(update={"text": "CD12345"})), "special_plate"),
        (report(plate=report().plate.model_copy(update={"text": "B9999ZZZ"})), "owner_not_found"),
        (report(plate=report().plate.model_copy(update={"vehicle_class": "goods"})), "class_differs"),
        (report(evidence=report().evidence[:1]), "pictures_missing"),
    ],
)
def test_doubt_goes_to_a_person_with_its_reason(world: World, body: ViolationReport, reason: str) -> None:
    """A doubtful case must be looked at, and whoever looks must know why."""
    world.arrive(body)
    assert world.work() is State.REVIEW
    assert reason in world.case().reasons
    assert world.whatsapp.sent == []


def test_a_person_may_overrule_the_machines_doubt_but_not_the_registry(world: World) -> None:
    """An approval sends what can be sent, and never to somebody who was not the owner."""
    seen = report().plate.model_copy(update={"vehicle_class": "goods"})
    world.arrive(report(verdict=Verdict.REVIEW, reasons=("low_confidence",), plate=seen))
    world.work()
    world.owners(OWNERS.replace("active", "sold"))
    world.decide("approve")
    assert world.work() is State.REVIEW
    assert world.case().reasons == ("sold_or_in_transfer",)
    world.owners()
    world.decide("approve")
    assert world.work() is State.ACCEPTED


def test_an_owner_without_a_mobile_number_gets_a_letter_when_a_person_approves(world: World) -> None:
    """A landline must not be a way out of every fine, nor a machine's guess be posted unseen."""
    world.owners(OWNERS.replace("0812-3456-7890", "021 5234567"))
    world.arrive()
    assert world.work() is State.REVIEW
    assert world.case().reasons == ("no_mobile_number",)
    world.decide("approve")
    assert world.work() is State.FALLBACK_POST
    assert world.case().reasons == ("no_mobile_number",)
    assert world.whatsapp.sent == []


def test_what_an_unbelieved_unit_said_waits_for_its_release(world: World) -> None:
    """A unit that somebody may have turned accuses nobody; once a person believes it again, nothing it saw is lost."""
    believed = world.units[UNIT]
    world.units[UNIT] = replace(believed, state=UnitState.QUARANTINED)
    world.arrive()
    assert world.work() is State.HELD
    for unit in (replace(believed, state=UnitState.UNAPPROVED), None):
        world.units.clear()
        world.units.update({UNIT: unit} if unit else {})
        assert world.work() is State.HELD
    world.units[UNIT] = believed
    assert world.work() is State.ACCEPTED
    assert world.events()[1:5] == ["evidence_arrived", "set_aside", "freed", "passed"]
    assert len(world.whatsapp.sent) == 1


def test_what_a_replaced_key_signed_goes_to_a_person(world: World) -> None:
    """A unit that was opened gets a new key; whoever had the old one meanwhile still accuses nobody, and whoever
    looks is told all that speaks against it, also what takes two people."""
    believed = world.units[UNIT]
    world.units[UNIT] = replace(believed, state=UnitState.QUARANTINED)
    world.arrive(report(verdict=Verdict.REVIEW, reasons=("low_confidence",)))
    assert world.work() is State.HELD
    world.units[UNIT] = replace(believed, key=SigningKey.generate().public)
    assert world.work() is State.REVIEW
    assert world.case().reasons == ("key_replaced", "unit_review", "unit.low_confidence")


JAKARTA, BANDUNG = Place(lat=-6.2088, lon=106.8456), Place(lat=-6.9175, lon=107.6191)
"""117 km from one another."""


def seen_in_both(world: World, apart: timedelta, there: Place | None = BANDUNG) -> Callable[[], None]:
    """A plate is seen in Jakarta, and from when the answer is called also in Bandung."""
    other = "bandung-01"
    here = world.units[UNIT] = replace(world.units[UNIT], place=JAKARTA)
    world.units[other] = replace(here, unit_id=other, place=there)
    world.arrive()

    def seen_there() -> None:
        body = report(2, NOW - timedelta(minutes=1) - apart, unit_id=other)
        world.intake.take(UpTopic(other, Up.VIOLATION), signed(body), NOW)
        for role in PICTURES:
            world.intake.take(UpTopic(other, Up.EVIDENCE), evidence(role, 2, unit_id=other), NOW)

    return seen_there


def test_a_plate_in_two_far_places_at_once_goes_to_a_person_both_times(world: World) -> None:
    """Whoever drives with a copied plate would have its owner accused, and the owner could not show where they were."""
    seen_in_both(world, timedelta(minutes=40))()
    assert world.work() is State.REVIEW
    with world.store.reading() as connection:
        both = cases.listed(connection)
    assert [(case.state, case.reasons) for case in both] == [(State.REVIEW, ("seen_elsewhere",))] * 2
    assert world.whatsapp.sent == []
    world.decide("approve")
    assert (world.work(), len(world.whatsapp.sent)) == (State.ACCEPTED, 1)


def test_a_plate_that_is_copied_after_its_owner_was_told_goes_to_a_person(world: World) -> None:
    """The first message cannot be taken back; a second one about a copy need not go out."""
    seen_there = seen_in_both(world, timedelta(minutes=40))
    assert world.work() is State.ACCEPTED
    seen_there()
    assert world.work() is State.ACCEPTED
    with world.store.reading() as connection:
        assert {case.state for case in cases.listed(connection)} == {State.ACCEPTED, State.REVIEW}
    assert len(world.whatsapp.sent) == 1


@pytest.mark.parametrize(("minutes", "there"), [(50, BANDUNG), (0, None), (0, Place(lat=-6.2, lon=106.84))])
def test_a_vehicle_that_may_have_driven_there_is_no_copy(world: World, minutes: int, there: Place | None) -> None:
    """Who commits two violations on one way owes two answers, and no person's time."""
    seen_in_both(world, timedelta(minutes=minutes), there)()
    assert (world.work(), len(world.whatsapp.sent)) == (State.ACCEPTED, 2)


def test_a_report_that_still_waited_for_pictures_is_judged_by_the_key_of_after_the_release(world: World) -> None:
    """What a thief of the unit had said before the quarantine, and completed after it, would else reach an owner."""
    believed = world.units[UNIT]
    first, *others = PICTURES
    world.intake.take(UpTopic(UNIT, Up.VIOLATION), signed(report()), NOW)
    world.intake.take(UpTopic(UNIT, Up.EVIDENCE), evidence(first), NOW)
    assert world.work() is State.RECEIVED
    for unit in (replace(believed, state=UnitState.QUARANTINED), replace(believed, key=SigningKey.generate().public)):
        world.units[UNIT] = unit
        assert world.work() is State.RECEIVED
    for role in others:
        world.intake.take(UpTopic(UNIT, Up.EVIDENCE), evidence(role), NOW)
    assert world.work() is State.REVIEW
    assert world.case().reasons == ("key_replaced",)
    assert world.whatsapp.sent == []


@pytest.mark.parametrize("is_the_reports", [True, False], ids=["of the report's key", "of a third key"])
def test_a_manifest_on_its_way_when_its_unit_gets_another_key(world: World, is_the_reports: bool) -> None:
    """Refused, it would leave its case waiting for ever, before nobody; believed of any key, it would prove nothing."""
    said = manifest() if is_the_reports else manifest(key=SigningKey.generate())
    named = EvidenceRef(
        role=EvidenceRole.MANIFEST, sha256=sha256_hex(said), media_type="application/json", size_bytes=len(said)
    )
    world.arrive(report(evidence=(*report().evidence, named)))
    world.units[UNIT] = replace(world.units[UNIT], key=SigningKey.generate().public)
    ack = world.intake.take(UpTopic(UNIT, Up.EVIDENCE), evidence(EvidenceRole.MANIFEST, content=said), NOW)
    assert ack is not None
    if is_the_reports:
        assert (ack.result, world.work(), world.case().reasons) == (AckResult.STORED, State.REVIEW, ("key_replaced",))
    else:
        assert (ack.reason, world.work()) == ("manifest_unknown_key", State.RECEIVED)


def test_a_worker_sleeps_while_another_frees_what_was_held(postgres: str, tmp_path: Path) -> None:
    """Workers that ask for the same locked cases again and again would burn a core each, and load the database."""
    world = World(tmp_path, postgres)
    believed = world.units[UNIT]
    world.units[UNIT] = replace(believed, state=UnitState.QUARANTINED)
    world.arrive()
    assert world.work() is State.HELD
    world.units[UNIT] = believed
    with world.store.writing() as connection:
        cases.lock(connection, world.case())
        assert not world.worker.step()
    assert world.worker.step()
    world.store.close()


def test_an_electric_car_is_not_fined_for_odd_even(world: World) -> None:
    """Electric cars are exempt, and the registry knows them."""
    header, row = OWNERS.splitlines()
    world.owners(f"{header},electric\n{row},yes\n")
    world.arrive()
    assert world.work() is State.WITHDRAWN


def test_without_a_registry_cases_wait_and_then_go_on(tmp_path: Path, database: str) -> None:
    """An import that comes late must not cost a case."""
    world = World(tmp_path, database)
    world.arrive()
    assert world.work() is State.VALIDATED
    world.owners()
    assert world.work() is State.VALIDATED
    assert world.work(timedelta(seconds=16)) is State.ACCEPTED
    world.store.close()


def test_a_power_cut_while_sending_is_unknown_and_never_sent_again(world: World) -> None:
    """Nobody knows whether the message left; sending it again could accuse an owner twice."""
    world.arrive()
    world.whatsapp.send = lambda message: (_ for _ in ()).throw(PowerCut())  # type: ignore[method-assign]
    with pytest.raises(PowerCut):
        world.work()
    world.whatsapp = FakeWhatsApp()
    world.restart()
    assert world.case().state is State.SENDING
    world.worker.release()
    assert world.work(timedelta(days=1)) is State.UNKNOWN
    assert world.whatsapp.sent == []


def while_sending(world: World, happens: Callable[[], object]) -> None:
    """Something happens between the first request and its answer."""
    real = world.whatsapp.send

    def send(message: TemplateMessage) -> Callable[[], Answer]:
        world.whatsapp.send = real  # type: ignore[method-assign]
        answer = world.whatsapp.send(message)
        happens()
        return answer

    world.whatsapp.send = send  # type: ignore[method-assign]


def given_up(world: World) -> None:
    """The lease is over, and another worker finds the case."""
    world.now += LEASE
    while world.another("two").step():
        pass
    assert world.case().state is State.UNKNOWN


def test_an_answer_that_comes_after_the_lease_still_counts(world: World) -> None:
    """A machine that slept while sending must not leave a message that arrived as unknown."""
    world.arrive()
    while_sending(world, lambda: given_up(world))
    assert world.work() is State.ACCEPTED
    assert len(world.whatsapp.sent) == 1


def test_a_late_answer_does_not_take_back_what_a_person_ordered_since(world: World) -> None:
    """The attempt's end is written down; the case goes where the person sent it."""
    world.arrive()
    while_sending(world, lambda: (given_up(world), world.decide("withdraw")))
    assert world.work() is State.WITHDRAWN
    with world.store.reading() as connection:
        (attempt,) = sends.attempts_of(connection, world.case().case_id)
    assert attempt.state is sends.AttemptState.ACCEPTED


def test_a_late_failure_does_not_undo_what_another_worker_sent(world: World) -> None:
    """Only the last attempt decides whether the notice is sent once more."""
    world.arrive()
    world.whatsapp.answers = [Retry(131000)]

    def resent() -> None:
        given_up(world)
        world.decide("resend")
        two = world.another("two")
        while two.step():
            pass

    while_sending(world, resent)
    assert world.work(timedelta(hours=1)) is State.ACCEPTED
    assert len(world.whatsapp.sent) == 2


def test_whatsapps_call_may_be_faster_than_its_answer(world: World) -> None:
    """With several dispatchers the call is often worked off by another one, before the sender goes on."""
    world.arrive()

    def failed() -> None:
        callback = world.whatsapp.sent[0].callback
        news = {"id": "wamid.1", "status": "failed", "errors": [{"code": 131026}], "biz_opaque_callback_data": callback}
        body = {"entry": [{"changes": [{"value": {"statuses": [news]}}]}]}
        with world.store.writing() as connection:
            sends.keep_call(connection, json.dumps(body).encode(), world.now)
        world.another("two").step()

    while_sending(world, failed)
    assert world.work() is State.FALLBACK_POST
    with world.store.reading() as connection:
        (attempt,) = sends.attempts_of(connection, world.case().case_id)
    assert attempt.state is sends.AttemptState.FAILED


class TwoRounds(Flag):
    """Lets a worker's `run` sleep once, and stops it when it would sleep again."""

    def __init__(self, stop: Flag) -> None:
        super().__init__()
        self._stop = stop
        self._waits = 0

    def wait(self, timeout: float | None = None) -> bool:
        self._waits += 1
        if self._waits == 2:
            self._stop.set()
        return True


def test_an_answer_waits_for_a_database_that_is_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk full for a moment must not make a message that WhatsApp has taken one that nobody knows of."""
    world.arrive()
    real, stop = sends.Attempts.write, Flag()

    def full(*_: Any) -> None:
        monkeypatch.setattr(sends.Attempts, "write", real)
        raise AwayError("database: database or disk is full; nothing was written")

    monkeypatch.setattr(sends.Attempts, "write", full)
    world.worker.run(stop, TwoRounds(stop))
    assert world.case().state is State.ACCEPTED
    assert len(world.whatsapp.sent) == 1


def test_an_attempt_whose_commit_broke_off_is_made_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it was committed nobody can see; but that nothing was sent is certain, so no person need look."""
    world.arrive()
    writing, start, stop = Store.writing, sends.start_attempts, Flag()
    breaks = False

    def starting(*arguments: Any) -> None:
        nonlocal breaks
        start(*arguments)
        monkeypatch.setattr(sends, "start_attempts", start)
        breaks = True

    @contextmanager
    def broken(store: Store) -> Iterator[Connection]:
        nonlocal breaks
        with writing(store) as connection:
            yield connection
        if breaks:
            breaks = False
            raise AwayError("database: network error")

    monkeypatch.setattr(sends, "start_attempts", starting)
    monkeypatch.setattr(Store, "writing", broken)
    world.worker.run(stop, TwoRounds(stop))
    assert (world.case().state, world.whatsapp.sent) == (State.QUEUED, [])
    assert world.work(timedelta(minutes=1)) is State.ACCEPTED
    assert len(world.whatsapp.sent) == 1


def test_a_case_withdrawn_in_a_workers_hands_is_not_sent_and_its_neighbours_are(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker takes several cases at once; what a person decides about one must hold, and hold up no other."""
    for number in (1, 2, 3):
        world.arrive(report(number), number)
    upload = world.whatsapp.upload

    def withdrawing(jpeg: bytes) -> Callable[[], Uploaded | Failure]:
        monkeypatch.setattr(world.whatsapp, "upload", upload)
        world.decide("withdraw")
        return upload(jpeg)

    monkeypatch.setattr(world.whatsapp, "upload", withdrawing)
    assert world.work() is State.WITHDRAWN
    assert [world.case(number).state for number in (2, 3)] == [State.ACCEPTED, State.ACCEPTED]
    assert {message.url_suffix for message in world.whatsapp.sent} == {
        world.case(number).reference for number in (2, 3)
    }


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_stop_holds_for_what_a_worker_has_in_hand(
    world: World, monkeypatch: pytest.MonkeyPatch, by_hand: bool
) -> None:
    """A wrong fine, or a locked account, must not reach another handful of owners because they were claimed before."""
    for number in (1, 2, 3):
        world.arrive(report(number), number)
    upload = world.whatsapp.upload

    def stopping(jpeg: bytes) -> Callable[[], Uploaded | Failure]:
        monkeypatch.setattr(world.whatsapp, "upload", upload)
        if not by_hand:
            return lambda: StopSender(131031)
        with world.store.writing() as connection:
            sends.stop(connection, sends.SENDER, sends.BY_HAND, world.now)
        return upload(jpeg)

    monkeypatch.setattr(world.whatsapp, "upload", stopping)
    world.work()
    assert (world.whatsapp.sent, {world.case(number).state for number in (1, 2, 3)}) == ([], {State.QUEUED})
    with world.store.writing() as connection:
        sends.resume(connection, sends.SENDER)
    assert world.work(timedelta(minutes=1)) is State.ACCEPTED
    assert len(world.whatsapp.sent) == 3


def test_a_failure_may_name_its_message_by_what_the_same_calls_told(world: World) -> None:
    """News that comes together must not end every dispatcher that reads it, again after each restart."""
    world.arrive()
    world.whatsapp.answers = [Unclear("ReadTimeout")]
    world.work()
    sent = {"id": "wamid.x", "status": "sent", "biz_opaque_callback_data": world.whatsapp.sent[0].callback}
    failed = {"id": "wamid.x", "status": "failed", "errors": [{"code": 131026}]}
    assert world.hear(statuses=[sent, failed]) is State.FALLBACK_POST


def test_a_call_that_the_database_refuses_is_set_aside(world: World) -> None:
    """One call of WhatsApp's that cannot be applied must not keep all later ones from being heard."""
    world.arrive()
    world.work()
    world.arrive(report(2), 2)
    world.whatsapp.answers = [Unclear("ReadTimeout")]
    world.work()
    taken = {"id": "wamid.1", "status": "sent", "biz_opaque_callback_data": world.whatsapp.sent[1].callback}
    with world.store.writing() as connection:
        said = {"entry": [{"changes": [{"value": {"statuses": [taken]}}]}]}
        sends.keep_call(connection, json.dumps(said).encode(), world.now)
    assert world.status("delivered") is State.DELIVERED
    assert world.case(2).state is State.UNKNOWN
    assert world.counted() == {"webhook.failed": 1}


def test_a_database_that_refuses_what_it_is_asked_ends_the_worker(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dispatcher that tries its own bug again for ever looks well and sends nothing."""

    def refuse(*_: Any) -> None:
        raise StoreError("database: no such column")

    monkeypatch.setattr(sends, "next_calls", refuse)
    with pytest.raises(StoreError, match="no such column"):
        world.worker.run(Flag(), Flag())


def test_a_status_tells_what_became_of_an_unknown_send(world: World) -> None:
    """A message that was accepted before the line broke must not wait for a person."""
    world.arrive()
    world.whatsapp.answers = [Unclear("ReadTimeout")]
    assert world.work() is State.UNKNOWN
    callback = world.whatsapp.sent[0].callback
    assert world.status("sent", wamid="wamid.x", biz_opaque_callback_data=callback) is State.SENT
    assert world.reply("other", wamid="wamid.x") is State.CONFIRMED
    assert len(world.whatsapp.sent) == 1


def test_a_person_may_have_an_unknown_send_repeated(world: World) -> None:
    """A send that never left must not stay unknown for ever."""
    world.arrive()
    world.whatsapp.answers = [Unclear("ReadTimeout")]
    world.work()
    world.decide("resend")
    assert world.work() is State.ACCEPTED
    assert len({message.callback for message in world.whatsapp.sent}) == 2


def test_a_notice_that_has_become_unknown_is_not_sent_again_with_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sends a hundred failed notices again has not looked at one that may have arrived meanwhile."""
    world.arrive()
    world.whatsapp.answers = [OurBug(131009), Unclear("ReadTimeout")]
    assert world.work() is State.DEAD
    listed = (world.case(),)
    world.decide("resend")
    assert world.work() is State.UNKNOWN
    monkeypatch.setattr(decisions, "failed", lambda *_: listed)
    who = Actor(name="supervisor")
    assert decisions.resend_failed(world.store, Audit(bytes(32)), "", who, "mended", world.now) == 0
    assert world.work() is State.UNKNOWN


def test_refusals_for_now_are_tried_again_with_growing_waits_and_end_visibly(world: World) -> None:
    """A platform in trouble must not be hammered, and a notice that never goes out must be seen."""
    world.arrive()
    world.whatsapp.answers = [Retry(131000)] * 3
    assert world.work() is State.QUEUED
    assert world.work() is State.QUEUED
    assert len(world.whatsapp.sent) == 1
    assert world.work(timedelta(seconds=2)) is State.QUEUED
    assert len(world.whatsapp.sent) == 2
    assert world.work(timedelta(minutes=20)) is State.QUEUED
    assert world.work(timedelta(minutes=20)) is State.DEAD
    assert len(world.whatsapp.sent) == 3
    world.decide("resend")
    assert world.work() is State.ACCEPTED
    assert len(world.whatsapp.uploads) == 1


def test_a_throttled_sender_waits_without_using_up_tries(world: World) -> None:
    """A rush hour is not the case's fault."""
    world.arrive()
    world.whatsapp.answers = [Throttled(Scope.SENDER, 130429)] * 6
    for _ in range(6):
        assert world.work(timedelta(seconds=3)) is State.QUEUED
    assert world.work(timedelta(seconds=3)) is State.ACCEPTED


def test_a_locked_account_stops_all_sending_until_a_person_resumes(world: World) -> None:
    """Sending on against a block gets the number banned."""
    world.arrive()
    world.whatsapp.answers = [StopSender(131031)]
    assert world.work() is State.QUEUED
    assert world.work(timedelta(days=1)) is State.QUEUED
    assert len(world.whatsapp.sent) == 1
    with world.store.writing() as connection:
        assert [pause.code for pause in sends.pauses(connection)] == [131031]
        assert sends.resume(connection, sends.SENDER)
    assert world.work() is State.ACCEPTED


@pytest.mark.parametrize(
    ("answer", "state"), [(NextChannel(131026), State.FALLBACK_POST), (OurBug(131009), State.DEAD)]
)
def test_what_whatsapp_refuses_for_good_is_shown(world: World, answer: Failure, state: State) -> None:
    """An owner without WhatsApp must get a letter; a bug of ours must be seen."""
    world.arrive()
    world.whatsapp.answers = [answer]
    assert world.work() is state
    assert world.case().reasons == (f"whatsapp.{answer.code}",)


def test_a_failed_status_leads_to_the_next_channel(world: World) -> None:
    """WhatsApp often finds out only later that a number cannot be reached."""
    world.arrive()
    world.work()
    assert world.status("failed", errors=[{"code": 131026}]) is State.FALLBACK_POST
    assert world.case().reasons == ("whatsapp.131026",)


def test_a_late_failure_of_an_earlier_attempt_does_not_undo_the_later(world: World) -> None:
    """News of the first try must not send a third message."""
    world.arrive()
    world.whatsapp.answers = [Unclear("ReadTimeout")]
    world.work()
    world.decide("resend")
    assert world.work(timedelta(seconds=1)) is State.ACCEPTED
    first = world.whatsapp.sent[0].callback
    failed = {"errors": [{"code": 131000}], "biz_opaque_callback_data": first}
    assert world.status("failed", wamid="wamid.0", **failed) is State.ACCEPTED
    assert len(world.whatsapp.sent) == 2


def test_an_upload_that_fails_is_tried_again(world: World) -> None:
    """A notice without its picture must not go out, and must not be forgotten."""
    world.arrive()
    world.whatsapp.upload_answers = [Retry(131053)]
    assert world.work() is State.QUEUED
    assert world.whatsapp.sent == []
    assert world.work(timedelta(seconds=3)) is State.ACCEPTED


def test_the_message_shows_nobody_but_the_owners_vehicle(world: World) -> None:
    """Other people's faces and plates are not sent to an owner; of a unit that veils nothing yet the plate alone is."""
    unveiled = tuple(piece for piece in report().evidence if piece.role is not EvidenceRole.VEILED)
    world.arrive(report(evidence=unveiled))
    world.work()
    assert world.whatsapp.uploads == [PICTURES[EvidenceRole.PLATE]]


def test_a_lost_picture_goes_to_a_person(world: World) -> None:
    """A hole in the evidence folder must not stop all other cases."""
    world.arrive()
    for file in (world.folder / "evidence").rglob("*.jpg"):
        file.unlink()
    assert world.work() is State.REVIEW
    assert world.case().reasons == ("pictures_missing",)


def test_an_owner_who_never_answers_expires(world: World) -> None:
    """The next step of the law begins when the deadline is over, not before."""
    world.arrive()
    world.work()
    deadline: datetime | None = world.case().deadline
    assert deadline is not None
    assert world.work(deadline - world.now) is State.ACCEPTED
    assert world.work(timedelta(seconds=1)) is State.EXPIRED
    assert world.events()[-1] == "deadline_passed"
