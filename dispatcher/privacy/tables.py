"""The table of legal holds; on the dispatcher's own metadata."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, String, Table, Text

from dispatcher.schema import Moment, metadata

legal_hold = Table(
    "legal_hold",
    metadata,
    Column("case_id", ForeignKey("cases.case_id"), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("who", String(64), nullable=False),
    Column("why", Text, nullable=False),
)
"""Cases of which nothing is erased, because a court or a complaint needs them."""
