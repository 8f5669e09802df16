"""Who may use the console, and what people did."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _people()
    _units()
    _trail()


def _people() -> None:
    op.create_table(
        "account",
        sa.Column("account_id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(32), nullable=False, unique=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password", sa.String(255), nullable=False),
        sa.Column("one_time", sa.Boolean, nullable=False),
        sa.Column("totp", sa.LargeBinary),
        sa.Column("totp_step", sa.Integer, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("disabled_at", _MOMENT),
    )
    op.create_table(
        "session",
        sa.Column("session_id", sa.Integer, primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("account_id", sa.Integer, sa.ForeignKey("account.account_id"), nullable=False),
        sa.Column("opened_at", _MOMENT, nullable=False),
        sa.Column("seen_at", _MOMENT, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("totp_new", sa.LargeBinary),
    )
    op.create_index("ix_session_account_id", "session", ["account_id"])
    op.create_table(
        "login_failure",
        sa.Column("scope", sa.String(80), primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last_at", _MOMENT, nullable=False),
        sa.Column("until", _MOMENT, nullable=False),
    )


def _units() -> None:
    op.create_table(
        "key_approval",
        sa.Column("unit_id", sa.String(63), primary_key=True),
        sa.Column("public_key", sa.String(64), primary_key=True),
        sa.Column("who", sa.String(32), primary_key=True),
        sa.Column("at", _MOMENT, nullable=False),
    )
    op.create_table(
        "unit_hold",
        sa.Column("unit_id", sa.String(63), primary_key=True),
        sa.Column("who", sa.String(32), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
    )


def _trail() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("what", sa.String(32), nullable=False),
        sa.Column("about", sa.String(80), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("mac", sa.String(64), nullable=False),
    )
    op.create_index("audit_by_person", "audit_entry", ["who", "what", "at"])
    op.create_table(
        "audit_head",
        sa.Column("head_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("mac", sa.String(64), nullable=False),
    )
