"""What one person has proposed about a case that two decide; and no uploaded picture from before they were veiled."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "proposal",
        sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.case_id"), primary_key=True),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("plate", sa.String(10), nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("opponent", sa.String(64)),
        sa.Column("opposed_at", sa.DateTime(timezone=True)),
        sa.Column("objection", sa.Text, nullable=False),
    )
    op.execute("UPDATE cases SET media_id = NULL WHERE state = 'queued'")
