"""What a person may decide about a case, from the console or the command line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dispatcher import cases
from dispatcher.access.audit import Actor, Audit, What
from dispatcher.access.roles import Right
from dispatcher.cases import Case
from dispatcher.plate import format_plate, is_civil
from dispatcher.store import Store
from dispatcher.workflow import TABLE, Event

DECISIONS = {
    "approve": Event.APPROVED,
    "correct": Event.APPROVED,
    "withdraw": Event.WAS_WITHDRAWN,
    "resend": Event.RESEND_ORDERED,
}
RIGHTS: Mapping[str, Right] = {
    **dict.fromkeys(("approve", "correct", "withdraw"), Right.JUDGE),
    "resend": Right.RESEND,
}
"""What it takes to decide so."""
_APPROVED = {"approved": True}
_CHANGES: Mapping[str, Mapping[str, Any]] = {"approve": _APPROVED, "correct": _APPROVED, "resend": {"tries": 0}}


def plate_fault(case: Case, plate: str) -> str:
    """Why a case's plate cannot be corrected to this one, as a code; empty when it can."""
    if not is_civil(plate):
        return "plate_wrong"
    return "plate_same" if plate == case.plate else ""


def possible(case: Case) -> tuple[str, ...]:
    """What can be decided about a case as it stands."""
    return tuple(name for name, event in DECISIONS.items() if event in TABLE[case.state])


def decide(
    store: Store, audit: Audit, case: Case, decision: str, actor: Actor, why: str, now: datetime, *, plate: str = ""
) -> Case:
    """Carry a decision out and write it down, with the right `plate` for a correction. Raises IllegalMove when the case
    has moved on meanwhile."""
    changes = {**_CHANGES.get(decision, {}), **({"plate": plate} if plate else {})}
    with store.writing() as connection:
        audit.append(connection, now, actor, What(f"case_{decision}"), case.reference, why)
        why = f"{format_plate(case.plate)} read, {format_plate(plate)} seen: {why}" if plate else why
        return cases.move(connection, case.case_id, DECISIONS[decision], now, who=actor.name, why=why, **changes)
