"""The second validation, at the centre: what must hold before a case may go on without a person (pure)."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from dispatcher.plate import is_civil
from wire.messages import EvidenceRole, Verdict, ViolationReport

_CLOCK_SLACK = timedelta(minutes=2)
"""A unit whose clock is synchronised is right to milliseconds; two minutes ahead of the centre is a broken clock."""


class Doubt(StrEnum):
    """Why the centre wants a person to look."""

    UNIT_REVIEW = "unit_review"
    """The unit itself was not sure; its own reasons stand beside this one."""
    SPECIAL_PLATE = "special_plate"
    PICTURES_MISSING = "pictures_missing"
    CLOCK = "clock"
    TOO_OLD = "too_old"
    NO_LAW = "no_law"
    """No law in force that day describes this kind of violation."""
    KEY_REPLACED = "key_replaced"
    """Signed with a key that is not the unit's any more."""
    SEEN_ELSEWHERE = "seen_elsewhere"
    """The same plate was seen where its vehicle cannot have been; a person decides about both."""


def doubts(
    report: ViolationReport, now: datetime, max_age: timedelta, has_law: bool, is_replaced: bool
) -> tuple[str, ...]:
    """Why this report needs a person, as codes; empty when it may go on. `is_replaced`: the key that signed it is."""
    roles = {piece.role for piece in report.evidence}
    held = (
        (Doubt.KEY_REPLACED, is_replaced),
        (Doubt.UNIT_REVIEW, report.verdict is not Verdict.ACCEPTED),
        (Doubt.SPECIAL_PLATE, not is_civil(report.plate.text)),
        (Doubt.PICTURES_MISSING, not {EvidenceRole.CONTEXT, EvidenceRole.PLATE} <= roles),
        (Doubt.CLOCK, not report.provenance.clock_synchronised or report.occurred_at > now + _CLOCK_SLACK),
        (Doubt.TOO_OLD, now - report.occurred_at > max_age),
        (Doubt.NO_LAW, not has_law),
    )
    own = tuple(str(doubt) for doubt, applies in held if applies)
    return own + tuple(f"unit.{reason}" for reason in report.reasons)
