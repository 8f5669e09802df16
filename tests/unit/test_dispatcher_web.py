"""Console and webhook: what they show, what they hide, and whom they refuse."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from console_world import World, form, token
from dispatcher_world import NOW, PICTURES, UNIT, Answering, evidence, manifest, report
from sqlalchemy import func, select

from dispatcher.access.roles import Role
from dispatcher.cli import main
from dispatcher.console import words
from dispatcher.console.render import ago, as_whatsapp
from dispatcher.schema import webhook_inbox
from dispatcher.store import Store
from dispatcher.workflow import Event, State
from wire.canonical import sha256_hex
from wire.messages import EvidenceRef, EvidenceRole, Verdict
from wire.topics import Up, UpTopic


def sign(body: bytes, secret: str = "sim-app-secret") -> dict[str, str]:
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def kept(world: World) -> int:
    with world.store.reading() as connection:
        return connection.scalar(select(func.count()).select_from(webhook_inbox)) or 0


def test_the_handshake_answers_whatsapp_alone(world: World) -> None:
    """A stranger must not be able to claim the webhook, nor learn the token."""
    asked = {"hub.mode": "subscribe", "hub.verify_token": "sim-verify-token", "hub.challenge": "4711"}
    answer = world.web.get("/webhook", params=asked)
    assert (answer.status_code, answer.text) == (200, "4711")
    assert world.web.get("/webhook", params={**asked, "hub.verify_token": "x"}).status_code == 403
    assert world.web.get("/webhook").status_code == 403


def test_a_signed_call_is_kept_once(world: World) -> None:
    """WhatsApp delivers twice and for a week; each call must be on the disk before it is answered."""
    body = b'{"entry":[]}'
    for _ in range(2):
        assert world.web.post("/webhook", content=body, headers=sign(body)).status_code == 200
    assert kept(world) == 1


@pytest.mark.parametrize("headers", [{}, {"X-Hub-Signature-256": "sha256=\xe9"}, sign(b"other"), sign(b"{}", "guess")])
def test_a_forged_call_is_refused_and_counted(world: World, headers: dict[str, str]) -> None:
    """Anybody could otherwise confirm anybody's violation."""
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    assert world.web.post("/webhook", content=b"{}", headers=raw).status_code == 403
    assert kept(world) == 0
    assert world.web.get("/health").json()["counters"] == {"webhook.bad_signature": 1}


def test_an_oversize_call_is_refused(world: World) -> None:
    """A flood must not fill memory or disk."""
    body = b"x" * (3 * 1024 * 1024 + 1)
    assert world.web.post("/webhook", content=body, headers=sign(body)).status_code == 413


def test_the_case_shows_that_its_manifest_was_verified(world: World) -> None:
    """A person who is asked how sure the centre is of its evidence can say so, and hand out the manifest."""
    said = manifest()
    ref = EvidenceRef(
        role=EvidenceRole.MANIFEST, sha256=sha256_hex(said), media_type="application/json", size_bytes=len(said)
    )
    reference = world.arrive(evidence=(*report().evidence, ref))
    assert "vouched for" not in world.web.get(f"/cases/{reference}").text
    message = evidence(EvidenceRole.MANIFEST, content=said)
    world.dispatcher.intake.take(UpTopic(UNIT, Up.EVIDENCE), message, NOW)
    assert "4 of 4 pieces" in world.web.get(f"/cases/{reference}").text
    assert "manifest, vouched for by its unit" in world.web.get(f"/cases/{reference}").text
    assert world.web.get(f"/cases/{reference}/evidence/manifest").content == said


def test_the_list_and_the_case_show_what_an_operator_needs(world: World) -> None:
    """A person who decides must see plate, runner-up, pictures, reasons, facts and timeline."""
    reference = world.arrive(verdict=Verdict.REVIEW, reasons=("low_confidence",))
    page = world.web.get("/", params={"state": "review"}).text
    assert "B 1234 XYZ" in page
    assert reference in page
    page = world.web.get(f"/cases/{reference}").text
    for shown in ("B 1284 XYZ", "99.1 %", "day of month", "low confidence", "Put before a person", "evidence/context"):
        assert shown in page
    picture = world.web.get(f"/cases/{reference}/evidence/context")
    assert (picture.headers["content-type"], picture.content) == ("image/jpeg", next(iter(PICTURES.values())))


