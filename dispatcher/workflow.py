"""The life of a case, as one table (pure).

Theory of operation
-------------------
A case is one violation of one vehicle. It is always in exactly one state, and it moves only when an event happens to
it: a piece of evidence arrived, the registry answered, WhatsApp said something, the owner pressed a button, a person
decided, the deadline passed. `TABLE` says where each event leads from each state; what stands in no cell cannot
happen, and `advance` raises `IllegalMove` for it. Nothing else in the dispatcher decides about states.

The way of a case that goes well is a straight line::

    received - evidence_complete - validated - owner_resolved - queued - sending - accepted - sent - delivered - read
    - confirmed

What a unit says that is not believed now is `held`: nobody judges it before its unit is believed again. Doubt leaves
the line for `review`, at the second validation or when the registry disagrees; a person puts the case back to
`validated` or withdraws it. Sending is the only step that cannot be undone and that has no idempotency key, so it is
written down before it is tried: `sending` means that an attempt may be under way. If its end was not seen (a timeout,
a hang-up, a crash) the case is `unknown`, which no timer ever leaves: WhatsApp's own status resolves it, or a person
has it sent again.

News of a message (`NEWS`) comes late, twice and in any order, and some never comes: `delivered` may be skipped before
`read`. The states of a message therefore have a rank, `LINE`: news that says less than is known already changes
nothing, and news that says more jumps ahead. The same holds for news of a case that has been answered or closed.
News is believed in `queued` too: a case that a person had sent again, whose first message turns out to have arrived,
is not sent a second time.

Time runs against an owner only once they were told: one whom WhatsApp cannot reach (`fallback_post`) does not expire
before a letter was printed (`posted`).

The first answer counts, except that a dispute is always heard: `confirmed` can still become `disputed`, not the
reverse. An answer after the deadline is heard as well; what it means in law is for people to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a case stands."""

    RECEIVED = "received"
    EVIDENCE_COMPLETE = "evidence_complete"
    HELD = "held"
    VALIDATED = "validated"
    REVIEW = "review"
    OWNER_RESOLVED = "owner_resolved"
    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    CONFIRMED = "confirmed"
    DISPUTED = "disputed"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    FALLBACK_POST = "fallback_post"
    POSTED = "posted"
    WITHDRAWN = "withdrawn"
    DEAD = "dead"


class Event(StrEnum):
    """What can happen to a case."""

    EVIDENCE_ARRIVED = "evidence_arrived"
    """All pieces of evidence that the report names are here."""
    SET_ASIDE = "set_aside"
    """Its unit is not believed now."""
    FREED = "freed"
    """Its unit is believed again."""
    PASSED = "passed"
    """The second validation at the centre holds."""
    DOUBTED = "doubted"
    """Something does not agree; a person must look."""
    APPROVED = "approved"
    """A person accepts the case."""
    OWNER_FOUND = "owner_found"
    COMPOSED = "composed"
    """The notice is written and waits for its turn."""
    ATTEMPTED = "attempted"
    """The attempt is written down; the request goes out next."""
    DEFERRED = "deferred"
    """Refused for now; nothing was sent and it may be tried again."""
    UNCLEAR = "unclear"
    """Nobody can say whether the message went out."""
    WAS_ACCEPTED = "was_accepted"
    WAS_SENT = "was_sent"
    WAS_DELIVERED = "was_delivered"
    WAS_READ = "was_read"
    UNREACHABLE = "unreachable"
    """WhatsApp cannot reach this owner, or they have no mobile number; another channel has to."""
    LETTER_PRINTED = "letter_printed"
    """The letter is in a day's batch."""
    REFUSED = "refused"
    """Refused for good, or tried too often."""
    OWNED_UP = "owned_up"
    """The owner answered: mine."""
    DENIED = "denied"
    """The owner answered: not mine."""
    DEADLINE_PASSED = "deadline_passed"
    RESEND_ORDERED = "resend_ordered"
    """A person has it sent again."""
    WAS_WITHDRAWN = "was_withdrawn"
    """A person, or the law's exemption, ends the case."""


