"""Legal holds in the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from dispatcher.cases import Case
from dispatcher.privacy.tables import legal_hold
from dispatcher.schema import cases
from dispatcher.store import insert_new


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing of a case is erased."""

    reference: str
    at: datetime
    who: str
    why: str


def hold(connection: Connection, case: Case, who: str, why: str, now: datetime) -> bool:
    """Hold a case; False when it is held already."""
    return insert_new(connection, legal_hold, {"case_id": case.case_id, "at": now, "who": who, "why": why})


def lift(connection: Connection, case: Case) -> bool:
    """Let a case go; whether it was held."""
    return connection.execute(delete(legal_hold).where(legal_hold.c.case_id == case.case_id)).rowcount == 1


def is_held(connection: Connection, case: Case) -> bool:
    where = legal_hold.c.case_id == case.case_id
    return connection.scalar(select(legal_hold.c.case_id).where(where)) is not None


def listed(connection: Connection) -> tuple[Hold, ...]:
    """All holds, oldest first."""
    columns = (cases.c.reference, legal_hold.c.at, legal_hold.c.who, legal_hold.c.why)
    statement = select(*columns).join(cases, cases.c.case_id == legal_hold.c.case_id).order_by(legal_hold.c.at)
    return tuple(Hold(*row) for row in connection.execute(statement))
