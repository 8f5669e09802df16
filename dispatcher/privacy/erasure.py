"""Erases evidence and cases, so that nothing personal of them stays in database or evidence store.

What stays: in the audit trail the reference, a random number; of the unit's report its hash, number and event id, so
that the same report, said again, does not open the case anew; of WhatsApp's calls their hash, for the same reason.

Rows go first, and leave behind which pieces are to follow; `sweep` removes these outside of any transaction, for the
store may be far away and slow. A crash between the two leaves nothing that nothing knows of: the next sweep finds it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, func, insert, select, update

from dispatcher.cases import Case
from dispatcher.engine import hold
from dispatcher.errors import StoreError
from dispatcher.evidence import EvidenceStore
from dispatcher.post.tables import letter
from dispatcher.privacy import holds
from dispatcher.privacy.tables import remnant
from dispatcher.schema import attempt, cases, evidence, quarantine, timeline, unit_event, webhook_inbox
from dispatcher.store import Store

log = logging.getLogger(__name__)

_AT_ONCE = 200
"""Pieces removed between two transactions."""
_GIVE_UP = 3
"""After so many refusals the store is away; each may take it as long as a request may last."""


@dataclass(frozen=True, slots=True)
class Eraser:
    """Takes things out of database and evidence store; what is dropped is gone after the next `sweep`."""

    store: Store
    evidence: EvidenceStore

    def drop_evidence(self, case: Case) -> bool:
        """Erase a case's pictures, clip and manifest; False when somebody moved, held or erased it meanwhile."""
        with self.store.writing() as connection:
            if not _is_as_seen(connection, case):
                return False
            _drop_pieces(connection, case.unit_id, case.event_id)
        return True

    def drop_strays(self, unit_id: str, event_id: str) -> bool:
        """Erase what came for an event without a case; False when its report has come meanwhile."""
        with self.store.writing() as connection:
            _wait_for_arrivals(connection, unit_id, event_id)
            has_case = exists().where(cases.c.unit_id == unit_id, cases.c.event_id == event_id)
            if connection.scalar(select(has_case)):
                return False
            _drop_pieces(connection, unit_id, event_id)
        return True

    def drop_case(self, case: Case) -> bool:
        """Erase a case with all that came of it; False when somebody moved, held or erased it meanwhile."""
        with self.store.writing() as connection:
            if not _is_as_seen(connection, case):
                return False
            _drop_pieces(connection, case.unit_id, case.event_id)
            for table in (timeline, attempt, letter):
                connection.execute(delete(table).where(table.c.case_id == case.case_id))
            for table in (quarantine, unit_event):
                where = (table.c.unit_id == case.unit_id) & (table.c.event_id == case.event_id)
                connection.execute(update(table).where(where).values(body=b""))
            connection.execute(delete(cases).where(cases.c.case_id == case.case_id))
        return True

    def sweep(self) -> int:
        """Remove the pieces that were dropped; how many are left, because the store is away or refuses."""
        last = 0
        while found := self._dropped(after=last):
            last = found[-1].remnant_id
            gone = self._remove(found)
            with self.store.writing() as connection:
                connection.execute(delete(remnant).where(remnant.c.remnant_id.in_(gone)))
            if len(found) - len(gone) >= _GIVE_UP:
                break
        return self.left()

    def left(self) -> int:
        """How many pieces were dropped and are not removed yet."""
        with self.store.reading() as connection:
            return connection.scalar(select(func.count()).select_from(remnant)) or 0

    def _dropped(self, after: int) -> Sequence[Row[Any]]:
        """The next pieces to remove."""
        statement = select(remnant).where(remnant.c.remnant_id > after).order_by(remnant.c.remnant_id).limit(_AT_ONCE)
        with self.store.reading() as connection:
            return connection.execute(statement).all()

    def _is_back(self, row: Row[Any]) -> bool:
        """Whether the unit has said a piece again since."""
        key = ("unit_id", "event_id", "sha256")
        with self.store.reading() as connection:
            known = exists().where(*(evidence.c[name] == getattr(row, name) for name in key))
            return bool(connection.scalar(select(known)))

    def _remove(self, found: Iterable[Row[Any]]) -> list[int]:
        """Those of these pieces that are gone, or known again."""
        gone: list[int] = []
        refusals = 0
        for row in found:
            try:
                if not self._is_back(row):  # asked of each just before: the next may take seconds
                    self.evidence.remove(row.path)
                gone.append(row.remnant_id)
            except StoreError as fault:
                log.warning("a piece of evidence is not removed yet", extra={"reason": str(fault)})
                refusals += 1
                if refusals == _GIVE_UP:
                    break
        return gone

    def drop_calls(self, found: Iterable[Case]) -> None:
        """Empty WhatsApp's calls about these cases: they hold telephone numbers."""
        ids = [case.case_id for case in found]
        with self.store.writing() as connection:
            needles = _names(connection, ids)
            done = select(webhook_inbox.c.call_id, webhook_inbox.c.body).where(webhook_inbox.c.done_at.is_not(None))
            for call_id, body in connection.execute(done).all():
                if any(needle in body for needle in needles):
                    where = webhook_inbox.c.call_id == call_id
                    connection.execute(update(webhook_inbox).where(where).values(body=b""))


def _names(connection: Connection, case_ids: list[int]) -> tuple[bytes, ...]:
    """What a call names the messages of these cases by."""
    statement = select(attempt.c.attempt_id, attempt.c.wamid).where(attempt.c.case_id.in_(case_ids))
    return tuple(name.encode() for row in connection.execute(statement) for name in row if name)


def _is_as_seen(connection: Connection, case: Case) -> bool:
    """Whether a case still stands where it stood when its end was decided; then it does so until the transaction ends,
    nobody can hold it, and nothing can arrive for it."""
    _wait_for_arrivals(connection, case.unit_id, case.event_id)
    where = cases.c.case_id == case.case_id
    now = connection.execute(select(cases.c.state, cases.c.changed_at).where(where).with_for_update()).first()
    is_same = now is not None and (now.state, now.changed_at) == (case.state, case.changed_at)
    return is_same and not holds.is_held(connection, case)


def _wait_for_arrivals(connection: Connection, unit_id: str, event_id: str) -> None:
    """What comes for the event meanwhile comes before this transaction or after it (`arrivals.keep` holds the same
    name): a piece that came between two of its statements would be forgotten and never removed."""
    hold(connection, f"{unit_id}/{event_id}")


def _drop_pieces(connection: Connection, unit_id: str, event_id: str) -> None:
    """Forget an event's pieces, but for what has to be removed."""
    where = (evidence.c.unit_id == unit_id) & (evidence.c.event_id == event_id)
    named = ("unit_id", "event_id", "sha256", "path")
    pieces = select(*(evidence.c[name] for name in named)).where(where)
    connection.execute(insert(remnant).from_select(named, pieces))
    connection.execute(delete(evidence).where(where))
