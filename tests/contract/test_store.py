"""One contract for the store on SQLite and PostgreSQL, and what only a server can go through."""

from __future__ import annotations

import errno
import gc
import socket
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from threading import Thread
from typing import Any, TypeAlias

import pytest
from dispatcher_world import NOW, UNIT, event_id, report
from sqlalchemy import event, insert, select

from dispatcher import cases, engine, sends, sightings
from dispatcher.cases import Case, LeaseLost, Moves
from dispatcher.engine import hold, insert_many
from dispatcher.errors import AwayError, StoreError, UnstorableError
from dispatcher.metrics import REGISTRY
from dispatcher.schema import counter, evidence, pause
from dispatcher.store import Store, count, counters, insert_new
from dispatcher.worker import _WORKED
from dispatcher.workflow import LINE, Event, State
from simulation.postgres import Postgres

OpenStore: TypeAlias = Callable[..., Store]
MINUTE = timedelta(minutes=1)


@pytest.fixture
def store(open_store: OpenStore, database: str) -> Store:
    return open_store(database, migrating=True)


def opened(store: Store, number: int = 1) -> Case:
    """A case that waits for a worker."""
    with store.writing() as connection:
        cases.open_cases(connection, [report(number)], NOW)
        case = cases.by_event(connection, UNIT, str(event_id(number)))
        assert case is not None
        return cases.move(connection, case.case_id, Event.EVIDENCE_ARRIVED, NOW)


def claim(store: Store, worker: str, now: datetime = NOW) -> Case | None:
    with store.writing() as connection:
        states = (State.EVIDENCE_COMPLETE, State.VALIDATED)
        return next(iter(cases.claim(connection, states, worker, now, now + MINUTE, limit=1)), None)


def move(store: Store, case: Case, event: Event, **lease: Any) -> Case:
    with store.writing() as connection:
        return cases.move(connection, case.case_id, event, NOW, **lease)


def test_many_rows_come_back_as_they_were_put_in(store: Store) -> None:
    """A tab or a backslash in one name would shift the owners of all plates behind it."""
    names = {"a\tb": 1, "back\\slash": 2, "line\nbreak\r": 3, "\\N": 4, "nilai é": 5}
    with store.writing() as connection:
        insert_many(connection, counter, [{"name": name, "value": value} for name, value in names.items()])
    with store.reading() as connection:
        assert counters(connection) == names


def test_many_rows_that_cannot_be_stored_are_told_as_such(open_store: OpenStore, postgres: str) -> None:
    """An import must end with a reason, and leave the connection good for whoever comes next."""
    store = open_store(postgres, migrating=True)
    with pytest.raises(UnstorableError, match="too long"), store.writing() as connection:
        insert_many(connection, counter, [{"name": "x" * 81, "value": 1}])
    with store.reading() as connection:
        assert counters(connection) == {}


def test_what_a_failed_transaction_counted_never_happened(store: Store) -> None:
    """A plot of moves would count a batch twice each time a deadlock has it done again."""

    def moves() -> float:
        return REGISTRY.get_sample_value("cakra_case_moves_total", {"state": "evidence_complete"}) or 0.0

    def fails() -> None:
        with store.writing() as connection:
            cases.move(connection, case.case_id, Event.FREED, NOW)
            raise LeaseLost("the end of the block is not reached")

    case = opened(store)
    move(store, case, Event.SET_ASIDE)
    before = moves()
    with pytest.raises(LeaseLost):
        fails()
    assert moves() == before
    move(store, case, Event.FREED)
    assert moves() == before + 1


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    """Half a case would be neither worked on nor reported again."""

    def half() -> None:
        with store.writing() as connection:
            cases.open_cases(connection, [report()], NOW)
            raise KeyError

    with pytest.raises(KeyError):
        half()
    with store.reading() as connection:
        assert cases.listed(connection) == ()


def test_a_row_is_inserted_once_and_counted_as_often_as_it_came(store: Store) -> None:
    """Units, brokers and WhatsApp say everything more than once."""
    row = {"scope": "sender", "since": NOW, "code": 1}
    with store.writing() as connection:
        assert insert_new(connection, pause, row)
        assert not insert_new(connection, pause, row)
        count(connection, "seen")
        count(connection, "seen")
    with store.reading() as connection:
        assert counters(connection) == {"seen": 2}


def test_what_is_asked_again_and_again_reads_no_whole_table(open_store: OpenStore, sqlite: str) -> None:
    """A dispatcher that looks at every case it ever had, each time it looks, comes to a stop within a year."""
    asked: list[tuple[str, Any]] = []
    store = open_store(sqlite)
    case = opened(store)
    with store.writing() as connection:
        event.listen(connection, "before_cursor_execute", lambda *told: asked.append(told[2:4]))
        cases.claim(connection, tuple(State), "one", NOW, NOW + MINUTE, limit=32)
        cases.past_deadline(connection, LINE, NOW, limit=100)
        cases.next_time(connection, tuple(State))
        cases.listed(connection)
        sends.next_calls(connection, limit=100)
        sightings.of_plates(connection, [case])
        questions = list(asked)
        plans = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {words}", values) for words, values in questions]
        steps = [row.detail for plan in plans for row in plan]
    assert len(questions) == 7  # the claim is two
    assert [step for step in steps if step.startswith("SCAN") and "USING" not in step] == []


