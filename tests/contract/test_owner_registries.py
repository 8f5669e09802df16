"""Where owners are looked up: the snapshot and the registry that is asked say the same, and each awkward answer has its
meaning."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import pytest
from dispatcher_world import NOW, ROOT
from registry_world import PLATE, Service, parsed, serving
from sqlalchemy import select

from dispatcher import owners_http
from dispatcher.errors import StoreError
from dispatcher.keys import Sealer
from dispatcher.owners import Ambiguous, Match, NotFound, OwnerRegistry, SnapshotRegistry, Status, Unavailable
from dispatcher.owners_http import HttpRegistry
from dispatcher.owners_import import import_owners
from dispatcher.schema import lookup
from dispatcher.store import Store, counters
from simulation.certificates import Authority
from simulation.cli import main as simulate
from simulation.registry import Manner, Question

JAKARTA = ZoneInfo("Asia/Jakarta")
HEADER = "plate,name,phone,vehicle_class,plate_colour,status,nik,address,electric,valid_from\n"
MANY = (
    HEADER
    + "B 1234 XYZ,Budi Santoso,0812-3456-7890,passenger,white_on_black,transfer,3171000000000001,Jl. Mawar 1,yes,"
    + "2026-11-01\n"
    + "B 1 A,Siti,,motorcycle,black_on_white,active,,,,\n"
    + "B 2 B,Satu,,bus,black_on_yellow,active,,,,\n"
    + "B 2 B,Dua,,bus,black_on_yellow,sold,,,,\n"
)
Make: TypeAlias = Callable[[str], OwnerRegistry]


@pytest.fixture
def store(sqlite: str) -> Iterator[Store]:
    with closing(Store.open(sqlite)) as store:
        yield store


@pytest.fixture(params=["snapshot", "https"])
def make(request: pytest.FixtureRequest, tmp_path: Path, store: Store) -> Iterator[Make]:
    """Each kind of registry with these owners."""
    with ExitStack() as stack:

        def snapshot(owners: str) -> OwnerRegistry:
            path, sealer = tmp_path / "owners.csv", Sealer(bytes(32))
            path.write_text(owners)
            import_owners(store, sealer, path, NOW, JAKARTA, lambda row: None, lambda rows: None)
            return SnapshotRegistry(store, sealer)

        def https(owners: str) -> OwnerRegistry:
            service = stack.enter_context(serving(tmp_path, owners))
            return stack.enter_context(closing(HttpRegistry(parsed(service.settings()), store, JAKARTA)))

        yield {"snapshot": snapshot, "https": https}[request.param]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with serving(tmp_path) as service:
        yield service


@pytest.fixture
def ask(service: Service, store: Store) -> Iterator[Callable[..., Any]]:
    """Looks the plate up in the registry that is asked."""
    with closing(HttpRegistry(parsed(service.settings()), store, JAKARTA)) as registry:
        yield lambda at=NOW: registry.lookup(PLATE, at, "notice", 7)


def traces(store: Store) -> list[tuple[Any, ...]]:
    with store.reading() as connection:
        rows = connection.execute(select(lookup.c.at, lookup.c.case_id, lookup.c.purpose, lookup.c.outcome))
        return [tuple(row) for row in rows]


def counted(store: Store) -> dict[str, int]:
    with store.reading() as connection:
        return counters(connection)


def test_the_exact_plate_gives_all_that_is_registered(make: Make) -> None:
    """A field that one of them loses is a notice that goes out without need, or not at all."""
    found = make(MANY).lookup("B 1234 XYZ", NOW, "notice", 7)
    assert isinstance(found, Match)
    assert NOW - found.snapshot_at <= timedelta(hours=1)
    owner = found.owner
    assert (owner.name, owner.phone, owner.nik) == ("Budi Santoso", "0812-3456-7890", "3171000000000001")
    assert (owner.vehicle_class, owner.plate_colour, owner.address) == ("passenger", "white_on_black", "Jl. Mawar 1")
    assert (owner.status, owner.electric) == (Status.TRANSFER, True)
    assert owner.valid_from == datetime(2026, 11, 1, tzinfo=JAKARTA)


def test_what_the_registry_leaves_out_is_empty(make: Make) -> None:
    """An owner without a phone is for a person, not a fault."""
    found = make(MANY).lookup("B1A", NOW, "notice", 7)
    assert isinstance(found, Match)
    owner = found.owner
    assert (owner.phone, owner.nik, owner.address, owner.valid_from, owner.electric) == ("", "", "", None, False)


def test_no_owner_and_two_owners_are_told_apart_and_each_look_up_leaves_a_trace(make: Make, store: Store) -> None:
    """A person has to know which of the two it is, and the law who asked for what."""
    registry = make(MANY)
    assert registry.lookup("B9999ZZZ", NOW, "send", 8) == NotFound()
    assert registry.lookup("B2B", NOW, "letter", 9) == Ambiguous(2)
    registry.lookup("B1A", NOW, "reveal", 10)
    assert traces(store) == [
        (NOW, 8, "send", "NotFound"),
        (NOW, 9, "letter", "Ambiguous"),
        (NOW, 10, "reveal", "Match"),
    ]
    assert registry.health()["status"] == "ok"


def test_what_cannot_be_written_down_is_not_handed_out(
    make: Make, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look-up that nobody can be asked about later must not happen."""

    def full(*_: object) -> None:
        raise StoreError("database: database or disk is full; nothing was written")

    registry = make(MANY)
    monkeypatch.setattr(Store, "writing", full)
    assert registry.lookup("B1A", NOW, "notice", 7) == Unavailable("StoreError")


