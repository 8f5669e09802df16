"""Erases evidence and cases, so that nothing personal of them stays in database or folder.

What stays: in the audit trail the reference, a random number; of the unit's report its hash, number and event id, so
that the same report, said again, does not open the case anew; of WhatsApp's calls their hash, for the same reason.

Files go before rows: a crash between the two leaves rows without files, which the next run erases; the reverse would
leave pictures that nothing knows of.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update

from dispatcher.cases import Case
from dispatcher.evidence import EvidenceStore
from dispatcher.post.tables import letter
from dispatcher.privacy import holds
from dispatcher.schema import attempt, cases, evidence, quarantine, timeline, unit_event, webhook_inbox
from dispatcher.store import Store


@dataclass(frozen=True, slots=True)
class Eraser:
    """Takes things out of database and evidence folder."""

    store: Store
    evidence: EvidenceStore

    def drop_evidence(self, case: Case) -> bool:
        """Erase a case's pictures, clip and manifest; False when a hold came first."""
        return self.drop_pieces(case.unit_id, case.event_id, case)

    def drop_pieces(self, unit_id: str, event_id: str, case: Case | None = None) -> bool:
        """Erase what came for an event."""
        where = (evidence.c.unit_id == unit_id) & (evidence.c.event_id == event_id)
        with self.store.writing() as connection:  # a hold set meanwhile waits for this, or stops it
            if case is not None and holds.is_held(connection, case):
                return False
            for place in connection.scalars(select(evidence.c.path).where(where)).all():
                self.evidence.remove(place)
            connection.execute(delete(evidence).where(where))
        return True

    def drop_case(self, case: Case) -> bool:
        """Erase a case with all that came of it; False when a hold came first."""
        if not self.drop_evidence(case):
            return False
        with self.store.writing() as connection:
            if holds.is_held(connection, case):
                return False
            for table in (timeline, attempt, letter):
                connection.execute(delete(table).where(table.c.case_id == case.case_id))
            for table in (quarantine, unit_event):
                where = (table.c.unit_id == case.unit_id) & (table.c.event_id == case.event_id)
                connection.execute(update(table).where(where).values(body=b""))
            connection.execute(delete(cases).where(cases.c.case_id == case.case_id))
        return True

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