def test_the_oldest_that_wait_are_found_without_sorting_all(open_store: OpenStore, postgres: str) -> None:
    """After a day without a registry each claim of each dispatcher would sort a million cases for a handful."""
    asked: list[tuple[str, Any]] = []
    with open_store(postgres, migrating=True).writing() as connection:
        event.listen(connection, "before_cursor_execute", lambda *told: asked.append(told[2:4]))
        cases.claim(connection, _WORKED, "one", NOW, NOW + MINUTE, limit=32)
        (words, values), *_ = asked
        for way in ("seqscan", "sort"):  # of an empty table they are the cheapest
            connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {words}", values).scalars())
    assert "cases_to_work" in plan
    assert "Sort" not in plan


def test_many_rows_are_kept_as_they_were_said(store: Store) -> None:
    """On a server they travel as one document: no quote, no moment and nothing missing may come back as another."""
    whys = ["", 'it\'s "so" \\ {1}, 100 %s :x', "jalan\nSudirman\t\u00e9\u2013\U0001f697", "null"]
    jakarta = NOW.astimezone(timezone(timedelta(hours=7))) + timedelta(microseconds=7)
    case = opened(store)
    with store.writing() as connection:
        moves = Moves(connection, [case.case_id])
        for why in whys:
            moves.note(case.case_id, "noted", jakarta, "machine", why)
        moves.write()
        sends.start_attempts(connection, {case.case_id: "ntf_1"}, jakarta)
        noted = cases.history(connection, case.case_id)[-len(whys) :]
        (attempt,) = sends.attempts_of(connection, case.case_id)
    assert [entry.why for entry in noted] == whys
    assert {entry.at for entry in noted} == {attempt.started_at} == {jakarta}
    assert (attempt.ended_at, attempt.wamid, attempt.code) == (None, None, None)


def test_a_moment_comes_back_as_it_went_in(store: Store) -> None:
    """A deadline that shifts by a time zone accuses an owner a day early."""
    jakarta = datetime(2026, 11, 23, 8, 0, 0, 123456, tzinfo=timezone(timedelta(hours=7)))
    with store.writing() as connection:
        connection.execute(insert(pause).values(scope="sender", since=jakarta, code=1))
    with store.reading() as connection:
        assert connection.scalar(select(pause.c.since)) == jakarta.astimezone(UTC)


def test_a_view_stays_as_it_was_while_others_write(store: Store) -> None:
    """A page whose counts and rows are of two moments does not add up."""
    with store.reading() as connection:
        before = counters(connection)
        with store.writing() as other:
            count(other, "seen")
        assert counters(connection) == before


def test_an_error_tells_no_values(store: Store) -> None:
    """Errors are logged, and values are plates and phones."""
    row = {"scope": "B1234XYZ", "since": NOW, "code": 1}

    def twice() -> None:
        with store.writing() as connection:
            connection.execute(insert(pause).values(**row))
            connection.execute(insert(pause).values(**row))

    with pytest.raises(StoreError) as caught:
        twice()
    assert str(caught.value).startswith("database: ")
    assert "B1234XYZ" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_values_that_a_server_does_not_hold_are_told_apart_from_faults(open_store: OpenStore, postgres: str) -> None:
    """A message that can never be stored must be refused for good, not sent again for ever."""
    store = open_store(postgres, migrating=True)
    row = {"unit_id": UNIT, "event_id": str(event_id()), "sha256": "0" * 64, "media_type": "image/jpeg"}

    def keep(**values: Any) -> None:
        with store.writing() as connection:
            sized = {"role": "plate", "size_bytes": 1, "path": "p", "received_at": NOW}
            connection.execute(insert(evidence).values(**row, **{**sized, **values}))

    for values in ({"path": "long" * 100}, {"path": "nul\0"}, {"size_bytes": 2**40}):
        with pytest.raises(UnstorableError):
            keep(**values)
    keep()


def test_a_claimed_case_is_given_to_nobody_else_until_its_lease_is_over(store: Store) -> None:
    """Two workers on one case write to its owner twice; a case whose worker died must not wait for ever."""
    opened(store)
    first = claim(store, "one")
    assert first is not None
    assert (first.worker, first.lease_until) == ("one", NOW + MINUTE)
    assert claim(store, "two") is None
    again = claim(store, "two", NOW + MINUTE)
    assert again is not None
    assert again.case_id == first.case_id


