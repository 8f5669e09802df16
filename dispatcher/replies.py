"""What an owner answers, whichever way it comes, and what that does to their case."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from dispatcher.cases import Moves
from dispatcher.metrics import ANSWERS
from dispatcher.workflow import TABLE, Event, State

OWNER = "owner"
"""Who moved a case when its owner did."""
MOST_REASON = 1000
_MOST_NOTES = 20
"""Reasons that are kept of one case; a person reads them all."""


class Answer(StrEnum):
    """What an owner can say."""

    OWN = "own"
    OTHER = "other"
    SOLD = "sold"
    NOT_MINE = "not_mine"
    DISPUTE = "dispute"
    """Something else is wrong; the reason says what."""


EVENTS: Mapping[Answer, Event] = {
    Answer.OWN: Event.OWNED_UP,
    Answer.OTHER: Event.OWNED_UP,
    Answer.SOLD: Event.DENIED,
    Answer.NOT_MINE: Event.DENIED,
    Answer.DISPUTE: Event.DENIED,
}
"""What each answer means for the case. Another driver is still this owner's vehicle."""
_WORDS: Mapping[Answer, str] = {
    Answer.OWN: "I drove",
    Answer.OTHER: "another person drove",
    Answer.SOLD: "sold",
    Answer.NOT_MINE: "not my vehicle",
    Answer.DISPUTE: "disputes",
}


def possible(state: State) -> tuple[Answer, ...]:
    """What an owner can still say; a dispute may be explained further."""
    if state is State.DISPUTED:
        return (Answer.DISPUTE,)
    return tuple(answer for answer, event in EVENTS.items() if event in TABLE[state])


def hear(moves: Moves, case_id: int, answer: Answer, now: datetime, said: int = 0, *, reason: str = "") -> None:
    """Let an answer happen to its case; a reason is kept also when the answer adds nothing, unless the owner has
    `said` so many things before. Raises IllegalMove."""
    why = f"{_WORDS[answer]}: {reason}" if reason else _WORDS[answer]
    event, before = EVENTS[answer], moves.state(case_id)
    reasons = answer if event is Event.DENIED else ""
    state = moves.move(case_id, event, now, who=OWNER, why=why, reasons=reasons)
    if state is not before:
        moves.count(ANSWERS.labels(answer))
    if reason and state is before and said < _MOST_NOTES:
        moves.note(case_id, event, now, OWNER, why)
