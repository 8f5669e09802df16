"""The numbers that matter: counted right on either database, and shown as plots that can be read as tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from console_world import World
from dispatcher_world import accepted, report
from sqlalchemy import Connection

import dispatcher.numbers
from dispatcher import cases
from dispatcher.access.roles import Role
from dispatcher.console.plots import HEIGHT, WIDTH, chart
from dispatcher.numbers import Counts, KeptNumbers, numbers
from dispatcher.store import Store
from dispatcher.workflow import Event

WIB = ZoneInfo("Asia/Jakarta")
SENT = (Event.EVIDENCE_ARRIVED, Event.PASSED, Event.OWNER_FOUND, Event.COMPOSED, Event.ATTEMPTED, Event.WAS_ACCEPTED)
LAST_SECOND = datetime(2026, 11, 23, 16, 59, 59, tzinfo=UTC)
"""Of 23 November in Jakarta."""


def happen(connection: Connection, number: int, at: datetime, *more: Event, wait_s: int = 60, **changes: str) -> None:
    """A case to which events happened, WhatsApp's acceptance among them; its message arrives after so many seconds."""
    said = report(number, at, **changes)
    cases.open_cases(connection, [said], at)
    case = cases.by_event(connection, said.unit_id, str(said.event_id))
    assert case is not None
    for event in more:
        then = at + timedelta(seconds=1 + wait_s * (event not in SENT))
        cases.move(connection, case.case_id, event, then)
    if Event.WAS_ACCEPTED in more:
        accepted(connection, case.case_id, at, f"wamid.{number}")


def fill(connection: Connection) -> None:
    """Two days, two units, two rules."""
    happen(connection, 1, LAST_SECOND, *SENT, Event.WAS_DELIVERED, Event.OWNED_UP, wait_s=30)
    happen(connection, 2, LAST_SECOND, *SENT, Event.WAS_READ, Event.DENIED, wait_s=90)
    happen(connection, 3, LAST_SECOND, *SENT, Event.WAS_DELIVERED, Event.DENIED, Event.WAS_WITHDRAWN, wait_s=600)
    next_second = LAST_SECOND + timedelta(seconds=1)
    happen(connection, 4, next_second, Event.EVIDENCE_ARRIVED, Event.WAS_WITHDRAWN, unit_id="unit-02", kind="speed")


def test_the_numbers_are_those_of_the_cases(database: str, open_store: Callable[..., Store]) -> None:
    """Who answers for the service answers with these numbers: days are Jakarta's, and a withdrawn dispute is a wrong
    accusation."""
    store = open_store(database, migrating=True)
    with store.writing() as connection:
        fill(connection)
    first, last = date(2026, 11, 22), date(2026, 11, 24)
    with store.reading() as connection:
        found = numbers(connection, first, last, WIB)
        of_unit = numbers(connection, first, last, WIB, unit_id="unit-02").total
        of_kind = numbers(connection, first, last, WIB, kind="odd_even").total
    busy = Counts(captured=3, told=3, confirmed=1, disputed=2, wronged=1, median_s=90, slow_s=600)
    quiet = Counts(captured=1)
    assert dict(found.by_day) == {first: Counts(), date(2026, 11, 23): busy, last: quiet}
    assert found.by_unit == {"unit-01": busy, "unit-02": quiet}
    assert found.by_kind == {"odd_even": busy, "speed": quiet}
    assert (found.total.captured, found.total.wrong_share) == (4, pytest.approx(1 / 3))
    assert (of_unit, of_kind) == (quiet, busy)


def test_the_numbers_of_many_violations_are_counted_once_a_minute(
    sqlite: str, open_store: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten people who look at a busy fortnight at once must not hold up the database, nor see it as it was yesterday."""
    store, now_s, day = open_store(sqlite), 0.0, date(2026, 11, 23)
    kept = KeptNumbers(store, clock=lambda: now_s)
    with store.writing() as connection:
        happen(connection, 1, LAST_SECOND)
    assert kept.numbers(day, day, WIB).total.captured == 1
    monkeypatch.setattr(dispatcher.numbers, "_MANY", 2)
    for number, seen in ((2, 2), (3, 2)):
        with store.writing() as connection:
            happen(connection, number, LAST_SECOND)
        assert kept.numbers(day, day, WIB).total.captured == seen
    assert kept.numbers(day, day, WIB, kind="odd_even").total.captured == 3
    now_s = 60.0
    assert kept.numbers(day, day, WIB).total.captured == 3


def test_the_page_shows_them_to_every_role_without_script(world: World) -> None:
    """Also an admin, who sees no case, and a reader who sees no plot, get every number."""
    with world.store.writing() as connection:
        fill(connection)
    world.now = LAST_SECOND
    for role in Role:
        page = world.browser(role).get("/numbers").text
        assert page.count('role="img"') == 3
        assert page.count("<rect") > 3
        for shown in ("Mon 23 Nov 2026", "Sudirman 1", "Odd-even", "33.33 %", ">1.5<", ">10.0<"):
            assert shown in page, shown
        assert not re.search(r"<script|style=|B1234XYZ|B 1234 XYZ", page)
    assert "Speed</th>" not in page


@pytest.mark.parametrize(
    "query", ["from=2026-11-24&to=2026-11-23", "from=x", "from=2020-01-01", "to=0001-01-01", "from=9999-12-31"]
)
def test_a_range_that_is_none_is_told(world: World, query: str) -> None:
    """A slip of the finger gets a sentence, not an error, and not years of data."""
    answer = world.web.get(f"/numbers?{query}")
    assert answer.status_code == 400
    assert "more than 92" in answer.text


def test_what_is_chosen_stays_chosen(world: World) -> None:
    """Whoever compares two units need not type the days again."""
    page = world.web.get("/numbers?from=2026-11-20&to=2026-11-23&unit=unit-01&kind=speed").text
    assert 'value="2026-11-20"' in page
    assert re.search(r'value="unit-01" selected', page)
    assert re.search(r'value="speed" selected', page)


@pytest.mark.parametrize(
    ("most", "ticks"),
    [
        (0, ["0", "1"]),
        (3, ["0", "1", "2", "3"]),
        (7, ["0", "2", "4", "6", "8"]),
        (150_210, ["0", "50000", "100000", "150000", "200000"]),
    ],
)
def test_a_scale_reads_in_round_numbers(most: float, ticks: list[str]) -> None:
    """A value can be read off a plot only if its lines stand at round numbers and hold the highest bar."""
    drawn = chart([("a", (most, None)), ("b", (most / 2, 0.0))], "{:.0f}".format)
    assert [text for _, text in drawn.ticks] == ticks
    for bar in drawn.bars:
        assert bar.y >= 0
        assert bar.y + bar.height < HEIGHT
        assert bar.x + bar.width <= WIDTH


def test_many_days_get_few_names() -> None:
    """Three months of names on one line could not be read."""
    drawn = chart([(str(day), (1.0,)) for day in range(92)], str)
    assert len(drawn.labels) <= 10
    assert len(drawn.bars) == 92
