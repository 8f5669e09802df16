"""What is sent next, and what an answer changes."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from agent.delivery import (
    NO_ACK,
    Change,
    Idle,
    Policy,
    Publish,
    Row,
    State,
    Wait,
    backoff_s,
    next_task,
    on_ack,
)
from wire.messages import ERASED, MAX_REPORT_BYTES, UNREAD, Ack, AckResult

POLICY = Policy(window=2, ack_timeout_s=10)


def row(
    row_id: int, state: State = State.PENDING, due_s: float = 0.0, attempts: int = 0, size_bytes: int = 2000
) -> Row:
    return Row(
        row_id=row_id,
        event_id=UUID(int=row_id),
        sha256=f"{row_id:064x}",
        evidence=None,
        size_bytes=size_bytes,
        state=state,
        attempts=attempts,
        due_s=due_s,
    )


def ack(of: Row, result: AckResult, *, retryable: bool = False, reason: str = "") -> Ack:
    return Ack(event_id=of.event_id, sha256=of.sha256, result=result, retryable=retryable, reason=reason)


def test_oldest_first() -> None:
    """Old violations would starve behind new ones."""
    task = next_task([row(2), row(1)], 5.0, POLICY)
    assert task == Publish(replace(row(1), state=State.SENT, attempts=1, due_s=15.0))


def test_window_is_kept() -> None:
    """A backlog would be poured into a slow connection at once."""
    rows = [row(1, State.SENT, due_s=12), row(2, State.SENT, due_s=14), row(3)]
    assert next_task(rows, 5.0, POLICY) == Wait(12)


def test_one_question_at_a_time_while_the_dispatcher_is_silent() -> None:
    """An outage of the centre would cost the unit's mobile data."""
    assert next_task([row(1, State.SENT, due_s=12), row(2)], 5.0, POLICY, silent=True) == Wait(12)
    assert isinstance(next_task([row(2)], 5.0, POLICY, silent=True), Publish)


def test_late_answer_is_asked_for_again() -> None:
    """A lost ack would leave a violation half delivered."""
    task = next_task([row(1, State.SENT, due_s=10, attempts=3)], 10.0, POLICY)
    assert isinstance(task, Change)
    assert (task.row.state, task.row.reason) == (State.PENDING, NO_ACK)
    assert 10 + 4 <= task.row.due_s <= 10 + 8


def test_oversize_is_dead_before_it_is_sent() -> None:
    """The broker would end the connection over it, again and again."""
    task = next_task([row(1, size_bytes=MAX_REPORT_BYTES + 1)], 0.0, POLICY)
    assert isinstance(task, Change)
    assert task.row.state is State.DEAD
    assert task.row.reason.startswith("oversize:65537>65536")


def test_nothing_owed_is_idle() -> None:
    """The uplink would spin."""
    assert next_task([row(1, State.ACKED), row(2, State.DEAD)], 0.0, POLICY) == Idle()


@pytest.mark.parametrize(
    ("result", "retryable", "state", "reason"),
    [
        (AckResult.STORED, False, State.ACKED, ""),
        (AckResult.DUPLICATE, False, State.ACKED, ""),
        (AckResult.REJECTED, True, State.PENDING, "store"),
        (AckResult.REJECTED, False, State.DEAD, "store"),
    ],
)
def test_each_answer(result: AckResult, retryable: bool, state: State, reason: str) -> None:
    """A refusal would be taken for a receipt, or the other way round."""
    sent = row(1, State.SENT, due_s=10, attempts=1)
    after = on_ack(sent, ack(sent, result, retryable=retryable, reason=reason), 0.0, POLICY)
    assert (after.state, after.reason) == (state, reason)


def test_what_was_erased_at_the_centre_is_owed_no_more() -> None:
    """Somebody would be sent to a unit that gave up nothing: a piece came after its case had been erased."""
    for state in (State.SENT, State.DEAD):
        owed = row(1, state)
        after = on_ack(owed, ack(owed, AckResult.REJECTED, reason=ERASED), 0.0, POLICY)
        assert (after.state, after.reason) == (State.ACKED, "")


def test_receipt_brings_the_dead_to_rest() -> None:
    """A person would chase a violation that the centre has."""
    dead = row(1, State.DEAD)
    assert on_ack(dead, ack(dead, AckResult.STORED), 0.0, POLICY).state is State.ACKED


def test_answer_for_another_or_for_a_finished_row_changes_nothing() -> None:
    """An old refusal would undo a receipt."""
    sent, acked = row(1, State.SENT), row(2, State.ACKED)
    assert on_ack(sent, ack(acked, AckResult.STORED), 0.0, POLICY) == sent
    assert on_ack(acked, ack(acked, AckResult.REJECTED), 0.0, POLICY) == acked


def test_refusal_of_what_could_not_be_read_is_known_by_the_hash() -> None:
    """A report the centre cannot decode would be sent for ever; and nobody's receipt may end what is owed."""
    sent = row(1, State.SENT)
    refusal = Ack(event_id=UNREAD, sha256=sent.sha256, result=AckResult.REJECTED, retryable=False, reason="invalid")
    after = on_ack(sent, refusal, 0.0, POLICY)
    assert (after.state, after.reason) == (State.DEAD, "invalid")
    receipt = refusal.model_copy(update={"result": AckResult.STORED})
    assert on_ack(sent, receipt, 0.0, POLICY) == sent
    assert on_ack(row(2, State.SENT), refusal, 0.0, POLICY) == row(2, State.SENT)


def test_backoff_grows_to_its_limit_and_spreads() -> None:
    """All rows of an outage would come back in the same second, or a row would wait for days."""
    waits = [backoff_s(row(1, attempts=attempts), POLICY) for attempts in range(1, 40)]
    assert 1 <= waits[0] <= 2
    assert 300 <= waits[-1] <= 600
    assert len({backoff_s(row(number, attempts=5), POLICY) for number in range(20)}) == 20
