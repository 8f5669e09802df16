"""What an attacker may try, by `docs/security.md`: refused, counted, and without a trace in any case."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from console_world import World, token
from dispatcher_world import KEY, NOW, PASSWORD, PICTURES, UNIT, event_id, evidence, report, signed

from dispatcher.access.accounts import listed
from dispatcher.access.roles import Role
from dispatcher.metrics import REGISTRY
from dispatcher.reference import is_reference, new_reference
from dispatcher.template import fill
from dispatcher.workflow import State
from wire.canonical import sha256_hex
from wire.codec import encode, encode_evidence
from wire.messages import MAX_EVIDENCE_BYTES, EvidenceHeader, EvidenceRole, Fact, UnitStatus, Verdict
from wire.signing import SigningKey
from wire.topics import Up, UpTopic

SQL = ("' OR '1'='1", "'; DROP TABLE cases; --", '" OR ""="', "%", "_", "x' UNION SELECT name FROM account --")
MARKUP = "{{ 7*191 }}{% raw %}${7*191}<script>alert(1)</script><img src=x onerror=alert(1)>{{2}}"
"""Told as it stands it does no harm; worked on it would say 1337 or run."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def piece(unit_id: str, content: bytes) -> bytes:
    """An evidence message in the name of a unit; its header is true as far as the wire lets it."""
    header = EvidenceHeader(
        event_id=event_id(),
        unit_id=unit_id,
        role=EvidenceRole.PLATE,
        sha256=sha256_hex(content),
        media_type="image/jpeg",
        size_bytes=min(len(content), MAX_EVIDENCE_BYTES),
    )
    return encode_evidence(header, content)


def status(unit_id: str) -> bytes:
    said = {"boot_id": event_id(), "online": True, "at": NOW, "software": "x", "backlog": 0, "dead": 0}
    return encode(UnitStatus(unit_id=unit_id, **said))


MESSAGES: dict[str, tuple[Up, str, Callable[[], bytes], str]] = {
    "signed with another key": (Up.VIOLATION, UNIT, lambda: signed(report(), SigningKey.generate()), "unknown_key"),
    "changed on the way": (Up.VIOLATION, UNIT, lambda: signed(report()).replace(b"4XYZ", b"4XYV"), "bad_signature"),
    "said as somebody else": (Up.VIOLATION, UNIT, lambda: signed(report(unit_id="unit-02")), "foreign_unit"),
    "taken from another unit": (Up.VIOLATION, "unit-02", lambda: signed(report()), "unknown_unit"),
    "a picture as somebody else": (Up.EVIDENCE, UNIT, lambda: piece("unit-02", b"x"), "foreign_unit"),
    "a state as somebody else": (Up.STATUS, UNIT, lambda: status("unit-02"), "foreign_unit"),
    "a report too large": (Up.VIOLATION, UNIT, lambda: signed(report(location="x" * 70_000)), "too_large"),
    "a picture too large": (Up.EVIDENCE, UNIT, lambda: piece(UNIT, bytes(MAX_EVIDENCE_BYTES + 1)), "too_large"),
    "a picture that no report names": (Up.EVIDENCE, UNIT, lambda: piece(UNIT, b"another"), "not_named"),
    "a known report with another content": (Up.VIOLATION, UNIT, lambda: signed(report(location="x")), "other_content"),
}


@pytest.mark.parametrize("attack", MESSAGES)
def test_a_units_message_that_is_not_its_own_is_refused_and_counted(world: World, attack: str) -> None:
    """Whoever sits on the network, or holds one unit, can neither accuse in another's name nor change what was said."""
    kind, unit_id, make, reason = MESSAGES[attack]
    reference, before = world.arrive(), database(world)
    world.dispatcher.intake.take(UpTopic(unit_id, kind), make(), NOW)
    assert world.count(f"refused.{kind}.{reason}") == 1
    assert metric("cakra_messages_total", kind=kind, outcome="rejected", reason=reason) >= 1
    assert database(world) == before
    assert world.cases()[0]["reference"] == reference


def test_a_message_said_again_is_counted_and_changes_nothing(world: World) -> None:
    """A recording of the air, played a thousand times, accuses nobody twice."""
    world.arrive()
    before, said_again = database(world), {"kind": Up.VIOLATION, "outcome": "duplicate", "reason": ""}
    duplicates = metric("cakra_messages_total", **said_again)
    take = world.dispatcher.intake.take
    for _ in range(3):
        take(UpTopic(UNIT, Up.VIOLATION), signed(report()), NOW + timedelta(days=30))
        for role in PICTURES:
            take(UpTopic(UNIT, Up.EVIDENCE), evidence(role), NOW)
    assert database(world) == before
    assert metric("cakra_messages_total", **said_again) == duplicates + 3


