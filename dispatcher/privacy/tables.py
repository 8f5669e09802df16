"""The tables of legal holds and of what is still to be removed; on the dispatcher's own metadata."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, String, Table, Text

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

remnant = Table(
    "remnant",
    metadata,
    Column("remnant_id", Integer, primary_key=True),
    Column("unit_id", String(63), nullable=False),
    Column("event_id", String(36), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("path", String(255), nullable=False),
)
"""Pieces of evidence whose bytes are to be removed from the evidence store, unless the unit says them again before:
erased ones, and ones that may have come to lie there after their unit was told that they are not kept."""
