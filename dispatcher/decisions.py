"""What a person may decide about a case, from the console or the command line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dispatcher import cases
from dispatcher.access.audit import Actor, Audit, What
from dispatcher.access.roles import Right
from dispatcher.cases import Case
from dispatcher.store import Store
from dispatcher.workflow import TABLE, Event

DECISIONS = {
    "approve": Event.APPROVED,
    "withdraw": Event.WAS_WITHDRAWN,
    "resend": Event.RESEND_ORDERED,
}
RIGHTS: Mapping[str, Right] = {"approve": Right.JUDGE, "withdraw": Right.JUDGE, "resend": Right.RESEND}
"""What it takes to decide so."""
_CHANGES: Mapping[str, Mapping[str, Any]] = {"approve": {"approved": True, "reasons": ""}, "resend": {"tries": 0}}


def possible(case: Case) -> tuple[str, ...]:
    """What can be decided about a case as it stands."""
    return tuple(name for name, event in DECISIONS.items() if event in TABLE[case.state])


def decide(store: Store, audit: Audit, case: Case, decision: str, actor: Actor, why: str, now: datetime) -> Case:
    """Carry a decision out and write it down. Raises IllegalMove when the case has moved on meanwhile."""
    changes = _CHANGES.get(decision, {})
    with store.writing() as connection:
        audit.append(connection, now, actor, What(f"case_{decision}"), case.reference, why)
        return cases.move(connection, case.case_id, DECISIONS[decision], now, who=actor.name, why=why, **changes)
