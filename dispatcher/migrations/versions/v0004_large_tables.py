"""Indexes for what is asked again and again, however many cases there are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_index("cases_by_deadline", "cases", ["state", "deadline"])
    op.create_index("cases_newest", "cases", ["occurred_at", "case_id"])
    op.drop_index("ix_webhook_inbox_done_at", "webhook_inbox")
    waiting = sa.text("done_at IS NULL")
    op.create_index("webhook_waiting", "webhook_inbox", ["call_id"], sqlite_where=waiting, postgresql_where=waiting)
