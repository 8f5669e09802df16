"""A database as it is after months: cases whose owners were told, and half of which are answered."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text

from dispatcher.store import Store

_ROWS = 50_000
"""Of one transaction."""
_PAST = """
    CREATE TEMPORARY TABLE past ON COMMIT DROP AS
    SELECT n, md5(n::text)::uuid::text AS event, CAST(:at AS timestamptz) + n * interval '1 second' AS at
    FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n
"""
_STATEMENTS = (
    """INSERT INTO unit_event (unit_id, event_id, sha256, sequence, body, received_at)
       SELECT 'past', event, md5(event) || md5(event), n, convert_to(repeat('x', 1500), 'UTF8'), at FROM past""",
    """INSERT INTO evidence (unit_id, event_id, sha256, role, media_type, size_bytes, path, received_at)
       SELECT 'past', event, md5(role || n) || md5(role || n), role, 'image/jpeg', 100000,
              'past/' || event || '/' || md5(role || n) || md5(role || n) || '.jpg', at
       FROM past, unnest(ARRAY['context', 'plate']) AS role""",
    """INSERT INTO cases (case_id, unit_id, event_id, reference, state, kind, plate, occurred_at, reported_at,
                          received_at, changed_at, reasons, approved, tries, deadline, media_id, media_at)
       SELECT -n, 'past', event, md5('r' || n), CASE n % 2 WHEN 0 THEN 'confirmed' ELSE 'delivered' END, 'odd_even',
              'B' || n % 9999 || 'ZZZ', at, at, at, at, '', false, 1, at + interval '99 days', 'm' || n, at
       FROM past""",
    """INSERT INTO timeline (case_id, at, from_state, to_state, event, who, why)
       SELECT -n, at, source, target, move, 'machine', ''
       FROM past, (VALUES ('', 'received', 'reported'), ('received', 'evidence_complete', 'evidence_arrived'),
                          ('evidence_complete', 'validated', 'passed'), ('validated', 'owner_resolved', 'owner_found'),
                          ('owner_resolved', 'queued', 'composed'), ('queued', 'sending', 'attempted'),
                          ('sending', 'accepted', 'was_accepted'), ('accepted', 'sent', 'was_sent'),
                          ('sent', 'delivered', 'was_delivered')) AS way (source, target, move)""",
    """INSERT INTO attempt (attempt_id, case_id, state, started_at, ended_at, wamid)
       SELECT 'ntf_' || md5(event), -n, 'accepted', at, at, 'wamid.' || md5(event) || md5(event) FROM past""",
    """INSERT INTO lookup (at, case_id, purpose, outcome, snapshot_id)
       SELECT at, -n, purpose, 'Match', 1 FROM past, unnest(ARRAY['notice', 'send']) AS purpose""",
    """INSERT INTO webhook_inbox (sha256, body, received_at, done_at, remark)
       SELECT md5(kind || n) || md5(kind || n), convert_to(repeat('y', 600), 'UTF8'), at, at, ''
       FROM past, unnest(ARRAY['sent', 'delivered']) AS kind""",
)


def fill(store: Store, before: int, after: int, began: datetime) -> None:
    """Add cases of the past until there are `after`, a second apart; PostgreSQL alone."""
    for first in range(before + 1, after + 1, _ROWS):
        rows = {"first": first, "last": min(first + _ROWS - 1, after), "at": began}
        with store.writing() as connection:
            connection.execute(text("SET LOCAL synchronous_commit = off"))
            connection.execute(text(_PAST), rows)
            for statement in _STATEMENTS:
                connection.execute(text(statement))
    with store.writing() as connection:
        connection.execute(text("ANALYZE"))
