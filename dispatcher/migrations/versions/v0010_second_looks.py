"""Plates that are looked for elsewhere, and the numbers of units' reports."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_index("cases_by_plate", "cases", ["plate", "occurred_at"])
    op.create_table(
        "unit_count",
        sa.Column("unit_id", sa.String(63), primary_key=True),
        sa.Column("last", sa.Integer, nullable=False),
        sa.Column("repeated", sa.Integer, nullable=False),
    )
    op.create_table(
        "missing_reports",
        sa.Column("unit_id", sa.String(63), primary_key=True),
        sa.Column("first", sa.Integer, primary_key=True),
        sa.Column("last", sa.Integer, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
    )
    # What was missing before is not known any more.
    op.execute("INSERT INTO unit_count SELECT unit_id, max(sequence), 0 FROM unit_event GROUP BY unit_id")
