"""The units as they stand now: the units' file, and what people decided about them since.

The file says who a unit is and with which key it signs. Where the policy wants it, a key is believed only when so many
people have approved it; and anybody with the right may quarantine a unit. Several dispatchers share these decisions
through the database, so each looks there again after a second.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, delete, select

from dispatcher.access.accounts import Refused
from dispatcher.access.audit import Actor, Audit, What
from dispatcher.access.tables import key_approval, unit_hold
from dispatcher.store import Store, insert_new
from dispatcher.units import Unit, UnitState

_FRESH_S = 1.0
"""At a nation's 120 reports a second one read serves as many; a quarantine takes hold as soon as a person looks up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Somebody found a key to be its unit's."""

    who: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Somebody quarantined a unit."""

    who: str
    at: datetime
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What people decided about a unit."""

    approvals: tuple[Approval, ...]
    hold: Hold | None


class UnitBook(Mapping[str, Unit]):
    """The units by name, each in its state of now. Looking one up raises StoreError when the database is away."""

    def __init__(
        self,
        filed: Mapping[str, Unit],
        store: Store,
        audit: Audit,
        approvals: int,
        mono_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._filed = filed
        self._store = store
        self._audit = audit
        self.approvals = approvals
        """How many people a key needs; with 0 the file's word is enough."""
        self._mono_s = mono_s
        self._standing: Mapping[str, Standing] = {}
        self._read_at_s: float | None = None

    def __getitem__(self, unit_id: str) -> Unit:
        unit = self._filed[unit_id]
        if unit.state is UnitState.QUARANTINED:
            return unit
        standing = self.standing()[unit_id]
        if standing.hold is not None:
            return replace(unit, state=UnitState.QUARANTINED)
        if len(standing.approvals) < self.approvals:
            return replace(unit, state=UnitState.UNAPPROVED)
        return unit

    def __iter__(self) -> Iterator[str]:
        return iter(self._filed)

    def __len__(self) -> int:
        return len(self._filed)

    def standing(self) -> Mapping[str, Standing]:
        """What people decided about each unit. Raises StoreError."""
        now_s = self._mono_s()
        if self._read_at_s is None or now_s - self._read_at_s >= _FRESH_S:
            with self._store.reading() as connection:
                self._standing = _read(connection, self._filed)
            self._read_at_s = now_s
        return self._standing

    def approve(self, actor: Actor, unit_id: str, public_key: str, now: datetime) -> None:
        """One person's word that this key (base64) is the unit's. Raises Refused, also for one the file has no more."""
        key = self._filed[unit_id].key
        if key.to_base64() != public_key:
            raise Refused("key_changed")
        with self._store.writing() as connection:
            said = {"unit_id": unit_id, "public_key": public_key, "who": actor.name, "at": now}
            if not insert_new(connection, key_approval, said):
                raise Refused("key_approved_before")
            self._audit.append(connection, now, actor, What.KEY_APPROVED, unit_id, key.key_id)
        self._read_at_s = None

    def hold(self, actor: Actor, unit_id: str, why: str, now: datetime) -> None:
        """Believe nothing the unit says from now on."""
        with self._store.writing() as connection:
            values = {"unit_id": unit_id, "who": actor.name, "at": now, "why": why}
            if not insert_new(connection, unit_hold, values):
                raise Refused("unit_held_before")
            self._audit.append(connection, now, actor, What.UNIT_HELD, unit_id, why)
        self._read_at_s = None

    def release(self, actor: Actor, unit_id: str, why: str, now: datetime) -> None:
        """Believe the unit again."""
        with self._store.writing() as connection:
            if not connection.execute(delete(unit_hold).where(unit_hold.c.unit_id == unit_id)).rowcount:
                raise Refused("unit_not_held")
            self._audit.append(connection, now, actor, What.UNIT_RELEASED, unit_id, why)
        self._read_at_s = None


def _read(connection: Connection, units: Mapping[str, Unit]) -> Mapping[str, Standing]:
    """What people decided about all units, in two reads."""
    holds = {row.unit_id: Hold(who=row.who, at=row.at, why=row.why) for row in connection.execute(select(unit_hold))}
    approvals: dict[tuple[str, str], list[Approval]] = defaultdict(list)
    for row in connection.execute(select(key_approval).order_by(key_approval.c.at)):
        approvals[row.unit_id, row.public_key].append(Approval(who=row.who, at=row.at))
    return {
        name: Standing(approvals=tuple(approvals[name, unit.key.to_base64()]), hold=holds.get(name))
        for name, unit in units.items()
    }
