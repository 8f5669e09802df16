"""The census: right for a small office at each look, and no burden for a large one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from dispatcher_world import NOW, UNIT, event_id, report

from dispatcher import cases, census
from dispatcher.census import WAITING, Census
from dispatcher.store import Store
from dispatcher.worker import _WORKED
from dispatcher.workflow import Event, State


@pytest.fixture
def store(open_store: Callable[..., Store], sqlite: str) -> Store:
    return open_store(sqlite)


def withdraw(store: Store, number: int) -> None:
    """Open a case and end it."""
    with store.writing() as connection:
        cases.open_cases(connection, [report(number)], NOW)
        case = cases.by_event(connection, UNIT, str(event_id(number)))
        assert case is not None
        cases.move(connection, case.case_id, Event.WAS_WITHDRAWN, NOW)


def told(store: Store, counted: Census) -> dict[State, int]:
    with store.reading() as connection:
        return {state: number for state, (number, _) in counted.tally(connection).items()}


def test_few_cases_are_counted_each_time(store: Store) -> None:
    """A person who has just closed a case sees it counted."""
    counted = Census(clock=lambda: 0.0)
    for number in (1, 2):
        withdraw(store, number)
        assert told(store, counted) == {State.WITHDRAWN: number}


def test_of_many_cases_those_that_are_over_are_counted_now_and_then(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a million cases each page, scrape and look at the health would read them all; what waits for somebody is
    right all the same."""
    now_s = 0.0
    monkeypatch.setattr(census, "_MANY", 1)
    counted = Census(clock=lambda: now_s)
    withdraw(store, 1)
    assert told(store, counted) == {State.WITHDRAWN: 1}
    withdraw(store, 2)
    with store.writing() as connection:
        cases.open_cases(connection, [report(3)], NOW)
    assert told(store, counted) == {State.WITHDRAWN: 1, State.RECEIVED: 1}
    now_s = 10.0
    assert told(store, counted) == {State.WITHDRAWN: 2, State.RECEIVED: 1}


def test_what_a_worker_takes_is_counted_as_waiting() -> None:
    """A queue that grows must be seen as it grows."""
    assert set(_WORKED) < set(WAITING)
