"""The circuit breaker: whom it keeps out, and for how long."""

from __future__ import annotations

from datetime import timedelta

from dispatcher_world import NOW

from dispatcher.breaker import Breaker

PAUSE = timedelta(minutes=1)


def opened() -> Breaker:
    breaker = Breaker(3, PAUSE)
    for second in range(3):
        assert breaker.allows(NOW + timedelta(seconds=second))
        breaker.failed(NOW + timedelta(seconds=second))
    return breaker


def test_failures_in_a_row_open_it_and_others_do_not() -> None:
    """A service that fails now and then must be asked on; one that is down must be left alone."""
    breaker = Breaker(3, PAUSE)
    for _ in range(3):
        breaker.failed(NOW)
        breaker.failed(NOW)
        breaker.succeeded()
    assert (breaker.allows(NOW), breaker.since) == (True, None)
    assert opened().since == NOW + timedelta(seconds=2)


def test_one_probe_a_pause_is_let_through() -> None:
    """A service that comes back must not be met by everything that has waited."""
    breaker, now = opened(), NOW + timedelta(seconds=2)
    assert not breaker.allows(now + PAUSE - timedelta(seconds=1))
    assert [breaker.allows(now + PAUSE) for _ in range(3)] == [True, False, False]
    breaker.failed(now + PAUSE)
    assert not breaker.allows(now + PAUSE * 2 - timedelta(seconds=1))
    assert breaker.since == now
    assert breaker.allows(now + PAUSE * 2)
    breaker.succeeded()
    assert (breaker.since, breaker.allows(now + PAUSE * 2)) == (None, True)
    breaker.failed(now + PAUSE * 2)
    assert breaker.allows(now + PAUSE * 2)


def test_a_probe_that_was_never_heard_of_again_keeps_nobody_out() -> None:
    """A worker that dies in its probe must not leave the service alone for ever."""
    breaker, now = opened(), NOW + timedelta(seconds=2)
    assert breaker.allows(now + PAUSE)
    assert breaker.allows(now + PAUSE * 2)