def test_a_queue_is_worked_off_by_reason(world: World) -> None:
    """A person who takes one kind of doubt after the other decides faster; each shows how many wait, how long."""
    doubts = (("low_confidence",), ("low_confidence", "skewed"), ())
    for number, reasons in enumerate(doubts, start=1):
        verdict = Verdict.REVIEW if reasons else Verdict.ACCEPTED
        world.arrive(number, verdict=verdict, reasons=reasons, evidence=report().evidence[:1])
    world.now += timedelta(hours=3)
    web = world.browser(Role.SUPERVISOR)
    page = web.get("/?state=review").text
    told = dict(re.findall(r'reason=([a-z_.]+)"><span>.*?</span>\s*<small[^>]*>3 h</small><b>(\d)</b>', page))
    assert told == {"pictures_missing": "3", "unit_review": "2", "unit.low_confidence": "2", "unit.skewed": "1"}
    for reason, number in (*told.items(), ("low_confidence", "0"), ("%", "0")):
        shown = web.get("/", params={"state": "review", "reason": reason}).text
        assert shown.count('<td class="which">') == int(number), reason


def test_failed_notices_are_sent_again_together(tmp_path: Path) -> None:
    """After an outage nobody has time for a thousand forms; how many go out is said before, and they do go out."""
    sent: list[str] = []

    def whatsapp(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/media"):
            return httpx.Response(200, json={"id": "MEDIA"})
        sent.append(request.url.path)
        if len(sent) <= 3:
            return httpx.Response(400, json={"error": {"code": (131009, 131009, 100)[len(sent) - 1]}})
        return httpx.Response(200, json={"messages": [{"id": f"wamid.{len(sent)}"}]})

    world = World(tmp_path, Answering(whatsapp))
    for number in (1, 2, 3):
        world.arrive(number)
    assert {case["state"] for case in world.cases()} == {State.DEAD}
    assert 'href="/resend?reason=whatsapp.131009"' in world.web.get("/?state=dead&reason=whatsapp.131009").text
    page = world.web.get("/resend?reason=whatsapp.131009").text
    assert "2 notices would be sent again" in page
    filled = {"token": token(world.web, "/resend"), "reason": "whatsapp.131009", "why": "template mended"}
    assert world.web.post("/resend", data={**filled, "number": "3"}).status_code == 409
    assert len(sent) == 3
    assert world.web.post("/resend", data={**filled, "number": "2"}).status_code == 303
    world.work()
    assert len(sent) == 5
    assert sorted(case["state"] for case in world.cases()) == [State.ACCEPTED, State.ACCEPTED, State.DEAD]
    assert world.browser(Role.ADMIN).get("/audit").text.count("template mended") == 2
    assert world.browser(Role.OPERATOR).get("/resend").status_code == 403
    world.close()


def test_personal_data_is_masked(world: World) -> None:
    """Whoever looks over an operator's shoulder must not read names and numbers."""
    reference = world.arrive()
    page = world.web.get(f"/cases/{reference}").text
    assert "B••• S••••••" in page
    for secret in ("Budi", "3456", "3171"):
        assert secret not in page
    assert world.cases()[0]["plate"] == "B 12•• ••Z"


def test_pages_load_nothing_from_elsewhere(world: World) -> None:
    """A console that calls another host tells that host who is being looked at."""
    reference = world.arrive()
    for path in ("/", f"/cases/{reference}", f"/cases/{reference}/withdraw", "/static/console.css"):
        answer = world.web.get(path)
        assert answer.status_code == 200
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert not re.search(r"(src|href|url)\W{1,3}https?:", answer.text)
        assert "<script" not in answer.text


def test_a_person_corrects_a_plate_that_was_misread(world: World) -> None:
    """The owner of the plate that is in the picture gets the notice, and the timeline tells what was read before."""
    misread = report().plate.model_copy(update={"text": "B1284XYZ"})
    reference = world.arrive(verdict=Verdict.REVIEW, plate=misread)
    path = f"/cases/{reference}/correct"
    for plate, said in (("B 1284 XYZ", "plate_same"), ("12345-00", "plate_wrong"), ("", "plate_wrong")):
        refused = world.web.post(path, data={**form(world, path), "plate": plate})
        assert (refused.status_code, words.SAID[said] in refused.text) == (400, True)
    filled = {**form(world, path), "plate": "b 1234 xyz"}
    assert world.web.post(path, data=filled).status_code == 303
    page = world.web.get(f"/cases/{reference}").text
    assert "<h1>" in page
    assert "B 1284 XYZ read, B 1234 XYZ seen: looked at it" in page
    world.work()
    assert world.cases()[0]["state"] == State.QUEUED


def test_a_person_approves_from_the_console(world: World) -> None:
    """A doubtful case that a person accepts must go on, with that person's reason in its timeline."""
    reference = world.arrive(verdict=Verdict.REVIEW, reasons=("low_confidence",))
    filled = form(world, f"/cases/{reference}/approve")
    assert world.web.post(f"/cases/{reference}/approve", data=filled).status_code == 303
    assert world.cases()[0]["state"] == "validated"
    assert "looked at it" in world.web.get(f"/cases/{reference}").text
    again = world.web.post(f"/cases/{reference}/approve", data=filled)
    assert (again.status_code, again.text) == (409, "a case that is validated cannot be approved; look at it again")


def test_a_form_from_another_site_is_refused(world: World) -> None:
    """A page that an operator happens to visit must not decide for them."""
    reference = world.arrive(verdict=Verdict.REVIEW)
    path = f"/cases/{reference}/withdraw"
    filled = form(world, path)
    assert world.web.post(path, data={**filled, "token": "guess"}).status_code == 403
    assert world.web.post(path, data=filled, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert world.cases()[0]["state"] == "review"
    world.web.cookies.clear()
    assert world.web.post(path, data=filled).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/cases/AAAA-AAAA-AAAA-AAAA",
        "/cases/x",
        "/cases/%2e%2e%2fetc/evidence/context",
        "/static/..%2f..%2fpages.py",
        "/static/nothing",
        "/cases/AAAA-AAAA-AAAA-AAAA/evidence/context",
        "/cases/AAAA-AAAA-AAAA-AAAA/approve",
        "/docs",
    ],
)
def test_what_is_not_there_is_not_found(world: World, path: str) -> None:
    """A guessed path must show neither a file nor a traceback."""
    assert world.web.get(path).status_code == 404


