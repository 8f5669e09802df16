"""The numbered steps that bring a database from any older schema to the one that `schema.py` declares.

A step is a file in `versions/`, written with Alembic's operations and applied in one transaction with all others that
are missing: a database is at one schema or at another, never between. A released step is never changed.
"""

from __future__ import annotations

from pathlib import Path

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from dispatcher.errors import StoreError
from dispatcher.schema import schema_version

_STEPS = ScriptDirectory(str(Path(__file__).parent))
_FIRST = "0001"
HEAD: str = _STEPS.get_current_head() or ""
"""The schema this dispatcher works with."""


def revision(connection: Connection) -> str | None:
    """The schema a database has; None for an empty one. Raises StoreError for one that a newer dispatcher has made."""
    found = MigrationContext.configure(connection).get_current_revision()
    if found is None and inspect(connection).has_table(schema_version.name):
        return _FIRST  # from before there were migrations
    if found is not None and not is_known(found):
        raise StoreError(
            f"database: schema {found} is newer than this dispatcher's {HEAD}; install the dispatcher it belongs to"
        )
    return found


def is_known(revision: str) -> bool:
    """Whether this dispatcher has heard of a schema."""
    return revision in {step.revision for step in _STEPS.walk_revisions()}


def upgrade(connection: Connection) -> None:
    """Bring the database to `HEAD`. Raises StoreError for one that a newer dispatcher has made."""
    context = MigrationContext.configure(connection)
    missing = list(_STEPS.iterate_revisions(HEAD, revision(connection) or "base"))
    with Operations.context(context):
        for step in reversed(missing):
            step.module.upgrade()
    context.stamp(_STEPS, HEAD)
