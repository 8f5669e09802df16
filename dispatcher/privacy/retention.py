"""What has been kept long enough, by state and class of data, and its end.

Only cases that are over have a term; whatever somebody still has to do stays, however old. A hold keeps everything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, func, select, update

from dispatcher import cases
from dispatcher.access.tables import login_failure
from dispatcher.cases import Case
from dispatcher.owners import FRESH_AT
from dispatcher.privacy.erasure import Eraser
from dispatcher.privacy.tables import legal_hold
from dispatcher.schema import cases as table
from dispatcher.schema import evidence, lookup, owner, owner_snapshot, quarantine, webhook_inbox
from dispatcher.settings import Kept, RetentionSettings
from dispatcher.workflow import State

_BATCH = 200
"""Cases looked up at a time; each is erased in a transaction of its own, so intake goes on beside it."""
_IMPORT = timedelta(days=1)
"""No import of a snapshot takes longer; one that still is loading was killed."""
_LOCKS = timedelta(days=1)
"""No lock of a log-in lasts longer."""


def terms(settings: RetentionSettings) -> Mapping[State, Kept]:
    """How long cases are kept, by the state in which they ended."""
    return {
        State.CONFIRMED: settings.confirmed,
        State.DISPUTED: settings.disputed,
        State.EXPIRED: settings.expired,
        State.WITHDRAWN: settings.withdrawn,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Ends what has been kept long enough."""

    eraser: Eraser
    settings: RetentionSettings
    unused_copy_max_age: timedelta | None = None
    """Of the registry's snapshot where a registry is asked instead; None where the snapshot is looked into."""

    def due(self, now: datetime) -> Mapping[str, int]:
        """How much of what would go now."""
        with self.eraser.store.reading() as connection:
            counts = {
                f"{what}: {state}": _number(connection, table, where)
                for what, clause in (("whole cases", self._whole), ("evidence", self._evidence))
                for state, where in ((state, clause(state, now)) for state in terms(self.settings))
            }
            counts["evidence without a case"] = len(self._strays(connection, now))
            for what, (gone, where) in self._rows(now).items():
                counts[what] = _number(connection, gone, where)
        counts["pieces erased before and not removed yet"] = self.eraser.left()
        return {what: number for what, number in counts.items() if number}

    def run(self, now: datetime) -> Mapping[str, int]:
        """Erase it; how much went."""
        counts: dict[str, int] = {}
        for what, clause, drop in (
            ("whole cases", self._whole, self.eraser.drop_case),
            ("evidence", self._evidence, self.eraser.drop_evidence),
        ):
            for state in terms(self.settings):
                counts[f"{what}: {state}"] = self._drop_all(clause(state, now), drop)
        with self.eraser.store.reading() as connection:
            strays = self._strays(connection, now)
        counts["evidence without a case"] = sum(self.eraser.drop_strays(*stray) for stray in strays)
        for what, (gone, where) in self._rows(now).items():
            with self.eraser.store.writing() as connection:
                counts[what] = connection.execute(delete(gone).where(where)).rowcount
                if gone is owner:  # an empty snapshot in service would say that nobody owns anything
                    connection.execute(update(owner_snapshot).where(self._unused(now)).values(state="dropped"))
        self.eraser.sweep()
        self.eraser.store.scrub()
        return {what: number for what, number in counts.items() if number}

    def _drop_all(self, where: ColumnElement[bool], drop: Callable[[Case], bool]) -> int:
        gone, last = 0, 0
        while True:
            with self.eraser.store.reading() as connection:
                found = cases.where(connection, where & (table.c.case_id > last), _BATCH)
            gone += sum(drop(case) for case in found)
            if len(found) < _BATCH:
                return gone
            last = found[-1].case_id

    def _whole(self, state: State, now: datetime) -> ColumnElement[bool]:
        return _older(state, now - timedelta(days=terms(self.settings)[state].case_days))

    def _evidence(self, state: State, now: datetime) -> ColumnElement[bool]:
        has_some = exists().where(evidence.c.unit_id == table.c.unit_id, evidence.c.event_id == table.c.event_id)
        return _older(state, now - timedelta(days=terms(self.settings)[state].evidence_days)) & has_some

    def _strays(self, connection: Connection, now: datetime) -> tuple[tuple[str, str], ...]:
        """Events of which pieces came, but never the report, or not before the case was erased."""
        of_case = exists().where(table.c.unit_id == evidence.c.unit_id, table.c.event_id == evidence.c.event_id)
        old = evidence.c.received_at < now - timedelta(days=self.settings.stray_days)
        statement = select(evidence.c.unit_id, evidence.c.event_id).where(old, ~of_case).distinct()
        return tuple((row.unit_id, row.event_id) for row in connection.execute(statement))

    def _unused(self, now: datetime) -> ColumnElement[bool]:
        broke_off = (owner_snapshot.c.state == "loading") & (owner_snapshot.c.imported_at < now - _IMPORT)
        if self.unused_copy_max_age is None:
            return broke_off
        return broke_off | (now - self.unused_copy_max_age > FRESH_AT)

    def _rows(self, now: datetime) -> Mapping[str, tuple[Table, ColumnElement[bool]]]:
        strays = now - timedelta(days=self.settings.stray_days)
        unused = select(owner_snapshot.c.snapshot_id).where(self._unused(now))
        return {
            "WhatsApp's calls": (webhook_inbox, webhook_inbox.c.done_at < strays),
            "reports set apart": (quarantine, quarantine.c.received_at < strays),
            "look-ups": (lookup, lookup.c.at < now - timedelta(days=self.settings.lookup_days)),
            "registrations in an unused snapshot": (owner, owner.c.snapshot_id.in_(unused)),
            "addresses of failed log-ins": (login_failure, login_failure.c.last_at < now - _LOCKS),
        }


def _older(state: State, moment: datetime) -> ColumnElement[bool]:
    held = exists().where(legal_hold.c.case_id == table.c.case_id)
    return and_(table.c.state == state, table.c.changed_at < moment, ~held)


def _number(connection: Connection, of: Table, where: ColumnElement[bool]) -> int:
    return connection.scalar(select(func.count()).select_from(of).where(where)) or 0