def test_the_question_names_plate_purpose_and_case_in_its_body_alone(
    ask: Callable[..., Any], service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """The registry's audit needs them; addresses and logs are kept and read by many."""
    caplog.set_level(logging.DEBUG)
    assert isinstance(ask(), Match)
    assert isinstance(ask(), Match)
    asked = [question.model_dump() for question in service.registry.inquiries.values()]
    assert asked == [{"plate": PLATE, "purpose": "notice", "case_id": 7}] * 2
    service.answers(Manner.WRONG_FIELD)
    ask()
    told = caplog.text + str([record.__dict__ for record in caplog.records])
    assert "matches: Input should be a valid integer" in told
    for secret in (PLATE, "Budi", "3171000000000001"):  # fewer digits may be a moment's or a thread's
        assert secret not in told


@pytest.mark.parametrize(
    ("file", "folder", "told"),
    [("none.csv", "new", "none.csv: No such file or directory; check"), ("owners.csv", "", "has no registry.crt and")],
)
def test_the_simulated_registry_says_what_it_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, folder: str, told: str
) -> None:
    """Who tries it out must not have to read a traceback."""
    (tmp_path / "owners.csv").write_text(MANY)
    assert simulate(["registry", str(tmp_path / file), "--certificates", str(tmp_path / folder), "--port", "0"]) in (
        2,
        78,
    )
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line


def test_the_documented_question_and_answer_are_the_ones_that_are_spoken(
    ask: Callable[..., Any], service: Service
) -> None:
    """Whoever runs the registry builds it by that page."""
    page = (ROOT / "docs" / "reference" / "registry.md").read_text()
    bodies = re.findall(r"^\{(?:[^\n]*\}|.*?^\})$", page, re.MULTILINE | re.DOTALL)
    question, answer = map(json.loads, bodies)
    assert Question.model_validate(question).plate == PLATE
    service.registry.owners = {PLATE: [answer["registration"]]}
    service.registry.clock = lambda: datetime.fromisoformat(answer["as_of"])
    assert service.registry.answer(PLATE) == answer
    assert isinstance(ask(), Match)


@pytest.mark.parametrize(
    ("manner", "expected"),
    [
        (Manner.AWAY, Unavailable("status_503")),
        (Manner.HANGS_UP, Unavailable("connection")),
        (Manner.FAILS, Unavailable("status_500", answered=True)),
        (Manner.HALF, Unavailable("half_answer", answered=True)),
        (Manner.NO_JSON, Unavailable("not_the_contract", answered=True)),
        (Manner.WRONG_FIELD, Unavailable("not_the_contract", answered=True)),
        (Manner.ANOTHER_PLATE, Unavailable("another_plate", answered=True)),
        (Manner.TOO_LARGE, Unavailable("too_large", answered=True)),
        (Manner.NO_SUCH_PATH, Unavailable("status_404", answered=True)),
        (Manner.ELSEWHERE, Unavailable("status_307", answered=True)),
    ],
)
def test_each_awkward_answer_has_its_name_and_is_counted(
    ask: Callable[..., Any], service: Service, store: Store, manner: Manner, expected: Unavailable
) -> None:
    """A broken registry must neither look like a plate that nobody owns nor name the wrong owner."""
    service.answers(manner)
    assert ask() == expected
    assert counted(store) == {f"registry.{expected.why}": 1}
    assert traces(store) == [(NOW, 7, "notice", "Unavailable")]
    service.answers(Manner.WELL)
    assert isinstance(ask(), Match)