def test_a_planted_session_is_worth_nothing(world: World) -> None:
    """Somebody who puts their own cookie into another's browser must not be in when that person logs in."""
    victim, planted = world.browser(), "A" * 43
    victim.cookies.set(world.cookie, planted, domain="127.0.0.1")
    world.browser(Role.OPERATOR, "ana")
    form = {"name": "ana", "password": PASSWORD, "token": token(victim, "/login")}
    assert victim.post("/login", data=form).status_code == 303
    assert victim.get("/").status_code == 200
    thief, refused = world.browser(), metric("cakra_refused_requests_total", reason="logged_out")
    thief.cookies.set(world.cookie, planted, domain="127.0.0.1")
    assert thief.get("/").headers["location"].startswith("/login")
    assert thief.get("/api/cases.json").status_code == 401
    assert metric("cakra_refused_requests_total", reason="logged_out") == refused + 1


def test_a_form_of_another_page_is_refused_and_counted(world: World) -> None:
    """A page that somebody happens to visit decides nothing in their name."""
    reference = world.arrive(verdict=Verdict.REVIEW)
    path = f"/cases/{reference}/withdraw"
    form = {"token": token(world.web, path), "why": "x"}
    for reason, data, headers in (
        ("old_form", {**form, "token": "guess"}, {}),
        ("foreign_form", form, {"Sec-Fetch-Site": "cross-site"}),
    ):
        before = metric("cakra_refused_requests_total", reason=reason)
        assert world.web.post(path, data=data, headers=headers).status_code == 403
        assert metric("cakra_refused_requests_total", reason=reason) == before + 1
    assert world.cases()[0]["state"] == State.REVIEW


def answers(route: str, status: int) -> tuple[str, dict[str, str]]:
    return "cakra_http_responses_total", {"route": route, "status": str(status)}


def refusals(reason: str) -> tuple[str, dict[str, str]]:
    return "cakra_refused_requests_total", {"reason": reason}


def calls(outcome: str) -> tuple[str, dict[str, str]]:
    return "cakra_webhook_calls_total", {"outcome": outcome}


SIGNATURE = {"X-Hub-Signature-256": f"sha256={'0' * 64}"}
FOREIGN = {"Sec-Fetch-Site": "cross-site"}
LARGE_CALL = b"x" * (3 * 1024 * 1024 + 1)
REQUESTS: dict[str, tuple[str, str, dict[str, Any], int, tuple[str, dict[str, str]]]] = {
    "a forged call": ("POST", "/webhook", {"content": b"{}", "headers": SIGNATURE}, 403, calls("bad_signature")),
    "an unsigned call": ("POST", "/webhook", {"content": b"{}"}, 403, calls("bad_signature")),
    "a call without end": ("POST", "/webhook", {"content": LARGE_CALL}, 413, calls("too_large")),
    "a form without end": ("POST", "/login", {"data": {"name": "x" * 70_000}}, 413, answers("", 413)),
    "another host": ("GET", "/", {"headers": {"Host": "evil.example"}}, 400, answers("", 400)),
    "a pair from another page": ("POST", "/k", {"headers": FOREIGN}, 403, refusals("foreign_form")),
    "a right that somebody has not": ("GET", "/users", {}, 403, refusals("no_right")),
    "a case by SQL": ("GET", f"/cases/{quote(SQL[0])}", {}, 404, answers("/cases/{reference}", 404)),
    "a case by a template": ("GET", "/cases/%7B%7B7*191%7D%7D", {}, 404, answers("/cases/{reference}", 404)),
}


@pytest.mark.parametrize("attack", REQUESTS)
def test_a_request_that_is_refused_is_counted(world: World, attack: str) -> None:
    """Whoever watches the counters must see that somebody tries, before somebody gets in."""
    method, path, what, status, (name, labels) = REQUESTS[attack]
    browser = world.browser(Role.OPERATOR, "ana")
    before, counted = database(world), metric(name, **labels)
    assert browser.request(method, path, **what).status_code == status
    assert metric(name, **labels) == counted + 1
    assert database(world) == before


