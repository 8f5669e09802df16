"""Cases that two people decide: nobody alone, nobody twice, and each with their name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from console_world import Browser, World, token
from dispatcher_world import report, write_config
from httpx import Response
from sqlalchemy import select

from dispatcher import cases
from dispatcher.access.roles import Role
from dispatcher.access.tables import audit_entry
from dispatcher.app import load_parts
from dispatcher.cases import Case
from dispatcher.console import words
from dispatcher.errors import ConfigError
from dispatcher.settings import load_settings
from wire.messages import Verdict

POLICY = {"two_persons": ["speed", "unit.low_confidence"]}


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Any]:
    made: list[World] = []

    def make(**changes: Any) -> World:
        made.append(World(tmp_path, review={**POLICY, **changes.pop("review", {})}, **changes))
        return made[-1]

    yield make
    for world in made:
        world.close()


def doubtful(world: World, **changes: Any) -> str:
    return world.arrive(**{"verdict": Verdict.REVIEW, "reasons": ("low_confidence",), **changes})


def people(world: World) -> list[Browser]:
    return [world.browser(Role.OPERATOR, name) for name in ("ana", "ben", "cici")]


def say(who: Browser, reference: str, decision: str, why: str = "", **more: str) -> Response:
    """What somebody does on the page of a decision, as it stands now."""
    data = {"token": token(who, f"/cases/{reference}"), "why": why, "proposal": asked_about(who, reference), **more}
    return who.post(f"/cases/{reference}/{decision}", data=data)


def asked_about(who: Browser, reference: str) -> str:
    """Which proposal somebody is asked about."""
    found = re.search(r'name="proposal" value="([^"]+)"', who.get(f"/cases/{reference}/agree").text)
    return found[1] if found else ""


def now(world: World, reference: str) -> Case:
    with world.store.reading() as connection:
        found = cases.by_reference(connection, reference)
    assert found is not None
    return found


def told(world: World, reference: str) -> list[tuple[str, str, str]]:
    """What the timeline and the trail say of people's deeds."""
    with world.store.reading() as connection:
        (case,) = cases.listed(connection)
        history = [(each.event, each.who, each.why) for each in cases.history(connection, case.case_id)]
        columns = audit_entry.c
        of_case = (columns.about == reference) & columns.what.startswith("case_")
        trail = connection.execute(select(columns.what, columns.who, columns.why).where(of_case)).all()
    names = {"ana", "ben", "cici"}
    return [entry for entry in (*history, *map(tuple, trail)) if entry[1] in names]


def test_the_second_person_decides_what_the_first_proposed(make_world: Any, database: str) -> None:
    """One tired or bribed person can neither send nor drop such a case."""
    world = make_world(database=database)
    reference = doubtful(world)
    ana, ben, _ = people(world)
    assert say(ana, reference, "approve", "read it").status_code == 303
    assert now(world, reference).state == "review"
    assert words.REASONS["proposed"] in ana.get("/?state=review").text
    for decision in ("approve", "withdraw", "agree", "disagree"):
        refused = say(ana, reference, decision, "again")
        assert (refused.status_code, refused.text) == (409, words.SAID["own_proposal"])
        assert ana.get(f"/cases/{reference}/{decision}").status_code == 404
    assert say(ben, reference, "approve").status_code == 409
    page = ben.get(f"/cases/{reference}").text
    assert f'href="/cases/{reference}/agree"' in page
    assert f'href="/cases/{reference}/approve"' not in page
    assert "read it" in ben.get(f"/cases/{reference}/agree").text
    assert say(ben, reference, "agree", "so do I").status_code == 303
    assert (now(world, reference).state, now(world, reference).approved) == ("validated", True)
    assert told(world, reference) == [
        ("proposed", "ana", "approve: read it"),
        ("approved", "ben", "read it; so do I"),
        ("case_proposed", "ana", "read it"),
        ("case_approve", "ben", "read it; so do I"),
    ]


def test_nobody_agrees_to_another_proposal_than_they_were_shown(make_world: Any) -> None:
    """Who has agreed to send must not find that they have withdrawn the case, or sent it for another plate."""
    world = make_world(review={"two_persons": ["unit.low_confidence", "owner_not_found"]})
    reference = doubtful(world, plate=report().plate.model_copy(update={"text": "B9999ZZ"}))
    ana, ben, cici = people(world)
    say(ana, reference, "approve", "read it")
    seen = asked_about(ben, reference)
    say(cici, reference, "agree")
    world.work()
    assert now(world, reference).reasons == ("owner_not_found",)
    say(ana, reference, "withdraw", "nobody owns it")
    for decision in ("agree", "disagree"):
        for mark in (seen, ""):
            refused = say(ben, reference, decision, "so do I", proposal=mark)
            assert (refused.status_code, refused.text) == (409, words.SAID["proposal_changed"])
    assert now(world, reference).state == "review"
    assert say(ben, reference, "agree", "I see").status_code == 303
    assert now(world, reference).state == "withdrawn"


