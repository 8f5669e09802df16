"""The console's doors: who gets in, who gets what, and what every answer carries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest
import yaml
from console_world import Browser, World, token
from dispatcher_world import KEY, NOW, PASSWORD, PICTURES, UNIT, enter, evidence, report, signed
from fastapi.routing import APIRoute
from sqlalchemy import select, update

from dispatcher.access.audit import Actor, Audit, What
from dispatcher.access.office import Office
from dispatcher.access.roles import RIGHTS, Right, Role
from dispatcher.access.tables import audit_entry
from dispatcher.access.throttle import FREE_BY_NAME
from dispatcher.cases import by_reference
from dispatcher.console import words
from dispatcher.console.guard import RULES, Door
from dispatcher.schema import evidence as evidence_table
from dispatcher.units import UnitState
from wire.messages import AckResult, EvidenceRole, Verdict
from wire.topics import Up, UpTopic

ROUTES = sorted(RULES)
FORMS = [each for each in ROUTES if each[0] == "POST" and RULES[each] is not Door.PUBLIC]
PARTS = {
    "{ticket}": "none",
    "{reference}": "AAAA-AAAA-AAAA-AAAA",
    "{role}": "context",
    "{unit_id}": "none",
    "{name}": "nobody",
}


def filled(path: str) -> str:
    for part, value in PARTS.items():
        path = path.replace(part, value)
    return path


def log_in(browser: Browser, name: str = "ana", password: str = PASSWORD, code: str = "", **more: str) -> int:
    form = {"name": name, "password": password, "code": code, "token": token(browser, "/login"), **more}
    return browser.post("/login", data=form).status_code


def walk(routes: Iterable[Any]) -> Iterator[Any]:
    """All routes, those of included routers too."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is None:
            yield route
        else:
            yield from walk(inner.routes)


def trail(world: World) -> list[tuple[str, str, str]]:
    with world.store.reading() as connection:
        rows = connection.execute(select(audit_entry).order_by(audit_entry.c.number))
        return [(row.who, row.what, row.about) for row in rows]


def test_every_route_has_a_rule(world: World) -> None:
    """A page that somebody adds tomorrow must not be open because nobody thought of it."""
    found = list(walk(world.dispatcher.web.routes))
    assert all(isinstance(route, APIRoute) for route in found), "a route that the guard does not stand before"
    assert {(method, route.path) for route in found for method in route.methods} == set(RULES)