def test_a_way_out_of_the_evidence_is_refused_and_counted(world: World) -> None:
    """Keys and database lie on the same disk as the pictures."""
    reference = world.arrive()
    route = "/cases/{reference}/evidence/{role}"
    before = metric("cakra_http_responses_total", route=route, status="404")
    for role in ("..%2f..%2fdata.key", "%2e%2e", "data.key", "plate%00", "plate.jpg"):
        answer = world.web.get(f"/cases/{reference}/evidence/{role}")
        assert answer.status_code == 404, role
    assert metric("cakra_http_responses_total", route=route, status="404") > before
    for path in ("/static/..%2f..%2fapp.py", "/static/%2e%2e", "/cases/..%2f..%2fdata.key"):
        assert world.web.get(path).status_code == 404, path


@pytest.mark.parametrize("payload", SQL)
def test_what_is_typed_is_never_sql(world: World, payload: str) -> None:
    """No field of any form, address or message is a way into the database."""
    world.arrive(verdict=Verdict.REVIEW, reasons=("low_confidence",))
    admin, before = world.browser(Role.ADMIN), database(world)
    web, in_path = world.web, quote(payload, safe="")
    form = {"token": token(web, "/account"), "why": payload}
    of_admin = {"token": token(admin, "/account"), "why": payload}
    stranger = world.browser()
    login = {"name": payload, "password": payload, "code": payload, "token": token(stranger, "/login")}
    assert stranger.post("/login", data=login).status_code == 401
    assert web.get(f"/cases/{in_path}").status_code == 404
    assert web.post(f"/cases/{in_path}/withdraw", data=form).status_code == 404
    for query in ({"state": "review", "reason": payload}, {"state": "dead", "reason": "' OR 1=1"}):
        assert '<td class="which">' not in web.get("/", params=query).text
    assert 'class="num">1<' not in web.get("/numbers", params={"unit": payload, "kind": payload}).text
    assert web.post("/sending/resume", data={**form, "scope": payload}).status_code == 303
    assert admin.post(f"/units/{in_path}/hold", data=of_admin).status_code == 404
    assert admin.post("/users", data={**of_admin, "name": payload, "role": "admin"}).status_code in (409, 422)
    assert admin.post(f"/users/{in_path}/disable", data=of_admin).status_code in (404, 409)
    wrong = world.count("owner_page.wrong_pair")
    assert world.browser().post("/k", data={"reference": payload, "plate": payload}).status_code == 403
    assert world.count("owner_page.wrong_pair") == wrong + 1
    assert world.browser().get(f"/k/{in_path}").status_code == 200
    assert database(world) == before


def test_what_is_told_is_never_markup_nor_a_template(world: World) -> None:
    """A unit, an operator or an owner who writes code sees it printed; nobody's browser and no template runs it."""
    reference = world.arrive(
        verdict=Verdict.REVIEW, reasons=("low_confidence",), location=MARKUP, facts=(Fact(name=MARKUP, value=MARKUP),)
    )
    path = f"/cases/{reference}"
    form = {"token": token(world.web, path), "why": MARKUP}
    assert world.web.post(f"{path}/approve", data=form).status_code == 303
    assert world.web.post(f"/units/{UNIT}/hold", data=form).status_code == 303
    for page in ("/", path, "/units", "/audit", f"/?state={quote(MARKUP)}", f"/?state=dead&reason={quote(MARKUP)}"):
        said = world.web.get(page).text
        assert "1337" not in said, page
        for harm in ("<script", "<img src=x"):
            assert harm not in said, page
    assert "&lt;script&gt;" in world.web.get(path).text
    assert fill("{{1}} {{2}}", (MARKUP, "two")) == f"{MARKUP} two"


def test_references_cannot_be_counted_up(world: World) -> None:
    """Whoever has one notice can work out no other: 16 characters by chance, and a wrong one costs a wait."""
    made = {new_reference() for _ in range(1000)}
    assert len(made) == 1000
    assert all(map(is_reference, made))
    for place in (0, 5, 18):
        assert len({reference[place] for reference in made}) > 20
    reference = world.arrive()
    missing, route = sorted(made)[0], "/cases/{reference}"
    before = metric("cakra_http_responses_total", route=route, status="404")
    assert world.web.get(f"/cases/{missing}").status_code == 404
    assert metric("cakra_http_responses_total", route=route, status="404") == before + 1
    pages = {world.browser().get(f"/k/{each}").text.replace(each, "") for each in (reference, missing)}
    assert len(pages) == 1
    assert KEY.public.to_base64() not in pages.pop()


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {key: str(value) for key, value in labels.items()}) or 0.0


def database(world: World) -> object:
    """What no attack may change: cases where they stand, with their plates, and users."""
    with world.store.reading() as connection:
        users = [(user.name, user.role, user.disabled_at) for user in listed(connection)]
    return [{**case, "changed_at": None} for case in world.cases()], users