@pytest.mark.parametrize("manner", [Manner.NEVER, Manner.DRIPS])
def test_a_registry_that_is_never_done_is_given_up(service: Service, store: Store, manner: Manner) -> None:
    """One look-up that hangs would hold up all cases behind it."""
    service.answers(manner)
    settings = parsed(service.settings(timeout_s=0.3))
    with closing(HttpRegistry(settings, store, JAKARTA)) as registry:
        assert registry.lookup(PLATE, NOW, "notice", 7) == Unavailable("timeout")


def test_a_page_does_not_wait_for_a_slow_registry_nor_stop_the_work(
    service: Service, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People who open cases must neither look at an empty window nor have the registry left alone because of it."""
    monkeypatch.setattr(owners_http, "_PAGE_TIMEOUT_S", 0.05)
    service.answers(Manner.NEVER)
    with closing(HttpRegistry(parsed(service.settings()), store, JAKARTA)) as registry:
        for _ in range(6):
            assert registry.lookup(PLATE, NOW, "console", 7) == Unavailable("timeout")
        service.answers(Manner.WELL)
        assert isinstance(registry.lookup(PLATE, NOW, "notice", 7), Match)


def test_a_line_that_broke_is_tried_once_more_as_the_same_question(ask: Callable[..., Any], service: Service) -> None:
    """Servers close idle lines just when they are used; that is no outage, and no second inquiry either."""
    service.answers(Manner.HANGS_UP, Manner.WELL)
    assert isinstance(ask(), Match)
    assert (service.registry.calls, len(service.registry.inquiries)) == (2, 1)


def test_a_registry_in_trouble_is_left_alone_and_found_again(service: Service, store: Store) -> None:
    """A thousand waiting cases must not keep it down, and monitoring must see since when it is."""
    service.answers(Manner.FAILS)
    with closing(HttpRegistry(parsed(service.settings()), store, JAKARTA)) as registry:
        found = [registry.lookup(PLATE, NOW + timedelta(seconds=second), "notice", second) for second in range(30)]
        assert found == [Unavailable("status_500", answered=True)] * 5 + [Unavailable("left_alone")] * 25
        assert service.registry.calls == len(traces(store)) == 5
        since = (NOW + timedelta(seconds=4)).isoformat()
        assert registry.health() == {"status": "degraded", "why": "status_500", "since": since}
        service.answers(Manner.WELL)
        assert isinstance(registry.lookup(PLATE, NOW + timedelta(seconds=65), "notice", 7), Match)
        assert registry.health() == {"status": "ok"}


def test_a_dispatcher_that_the_registry_does_not_know_learns_nothing(
    service: Service, store: Store, tmp_path: Path
) -> None:
    """The registry's owners are open to those whose certificate it issued, and to nobody else."""
    stranger = Authority(tmp_path, "stranger").issue("another")
    tls = {**service.settings()["tls"], "cert": str(stranger.cert), "key": str(stranger.key)}
    with closing(HttpRegistry(parsed(service.settings(tls=tls)), store, JAKARTA)) as registry:
        assert registry.lookup(PLATE, NOW, "notice", 7) == Unavailable("connection")
    assert service.registry.calls == 0


def test_a_renewed_certificate_is_shown_without_a_restart(
    service: Service, store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Certificates end in the night; whoever renews them by a timer must not find the look-ups waiting in the morning,
    nor because the timer has just written the one file and not yet the other."""
    own = Authority(tmp_path, "stranger").issue("own")
    tls = {**service.settings()["tls"], "cert": str(own.cert), "key": str(own.key)}
    with closing(HttpRegistry(parsed(service.settings(tls=tls)), store, JAKARTA)) as registry:
        assert registry.lookup(PLATE, NOW, "notice", 7) == Unavailable("connection")
        own.cert.write_bytes(service.client.cert.read_bytes())
        assert registry.lookup(PLATE, NOW, "notice", 7) == Unavailable("connection")
        assert "the old one stays in use" in caplog.text
        own.key.write_bytes(service.client.key.read_bytes())
        assert isinstance(registry.lookup(PLATE, NOW, "notice", 7), Match)


@pytest.mark.parametrize("certificate", [{"days": -1}, {"host": "registry.example.id"}, {"another": True}])
def test_a_registry_that_is_not_the_one_is_told_no_plate(
    store: Store, tmp_path: Path, certificate: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever stands in between could otherwise collect plates, or name an owner."""
    another = certificate.pop("another", False)
    with serving(tmp_path, **certificate) as service:
        settings = service.settings()
        if another:
            settings["tls"]["ca"] = str(Authority(tmp_path, "another").cert)
        with closing(HttpRegistry(parsed(settings), store, JAKARTA)) as registry:
            assert registry.lookup(PLATE, NOW, "notice", 7) == Unavailable("connection")
        assert service.registry.calls == 0
    assert "certificate verify failed" in caplog.records[-1].__dict__["reason"]