def test_a_route_without_a_rule_is_closed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgetting a rule must close a page, not open it."""
    monkeypatch.setattr("dispatcher.console.guard.RULES", {})
    assert world.web.get("/").status_code == 403
    assert world.web.get("/health").status_code == 403


@pytest.mark.parametrize("role", [None, *Role])
def test_the_table_of_roles_holds_on_every_route(world: World, role: Role | None) -> None:
    """What the table says and what the server does must be the same, for each page and each role."""
    for method, path in ROUTES:
        rule = RULES[method, path]
        if not isinstance(rule, Right):
            continue
        browser = world.browser(role)
        form = {"token": token(browser, "/account" if role else "/login")}
        answer = browser.request(method, filled(path), data=form if method == "POST" else None)
        is_let_in = answer.status_code not in (401, 403) and "/login?" not in answer.headers.get("location", "")
        assert is_let_in == (role is not None and rule in RIGHTS[role]), (method, path, role, answer.status_code)


@pytest.mark.parametrize(("method", "path"), FORMS)
def test_a_form_without_the_right_token_is_refused(world: World, method: str, path: str) -> None:
    """A page that a user happens to visit must not act for them, on any form there is."""
    browser = world.browser(Role.ADMIN)
    stranger = token(world.browser(Role.ADMIN), "/account")
    for form in ({}, {"token": ""}, {"token": "guess"}, {"token": "é"}, {"token": stranger}):
        answer = browser.post(filled(path), data=form)
        assert (answer.status_code, answer.text) == (403, words.SAID["old_form"])
    upload = browser.post(filled(path), files={"token": ("x", b"x")})
    assert (upload.status_code, upload.text) == (403, words.SAID["old_form"])
    form = {"token": token(browser, "/account")}
    answer = browser.post(filled(path), data=form, headers={"Sec-Fetch-Site": "same-site"})
    assert (answer.status_code, answer.text) == (403, words.SAID["foreign_form"])


def test_a_log_in_gets_a_token_that_nobody_knew_before(world: World) -> None:
    """A token slipped into a browser before the log-in (session fixation) must open nothing afterwards."""
    enter(world.store, Role.OPERATOR, "ana")
    browser, thief = world.browser(), world.browser()
    for each in (browser, thief):
        each.cookies.set("cakra", "slipped-in", domain="127.0.0.1")
    assert log_in(browser) == 303
    assert browser.cookies["cakra"] != "slipped-in"
    assert browser.get("/").status_code == 200
    assert thief.get("/").headers["location"] == "/login?next=/"


def test_a_refusal_says_the_same_to_everybody(world: World) -> None:
    """Whoever guesses must not learn which names exist, which are disabled, locked, or lack only the code."""
    for name in ("ana", "budi", "citra"):
        enter(world.store, Role.OPERATOR, name)
    admin = world.browser(Role.ADMIN)
    admin.post("/users/budi/disable", data={"token": token(admin, "/account")})
    for _ in range(FREE_BY_NAME):
        log_in(world.browser(), "citra", "wrong")
    pages = set()
    for name, password in (("ana", "wrong"), ("nobody", "wrong"), ("budi", PASSWORD), ("citra", PASSWORD)):
        browser = world.browser()
        form = {"name": name, "password": password, "token": token(browser, "/login")}
        answer = browser.post("/login", data=form)
        assert answer.status_code == 401
        text = answer.text.replace(name, "NAME")
        pages.add(re.sub(r'name="token" value="\w+"', "", text))
    assert len(pages) == 1
    assert "too many tries" in pages.pop()


def test_a_lock_ends_by_itself(world: World) -> None:
    """A user whom somebody locked out by guessing works again within minutes."""
    enter(world.store, Role.OPERATOR, "ana")
    for _ in range(FREE_BY_NAME):
        assert log_in(world.browser(), password="wrong") == 401
    assert log_in(world.browser()) == 401
    world.now = NOW + timedelta(minutes=1)
    assert log_in(world.browser()) == 303


def test_the_first_log_in_leads_through_password_and_authenticator(tmp_path: Path, database: str) -> None:
    """A password that an admin has seen, or a password alone, must not be what keeps the owners' data."""
    world = World(tmp_path, database=database, access={"totp": "required"})
    admin = world.browser(Role.ADMIN)
    assert admin.get("/users").headers["location"] == "/account/totp"
    one_time = Office(world.store, Audit(bytes(32))).add(Actor(name="admin"), "ana", Role.OPERATOR, NOW)
    browser = world.browser()
    assert log_in(browser, password=one_time) == 303
    assert browser.get("/").headers["location"] == "/account/password"
    form = {"token": token(browser, "/account/password"), "old": one_time, "new": PASSWORD, "again": PASSWORD}
    for wrong, told in ((("new", "short"), "not typed the same way"), (("old", "x"), "password is wrong")):
        refused = browser.post("/account/password", data={**form, wrong[0]: wrong[1]})
        assert refused.status_code == 400
        assert told in refused.text
    assert browser.post("/account/password", data=form).status_code == 303
    assert browser.get("/").headers["location"] == "/account/totp"
    page = browser.get("/account/totp").text
    secret = re.search(r'<code class="mono">(\w+)</code>', page)
    assert secret is not None
    assert "<svg" in page
    form = {"token": token(browser, "/account/totp"), "password": PASSWORD, "code": pyotp.TOTP(secret[1]).at(NOW)}
    assert browser.post("/account/totp", data=form).status_code == 303
    assert browser.get("/").status_code == 200
    assert log_in(world.browser()) == 401
    world.now = NOW + timedelta(minutes=1)
    assert log_in(world.browser(), code=pyotp.TOTP(secret[1]).at(world.now)) == 303
    world.close()


@pytest.mark.parametrize("next_page", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "/a\r\nb"])
def test_a_log_in_leads_to_our_own_pages_alone(world: World, next_page: str) -> None:
    """A link to the log-in must not end on somebody else's copy of it."""
    enter(world.store, Role.OPERATOR, "ana")
    browser = world.browser()
    form = {"name": "ana", "password": PASSWORD, "next": next_page, "token": token(browser, "/login")}
    assert browser.post("/login", data=form).headers["location"] == "/"
    assert 'name="next" value=""' in world.browser().get("/login", params={"next": next_page}).text


