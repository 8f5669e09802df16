"""The owner's page: who is let in, what they see, and that a wrong pair is worth nothing."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from console_world import Browser, World
from dispatcher_world import NOW, PICTURES
from sqlalchemy import event

from dispatcher import cases, replies
from dispatcher.cases import Case
from dispatcher.evidence import SHOWN_TO_OWNERS
from dispatcher.owner_page import tries, words
from dispatcher.owner_page.desk import tidy
from dispatcher.owner_page.ticket import LIFE, holder, issue
from dispatcher.owner_page.tries import FREE_BY_NETWORK, FREE_BY_REFERENCE, Tries, network
from dispatcher.replies import Answer
from dispatcher.store import counters
from dispatcher.template import _MONEY
from dispatcher.workflow import Event, State

DOMAIN = "etle-konfirmasi.example.id"
KEY = bytes(32)


def noticed(world: World) -> Case:
    """A case whose notice went out."""
    reference = world.arrive()
    with world.store.writing() as connection:
        case = cases.by_reference(connection, reference)
        assert case is not None
        assert case.state is State.QUEUED
        deadline = NOW + timedelta(days=10)
        case = cases.move(connection, case.case_id, Event.ATTEMPTED, NOW, deadline=deadline)
        return cases.move(connection, case.case_id, Event.WAS_DELIVERED, NOW)


def enter(browser: Browser, reference: str, plate: str = "b 1234 xyz", **options: Any) -> str:
    """The path of the evidence after typing a right pair."""
    answer = browser.post("/k", data={"reference": reference, "plate": plate}, **options)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def now_of(world: World, case: Case) -> Case:
    with world.store.reading() as connection:
        found = cases.find(connection, case.case_id)
        assert found is not None
        return found


def test_the_right_pair_shows_the_evidence_and_nobody_else(world: World) -> None:
    """An owner sees what they are told they did; the faces of others and the whole scene are not theirs to see."""
    case, owner = noticed(world), world.browser()
    path = enter(owner, case.reference.lower().replace("-", " "))
    page = owner.get(path).text
    for said in ("B 1234 XYZ", case.reference, "Jl. Jenderal Sudirman", "Rp500.000", "ganjil-genap", "WIB"):
        assert said in page
    for shown in SHOWN_TO_OWNERS:
        assert owner.get(f"{path}/{shown}").content == PICTURES[shown]
    for role in ("context", "path", "before", "clip", "manifest", "..%2f..%2fmac.key"):
        assert owner.get(f"{path}/{role}").status_code == 404, role
    for secret in ("Budi", "0812", "3171"):
        assert secret not in page


def test_a_wrong_pair_reveals_nothing(world: World) -> None:
    """Whoever tries pairs must not learn which references exist, nor which of them were sent."""
    case, pages = noticed(world), set()
    world.arrive(2)
    with world.store.reading() as connection:
        unsent = next(each for each in cases.listed(connection) if each.deadline is None)
    strangers = "ABCD-EFGH-JKLM-NPQR"
    for reference, plate in (
        (case.reference, "B 9999 XYZ"),
        (strangers, "B 9999 XYZ"),
        (unsent.reference, "B 1234 XYZ"),
        (strangers, "-"),
        (case.reference, ""),
    ):
        answer = world.browser().post("/k", data={"reference": reference, "plate": plate})
        assert answer.status_code == 403
        pages.add(re.sub(r'value="[^"]*"', "", answer.text))
    assert len(pages) == 1
    with world.store.reading() as connection:
        assert counters(connection)["owner_page.wrong_pair"] == 5


def test_a_wrong_pair_costs_the_same_whatever_is_wrong(world: World) -> None:
    """The time of an answer must not tell what its words hide: the database is asked the same."""
    case, asked = noticed(world), []
    statements: list[str] = []
    event.listen(world.store._engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
    world.browser().post("/k", data={"reference": "ABCD-EFGH-JKLM-NPQS", "plate": "X"})  # the counter's first row
    for reference in (case.reference, "ABCD-EFGH-JKLM-NPQR", "nonsense"):
        statements.clear()
        world.browser().post("/k", data={"reference": reference, "plate": "B 9999 XYZ"})
        asked.append(tuple(statements))
    assert len(set(asked)) == 1


def test_an_address_from_the_message_asks_for_the_plate_as_well(world: World) -> None:
    """A link seen over a shoulder, or fetched by a preview, shows nothing."""
    case = noticed(world)
    page = world.browser().get(f"/k/{case.reference}")
    assert case.reference in page.text
    assert "1234" not in page.text.replace("B 1234 XYZ", "", 1)  # the example in the field
    assert "Sudirman" not in page.text
    assert "<b>" not in world.browser().get('/k/"><b>').text


@pytest.mark.parametrize(
    ("answer", "state", "why"),
    [
        ("own", State.CONFIRMED, "I drove"),
        ("other", State.CONFIRMED, "another person drove"),
        ("sold", State.DISPUTED, "sold"),
        ("not_mine", State.DISPUTED, "not my vehicle"),
    ],
)
def test_an_answer_on_the_page_moves_the_case(world: World, answer: str, state: State, why: str) -> None:
    """It counts like the button in the message, and the timeline says that the owner said it."""
    case, owner = noticed(world), world.browser()
    path = enter(owner, case.reference)
    assert owner.post(path, data={"answer": answer}).headers["location"] == path
    assert now_of(world, case).state is state
    with world.store.reading() as connection:
        last = cases.history(connection, case.case_id)[-1]
    assert (last.who, last.why) == ("owner", why)
    page = owner.get(path).text
    assert words.STATES[state] in page
    assert 'value="own"' not in page


def test_a_dispute_keeps_its_reasons(world: World) -> None:
    """A person can only judge what they are told; what is added later counts too, to a limit."""
    case, owner = noticed(world), world.browser()
    path = enter(owner, case.reference)
    assert words.FAULTS["reason_missing"] in owner.post(path, data={"answer": "dispute", "reason": " "}).text
    assert words.FAULTS["reason_long"] in owner.post(path, data={"answer": "dispute", "reason": "x" * 1001}).text
    assert now_of(world, case).state is State.DELIVERED
    assert owner.post(path, data={"answer": "own"}).status_code == 303
    for number in range(30):
        said = {"answer": "dispute", "reason": f"Ambulans, <b>{number}</b>, mendahului"}
        assert owner.post(path, data=said).status_code == 303
    assert now_of(world, case).state is State.DISPUTED
    with world.store.reading() as connection:
        why = [entry.why for entry in cases.history(connection, case.case_id) if entry.who == "owner"]
    assert why[:2] == ["I drove", "disputes: Ambulans, <b>0</b>, mendahului"]
    assert len(why) == 20
    page = world.web.get(f"/cases/{case.reference}").text
    assert "disputes: Ambulans, &lt;b&gt;1&lt;/b&gt;, mendahului" in page


def test_what_cannot_be_answered_any_more_says_so(world: World) -> None:
    """An owner who answers a case that was withdrawn meanwhile is told, and nothing moves."""
    case, owner = noticed(world), world.browser()
    path = enter(owner, case.reference)
    with world.store.writing() as connection:
        cases.move(connection, case.case_id, Event.WAS_WITHDRAWN, NOW)
    for answer in ("own", "dispute", "nonsense"):
        said = owner.post(path, data={"answer": answer, "reason": "x"})
        assert (said.status_code, words.FAULTS["moved_on"] in said.text) == (400, True)
    page = owner.get(path).text
    assert words.STATES[State.WITHDRAWN] in page
    assert page.count("<form") == 0


def test_a_ticket_ends_and_is_good_for_its_case_alone(world: World) -> None:
    """A page left open on a borrowed phone must not show the case for ever; a ticket made up opens nothing."""
    case, owner = noticed(world), world.browser()
    path = enter(owner, case.reference)
    other = path.replace(case.reference, "ABCD-EFGH-JKLM-NPQR")
    for wrong in (other, path[:-1] + ("0" if path[-1] != "0" else "1"), "/k/bukti/none"):
        assert owner.get(wrong).status_code == 403
        assert owner.post(wrong, data={"answer": "own"}).status_code == 403
        assert owner.get(wrong + "/plate").status_code == 404
    world.now = NOW + LIFE
    assert words.FAULTS["over"] in owner.get(path).text
    assert owner.post(path, data={"answer": "own"}).status_code == 403
    assert now_of(world, case).state is State.DELIVERED
    assert holder(KEY, issue(KEY, "A", NOW), NOW) == "A"
    assert holder(bytes([1] * 32), issue(KEY, "A", NOW), NOW) is None


def test_a_foreign_page_cannot_try_pairs_in_a_visitors_name(world: World) -> None:
    """Their address would have to wait for what they never typed."""
    answer = world.browser().post("/k", data={}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    with world.store.reading() as connection:
        assert "owner_page.wrong_pair" not in counters(connection)


def test_the_public_name_serves_the_owners_pages_alone(world: World) -> None:
    """One wrong line in a reverse proxy must not put the console on the internet."""
    public = {"Host": DOMAIN}
    assert world.web.get("/", headers=public).headers["location"] == "/k"
    assert world.browser().get("/k", headers=public).status_code == 200
    assert world.browser().get("/webhook", headers=public).status_code == 403  # wrong token, as ever
    for path in ("/login", "/health", "/api/cases.json", "/units", "/static/console.css", "/audit"):
        assert world.web.get(path, headers=public).status_code == 404, path
    assert world.browser().get("/k", headers={"Host": "evil.example.com"}).status_code == 400


def test_a_page_is_small_and_asks_for_nothing_a_swindler_would(world: World) -> None:
    """It opens on the cheapest phone and the slowest net, and looks like no trap."""
    case, owner = noticed(world), world.browser()
    path = enter(owner, case.reference)
    for page in (owner.get("/k"), owner.get(path)):
        assert len(page.content) < 100_000
        assert "<script" not in page.text
        assert not _MONEY.search(page.text)
        assert not re.search(r'type="(password|file|tel)"|href="http', page.text)
        assert words.PROMISE in page.text
        assert DOMAIN in page.text
        assert "set-cookie" not in page.headers
        assert "style-src 'sha256-" in page.headers["content-security-policy"]


def test_guessing_has_to_wait_and_is_counted(world: World) -> None:
    """A machine that tries plates for a reference it has seen gets a handful a quarter of an hour."""
    case, form = noticed(world), {"plate": "B 9999 XYZ"}
    for reference in (case.reference, "ABCD-EFGH-JKLM-NPQR"):
        said = [world.browser().post("/k", data={**form, "reference": reference}).status_code for _ in range(7)]
        assert said == [403] * FREE_BY_REFERENCE + [429] * 2
    assert world.browser().post("/k", data={"reference": case.reference, "plate": "B1234XYZ"}).status_code == 429
    world.now = NOW + timedelta(minutes=2)
    enter(world.browser(), case.reference)
    world.browser().post("/k", data={**form, "reference": "X"})
    with world.store.reading() as connection:
        assert counters(connection) == {"owner_page.wrong_pair": 11, "owner_page.too_many": 5}


def test_a_carriers_many_phones_are_not_shut_out_by_their_right_pairs() -> None:
    """Thousands of owners come from one address of a mobile carrier."""
    limited = Tries()
    for number in range(10 * FREE_BY_NETWORK):
        assert limited.admit("203.0.113.7", str(number), NOW)
        limited.was_right("203.0.113.7", str(number))


def test_a_network_waits_after_its_wrong_pairs() -> None:
    """A burst gets no more than it would one by one, other networks are not held up, and the wait ends."""
    limited = Tries()
    said = [limited.admit(f"2001:db8::{number:x}", str(number), NOW) for number in range(FREE_BY_NETWORK + 9)]
    assert said.count(True) == FREE_BY_NETWORK
    assert limited.admit("2001:db8:0:1::1", "x", NOW)
    assert limited.admit("2001:db8::1", "y", NOW + timedelta(minutes=1))
    assert not limited.admit("2001:db8::1", "z", NOW + timedelta(minutes=2))
    assert limited.take_refused() == 10
    assert limited.take_refused() == 0


def test_many_networks_get_little_once_too_much_is_wrong() -> None:
    """A net of ten thousand machines must not get ten thousand times the free tries, nor shut the owners out."""
    limited = Tries(budget=10)
    for number in range(10):
        assert limited.admit(f"203.0.113.{number}", str(number), NOW)
    said = [limited.admit("198.51.100.1", f"r{number}", NOW) for number in range(5)]
    assert said == [True, True, False, False, False]
    assert limited.admit("198.51.100.2", "owner", NOW)
    limited.was_right("198.51.100.2", "owner")
    assert limited.admit("198.51.100.3", "later", NOW + tries.WINDOW)


def test_what_is_remembered_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood must not fill the memory."""
    monkeypatch.setattr(tries, "_MOST_KEPT", 100)
    limited = Tries(budget=10**9)
    for number in range(1000):
        limited.admit(f"10.0.{number // 256}.{number % 256}", str(number), NOW)
    assert len(limited._counts) <= 100


def test_who_shares_a_limit() -> None:
    """An IPv6 customer has more addresses than could ever be counted."""
    assert network("::ffff:203.0.113.7") == network("203.0.113.7") == "203.0.113.7"
    assert network("2001:db8::1") == network("2001:db8::ffff:1") != network("2001:db8:0:1::1")
    assert network("") == network("nonsense")


def test_answers_follow_from_the_table() -> None:
    """A button that the workflow does not know would end in an error on the owner's phone."""
    assert set(replies.possible(State.READ)) == set(Answer)
    assert set(replies.possible(State.CONFIRMED)) == {Answer.SOLD, Answer.NOT_MINE, Answer.DISPUTE}
    assert replies.possible(State.DISPUTED) == (Answer.DISPUTE,)
    assert replies.possible(State.WITHDRAWN) == replies.possible(State.REVIEW) == ()
    assert tidy(" abcdefgh-jklm npqr ") == "ABCD-EFGH-JKLM-NPQR"