def test_another_host_name_is_refused(world: World) -> None:
    """A name that an attacker points at the loopback address must not open the console."""
    assert world.web.get("/", headers={"Host": "evil.example"}).status_code == 400


def test_a_pause_is_shown_and_resumed(world: World) -> None:
    """When sending stands still, whoever opens the console must see it first."""
    from dispatcher import sends

    with world.store.writing() as connection:
        sends.stop(connection, sends.SENDER, 131031, NOW)
    assert "131031" in world.web.get("/").text
    answer = world.web.post("/sending/resume", data={**form(world, "/"), "scope": "sender"})
    assert answer.status_code == 303
    assert "131031" not in world.web.get("/").text


def test_a_person_stops_all_sending_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong fine in the law file must stop after ten messages, not after the night's ten thousand."""
    asked: list[httpx.Request] = []
    world = World(tmp_path, Answering(lambda request: asked.append(request) or httpx.Response(500)))
    config = str(tmp_path / "dispatcher.yaml")
    assert main(["sending", "pause", "--config", config, "--why", "wrong fine"]) == 0
    world.arrive()
    assert world.cases()[0]["state"] == State.QUEUED
    assert asked == []
    assert "somebody ordered it" in world.web.get("/").text
    assert main(["sending", "pause", "--config", config, "--why", "again"]) == 2
    capsys.readouterr()
    assert main(["sending", "show", "--config", config]) == 0
    assert "by hand" in capsys.readouterr().out
    assert main(["sending", "resume", "--config", config, "sender"]) == 0
    world.dispatcher.workers[0].step()
    assert len(asked) == 1
    assert "wrong fine" in world.browser(Role.ADMIN).get("/audit").text
    world.close()


def test_health_says_when_the_database_is_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Monitoring must wake somebody before units run full."""
    assert world.web.get("/health").json()["status"] == "ok"
    from dispatcher.errors import StoreError

    def away(*_: object) -> None:
        raise StoreError("database: disk I/O error")

    monkeypatch.setattr(Store, "reading", away)
    answer = world.web.get("/health")
    assert (answer.status_code, answer.json()["database"]) == (503, "database: disk I/O error")


def test_every_code_has_its_word() -> None:
    """An operator must not meet the database's codes."""
    assert set(words.STATES) == set(State) == set(words.TONES)
    assert {state for _, states in words.GROUPS for state in states} == set(State)
    assert set(Event) <= set(words.EVENTS)


def test_ages_and_messages_read_well() -> None:
    """Ages are read at a glance, and a message's text can never become markup."""
    ages = [ago(NOW - timedelta(seconds=seconds), NOW) for seconds in (-5, 40, 600, 7200, 400_000)]
    assert ages == ["0 s", "40 s", "10 min", "2 h", "4 d"]
    assert str(as_whatsapp("a *b* <i>")) == "a <b>b</b> &lt;i&gt;"


def test_the_api_gives_the_seconds_to_the_message(world: World) -> None:
    """The service's promise is minutes; it must be measurable."""
    from dispatcher import cases

    world.arrive()
    with world.store.writing() as connection:
        case = cases.listed(connection)[0]
        cases.move(connection, case.case_id, Event.WAS_DELIVERED, NOW) if case.state is State.QUEUED else None
    (case_json,) = world.cases()
    assert case_json["seconds_to_message"] == 59.0
    assert json.loads(json.dumps(case_json))["delivered_at"] == NOW.isoformat()