def test_a_log_out_ends_the_session_and_the_browser_forgets(world: World) -> None:
    """Whoever sits down at the desk next must find neither a session nor pictures."""
    before = world.web.cookies["cakra"]
    answer = world.web.post("/logout", data={"token": token(world.web, "/account")})
    assert answer.headers["clear-site-data"] == '"cache", "cookies", "storage"'
    world.web.cookies.set("cakra", before, domain="127.0.0.1")
    assert world.web.get("/").status_code == 303


@pytest.mark.parametrize(("tls", "cookie"), [(False, "cakra"), (True, "__Host-cakra")])
def test_every_answer_carries_the_headers(tmp_path: Path, tls: bool, cookie: str) -> None:
    """One page that can be framed, sniffed or made to load a script is enough."""
    world = World(tmp_path, web={"port": 0, "tls_in_front": tls})
    reference = world.arrive()
    paths = [filled(path).replace("AAAA-AAAA-AAAA-AAAA", reference) for method, path in ROUTES if method == "GET"]
    for path in [*paths, "/nothing", "/static/console.css"]:
        for browser in (world.browser(Role.ADMIN), world.web, world.browser()):
            answer = browser.get(path)
            assert "default-src 'none'" in answer.headers["content-security-policy"], path
            assert "script-src" not in answer.headers["content-security-policy"]
            for name, value in (
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("referrer-policy", "no-referrer"),
                ("cross-origin-opener-policy", "same-origin"),
            ):
                assert answer.headers[name] == value, path
            assert ("strict-transport-security" in answer.headers) == tls
            assert "cache-control" in answer.headers
            assert not re.search(r"(src|href|url|action)\W{1,3}(https?:|//)", answer.text)
            assert "<script" not in answer.text
            assert " style=" not in answer.text
    page = world.browser().get("/login")
    assert page.headers["cache-control"] == "no-store"
    said = page.headers["set-cookie"]
    assert said.startswith(f"{cookie}=")
    assert {"HttpOnly", "Path=/", "SameSite=strict"} < set(said.split("; "))
    assert ("Secure" in said) == tls
    world.close()


