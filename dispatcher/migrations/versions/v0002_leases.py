"""Who works on a case, and until when nobody else does."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("cases", sa.Column("worker", sa.String(64)))
    op.add_column("cases", sa.Column("lease_until", sa.DateTime(timezone=True)))
    # A dispatcher from before the migrations looks here, and refuses what is more than 1.
    op.execute("DELETE FROM schema_version")
    op.execute("INSERT INTO schema_version (version) VALUES (2)")
