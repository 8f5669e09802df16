"""A database as it is after years: cases that were told and closed, with all that was written of them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text

from dispatcher.store import Store

_ROWS = 50_000
"""Of one transaction."""
_WAY = (
    ("", "received", "reported"),
    ("received", "evidence_complete", "evidence_arrived"),
    ("evidence_complete", "validated", "passed"),
    ("validated", "owner_resolved", "owner_found"),
    ("owner_resolved", "queued", "composed"),
    ("queued", "sending", "attempted"),
    ("sending", "accepted", "was_accepted"),
    ("accepted", "delivered", "was_delivered"),
    ("delivered", "confirmed", "owned_up"),
)
_STATEMENTS = (
    """INSERT INTO unit_event (unit_id, event_id, sha256, sequence, body, received_at)
       SELECT 'past', md5(n::text)::uuid::text, md5(n::text) || md5(n::text), n,
              convert_to(repeat('x', 1500), 'UTF8'), :at
       FROM generate_series(:first, :last) AS n""",
    """INSERT INTO evidence (unit_id, event_id, sha256, role, media_type, size_bytes, path, received_at)
       SELECT 'past', md5(n::text)::uuid::text, md5(role || n) || md5(role || n), role, 'image/jpeg', 100000,
              'past/' || md5(n::text)::uuid::text || '/' || md5(role || n) || md5(role || n) || '.jpg', :at
       FROM generate_series(:first, :last) AS n, unnest(ARRAY['context', 'plate']) AS role""",
    """INSERT INTO cases (case_id, unit_id, event_id, reference, state, kind, plate, occurred_at, reported_at,
                          received_at, changed_at, reasons, approved, tries, deadline, media_id, media_at)
       SELECT -n, 'past', md5(n::text)::uuid::text, md5('r' || n), 'confirmed', 'odd_even', 'B' || n % 9999 || 'ZZZ',
              :at + n * interval '1 second', :at, :at, :at + n * interval '1 second', '', false, 1, :at, 'm' || n, :at
       FROM generate_series(:first, :last) AS n""",
    """INSERT INTO attempt (attempt_id, case_id, state, started_at, ended_at, wamid)
       SELECT 'ntf_' || md5(n::text), -n, 'accepted', :at, :at, 'wamid.' || md5(n::text) || md5(n::text)
       FROM generate_series(:first, :last) AS n""",
    """INSERT INTO lookup (at, case_id, purpose, outcome, snapshot_id)
       SELECT :at, -n, purpose, 'Match', 1
       FROM generate_series(:first, :last) AS n, unnest(ARRAY['notice', 'send']) AS purpose""",
    """INSERT INTO webhook_inbox (sha256, body, received_at, done_at, remark)
       SELECT md5(kind || n) || md5(kind || n), convert_to(repeat('y', 600), 'UTF8'), :at, :at, ''
       FROM generate_series(:first, :last) AS n, unnest(ARRAY['sent', 'delivered']) AS kind""",
)
_MOVES = """INSERT INTO timeline (case_id, at, from_state, to_state, event, who, why)
            SELECT -n, :at, :source, :target, :event, 'machine', '' FROM generate_series(:first, :last) AS n"""


def fill(store: Store, before: int, after: int, began: datetime) -> None:
    """Add closed cases of the past until there are `after`; PostgreSQL alone."""
    for first in range(before + 1, after + 1, _ROWS):
        last = min(first + _ROWS - 1, after)
        with store.writing() as connection:
            rows = {"first": first, "last": last, "at": began}
            connection.execute(text("SET LOCAL synchronous_commit = off"))
            for statement in _STATEMENTS:
                connection.execute(text(statement), rows)
            for source, target, event in _WAY:
                connection.execute(text(_MOVES), {**rows, "source": source, "target": target, "event": event})
    with store.writing() as connection:
        connection.execute(text("ANALYZE"))
