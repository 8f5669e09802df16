"""When to try again, and what a failed send does to its case (pure)."""

from __future__ import annotations

from datetime import timedelta

from dispatcher.answers import Failure, NextChannel, OurBug, Scope, StopSender, StopTemplate, Throttled
from dispatcher.workflow import Event

_LONGEST_S = 900.0
"""A quarter of an hour: WhatsApp's outages are shorter or much longer."""
_SHORTEST_FOR_REGISTRY_S = 15.0
_SENDER_PAUSE_S = 1.0
"""Throughput limits count messages a second."""


def event_after(failure: Failure) -> Event:
    """What a failure does to a case; what is no fault of the case's own lets it wait in the queue."""
    if isinstance(failure, NextChannel):
        return Event.UNREACHABLE
    return Event.REFUSED if isinstance(failure, OurBug) else Event.DEFERRED


def wait_after(failure: Failure, tries: int, chance: float) -> timedelta:
    """How long a case waits after its `tries`th try failed; `chance` in 0..1 spreads the herd.

    WhatsApp asks for 4^n seconds where one recipient gets too much; elsewhere doubling will do.
    """
    if isinstance(failure, Throttled) and failure.scope is Scope.SENDER:
        return timedelta(seconds=_SENDER_PAUSE_S * (1 + chance))
    base = 4 if isinstance(failure, Throttled) else 2
    return timedelta(seconds=min(base ** min(tries, 10), _LONGEST_S) * (0.5 + chance / 2))


def wait_for_registry(waited: timedelta, chance: float) -> timedelta:
    """How much longer a case waits that has `waited` for a registry that is away: as long again, within bounds."""
    wait_s = min(max(waited.total_seconds(), _SHORTEST_FOR_REGISTRY_S), _LONGEST_S)
    return timedelta(seconds=wait_s * (0.5 + chance / 2))


def paused_scope(failure: Failure, template: str) -> str | None:
    """What a failure stops until a person has looked; None for one that stops nothing."""
    if isinstance(failure, StopSender):
        return "sender"
    return f"template:{template}" if isinstance(failure, StopTemplate) else None


def is_own_fault(failure: Failure) -> bool:
    """Whether a failure counts among the case's tries; a throttled or stopped sender is not the case's fault."""
    of_sender = isinstance(failure, Throttled) and failure.scope is Scope.SENDER
    return not (of_sender or isinstance(failure, StopSender | StopTemplate))
