"""The storm's own parts: the town it happens in, its plan, and the judge who says what came to harm."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from dispatcher_world import NOW

from dispatcher.cases import Entry
from dispatcher.owners import mobile
from dispatcher.plate import normalise
from dispatcher.workflow import State
from simulation.storm import town
from simulation.storm.judge import Ended, faults
from simulation.storm.run import VICTIMS, planned

WAY = (
    ("", State.RECEIVED, "reported"),
    (State.RECEIVED, State.EVIDENCE_COMPLETE, "evidence_arrived"),
    (State.EVIDENCE_COMPLETE, State.VALIDATED, "passed"),
    (State.VALIDATED, State.OWNER_RESOLVED, "owner_found"),
    (State.OWNER_RESOLVED, State.QUEUED, "composed"),
    (State.QUEUED, State.SENDING, "attempted"),
    (State.SENDING, State.ACCEPTED, "was_accepted"),
    (State.ACCEPTED, State.DELIVERED, "was_delivered"),
)
HISTORY = tuple(
    Entry(at=NOW + timedelta(seconds=index), from_state=source, to_state=target, event=event, who="machine", why="")
    for index, (source, target, event) in enumerate(WAY)
)
GOOD = Ended(reference="AAAA", state=State.DELIVERED, history=HISTORY)
UNCLEAR = Ended(
    reference="AAAA",
    state=State.UNKNOWN,
    history=(*HISTORY[:6], replace(HISTORY[6], to_state=State.UNKNOWN, event="unclear")),
)


@pytest.mark.parametrize(("case", "messages"), [(GOOD, 1), (UNCLEAR, 0)])
def test_one_message_or_an_unknown_case_is_no_harm(case: Ended, messages: int) -> None:
    """A judge who cries at every storm is not listened to."""
    assert faults({"e": "p"}, {"e": case}, {"p": messages}) == ()


@pytest.mark.parametrize(
    ("cases", "told", "fault"),
    [
        ({}, {}, "event e: is lost"),
        ({"e": GOOD, "f": GOOD}, {"p": 1}, "case AAAA: nobody reported it"),
        ({"e": GOOD}, {"p": 1, "q": 1}, "1 people were messaged who did nothing"),
        ({"e": GOOD}, {"p": 2}, "case AAAA: its owner got 2 messages"),
        ({"e": GOOD}, {}, "case AAAA: is delivered, and its owner got 0 messages"),
        ({"e": UNCLEAR}, {"p": 1}, "case AAAA: is unknown, and its owner got 1 messages"),
        ({"e": replace(GOOD, history=())}, {"p": 1}, "case AAAA: its timeline does not begin with its report"),
        (
            {"e": replace(GOOD, history=(*HISTORY[:3], *HISTORY[4:]))},
            {"p": 1},
            "case AAAA: its timeline has no way from validated by composed to queued",
        ),
        (
            {"e": replace(GOOD, history=HISTORY[:7])},
            {"p": 1},
            "case AAAA: is delivered, and its timeline ends with accepted",
        ),
    ],
)
def test_each_harm_is_named(cases: dict[str, Ended], told: dict[str, int], fault: str) -> None:
    """A storm that passes because nobody looked closely proves nothing."""
    assert faults({"e": "p"}, cases, told) == (fault,)


def test_everybody_in_town_has_a_plate_and_a_phone_of_their_own() -> None:
    """Two owners with one phone would look like one owner who was told twice."""
    people = range(5000)
    assert len({town.plate(index) for index in people}) == len(people)
    assert len({mobile("+" + town.phone(index)) for index in people}) == len(people)
    assert normalise(town.plate(4321)) == town.plate(4321)
    (one,) = town.incidents([7], town.units(2), NOW)
    assert [len(one.said), one.unit_id, one.phone] == [3, "storm-02", town.phone(7)]


def test_a_storm_is_as_awkward_as_it_says_and_the_same_again() -> None:
    """What a seed found must be found by it again."""
    found = town.outcomes(range(10_000), seed=1)
    kinds = Counter(found.values())
    shares = (kinds["throttled"], kinds["accept_then_hang_up"], kinds["duplicated"] + kinds["shuffled"] + kinds["late"])
    assert [share / 10_000 for share in shares] == pytest.approx([0.10, 0.05, 0.10], abs=0.01)
    assert found == town.outcomes(range(10_000), seed=1)
    assert planned(12, seed=1) == planned(12, seed=1)
    struck = Counter(victim for strike in planned(12, seed=1) for victim in strike.victims)
    assert set(struck) == set(VICTIMS)
    assert struck.total() == 15
