"""Delivery under any order of answers, silence and time."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.delivery import Change, Policy, Publish, Row, State, next_task, on_ack
from wire.messages import Ack, AckResult

POLICY = Policy(window=3, ack_timeout_s=5)
ANSWERS = [
    (AckResult.STORED, False),
    (AckResult.DUPLICATE, False),
    (AckResult.REJECTED, True),
    (AckResult.REJECTED, False),
]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.floats(0.1, 700)),
        st.tuples(st.just("work"), st.booleans()),
        st.tuples(st.just("answer"), st.integers(0, 7), st.sampled_from(ANSWERS)),
    ),
    max_size=60,
)


def fresh(number: int) -> Row:
    return Row(row_id=number, event_id=UUID(int=number), sha256=f"{number:064x}", evidence=None, size_bytes=2000)


def work(rows: dict[int, Row], now_s: float, *, silent: bool) -> None:
    """Do as the uplink does until there is nothing to do now; what is finished is never published."""
    for _ in range(1000):
        task = next_task(tuple(rows.values()), now_s, POLICY, silent=silent)
        if not isinstance(task, Publish | Change):
            return
        before = rows[task.row.row_id]
        assert before.state not in (State.ACKED, State.DEAD)
        if isinstance(task, Publish):
            assert task.row.attempts == before.attempts + 1
        rows[task.row.row_id] = task.row
    raise AssertionError("there is no end to the work")


@settings(max_examples=50, deadline=None)
@given(STEPS)
def test_nothing_vanishes_and_no_more_than_the_window_is_in_flight(steps: list[tuple]) -> None:  # type: ignore[type-arg]
    """Some order of lost answers, refusals and waits would lose a violation or flood the connection."""
    rows = {number: fresh(number) for number in range(8)}
    now_s = 0.0
    for step in steps:
        done = {number for number, row in rows.items() if row.state is State.ACKED}
        match step:
            case ("pass", seconds):
                now_s += seconds
            case ("work", silent):
                work(rows, now_s, silent=silent)
            case ("answer", number, (result, retryable)):
                row = rows[number]
                word = Ack(event_id=row.event_id, sha256=row.sha256, result=result, retryable=retryable)
                rows[number] = on_ack(row, word, now_s, POLICY)
        assert len(rows) == 8
        assert sum(row.state is State.SENT for row in rows.values()) <= POLICY.window
        assert all(rows[number].state is State.ACKED for number in done)


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(0, 7)), st.integers(0, 6))
def test_everything_arrives_once_the_dispatcher_answers(silent_to: set[int], lost: int) -> None:
    """A row would be forgotten after its answers were lost some times."""
    rows = {number: fresh(number) for number in range(8)}
    now_s = 0.0
    for _ in range(200):
        work(rows, now_s, silent=False)
        for number, row in rows.items():
            if row.state is State.SENT and not (number in silent_to and row.attempts <= lost):
                word = Ack(event_id=row.event_id, sha256=row.sha256, result=AckResult.STORED, retryable=False)
                rows[number] = on_ack(row, word, now_s, POLICY)
        now_s += POLICY.ack_timeout_s
    assert all(row.state is State.ACKED for row in rows.values())