def test_a_worker_that_was_overtaken_cannot_move_the_case(store: Store) -> None:
    """A machine that slept through its lease must not go on as if nothing had happened."""
    opened(store)
    case = claim(store, "one")
    assert case is not None
    claim(store, "two", NOW + MINUTE)
    with pytest.raises(LeaseLost):
        move(store, case, Event.PASSED, holder="one")
    with store.writing() as connection:
        moves = Moves(connection, [case.case_id])
        moves.put_off(case.case_id, NOW + timedelta(days=1), "one")
        moves.write()
    moved = move(store, case, Event.PASSED, holder="two", keep_until=NOW + 3 * MINUTE)
    assert (moved.worker, moved.lease_until, moved.next_at) == ("two", NOW + 3 * MINUTE, None)


def test_whoever_else_moves_a_case_ends_its_lease(store: Store) -> None:
    """What a person has withdrawn must not go out because a worker had it in hand."""
    opened(store)
    case = claim(store, "one")
    assert case is not None
    assert move(store, case, Event.WAS_WITHDRAWN).worker is None
    with pytest.raises(LeaseLost):
        move(store, case, Event.PASSED, holder="one")


def test_a_restarted_worker_takes_up_at_once_what_it_held(store: Store) -> None:
    """A crash must not cost each case a lease."""
    opened(store)
    claim(store, "one")
    with store.writing() as connection:
        cases.release(connection, (State.EVIDENCE_COMPLETE,), "one")
    assert claim(store, "one") is not None


def test_a_case_that_another_transaction_is_claiming_is_passed_over(open_store: OpenStore, postgres: str) -> None:
    """Workers that queued behind each other's claims would share no load."""
    store = open_store(postgres, migrating=True)
    oldest, next_one = opened(store, 1), opened(store, 2)
    with store.writing() as connection:
        (first,) = cases.claim(connection, (State.EVIDENCE_COMPLETE,), "one", NOW, NOW + MINUTE, limit=1)
        second = claim(store, "two")
    assert second is not None
    assert (first.case_id, second.case_id) == (oldest.case_id, next_one.case_id)


def test_a_hold_ends_with_its_transaction(store: Store) -> None:
    """Intake would stop for ever behind one that was not let go."""
    for _ in range(2):
        with store.writing() as connection:
            hold(connection, "unit/event")
            hold(connection, "unit/event")


def test_what_nobody_can_mend_by_waiting_is_told_apart(store: Store) -> None:
    """A dispatcher that waits for its own bug to pass looks well and does nothing."""

    def ask_nonsense() -> None:
        with store.reading() as connection:
            connection.exec_driver_sql("SELECT nothing FROM nowhere")

    with pytest.raises(StoreError) as caught:
        ask_nonsense()
    assert not isinstance(caught.value, AwayError)


def test_a_file_that_another_process_holds_is_waited_for(
    open_store: OpenStore, sqlite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup that locks the file for a minute must not end the dispatcher."""
    monkeypatch.setattr(engine, "_BUSY_TIMEOUT_S", 0)
    store = open_store(sqlite)

    def wait_in_vain() -> None:
        with store.writing() as connection, open_store(sqlite).writing():
            count(connection, "never")

    with pytest.raises(AwayError, match="database is locked"):
        wait_in_vain()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_server_that_hangs_up_on_a_greeting_is_waited_for(open_store: OpenStore) -> None:
    """A server that is killed just then would end the dispatcher with it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            caller, _ = server.accept()
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            caller.close()

        thread = Thread(target=hang_up)
        thread.start()
        with pytest.raises(AwayError, match=r"^database: "):
            open_store(f"postgresql://cakra@127.0.0.1:{server.getsockname()[1]}/cakra")
        thread.join()
    gc.collect()  # the driver leaves a socket that was no connection yet to the collector, which complains of it


def test_a_connection_that_is_reset_is_waited_for(open_store: OpenStore, postgres: str) -> None:
    """A server that is killed between a question and its answer would end the dispatcher with it."""

    class Reset:
        def write(self, _data: bytes) -> None: ...
        def flush(self) -> None: ...
        def read(self, _size: int) -> bytes:
            raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

    def reset(store: Store) -> None:
        with store.writing() as connection:
            connection.connection.dbapi_connection._sock = Reset()  # type: ignore[union-attr]
            counters(connection)

    store = open_store(postgres, migrating=True)
    with pytest.raises(AwayError, match="network error"):
        reset(store)
    with store.reading() as connection:
        assert counters(connection) == {}


def test_a_server_that_was_killed_costs_what_was_not_committed_and_no_more(
    mortal_server: Postgres, open_store: OpenStore
) -> None:
    """The dispatcher must live through its database's restart, and must never take a fault for a success."""
    store = open_store(mortal_server.create(), migrating=True)
    with store.writing() as connection:
        count(connection, "kept")

    def killed() -> None:
        with store.writing() as connection:
            count(connection, "lost")
            mortal_server.kill()

    def read() -> dict[str, int]:
        with store.reading() as connection:
            return counters(connection)

    with pytest.raises(AwayError, match=r"^database: "):
        killed()
    with pytest.raises(AwayError, match=r"^database: "):
        read()
    mortal_server.start()
    assert read() == {"kept": 1}
    with store.reading() as connection:
        assert connection.scalar(select(counter.c.value)) == 1