class IllegalMove(Exception):
    """This event cannot happen to a case in this state."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"a case that is {state} cannot be {event}")
        self.state = state
        self.event = event


_HEARD: Mapping[Event, State] = {
    Event.WAS_SENT: State.SENT,
    Event.WAS_DELIVERED: State.DELIVERED,
    Event.WAS_READ: State.READ,
    Event.OWNED_UP: State.CONFIRMED,
    Event.DENIED: State.DISPUTED,
}
_FAILED: Mapping[Event, State] = {
    Event.UNREACHABLE: State.FALLBACK_POST,
    Event.REFUSED: State.DEAD,
    Event.DEFERRED: State.QUEUED,
}
_CLOSING: Mapping[Event, State] = {
    Event.OWNED_UP: State.CONFIRMED,
    Event.DENIED: State.DISPUTED,
    Event.DEADLINE_PASSED: State.EXPIRED,
    Event.WAS_WITHDRAWN: State.WITHDRAWN,
}

TABLE: Mapping[State, Mapping[Event, State]] = MappingProxyType(
    {
        State.RECEIVED: {Event.EVIDENCE_ARRIVED: State.EVIDENCE_COMPLETE, Event.WAS_WITHDRAWN: State.WITHDRAWN},
        State.EVIDENCE_COMPLETE: {
            Event.SET_ASIDE: State.HELD,
            Event.PASSED: State.VALIDATED,
            Event.DOUBTED: State.REVIEW,
            Event.WAS_WITHDRAWN: State.WITHDRAWN,
        },
        State.HELD: {
            Event.FREED: State.EVIDENCE_COMPLETE,
            Event.WAS_WITHDRAWN: State.WITHDRAWN,
        },
        State.REVIEW: {Event.APPROVED: State.VALIDATED, Event.WAS_WITHDRAWN: State.WITHDRAWN},
        State.VALIDATED: {
            Event.OWNER_FOUND: State.OWNER_RESOLVED,
            Event.UNREACHABLE: State.FALLBACK_POST,
            Event.DOUBTED: State.REVIEW,
            Event.WAS_WITHDRAWN: State.WITHDRAWN,
        },
        State.OWNER_RESOLVED: {
            Event.COMPOSED: State.QUEUED,
            Event.DOUBTED: State.REVIEW,
            Event.WAS_WITHDRAWN: State.WITHDRAWN,
        },
        State.QUEUED: {
            **_HEARD,
            Event.ATTEMPTED: State.SENDING,
            Event.DOUBTED: State.REVIEW,
            Event.REFUSED: State.DEAD,
            Event.WAS_WITHDRAWN: State.WITHDRAWN,
        },
        State.SENDING: {
            **_HEARD,
            **_FAILED,
            Event.WAS_ACCEPTED: State.ACCEPTED,
            Event.UNCLEAR: State.UNKNOWN,
        },
        State.UNKNOWN: {
            **_HEARD,
            **_FAILED,
            Event.WAS_ACCEPTED: State.ACCEPTED,
            Event.RESEND_ORDERED: State.QUEUED,
            Event.WAS_WITHDRAWN: State.WITHDRAWN,
        },
        State.ACCEPTED: {
            **_CLOSING,
            **_FAILED,
            Event.WAS_SENT: State.SENT,
            Event.WAS_DELIVERED: State.DELIVERED,
            Event.WAS_READ: State.READ,
        },
        State.SENT: {
            **_CLOSING,
            **_FAILED,
            Event.WAS_DELIVERED: State.DELIVERED,
            Event.WAS_READ: State.READ,
        },
        State.DELIVERED: {**_CLOSING, Event.WAS_READ: State.READ},
        State.READ: {**_CLOSING},
        State.CONFIRMED: {Event.DENIED: State.DISPUTED, Event.WAS_WITHDRAWN: State.WITHDRAWN},
        State.DISPUTED: {Event.WAS_WITHDRAWN: State.WITHDRAWN},
        State.EXPIRED: {
            Event.OWNED_UP: State.CONFIRMED,
            Event.DENIED: State.DISPUTED,
            Event.WAS_WITHDRAWN: State.WITHDRAWN,
        },
        State.FALLBACK_POST: {
            Event.OWNED_UP: State.CONFIRMED,
            Event.DENIED: State.DISPUTED,
            Event.LETTER_PRINTED: State.POSTED,
            Event.WAS_WITHDRAWN: State.WITHDRAWN,
        },
        State.POSTED: {**_CLOSING},
        State.DEAD: {Event.RESEND_ORDERED: State.QUEUED, Event.WAS_WITHDRAWN: State.WITHDRAWN},
        State.WITHDRAWN: {},
    }
)
"""Where each event leads from each state."""

LINE: tuple[State, ...] = (State.ACCEPTED, State.SENT, State.DELIVERED, State.READ)
"""The states of a message under way, by rank."""
TOLD: tuple[State, ...] = (*LINE, State.POSTED)
"""The states in which time runs against the owner."""
CLOSED: frozenset[State] = frozenset(
    {
        State.CONFIRMED,
        State.DISPUTED,
        State.EXPIRED,
        State.FALLBACK_POST,
        State.POSTED,
        State.DEAD,
        State.WITHDRAWN,
    }
)
"""States in which news of the message no longer matters."""
NEWS: frozenset[Event] = frozenset(
    {
        Event.WAS_ACCEPTED,
        Event.WAS_SENT,
        Event.WAS_DELIVERED,
        Event.WAS_READ,
        Event.UNREACHABLE,
        Event.REFUSED,
        Event.DEFERRED,
    }
)
"""What WhatsApp says of a message: late, twice, in any order."""
ANSWERS: frozenset[Event] = frozenset({Event.OWNED_UP, Event.DENIED})
"""What the owner says, as often as they press a button."""


def advance(state: State, event: Event) -> State:
    """Where a case goes; the same state for news and answers that add nothing. Raises IllegalMove."""
    target = TABLE[state].get(event)
    if target is not None:
        return target
    if event in NEWS and state in CLOSED.union(LINE):
        return state
    if event in ANSWERS and state in CLOSED:
        return state
    raise IllegalMove(state, event)


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.RECEIVED}"]
    for state, row in TABLE.items():
        for target in dict.fromkeys(row.values()):
            events = ", ".join(event for event, to in row.items() if to is target)
            lines.append(f"    {state} --> {target}: {events}")
    lines += [f"    {state} --> [*]" for state, row in TABLE.items() if not row]
    return "\n".join(lines)


if __name__ == "__main__":
    print(diagram())
