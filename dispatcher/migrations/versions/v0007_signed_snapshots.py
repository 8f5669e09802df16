"""When the registry took the snapshot, where it signed that."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("owner_snapshot", sa.Column("as_of", sa.DateTime(timezone=True)))