def test_an_objection_to_what_nobody_proposes_any_more_is_no_fault_of_ours(make_world: Any) -> None:
    """A page of yesterday, sent off without a reason, would end in an error that wakes somebody."""
    world = make_world()
    assert say(people(world)[0], doubtful(world), "disagree").status_code == 404


def test_a_third_decides_when_two_disagree(make_world: Any) -> None:
    """Two against each other is no decision; both reasons are before the one who makes it."""
    world = make_world()
    reference = doubtful(world)
    ana, ben, cici = people(world)
    say(ana, reference, "withdraw", "too dark")
    assert say(ben, reference, "disagree").status_code == 400
    assert say(ben, reference, "disagree", "I can read it").status_code == 303
    for each in (ana, ben):
        assert say(each, reference, "approve").status_code == 409
    page = cici.get(f"/cases/{reference}").text
    for shown in ("too dark", "I can read it", words.REASONS["opposed"], f'href="/cases/{reference}/approve"'):
        assert shown in page
    assert say(cici, reference, "agree").status_code == 409
    assert say(cici, reference, "approve", "so can I").status_code == 303
    assert now(world, reference).state == "validated"
    assert [event for event, *_ in told(world, reference)] == [
        *("proposed", "opposed", "approved"),
        *("case_proposed", "case_opposed", "case_approve"),
    ]


def test_policy_may_have_it_withdrawn(make_world: Any) -> None:
    """Where doubt shall speak for the accused, two who disagree are enough."""
    world = make_world(review={"disagreed": "withdrawn"})
    reference = doubtful(world)
    ana, ben, _ = people(world)
    say(ana, reference, "approve", "read it")
    assert say(ben, reference, "disagree", "a 3, not an 8").status_code == 303
    assert now(world, reference).state == "withdrawn"
    assert ("was_withdrawn", "ben", "approve: read it; against it: a 3, not an 8") in told(world, reference)


def test_a_correction_takes_two_as_well(make_world: Any) -> None:
    """Whose plate it is matters most: the second sees what the first has read."""
    world = make_world()
    reference = doubtful(world, plate=report().plate.model_copy(update={"text": "B1284XYZ"}))
    ana, ben, _ = people(world)
    assert say(ana, reference, "correct", "a 3", plate="b 1234 xyz").status_code == 303
    assert "B 1234 XYZ" in ben.get(f"/cases/{reference}/agree").text
    say(ben, reference, "agree")
    assert (now(world, reference).plate, now(world, reference).state) == ("B1234XYZ", "validated")
    assert ("approved", "ben", "B 1284 XYZ read, B 1234 XYZ seen: a 3") in told(world, reference)


def test_other_cases_take_one(make_world: Any) -> None:
    """A policy for the cases that need it must not double the work on all others."""
    world = make_world()
    reference = doubtful(world, reasons=("skewed",))
    assert say(people(world)[0], reference, "approve").status_code == 303
    assert now(world, reference).state == "validated"


def test_one_person_does_not_decide_what_the_registry_has_against_it_later(make_world: Any) -> None:
    """Approved before the owner was looked up, a misread plate would go out on one person's word after all."""
    world = make_world(review={"two_persons": ["class_differs"]})
    lorry = report().plate.model_copy(update={"vehicle_class": "goods"})
    reference = doubtful(world, plate=lorry)
    ana, ben, _ = people(world)
    say(ana, reference, "approve", "looks right")
    world.work()
    assert (now(world, reference).state, now(world, reference).reasons) == ("review", ("class_differs",))
    say(ana, reference, "approve", "I am sure")
    assert now(world, reference).state == "review"
    say(ben, reference, "agree")
    world.work()
    assert now(world, reference).state == "queued"


def test_a_name_that_no_case_has_is_refused_at_the_start(tmp_path: Path) -> None:
    """A policy with a typing error would let one person decide, and nobody would notice."""
    settings = load_settings(write_config(tmp_path, review={"two_persons": ["speed", "sped"]}))
    with pytest.raises(
        ConfigError, match=r"review\.two_persons\.1: sped is neither a rule nor a reason; take one of .*"
    ):
        load_parts(settings)
