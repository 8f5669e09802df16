"""What a scenario's traffic light shows when (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from agent.types import LightState
from simulation.footage_parts import SignalPlan


def state_at(signal: SignalPlan, moment_s: float) -> LightState:
    """The colour at a moment of the clip."""
    return next(state for state, begin_s, end_s in spells(signal) if begin_s <= moment_s < end_s)


def red_since_s(signal: SignalPlan, moment_s: float) -> float | None:
    """When the red began that shows at a moment; None where it is not red."""
    state, begin_s, _ = next(each for each in spells(signal) if each[1] <= moment_s < each[2])
    return begin_s if state is LightState.RED else None


def red_within_s(signal: SignalPlan, begin_s: float, end_s: float) -> float:
    """For how long of a time it is red."""
    total = 0.0
    for state, begins_s, ends_s in spells(signal):
        if begins_s >= end_s:
            return total
        if state is LightState.RED:
            total += max(0.0, min(end_s, ends_s) - max(begin_s, begins_s))
    return total


def spells(signal: SignalPlan) -> Iterator[tuple[LightState, float, float]]:
    """Colour, begin and end, from the first frame on and without an end."""
    now = 0.0
    while True:
        for state, lasts_s in signal.phases:
            yield state, now, now + lasts_s
            now += lasts_s
