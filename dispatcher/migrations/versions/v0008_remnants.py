"""Erased pieces of evidence whose bytes are still to be removed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "remnant",
        sa.Column("remnant_id", sa.Integer, primary_key=True),
        sa.Column("unit_id", sa.String(63), nullable=False),
        sa.Column("event_id", sa.String(36), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("path", sa.String(255), nullable=False),
    )
