"""The tables of users, sessions, failed log-ins, unit keys and the audit trail; on the dispatcher's own metadata."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from dispatcher.schema import Moment, metadata

account = Table(
    "account",
    metadata,
    Column("account_id", Integer, primary_key=True),
    Column("name", String(32), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("password", String(255), nullable=False),
    Column("one_time", Boolean, nullable=False),
    Column("totp", LargeBinary),
    Column("totp_step", Integer, nullable=False, default=0),
    Column("created_at", Moment, nullable=False),
    Column("disabled_at", Moment),
)
"""Users. `password` is argon2's hash, `one_time` when somebody else gave it and it must be changed at the first log-in;
`totp` is the sealed secret, `totp_step` the step of the last code that was used, so that none works twice. Rows are
never deleted: the audit trail names them."""

session = Table(
    "session",
    metadata,
    Column("session_id", Integer, primary_key=True),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("account_id", ForeignKey("account.account_id"), nullable=False, index=True),
    Column("opened_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("address", String(64), nullable=False),
    Column("totp_new", LargeBinary),
)
"""Who is logged in. The token itself is in the browser alone; `totp_new` is the sealed secret of a begun enrolment."""

login_failure = Table(
    "login_failure",
    metadata,
    Column("scope", String(80), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", Moment, nullable=False),
    Column("until", Moment, nullable=False),
)
"""Failed log-ins by hashed name and by address: how often in a row, and until when the next try has to wait."""

key_approval = Table(
    "key_approval",
    metadata,
    Column("unit_id", String(63), primary_key=True),
    Column("public_key", String(64), primary_key=True),
    Column("who", String(32), primary_key=True),
    Column("at", Moment, nullable=False),
)
"""Who found a unit's key to be that unit's. Another key of the same unit needs approvals of its own."""

unit_hold = Table(
    "unit_hold",
    metadata,
    Column("unit_id", String(63), primary_key=True),
    Column("who", String(32), nullable=False),
    Column("at", Moment, nullable=False),
    Column("why", Text, nullable=False),
)
"""Units that a person has quarantined from the console."""

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("who", String(64), nullable=False),
    Column("what", String(32), nullable=False),
    Column("about", String(80), nullable=False),
    Column("why", Text, nullable=False),
    Column("address", String(64), nullable=False),
    Column("previous", String(64), nullable=False),
    Column("mac", String(64), nullable=False),
    Index("audit_by_person", "who", "what", "at"),
)
"""What people did, each entry chained to the one before."""

audit_head = Table(
    "audit_head",
    metadata,
    Column("head_id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),
    Column("mac", String(64), nullable=False),
)
"""One row: the newest entry. Locked by whoever appends, and what tells that entries were cut off the end."""
