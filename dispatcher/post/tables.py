"""The table of letters; on the dispatcher's own metadata."""

from __future__ import annotations

from sqlalchemy import Column, Date, ForeignKey, LargeBinary, String, Table

from dispatcher.schema import metadata

letter = Table(
    "letter",
    metadata,
    Column("case_id", ForeignKey("cases.case_id"), primary_key=True),
    Column("day", Date, nullable=False, index=True),
    Column("wording", String(64), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)
"""Letters that were printed, one a case: in which day's batch, with which wording, and the sealed name and address it
went to, so that a second print is the same letter whatever the registry says by then."""
