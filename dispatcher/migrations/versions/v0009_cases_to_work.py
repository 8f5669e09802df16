"""Which cases a worker takes next, found without sorting all that wait."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        worked = sa.text("state IN ('evidence_complete', 'validated', 'owner_resolved', 'queued', 'sending')")
        op.create_index("cases_to_work", "cases", ["changed_at", "case_id"], postgresql_where=worked)
