"""What a person may decide about a case, from the console or the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from dispatcher import cases, proposals
from dispatcher.access.accounts import Refused
from dispatcher.access.audit import Actor, Audit, What
from dispatcher.access.roles import Right
from dispatcher.cases import Case
from dispatcher.plate import format_plate, is_civil
from dispatcher.proposals import OPPOSED, PROPOSED, Proposal, TwoPersons
from dispatcher.store import Store
from dispatcher.workflow import TABLE, Event, State

DECISIONS: Mapping[str, Event] = {
    "approve": Event.APPROVED,
    "correct": Event.APPROVED,
    "withdraw": Event.WAS_WITHDRAWN,
    "resend": Event.RESEND_ORDERED,
}
AGREE, DISAGREE = "agree", "disagree"
"""What the second of two people may say to a proposal."""
RIGHTS: Mapping[str, Right] = {
    **dict.fromkeys(("approve", "correct", "withdraw", AGREE, DISAGREE), Right.JUDGE),
    "resend": Right.RESEND,
}
"""What it takes to decide so."""
_CHANGES: Mapping[str, Mapping[str, Any]] = {"resend": {"tries": 0}}
_ONE = TwoPersons()
MOST_AT_ONCE = 500
"""Notices sent again by one form: a minute of work, and a mistake that can still be counted."""


def plate_fault(case: Case, plate: str) -> str:
    """Why a case's plate cannot be corrected to this one, as a code; empty when it can."""
    if not is_civil(plate):
        return "plate_wrong"
    return "plate_same" if plate == case.plate else ""


def possible(case: Case, proposal: Proposal | None = None, who: str = "") -> tuple[str, ...]:
    """What can be decided about a case as it stands, by somebody of this name."""
    if proposal and who in proposal.people:
        return ()
    if proposal and not proposal.opponent:
        return (AGREE, DISAGREE)
    return tuple(name for name, event in DECISIONS.items() if event in TABLE[case.state])


def decide(
    store: Store,
    audit: Audit,
    case: Case,
    decision: str,
    actor: Actor,
    why: str,
    now: datetime,
    *,
    plate: str = "",
    mark: str = "",
    two: TwoPersons = _ONE,
) -> Case:
    """Carry a decision out and write it down, with the right `plate` for a correction; where two people decide, the
    first one's waits for another, who names it by its `mark`. Raises IllegalMove when the case has moved on meanwhile,
    Refused for somebody who has had their say and for what others have decided meanwhile."""
    with store.writing() as connection:
        case = cases.lock(connection, case)
        deed = _Deed(connection, audit, case, actor, why, now)
        if two.decide(case):
            return deed.with_others(decision, plate, mark, two)
        return deed.carry_out(decision, plate, overrules=two.one_overrules(case, plate))


def failed(connection: Connection, reason: str) -> tuple[Case, ...]:
    """Cases that can be sent again together: WhatsApp refused them for good, or they were tried too often."""
    return cases.listed(connection, (State.DEAD,), MOST_AT_ONCE, reason=reason)


def resend_failed(store: Store, audit: Audit, reason: str, actor: Actor, why: str, now: datetime) -> int:
    """Have failed notices sent again, each in a transaction of its own; how many."""
    with store.reading() as connection:
        found = failed(connection, reason)
    done = 0
    for each in found:
        with store.writing() as connection:
            case = cases.lock(connection, each)
            if case.state is State.DEAD:  # nobody was faster; one that became unknown since is looked at alone
                _Deed(connection, audit, case, actor, why, now).carry_out("resend", "")
                done += 1
    return done


@dataclass(frozen=True, slots=True)
class _Deed:
    """What one person says about one case, in the transaction that writes it down."""

    connection: Connection
    audit: Audit
    case: Case
    actor: Actor
    why: str
    now: datetime

    def with_others(self, decision: str, plate: str, mark: str, two: TwoPersons) -> Case:
        """The first proposes, the second agrees or not, and then a third decides or the case is withdrawn."""
        proposal = proposals.find(self.connection, self.case)
        if proposal and self.actor.name in proposal.people:
            raise Refused("own_proposal")
        if decision not in possible(self.case, proposal):
            raise Refused("proposed_meanwhile")
        if proposal is None:
            return self._propose(decision, plate)
        if decision in (AGREE, DISAGREE) and mark != proposal.mark:
            raise Refused("proposal_changed")
        if decision == AGREE:
            said = "; ".join(filter(None, (proposal.why, self.why)))
            return replace(self, why=said).carry_out(proposal.decision, proposal.plate)
        if decision == DISAGREE and two.withdraws:
            said = f"{proposal.decision}: {proposal.why}; against it: {self.why}"
            return replace(self, why=said).carry_out("withdraw", "")
        if decision == DISAGREE:
            proposals.oppose(self.connection, self.case, self.actor.name, self.why, self.now)
            return self._wait(OPPOSED, What.OPPOSED, self.why)
        return self.carry_out(decision, plate)

    def _propose(self, decision: str, plate: str) -> Case:
        proposals.propose(self.connection, self.case, decision, self.actor.name, self.why, self.now, plate=plate)
        what = f"{decision} {format_plate(plate)}" if plate else decision
        return self._wait(PROPOSED, What.PROPOSED, f"{what}: {self.why}")

    def _wait(self, waits: str, what: What, said: str) -> Case:
        """The case stays for another person."""
        self.audit.append(self.connection, self.now, self.actor, what, self.case.reference, self.why)
        cases.note(self.connection, self.case, waits, self.now, self.actor.name, said)
        reasons = [each for each in self.case.reasons if each not in (PROPOSED, OPPOSED)]
        cases.explain(self.connection, self.case, [*reasons, waits])
        return self.case

    def carry_out(self, decision: str, plate: str, *, overrules: bool = True) -> Case:
        """Let it happen; an approval `overrules` the registry, or leaves what the registry says to be decided."""
        if decision not in DECISIONS:  # an agreement that came too late
            raise Refused("proposed_meanwhile")
        changes = {**_CHANGES.get(decision, {}), **({"plate": plate} if plate else {})}
        if DECISIONS[decision] is Event.APPROVED:
            changes["approved"] = overrules or (self.case.approved and not plate)
        self.audit.append(
            self.connection, self.now, self.actor, What(f"case_{decision}"), self.case.reference, self.why
        )
        read, seen = format_plate(self.case.plate), format_plate(plate)
        why = f"{read} read, {seen} seen: {self.why}" if plate else self.why
        proposals.close(self.connection, self.case)
        event, who = DECISIONS[decision], self.actor.name
        return cases.move(self.connection, self.case.case_id, event, self.now, who=who, why=why, **changes)
