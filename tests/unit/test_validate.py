"""Validation: nobody is accused by a machine that has a doubt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent.plate import fuse
from agent.types import (
    Box,
    Candidate,
    Detection,
    Expiry,
    Outcome,
    PlateColour,
    PlateRead,
    Point,
    Track,
    TrackPoint,
    Violation,
    ViolationKind,
)
from agent.validate import Reason, Recent, Thresholds, validate

AT = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
THRESHOLDS = Thresholds()


def read(text: str = "B1234XYZ", confidence: float = 0.99, colour: PlateColour = PlateColour.WHITE) -> PlateRead:
    return PlateRead(
        (Candidate(text, confidence),), (0.9,) * len(text), colour, 0.9, Expiry(3, 2028, 0.9), readability=1.0
    )


def candidate(*reads: PlateRead, **changes: Any) -> tuple[Violation, Track]:
    box = Box(0, 0, 90, 30)
    detection = Detection(box, (Point(0, 0), Point(90, 0), Point(90, 30), Point(0, 30)), 0.9)
    points = tuple(TrackPoint(n, AT, n, detection, r) for n, r in enumerate(reads))
    violation = Violation(
        kind=ViolationKind.WRONG_WAY,
        article="Pasal 287 ayat (1)",
        track_id=1,
        lane_id="L1",
        at=AT,
        frame_index=0,
        vote=fuse(reads),
        margin=0.5,
        facts=(),
    )
    return replace(violation, **changes), Track(1, points, missed=0, closed=True, broken=False)


def decide(
    case: tuple[Violation, Track], *, clock: bool = True, recent: Recent | None = None
) -> tuple[Outcome, set[str]]:
    decision = validate(*case, THRESHOLDS, clock, recent or Recent(900))
    return decision.outcome, set(decision.reasons)


def test_a_clean_case_is_accepted() -> None:
    """A clear offender gets a notice without a person."""
    assert decide(candidate(*[read()] * 4)) == (Outcome.ACCEPTED, set())


CASES: dict[Reason, Callable[[], tuple[Violation, Track]]] = {
    Reason.PLATE_UNCERTAIN: lambda: candidate(*[read(confidence=0.5)] * 4),
    Reason.RUNNER_UP_CLOSE: lambda: candidate(*[read()] * 3, *[read("B1284XYZ")] * 2),
    Reason.TOO_FEW_FRAMES: lambda: candidate(read(), read()),
    Reason.READS_DISAGREE: lambda: candidate(*[read()] * 8, read("D5678AB", 0.95)),
    Reason.GRAMMAR: lambda: candidate(*[read("34A12345")] * 4),
    Reason.SPECIAL_PLATE: lambda: candidate(*[read("CD12345")] * 4),
    Reason.LOW_TRUST_PREFIX: lambda: candidate(*[read("PS1234AB")] * 4),
    Reason.CLASS_MISMATCH: lambda: candidate(*[read("B3456XYZ", colour=PlateColour.YELLOW)] * 4),
    Reason.COLOUR_UNCLEAR: lambda: candidate(*[read(colour=PlateColour.UNKNOWN)] * 4),
    Reason.MARGIN_SMALL: lambda: candidate(*[read()] * 4, margin=0.05),
}


@pytest.mark.parametrize("reason", CASES)
def test_a_doubt_goes_to_a_person(reason: Reason) -> None:
    """Each kind of doubt is named, and no notice goes out by itself."""
    outcome, reasons = decide(CASES[reason]())
    assert outcome is Outcome.REVIEW
    assert reason in reasons


def test_trial_plates_go_to_a_person() -> None:
    """A car that a workshop drives has no owner to look up."""
    assert decide(candidate(*[read(colour=PlateColour.DEALER)] * 4))[1] == {Reason.SPECIAL_PLATE}


def test_what_nobody_can_settle_is_rejected() -> None:
    """A person's time is not spent on an unreadable plate or on two vehicles in one track."""
    assert decide(candidate(*[read(confidence=0.1)] * 4))[0] is Outcome.REJECTED
    violation, track = candidate(*[read()] * 4)
    assert decide((violation, replace(track, broken=True))) == (Outcome.REJECTED, {Reason.TRACK_BROKEN})


def test_an_unsynchronised_clock_judges_no_hours() -> None:
    """A unit that lost the time does not say that it was five to ten."""
    odd_even = candidate(*[read()] * 4, kind=ViolationKind.ODD_EVEN)
    assert decide(odd_even, clock=False) == (Outcome.REVIEW, {Reason.CLOCK_UNSYNCHRONISED})
    assert decide(odd_even) == (Outcome.ACCEPTED, set())
    assert decide(candidate(*[read()] * 4), clock=False) == (Outcome.ACCEPTED, set())


def test_nobody_is_accused_twice() -> None:
    """A vehicle that comes back into view within a quarter of an hour gets one notice."""
    recent = Recent(900)
    case = candidate(*[read()] * 4)
    assert decide(case, recent=recent)[0] is Outcome.ACCEPTED
    again = replace(case[0], at=AT + timedelta(seconds=900))
    assert decide((again, case[1]), recent=recent) == (Outcome.REJECTED, {Reason.DUPLICATE})
    assert decide(candidate(*[read("B1111ABC")] * 4), recent=recent)[0] is Outcome.ACCEPTED
    later = replace(case[0], at=AT + timedelta(seconds=901))
    assert decide((later, case[1]), recent=recent)[0] is Outcome.ACCEPTED


def test_a_rejected_candidate_does_not_shield_the_next() -> None:
    """An offender is not let off because an unreadable view of the same plate came first."""
    recent = Recent(900)
    decide(candidate(*[read(confidence=0.1)] * 4), recent=recent)
    assert decide(candidate(*[read()] * 4), recent=recent)[0] is Outcome.ACCEPTED
