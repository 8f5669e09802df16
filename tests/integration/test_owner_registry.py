"""A dispatcher that asks its registry: cases wait for one that is away, and go to a person when it answers wrongly."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from console_world import World, form
from dispatcher_world import OWNERS
from registry_world import PLATE, Service, serving

from dispatcher import cases
from dispatcher.access.roles import Role
from dispatcher.workflow import State
from simulation.registry import Manner

HEADER, ROW = OWNERS.splitlines()


class Centre:
    """A dispatcher in this process and the registry that it asks."""

    def __init__(self, world: World, service: Service) -> None:
        self.world = world
        self.service = service

    def work(self, after: timedelta = timedelta()) -> State:
        self.world.now += after
        self.world.work()
        with self.world.store.reading() as connection:
            (case,) = cases.listed(connection)
        return case.state

    def calls(self) -> int:
        return self.service.registry.calls


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Centre]]:
    with ExitStack() as stack:

        def make(owners: str = OWNERS) -> Centre:
            service = stack.enter_context(serving(tmp_path, owners))
            world = World(tmp_path, owners={"registry": service.settings()})
            stack.callback(world.close)
            return Centre(world, service)

        yield make


def test_a_case_finds_its_owner_in_the_registry(make: Callable[..., Centre]) -> None:
    """A look-up says what for; one that is a while back is made again before the send, since owners change."""
    centre = make()
    reference = centre.world.arrive()
    assert centre.work() is State.QUEUED  # WhatsApp is away
    assert centre.work(timedelta(minutes=15)) is State.QUEUED
    asked = [question.purpose for question in centre.service.registry.inquiries.values()]
    assert asked == ["notice", "send"]
    assert "B••• S••••••" in centre.world.web.get(f"/cases/{reference}").text
    health = centre.world.web.get("/health").json()
    assert (health["status"], health["registry"]) == ("ok", {"status": "ok"})


def test_while_the_registry_is_away_cases_wait_ever_longer_and_then_go_on(make: Callable[..., Centre]) -> None:
    """An outage must cost neither a case nor a person's time, nor be made worse by whoever waits for its end."""
    centre = make()
    centre.service.answers(Manner.AWAY)
    centre.world.arrive()
    for _ in range(120):
        assert centre.work(timedelta(seconds=30)) is State.VALIDATED
    assert 6 < centre.calls() < 20
    health = centre.world.web.get("/health")
    assert health.status_code == 200  # what comes in is stored; a proxy in front must not take it out of service
    assert health.json()["status"] == "degraded"
    assert set(health.json()["registry"]) == {"status", "why", "since"}
    assert "\ncakra_registry_up 0.0\n" in centre.world.web.get("/metrics").text
    centre.service.answers(Manner.WELL)
    assert centre.work(timedelta(minutes=15)) is State.QUEUED
    assert centre.world.web.get("/health").json()["status"] == "ok"


def test_a_plate_for_which_the_registry_answers_wrongly_goes_to_a_person(make: Callable[..., Centre]) -> None:
    """One broken record must not be asked for ever, nor be forgotten; and approving has it asked again."""
    centre = make()
    centre.service.answers(Manner.FAILS)
    reference = centre.world.arrive()
    while centre.work(timedelta(minutes=15)) is State.VALIDATED:
        assert centre.calls() < 8
    assert (centre.work(), centre.calls()) == (State.REVIEW, 8)
    assert centre.world.web.get("/health").json()["status"] == "ok"  # one broken record wakes nobody
    metrics = centre.world.web.get("/metrics").text
    assert "\ncakra_registry_up 1.0\n" in metrics
    assert 'cakra_lookup_seconds_count{outcome="wrong_answer"}' in metrics
    centre.world.web = centre.world.browser(Role.SUPERVISOR, "the next shift")
    page = centre.world.web.get(f"/cases/{reference}").text
    assert "The registry gives no usable answer for this plate" in page
    centre.service.answers(Manner.WELL)
    path = f"/cases/{reference}/approve"
    assert centre.world.web.post(path, data=form(centre.world, path)).status_code == 303
    assert centre.work(timedelta(minutes=1)) is State.QUEUED


def test_a_page_never_hangs_with_the_registry(make: Callable[..., Centre]) -> None:
    """Who decides about a case must have its pictures, though the registry takes every call and answers none."""
    centre = make()
    reference = centre.world.arrive()
    centre.service.answers(Manner.NEVER)
    begun = time.monotonic()
    page = centre.world.web.get(f"/cases/{reference}")
    assert time.monotonic() - begun < 5  # the registry's own timeout is 10
    assert page.status_code == 200
    assert "The registry cannot be asked now." in page.text


@pytest.mark.parametrize(
    ("owners", "reason"),
    [
        (OWNERS + ROW + "\n", "owner_ambiguous"),
        (OWNERS.replace("1234", "1235"), "owner_not_found"),
        (OWNERS.replace("active", "transfer"), "sold_or_in_transfer"),
        (f"{HEADER},valid_from\n{ROW},2026-12-01\n", "registered_after_violation"),
    ],
)
def test_an_owner_who_is_not_surely_the_one_is_for_a_person(
    make: Callable[..., Centre], owners: str, reason: str
) -> None:
    """Two owners, none, one who has sold, one who bought later: none of them may be accused by a machine."""
    centre = make(owners)
    centre.world.arrive()
    assert centre.work() is State.REVIEW
    assert centre.world.cases()[0]["reasons"] == [reason]
    assert PLATE not in str(centre.world.cases())
