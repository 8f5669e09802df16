"""The first tables, as 0.1.0 made them before there were migrations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table("schema_version", sa.Column("version", sa.Integer, nullable=False))
    _reports()
    _cases()
    _whatsapp()
    _counts()
    _owners()


def _reports() -> None:
    op.create_table(
        "unit_event",
        sa.Column("unit_id", sa.String(63), primary_key=True),
        sa.Column("event_id", sa.String(36), primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("received_at", _MOMENT, nullable=False),
    )
    op.create_table(
        "quarantine",
        sa.Column("quarantine_id", sa.Integer, primary_key=True),
        sa.Column("unit_id", sa.String(63), nullable=False),
        sa.Column("event_id", sa.String(36), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("received_at", _MOMENT, nullable=False),
        sa.UniqueConstraint("unit_id", "event_id", "sha256"),
    )
    op.create_table(
        "evidence",
        sa.Column("unit_id", sa.String(63), primary_key=True),
        sa.Column("event_id", sa.String(36), primary_key=True),
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("media_type", sa.String(32), nullable=False),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("path", sa.String(255), nullable=False),
        sa.Column("received_at", _MOMENT, nullable=False),
    )
    op.create_table(
        "unit_status",
        sa.Column("unit_id", sa.String(63), primary_key=True),
        sa.Column("online", sa.Boolean, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("seen_at", _MOMENT, nullable=False),
        sa.Column("software", sa.String(64), nullable=False),
        sa.Column("backlog", sa.Integer, nullable=False),
        sa.Column("dead", sa.Integer, nullable=False),
    )


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("case_id", sa.Integer, primary_key=True),
        sa.Column("unit_id", sa.String(63), nullable=False),
        sa.Column("event_id", sa.String(36), nullable=False),
        sa.Column("reference", sa.String(32), nullable=False, unique=True),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("plate", sa.String(10), nullable=False),
        sa.Column("occurred_at", _MOMENT, nullable=False),
        sa.Column("reported_at", _MOMENT, nullable=False),
        sa.Column("received_at", _MOMENT, nullable=False),
        sa.Column("changed_at", _MOMENT, nullable=False),
        sa.Column("next_at", _MOMENT),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("approved", sa.Boolean, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("deadline", _MOMENT),
        sa.Column("media_id", sa.String(255)),
        sa.Column("media_at", _MOMENT),
        sa.UniqueConstraint("unit_id", "event_id"),
    )
    op.create_index("cases_due", "cases", ["state", "next_at"])
    op.create_index("cases_by_age", "cases", ["state", "occurred_at"])
    op.create_table(
        "timeline",
        sa.Column("entry_id", sa.Integer, primary_key=True),
        sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.case_id"), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("from_state", sa.String(24), nullable=False),
        sa.Column("to_state", sa.String(24), nullable=False),
        sa.Column("event", sa.String(24), nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
    )
    op.create_index("ix_timeline_case_id", "timeline", ["case_id"])


def _whatsapp() -> None:
    op.create_table(
        "attempt",
        sa.Column("attempt_id", sa.String(40), primary_key=True),
        sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.case_id"), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT),
        sa.Column("wamid", sa.String(255), unique=True),
        sa.Column("code", sa.Integer),
    )
    op.create_index("ix_attempt_case_id", "attempt", ["case_id"])
    op.create_index("ix_attempt_state", "attempt", ["state"])
    op.create_table(
        "webhook_inbox",
        sa.Column("call_id", sa.Integer, primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("received_at", _MOMENT, nullable=False),
        sa.Column("done_at", _MOMENT),
        sa.Column("remark", sa.Text, nullable=False),
    )
    op.create_index("ix_webhook_inbox_done_at", "webhook_inbox", ["done_at"])
    op.create_table(
        "pause",
        sa.Column("scope", sa.String(80), primary_key=True),
        sa.Column("since", _MOMENT, nullable=False),
        sa.Column("code", sa.Integer, nullable=False),
    )


def _counts() -> None:
    op.create_table(
        "counter",
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("value", sa.Integer, nullable=False),
    )


def _owners() -> None:
    op.create_table(
        "owner_snapshot",
        sa.Column("snapshot_id", sa.Integer, primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("imported_at", _MOMENT, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("good_rows", sa.Integer, nullable=False),
        sa.Column("bad_rows", sa.Integer, nullable=False),
    )
    op.create_table(
        "owner",
        sa.Column("owner_id", sa.Integer, primary_key=True),
        sa.Column("snapshot_id", sa.Integer, sa.ForeignKey("owner_snapshot.snapshot_id"), nullable=False),
        sa.Column("plate", sa.String(10), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("vehicle_class", sa.String(16), nullable=False),
        sa.Column("plate_colour", sa.String(24), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("electric", sa.Boolean, nullable=False),
        sa.Column("valid_from", _MOMENT),
    )
    op.create_index("owner_by_plate", "owner", ["snapshot_id", "plate"])
    op.create_table(
        "lookup",
        sa.Column("lookup_id", sa.Integer, primary_key=True),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("case_id", sa.Integer, nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("snapshot_id", sa.Integer),
    )
