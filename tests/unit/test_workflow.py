"""The workflow table: what may happen to a case, and what late news may not do."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from dispatcher import cases
from dispatcher.workflow import CLOSED, LINE, NEWS, TABLE, TOLD, Event, IllegalMove, State, advance, diagram

DISPATCHER = Path(cases.__file__).parent
GOOD_DAY = (
    (Event.EVIDENCE_ARRIVED, State.EVIDENCE_COMPLETE),
    (Event.PASSED, State.VALIDATED),
    (Event.OWNER_FOUND, State.OWNER_RESOLVED),
    (Event.COMPOSED, State.QUEUED),
    (Event.ATTEMPTED, State.SENDING),
    (Event.WAS_ACCEPTED, State.ACCEPTED),
    (Event.WAS_SENT, State.SENT),
    (Event.WAS_DELIVERED, State.DELIVERED),
    (Event.WAS_READ, State.READ),
    (Event.OWNED_UP, State.CONFIRMED),
)


def follow(state: State, *events: Event) -> State:
    for event in events:
        state = advance(state, event)
    return state


def test_a_case_that_goes_well_walks_the_line() -> None:
    """A violation without doubts must end as confirmed without a person."""
    state = State.RECEIVED
    for event, expected in GOOD_DAY:
        state = advance(state, event)
        assert state is expected


def test_every_state_is_reached_and_every_move_is_in_the_table() -> None:
    """A state nobody can reach or a row forgotten would hide cases from the console's queues."""
    targets = {target for row in TABLE.values() for target in row.values()}
    assert set(TABLE) == set(State)
    assert targets | {State.RECEIVED} == set(State)


@pytest.mark.parametrize("order", list(permutations((Event.WAS_SENT, Event.WAS_DELIVERED, Event.WAS_READ))))
def test_statuses_in_any_order_end_at_read(order: tuple[Event, ...]) -> None:
    """WhatsApp's calls come unordered; a message that was read must never be shown as merely sent."""
    assert follow(State.ACCEPTED, *order, *order) is State.READ


def test_delivered_may_be_skipped() -> None:
    """Some phones report read without delivered."""
    assert follow(State.ACCEPTED, Event.WAS_SENT, Event.WAS_READ) is State.READ


@pytest.mark.parametrize("state", sorted(CLOSED | set(LINE)))
@pytest.mark.parametrize("event", sorted(NEWS))
def test_late_news_never_moves_a_case_backwards(state: State, event: Event) -> None:
    """A status that comes after the answer must not undo the answer."""
    after = advance(state, event)
    if state in CLOSED or event not in (Event.UNREACHABLE, Event.REFUSED, Event.DEFERRED):
        assert (state in CLOSED and after is state) or LINE.index(after) >= LINE.index(state)


def test_unknown_is_left_by_news_or_by_a_person_alone() -> None:
    """A timer that resent an unclear message could message an owner twice."""
    assert advance(State.UNKNOWN, Event.WAS_DELIVERED) is State.DELIVERED
    assert advance(State.UNKNOWN, Event.RESEND_ORDERED) is State.QUEUED
    for event in (Event.ATTEMPTED, Event.COMPOSED, Event.DEADLINE_PASSED):
        with pytest.raises(IllegalMove):
            advance(State.UNKNOWN, event)


def test_time_runs_only_against_an_owner_who_was_told() -> None:
    """A deadline that passes before the letter is posted must not count as the owner's silence."""
    for state in State:
        if state in TOLD:
            assert advance(state, Event.DEADLINE_PASSED) is State.EXPIRED
        else:
            with pytest.raises(IllegalMove):
                advance(state, Event.DEADLINE_PASSED)


def test_nothing_but_the_table_moves_a_case() -> None:
    """A state set by hand would have no line in the timeline, and no reason."""
    writers = [path.name for path in DISPATCHER.rglob("*.py") if "update(cases" in path.read_text()]
    assert writers == ["cases.py"]
    assert "state" not in cases.Changes.__annotations__


def test_news_of_the_first_message_stops_the_second() -> None:
    """When a resend was ordered and the first message turns out to have arrived, it is not sent again."""
    assert follow(State.UNKNOWN, Event.RESEND_ORDERED, Event.WAS_DELIVERED) is State.DELIVERED


def test_a_dispute_is_always_heard() -> None:
    """An owner who first pressed the wrong button must be able to say so."""
    assert follow(State.READ, Event.OWNED_UP, Event.DENIED) is State.DISPUTED
    assert follow(State.READ, Event.DENIED, Event.OWNED_UP) is State.DISPUTED


def test_an_impossible_event_says_what_and_where() -> None:
    """An operator who acts on a page that is out of date must be told why nothing happened."""
    with pytest.raises(IllegalMove, match="a case that is withdrawn cannot be approved"):
        advance(State.WITHDRAWN, Event.APPROVED)


def test_the_diagram_shows_every_move() -> None:
    """The documentation's picture is drawn from the table, so it cannot lie."""
    text = diagram()
    for state, row in TABLE.items():
        for target in row.values():
            assert f"{state} --> {target}: " in text