def test_a_failure_tells_nothing_and_keeps_the_headers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A traceback names files and values; it belongs into the log, not on a screen."""
    monkeypatch.setattr("dispatcher.console.views.Views.listed", lambda *_: 1 / 0)
    answer = world.web.get("/")
    assert (answer.status_code, answer.text) == (500, "the dispatcher failed; its log says why")
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_form_that_does_not_end_is_refused(world: World) -> None:
    """Nobody fills the memory by the log-in page."""
    browser = world.browser()
    form = {"name": "x" * 70_000, "password": "x", "token": token(browser, "/login")}
    assert browser.post("/login", data=form).status_code == 413
    form["name"] = "x" * 300
    answer = browser.post("/login", data=form)
    assert (answer.status_code, answer.text) == (422, "a field is missing or wrong")


def test_what_no_database_holds_is_told_as_wrong(tmp_path: Path, postgres: str) -> None:
    """A byte that PostgreSQL does not take must not look like a dispatcher that is broken."""
    world = World(tmp_path, database=postgres)
    browser = world.browser()
    form = {"name": "a\0b", "password": "x", "token": token(browser, "/login")}
    answer = browser.post("/login", data=form)
    assert (answer.status_code, answer.text) == (422, "a field is missing or wrong")
    world.close()


def test_decisions_carry_the_name_of_who_decided(tmp_path: Path, database: str) -> None:
    """Whoever is asked later why an owner was accused must know whom to ask."""
    world = World(tmp_path, database=database)
    reference = world.arrive(verdict=Verdict.REVIEW)
    browser = world.browser(Role.OPERATOR, "ana")
    page = browser.get(f"/cases/{reference}").text
    assert f"/cases/{reference}/approve" in page
    form = {"token": token(browser, f"/cases/{reference}/approve"), "why": "read it"}
    assert browser.post(f"/cases/{reference}/approve", data=form).status_code == 303
    assert "· ana" in browser.get(f"/cases/{reference}").text
    assert ("ana", "case_approve", reference) in trail(world)
    assert browser.post(f"/cases/{reference}/approve", data=form).status_code == 409
    assert [each[1] for each in trail(world)].count("case_approve") == 1
    world.close()


def test_an_owner_is_uncovered_for_a_reason_that_is_kept(tmp_path: Path, database: str) -> None:
    """A curious look at a neighbour must leave a name and a reason behind, before anything is shown."""
    world = World(tmp_path, database=database, access={"totp": "optional", "reveals_per_hour": 2})
    reference = world.arrive()
    page = world.web.get(f"/cases/{reference}").text
    assert "•••001" in page
    path = f"/cases/{reference}/owner"
    asked = world.web.get(path).text
    assert "Budi" not in asked
    form = {"token": token(world.web, path), "why": "  "}
    refused = world.web.post(path, data=form)
    assert refused.status_code == 400
    assert "Budi" not in refused.text
    shown = world.web.post(path, data={**form, "why": "owner called back"}).text
    assert all(text in shown for text in ("Budi Santoso", "0812-3456-7890", "3171000000000001"))
    assert trail(world) == [("supervisor", What.SEEN, reference), ("supervisor", What.REVEALED, reference)]
    assert world.web.post(path, data={**form, "why": "again"}).status_code == 200
    spent = world.web.post(path, data={**form, "why": "copying the list"})
    assert spent.status_code == 429
    assert "Budi" not in spent.text
    world.now = NOW + timedelta(minutes=29)
    world.web.get("/")
    world.now = NOW + timedelta(minutes=58)
    world.web.get("/")
    world.now = NOW + timedelta(minutes=61)
    assert world.web.post(path, data={**form, "why": "next hour"}).status_code == 200
    world.close()


def test_units_are_approved_by_two_and_believed_then(tmp_path: Path, database: str) -> None:
    """What an unapproved unit reports waits on the unit; nothing is believed and nothing is lost."""
    world = World(tmp_path, database=database, access={"totp": "optional", "key_approvals": 2})
    take = world.dispatcher.intake.take
    ack = take(UpTopic(UNIT, Up.VIOLATION), signed(report()), NOW)
    assert ack is not None
    assert (ack.result, ack.retryable, ack.reason) == (AckResult.REJECTED, True, "key_unapproved")
    assert "Approve the key" in world.web.get("/units").text
    for name, status in (("ana", 303), ("ana", 409), ("budi", 303)):
        browser = world.browser(Role.SUPERVISOR, name)
        form = {"token": token(browser, "/account"), "key": KEY.public.to_base64()}
        assert browser.post(f"/units/{UNIT}/approve", data=form).status_code == status
    ack = take(UpTopic(UNIT, Up.VIOLATION), signed(report()), NOW)
    assert ack is not None
    assert ack.result is AckResult.STORED
    browser = world.browser(Role.ADMIN)
    form = {"token": token(browser, "/account"), "why": "lens turned"}
    assert browser.post(f"/units/{UNIT}/hold", data=form).status_code == 303
    assert "lens turned" in browser.get("/units").text
    assert world.dispatcher.units[UNIT].state is UnitState.QUARANTINED
    assert browser.post(f"/units/{UNIT}/release", data=form).status_code == 303
    assert browser.post("/units/none/hold", data=form).status_code == 404
    assert [each[1] for each in trail(world)] == ["key_approved", "key_approved", "unit_held", "unit_released"]
    world.close()


def test_what_a_quarantined_unit_said_is_judged_or_erased(tmp_path: Path, database: str) -> None:
    """The person who looked at the unit decides about all it said meanwhile, and the trail says who and why."""
    world = World(tmp_path, database=database)
    form = {"token": token(world.web, "/account"), "why": "lens turned"}
    assert world.web.post(f"/units/{UNIT}/discard", data=form).status_code == 409
    assert world.web.post(f"/units/{UNIT}/hold", data=form).status_code == 303
    for number in (1, 2):
        world.arrive(number)
    assert {case["state"] for case in world.cases()} == {"held"}
    assert "Erase 2 held" in world.web.get("/units").text
    assert world.web.post(f"/units/{UNIT}/discard", data=form).status_code == 303
    assert world.cases() == []
    assert not list((tmp_path / "evidence").rglob("*.jpg"))
    world.arrive(3)
    assert world.web.post(f"/units/{UNIT}/release", data=form).status_code == 303
    world.work()
    assert [case["state"] for case in world.cases()] == ["queued"]
    assert "2 cases: lens turned" in world.web.get("/audit").text
    world.close()


def test_what_speaks_against_a_unit_and_a_plate_is_shown(tmp_path: Path) -> None:
    """Who decides about a copied plate must see the other sighting, and who looks after units what they kept back."""
    places = {UNIT: {"lat": -6.2088, "lon": 106.8456}, "bandung-01": {"lat": -6.9175, "lon": 107.6191}}
    key = KEY.public.to_base64()
    units = [{"unit_id": unit_id, "name": unit_id, "public_key": key, "place": at} for unit_id, at in places.items()]
    (tmp_path / "placed.yaml").write_text(yaml.safe_dump({"units": units}))
    world = World(tmp_path, units="placed.yaml")
    take = world.dispatcher.intake.take
    for number, unit_id in enumerate(places, start=3):
        take(UpTopic(unit_id, Up.VIOLATION), signed(report(number, unit_id=unit_id)), NOW)
        for role in PICTURES:
            take(UpTopic(unit_id, Up.EVIDENCE), evidence(role, number, unit_id=unit_id), NOW)
    world.work()
    first, second = (case["reference"] for case in world.cases())
    page = world.web.get(f"/cases/{first}").text
    assert "cannot have been there" in page
    assert f"/cases/{second}" in page
    assert "2 reports missing" in world.web.get("/units").text
    world.close()


def test_an_admin_adds_changes_and_disables_users(tmp_path: Path, database: str) -> None:
    """People come, change desks and leave; their access does so the same minute."""
    world = World(tmp_path, database=database)
    admin = world.browser(Role.ADMIN)
    form = {"token": token(admin, "/account")}
    page = admin.post("/users", data={**form, "name": "ana", "role": "operator"}).text
    given = re.search(r'class="mono given">([^<]+)<', page)
    assert given is not None
    assert given[1] not in admin.get("/users").text
    ana = world.browser()
    assert log_in(ana, password=given[1]) == 303
    again = admin.post("/users", data={**form, "name": "ana", "role": "operator"})
    assert (again.status_code, "already" in again.text) == (409, True)
    assert admin.post("/users", data={**form, "name": "budi", "role": "emperor"}).status_code == 422
    assert admin.post("/users/ana/role", data={**form, "role": "supervisor"}).status_code == 303
    assert admin.post("/users/admin/disable", data=form).status_code == 409
    assert admin.post("/users/ana/disable", data=form).status_code == 303
    assert ana.get("/account").status_code == 303
    assert "has a one-time password" not in admin.get("/users").text
    assert "One-time password of" in admin.post("/users/ana/reset", data=form).text
    world.close()


def test_the_trail_is_read_and_verified_in_the_console(tmp_path: Path, database: str) -> None:
    """A supervisor sees who did what, and whether somebody has been at the trail."""
    world = World(tmp_path, database=database)
    reference = world.arrive(verdict=Verdict.REVIEW)
    form = {"token": token(world.web, "/account"), "why": "dark <b>picture</b>"}
    world.web.post(f"/cases/{reference}/withdraw", data=form)
    page = world.web.get("/audit").text
    assert "Case withdrawn" in page
    assert "dark &lt;b&gt;picture" in page
    assert "1 entries, all as they were written." in world.web.post("/audit/verify", data=form).text
    with world.store.writing() as connection:
        connection.execute(update(audit_entry).values(why="nothing"))
    assert "entry 1: was changed or put in" in world.web.post("/audit/verify", data=form).text
    world.close()


@pytest.mark.parametrize("place", ["../dispatcher.db", "/etc/passwd", "unit-01/../../data.key", "."])
def test_a_path_out_of_the_evidence_folder_shows_nothing(world: World, place: str) -> None:
    """Even a row that somebody has written into the database must not open another file."""
    reference = world.arrive()
    with world.store.writing() as connection:
        case = by_reference(connection, reference)
        assert case is not None
        connection.execute(update(evidence_table).values(path=place))
    for role in ("context", "plate", "%2e%2e", "..%2f..%2fdata.key", "context%2f..%2f..%2fdata.key"):
        assert world.web.get(f"/cases/{reference}/evidence/{role}").status_code == 404


def test_evidence_is_for_those_who_see_cases(world: World) -> None:
    """An address copied from the history of a browser must show no picture to a stranger."""
    reference = world.arrive()
    path = f"/cases/{reference}/evidence/context"
    assert world.web.get(path).content == PICTURES[EvidenceRole.CONTEXT]
    assert world.browser().get(path).status_code == 303
    assert world.browser(Role.ADMIN).get(path).status_code == 403


def test_every_code_of_access_has_its_word() -> None:
    """Nobody must read codes."""
    assert set(words.AUDITED) == set(What)
    assert set(words.ROLES) == set(Role)
    assert set(words.UNIT_STATES) == set(UnitState)
    assert {right for _, _, right in words.PAGES} <= set(Right)
    assert set(RULES.values()) - set(Door) <= set(Right)
