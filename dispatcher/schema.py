"""The database's tables as this dispatcher knows them; `migrations` brings older databases up to them.

SQLAlchemy Core, SQLite by default and PostgreSQL by URL: nothing here is one database's own.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeDecorator


class Moment(TypeDecorator[datetime]):
    """An aware UTC moment, also in databases that do not know zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))
"""What dispatchers from before the migrations look at; it holds a number that they refuse."""

unit_event = Table(
    "unit_event",
    metadata,
    Column("unit_id", String(63), primary_key=True),
    Column("event_id", String(36), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("received_at", Moment, nullable=False),
)
"""Signed reports, exactly as they came."""

unit_count = Table(
    "unit_count",
    metadata,
    Column("unit_id", String(63), primary_key=True),
    Column("last", Integer, nullable=False),
    Column("repeated", Integer, nullable=False),
)
"""The highest number of each unit's reports, and how many came with a number that had come before."""

missing_reports = Table(
    "missing_reports",
    metadata,
    Column("unit_id", String(63), primary_key=True),
    Column("first", Integer, primary_key=True),
    Column("last", Integer, nullable=False),
    Column("since", Moment, nullable=False),
)
"""Numbers below the highest that have not come, from `first` to `last`."""

quarantine = Table(
    "quarantine",
    metadata,
    Column("quarantine_id", Integer, primary_key=True),
    Column("unit_id", String(63), nullable=False),
    Column("event_id", String(36), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("received_at", Moment, nullable=False),
    UniqueConstraint("unit_id", "event_id", "sha256"),
)
"""Signed reports whose event id is known with another content."""

evidence = Table(
    "evidence",
    metadata,
    Column("unit_id", String(63), primary_key=True),
    Column("event_id", String(36), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("media_type", String(32), nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("path", String(255), nullable=False),
    Column("received_at", Moment, nullable=False),
)
"""Pieces of evidence; the bytes lie under `path` in the evidence folder."""

WORKED = "state IN ('evidence_complete', 'validated', 'owner_resolved', 'queued', 'sending')"
"""Cases that a worker may claim; who looks for the oldest of them says this too, in the same words, and gets the index
that lists them in their order. SQLite prefers to sort them all, so it has no such index."""

cases = Table(
    "cases",
    metadata,
    Column("case_id", Integer, primary_key=True),
    Column("unit_id", String(63), nullable=False),
    Column("event_id", String(36), nullable=False),
    Column("reference", String(32), nullable=False, unique=True),
    Column("state", String(24), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("plate", String(10), nullable=False),
    Column("occurred_at", Moment, nullable=False),
    Column("reported_at", Moment, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("next_at", Moment),
    Column("reasons", Text, nullable=False, default=""),
    Column("approved", Boolean, nullable=False, default=False),
    Column("tries", Integer, nullable=False, default=0),
    Column("deadline", Moment),
    Column("media_id", String(255)),
    Column("media_at", Moment),
    Column("worker", String(64)),
    Column("lease_until", Moment),
    UniqueConstraint("unit_id", "event_id"),
    Index("cases_due", "state", "next_at"),
    Index("cases_by_age", "state", "occurred_at"),
    Index("cases_by_deadline", "state", "deadline"),
    Index("cases_newest", "occurred_at", "case_id"),
    Index("cases_by_plate", "plate", "occurred_at"),
    Index("cases_to_work", "changed_at", "case_id", postgresql_where=text(WORKED)).ddl_if(dialect="postgresql"),
)
"""One row a violation: where it stands and when the worker looks at it next."""

timeline = Table(
    "timeline",
    metadata,
    Column("entry_id", Integer, primary_key=True),
    Column("case_id", ForeignKey("cases.case_id"), nullable=False, index=True),
    Column("at", Moment, nullable=False),
    Column("from_state", String(24), nullable=False),
    Column("to_state", String(24), nullable=False),
    Column("event", String(24), nullable=False),
    Column("who", String(64), nullable=False),
    Column("why", Text, nullable=False),
)
"""Each move of each case."""

proposal = Table(
    "proposal",
    metadata,
    Column("case_id", ForeignKey("cases.case_id"), primary_key=True),
    Column("decision", String(16), nullable=False),
    Column("plate", String(10), nullable=False),
    Column("who", String(64), nullable=False),
    Column("at", Moment, nullable=False),
    Column("why", Text, nullable=False),
    Column("opponent", String(64)),
    Column("opposed_at", Moment),
    Column("objection", Text, nullable=False),
)
"""What one person would decide about a case in review that takes two, until it is decided."""

attempt = Table(
    "attempt",
    metadata,
    Column("attempt_id", String(40), primary_key=True),
    Column("case_id", ForeignKey("cases.case_id"), nullable=False, index=True),
    Column("state", String(16), nullable=False, index=True),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("wamid", String(255), unique=True),
    Column("code", Integer),
)
"""Each try to send, written down before the request leaves; its id travels as `biz_opaque_callback_data`."""

webhook_inbox = Table(
    "webhook_inbox",
    metadata,
    Column("call_id", Integer, primary_key=True),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("body", LargeBinary, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("done_at", Moment),
    Column("remark", Text, nullable=False, default=""),
    Index("webhook_waiting", "call_id", sqlite_where=text("done_at IS NULL"), postgresql_where=text("done_at IS NULL")),
)
"""WhatsApp's calls as they came; processed later, in order."""

pause = Table(
    "pause",
    metadata,
    Column("scope", String(80), primary_key=True),
    Column("since", Moment, nullable=False),
    Column("code", Integer, nullable=False),
)
"""What must not send until a person says so: `sender`, or `template:NAME`."""

unit_status = Table(
    "unit_status",
    metadata,
    Column("unit_id", String(63), primary_key=True),
    Column("online", Boolean, nullable=False),
    Column("at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("software", String(64), nullable=False),
    Column("backlog", Integer, nullable=False),
    Column("dead", Integer, nullable=False),
)
"""What each unit said of itself last."""

counter = Table(
    "counter",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("value", Integer, nullable=False),
)
"""What was refused, by reason."""

owner_snapshot = Table(
    "owner_snapshot",
    metadata,
    Column("snapshot_id", Integer, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("imported_at", Moment, nullable=False),
    Column("as_of", Moment),
    Column("sha256", String(64), nullable=False),
    Column("good_rows", Integer, nullable=False),
    Column("bad_rows", Integer, nullable=False),
)
"""Imports of the registry: `loading`, `current` (one) or `old`. `as_of`: when it was taken, if that is signed."""

owner = Table(
    "owner",
    metadata,
    Column("owner_id", Integer, primary_key=True),
    Column("snapshot_id", ForeignKey("owner_snapshot.snapshot_id"), nullable=False),
    Column("plate", String(10), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("vehicle_class", String(16), nullable=False),
    Column("plate_colour", String(24), nullable=False),
    Column("status", String(16), nullable=False),
    Column("electric", Boolean, nullable=False),
    Column("valid_from", Moment),
    Index("owner_by_plate", "snapshot_id", "plate"),
)
"""Registrations; name, phone and NIK are sealed."""

lookup = Table(
    "lookup",
    metadata,
    Column("lookup_id", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("case_id", Integer, nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("snapshot_id", Integer),
)
"""Who asked the registry for what: one row a look-up."""
