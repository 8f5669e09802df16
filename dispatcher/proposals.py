"""Cases that two people decide: which they are, and what the first of them has proposed."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from dispatcher.cases import Case
from dispatcher.owners import OF_A_REGISTRATION, OVERRULABLE
from dispatcher.schema import proposal
from dispatcher.workflow import State
from wire.canonical import canonical_json, sha256_hex

PROPOSED, OPPOSED = "proposed", "opposed"
"""Beside the reasons why a case is in review: what it waits for there."""


@dataclass(frozen=True, slots=True)
class TwoPersons:
    """Which cases in review take two people."""

    names: Set[str] = frozenset()
    """Rules and reasons."""
    withdraws: bool = False
    """A case about which two people disagree is withdrawn; else a third decides."""

    def decide(self, case: Case) -> bool:
        """Whether two people have to decide this case."""
        return case.state is State.REVIEW and not self.names.isdisjoint({case.kind, *case.reasons})

    def one_overrules(self, case: Case, plate: str) -> bool:
        """Whether one person's approval also sets aside what the registry has against the case: not while that is not
        known yet, as of a corrected `plate`, and may take two."""
        return self.names.isdisjoint(OVERRULABLE) or (not plate and not OF_A_REGISTRATION.isdisjoint(case.reasons))


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What one person would decide, and what another has against it."""

    decision: str
    plate: str
    """As they read it, for a correction."""
    who: str
    at: datetime
    why: str
    opponent: str | None
    opposed_at: datetime | None
    objection: str

    @property
    def mark(self) -> str:
        """What a form says it is about; no other proposal has the same."""
        said = (self.decision, self.plate, self.who, self.at.isoformat(), self.why)
        return sha256_hex(canonical_json(said))[:32]

    @property
    def people(self) -> tuple[str, ...]:
        """Who has had their say."""
        return (self.who, self.opponent) if self.opponent else (self.who,)


def find(connection: Connection, case: Case) -> Proposal | None:
    row = connection.execute(select(proposal).where(proposal.c.case_id == case.case_id)).first()
    return Proposal(**{name: value for name, value in row._mapping.items() if name != "case_id"}) if row else None


def propose(
    connection: Connection, case: Case, decision: str, who: str, why: str, now: datetime, *, plate: str = ""
) -> None:
    values = {"case_id": case.case_id, "decision": decision, "plate": plate, "who": who, "at": now, "why": why}
    connection.execute(insert(proposal).values(**values, objection=""))


def oppose(connection: Connection, case: Case, who: str, why: str, now: datetime) -> None:
    values = {"opponent": who, "opposed_at": now, "objection": why}
    connection.execute(update(proposal).where(proposal.c.case_id == case.case_id).values(**values))


def close(connection: Connection, case: Case) -> None:
    """The case is decided."""
    connection.execute(delete(proposal).where(proposal.c.case_id == case.case_id))
