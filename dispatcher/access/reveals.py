"""Owners' data uncovered for a person: never without a reason, never unwritten, never in bulk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from dispatcher.access import audit as trail
from dispatcher.access.accounts import Refused
from dispatcher.access.audit import Actor, Audit, What
from dispatcher.cases import Case
from dispatcher.engine import hold
from dispatcher.owners import Found, OwnerRegistry
from dispatcher.store import Store

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reveals:
    """Looks owners up in full."""

    store: Store
    audit: Audit
    registry: OwnerRegistry
    per_hour: int
    """A list of owners is not to be copied off the screen."""

    def owner(self, actor: Actor, case: Case, why: str, now: datetime) -> Found:
        """The owner, once the trail has it on the disk. Raises Refused: no reason, or the hour's are spent."""
        if not why:
            raise Refused("reason_missing")
        with self.store.writing() as connection:
            hold(connection, f"reveals to {actor.name}")
            if trail.times(connection, actor.name, What.REVEALED, now - _HOUR) >= self.per_hour:
                raise Refused("reveals_spent")
            self.audit.append(connection, now, actor, What.REVEALED, case.reference, why)
        return self.registry.lookup(case.plate, now, "reveal", case.case_id)
