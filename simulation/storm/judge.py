"""Whether the storm did any harm (pure): what was to happen, what the cases say, and what WhatsApp has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dispatcher.cases import Entry
from dispatcher.workflow import TABLE, Event, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A case after the storm."""

    reference: str
    state: State
    history: Sequence[Entry]


def faults(expected: Mapping[str, str], cases: Mapping[str, Ended], told: Mapping[str, int]) -> tuple[str, ...]:
    """What is wrong, a line each; empty when nothing is.

    `expected` says whom each event is to reach, by phone; `cases` are by event, `told` counts messages by phone.
    """
    found = [f"event {event}: is lost" for event in expected.keys() - cases.keys()]
    found += [f"case {cases[event].reference}: nobody reported it" for event in cases.keys() - expected.keys()]
    strangers = told.keys() - set(expected.values())
    found += [f"{len(strangers)} people were messaged who did nothing"] if strangers else []
    for event in expected.keys() & cases.keys():
        case = cases[event]
        found += [f"case {case.reference}: {fault}" for fault in _of_case(case, told.get(expected[event], 0))]
    return tuple(sorted(found))


def _of_case(case: Ended, messages: int) -> Iterator[str]:
    if messages > 1:
        yield f"its owner got {messages} messages"
    if case.state is not (State.DELIVERED if messages else State.UNKNOWN):
        yield f"is {case.state}, and its owner got {messages} messages"
    yield from _of_history(case)


def _of_history(case: Ended) -> Iterator[str]:
    """A timeline is full when each line begins where the one before ended, by a move that the workflow knows."""
    begins = [(entry.from_state, entry.event, entry.to_state) for entry in case.history[:1]]
    if begins != [("", "reported", State.RECEIVED)]:
        yield "its timeline does not begin with its report"
        return
    state: str = State.RECEIVED
    for entry in case.history[1:]:
        if entry.from_state != state or TABLE[State(state)].get(Event(entry.event)) != entry.to_state:
            yield f"its timeline has no way from {state} by {entry.event} to {entry.to_state}"
        state = entry.to_state
    if state != case.state:
        yield f"is {case.state}, and its timeline ends with {state}"
