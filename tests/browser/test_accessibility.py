"""Every page against axe-core's rules for WCAG 2.1 A and AA, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from console_world import World
from dispatcher_world import NOW, UNIT, accepted, enter

from dispatcher import cases, decisions, sends
from dispatcher.access.audit import Actor, Audit
from dispatcher.access.roles import Role
from dispatcher.cases import Case
from dispatcher.console.guard import RULES
from dispatcher.proposals import TwoPersons
from dispatcher.workflow import Event, State
from simulation.browser import Page
from simulation.whatsapp.server import running
from wire.messages import Verdict

AXE = (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
FIND = """
axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
  .then(found => found.violations.flatMap(each => each.nodes.map(node => each.id + ": " + node.html.slice(0, 150))))
"""
NO_PAGES = {
    "/health",
    "/metrics",
    "/webhook",
    "/api/cases.json",
    "/static/{name}",
    "/cases/{reference}/evidence/{role}",
    "/k/bukti/{ticket}/{role}",
}
ANA = Actor(name="ana")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    folder = tmp_path / "dispatcher"
    folder.mkdir()
    world = World(folder, review={"two_persons": ["unit.skewed"]})
    yield world
    world.close()


def found(world: World, reference: str) -> Case:
    with world.store.reading() as connection:
        case = cases.by_reference(connection, reference)
    assert case is not None
    return case


def a_day(world: World) -> dict[str, Case]:
    """Some of everything that pages show: doubt, a proposal, a failure, a dispute, a pause, a held unit."""
    doubtful, proposed, failed, told = (
        found(world, world.arrive(number, verdict=Verdict.REVIEW if reasons else Verdict.ACCEPTED, reasons=reasons))
        for number, reasons in enumerate((("low_confidence",), ("skewed",), (), ()), start=1)
    )
    audit, now = Audit(bytes(32)), NOW
    two = TwoPersons(frozenset({"unit.skewed"}))
    decisions.decide(world.store, audit, proposed, "correct", ANA, "a 3", now, plate="B1234XYY", two=two)
    with world.store.writing() as connection:
        deadline = NOW + timedelta(days=9)
        for case in (failed, told):
            cases.move(connection, case.case_id, Event.ATTEMPTED, NOW, deadline=deadline)
        cases.move(connection, failed.case_id, Event.REFUSED, NOW, reasons="whatsapp.131009")
        accepted(connection, told.case_id, NOW, "wamid.1")
        cases.move(connection, told.case_id, Event.WAS_READ, NOW)
        sends.stop(connection, sends.SENDER, 131031, NOW)
    world.dispatcher.units.hold(ANA, UNIT, "lens turned", NOW)
    return {"doubtful": doubtful, "proposed": proposed, "failed": failed, "told": told}


class Walk:
    """Opens pages in the browser and remembers which, and what is wrong with them."""

    def __init__(self, page: Page, world: World, address: str) -> None:
        self._page = page
        self._world = world
        self._address = address
        self.seen: set[str] = set()
        self.wrong: list[str] = []

    def be(self, role: Role) -> None:
        """Somebody of this role from now on."""
        token = enter(self._world.store, role, now=self._world.now)
        self._page.call("Network.setCookie", name=self._world.cookie, value=token, url=self._address)

    def look(self, route: str, query: str = "", **parts: Any) -> None:
        path = route.format(**parts) + query
        self._page.open(self._address + path)
        assert self._page.run("performance.getEntriesByType('navigation')[0].responseStatus") < 400, path
        self.seen.add(route)
        self.examine(path)

    def examine(self, what: str) -> None:
        """The page that is open."""
        self._page.run(AXE + "; true")
        answer = self._page.call("Runtime.evaluate", expression=FIND, awaitPromise=True, returnByValue=True)
        self.wrong += [f"{what}: {each}" for each in answer["result"]["value"]]


def test_no_page_shuts_anybody_out(page: Page, world: World) -> None:
    """Operators and owners who see badly, use no mouse or listen to a page can work and answer like all others."""
    of = a_day(world)
    with running(world.dispatcher.web) as address:
        walk = Walk(page, world, address)
        walk.look("/login")
        walk.be(Role.SUPERVISOR)
        for query in ("", "?state=review", "?state=review&reason=unit.skewed", "?state=dead", "?state=confirmed"):
            walk.look("/", query)
        walk.look("/numbers")
        walk.look("/resend")
        for case in of.values():
            walk.look("/cases/{reference}", reference=case.reference)
        decided = {"doubtful": ("approve", "correct", "withdraw"), "proposed": ("agree", "disagree")}
        for name, names in {**decided, "failed": ("resend",), "told": ("owner",)}.items():
            for decision in names:
                walk.look(f"/cases/{{reference}}/{decision}", reference=of[name].reference)
        for route in ("/units", "/audit", "/account", "/account/password", "/account/totp"):
            walk.look(route)
        walk.be(Role.ADMIN)
        walk.look("/users")
        walk.look("/k")
        walk.look("/k/{reference}", reference=of["told"].reference)
        for plate in ("B 1 A", "B 1234 XYZ"):
            page.run('document.getElementById("plate").value = ""; document.getElementById("plate").focus()')
            page.type(plate)
            page.press("Enter")
            page.settle()
            walk.examine(f"/k with {plate}")
        assert page.run("location.pathname").startswith("/k/bukti/")
        walk.seen.add("/k/bukti/{ticket}")
    assert found(world, of["told"].reference).state is State.READ
    assert walk.wrong == []
    assert {path for method, path in RULES if method == "GET"} - NO_PAGES - walk.seen == set()
