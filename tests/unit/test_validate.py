"""Validation: nobody is accused by a machine that has a doubt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from roads import CONFIG, scene

from agent.errors import ConfigError
from agent.plate import fuse
from agent.settings import load_yaml
from agent.types import (
    Box,
    Candidate,
    Detection,
    Expiry,
    Outcome,
    PlateColour,
    PlateRead,
    Point,
    Proof,
    Track,
    TrackPoint,
    Violation,
    ViolationKind,
)
from agent.validate import Reason, Recent, Thresholds, validate

AT = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
THRESHOLDS = Thresholds()
SCENE = scene(calibration=None)
CLASSES_SCENE = scene(calibration=None, lanes=[scene().lanes[0].model_dump() | {"vehicle_classes": ["motorcycle"]}])


def read(text: str = "B1234XYZ", confidence: float = 0.99, colour: PlateColour = PlateColour.WHITE) -> PlateRead:
    return PlateRead(
        (Candidate(text, confidence),), (0.9,) * len(text), colour, 0.9, Expiry(3, 2028, 0.9), readability=1.0
    )


def candidate(*reads: PlateRead, size: tuple[float, float] = (90, 30), **changes: Any) -> tuple[Violation, Track]:
    width, height = size
    box = Box(0, 0, width, height)
    detection = Detection(box, (Point(0, 0), Point(width, 0), Point(width, height), Point(0, height)), 0.9)
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
    decision = validate(*case, SCENE, THRESHOLDS, clock, recent or Recent(THRESHOLDS))
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
    Reason.SIZE_MISMATCH: lambda: candidate(*[read("B3456XYZ")] * 4, size=(90, 28)),
    Reason.GEOMETRY: lambda: candidate(*[read()] * 4, size=(90, 12)),
    Reason.COLOUR_UNCLEAR: lambda: candidate(*[read(colour=PlateColour.UNKNOWN)] * 4),
    Reason.RULE_UNSURE: lambda: candidate(*[read()] * 4, proof=Proof.DOUBTFUL),
    Reason.MARGIN_SMALL: lambda: candidate(*[read()] * 4, margin=0.05),
}


REJECTED = {Reason.PLATE_UNREADABLE, Reason.TRACK_BROKEN, Reason.NOT_WITNESSED, Reason.DUPLICATE}


@pytest.mark.parametrize("reason", CASES)
def test_a_doubt_goes_to_a_person(reason: Reason) -> None:
    """Each kind of doubt is named, and no notice goes out by itself."""
    outcome, reasons = decide(CASES[reason]())
    assert outcome is Outcome.REVIEW
    assert reason in reasons


def test_every_doubt_has_its_case() -> None:
    """A reason that nothing can bring about is a word without a meaning."""
    tested = {*CASES, *REJECTED, Reason.CLOCK_UNSYNCHRONISED}
    assert tested == set(Reason)


def test_a_class_that_is_not_seen_in_its_lane() -> None:
    """A car's number in a lane for motorcycles is a misread, or news: a person looks."""
    decision = validate(*candidate(*[read()] * 4), CLASSES_SCENE, THRESHOLDS, True, Recent(THRESHOLDS))
    assert (decision.outcome, decision.reasons) == (Outcome.REVIEW, (Reason.CLASS_MISMATCH,))
    cars = scene(calibration=None, lanes=[scene().lanes[0].model_dump() | {"vehicle_classes": ["passenger"]}])
    yellow = candidate(*[read("B3456XYZ", colour=PlateColour.YELLOW)] * 4, size=(90, 36))
    twice = validate(*yellow, cars, THRESHOLDS, True, Recent(THRESHOLDS))
    assert twice.reasons == (Reason.CLASS_MISMATCH,)


def test_a_rule_may_have_its_own_margin_and_window() -> None:
    """A speed's doubt is in its lower bound; a parked car is not a new one every quarter of an hour."""
    speed = candidate(*[read()] * 4, kind=ViolationKind.SPEED, margin=0.01)
    assert decide(speed) == (Outcome.ACCEPTED, set())
    recent = Recent(THRESHOLDS)
    parked = candidate(*[read()] * 4, kind=ViolationKind.STOPPING)
    assert decide(parked, recent=recent)[0] is Outcome.ACCEPTED
    again = replace(parked[0], at=AT + timedelta(seconds=3600))
    assert decide((again, parked[1]), recent=recent) == (Outcome.REJECTED, {Reason.DUPLICATE})


@pytest.mark.parametrize("kind", ViolationKind)
def test_no_rule_with_hours_or_days_goes_without_a_clock(kind: ViolationKind) -> None:
    """What depends on the time of day or the date is never accepted by a unit that does not know it."""
    durations = {ViolationKind.WRONG_WAY, ViolationKind.RED_LIGHT, ViolationKind.STOP_LINE, ViolationKind.SPEED}
    outcome, _ = decide(candidate(*[read()] * 4, kind=kind), clock=False)
    assert outcome is (Outcome.ACCEPTED if kind in durations else Outcome.REVIEW)


def test_shipped_thresholds() -> None:
    """The file that explains the thresholds holds the values the tests were made with, all of them."""
    path = CONFIG / "validation.yaml"
    assert load_yaml(path, Thresholds) == THRESHOLDS
    assert all(f"\n{name}:" in path.read_text() for name in Thresholds.model_fields)


def test_unsound_thresholds_are_refused(tmp_path: Path) -> None:
    """A typing error does not open the gate."""
    path = tmp_path / "validation.yaml"
    for text, message in (
        ("accept_confidence: 9.7\n", "accept_confidence: should be less than 1"),
        ("min_margin_of: {sped: 0}\n", "min_margin_of.sped"),
        ("accept_confidense: 0.9\n", "accept_confidense: unknown key; did you mean `accept_confidence`?"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
            load_yaml(path, Thresholds)


def test_trial_plates_go_to_a_person() -> None:
    """A car that a workshop drives has no owner to look up."""
    assert decide(candidate(*[read(colour=PlateColour.DEALER)] * 4))[1] == {Reason.SPECIAL_PLATE}


def test_one_sure_read_of_another_plate_is_never_outvoted_in_silence() -> None:
    """A track that may have begun on another vehicle goes to a person, also when that view was half hidden."""
    other = replace(read("D5678AB", 0.95), readability=0.6)
    assert decide(candidate(other, *[read()] * 8)) == (Outcome.REVIEW, {Reason.READS_DISAGREE})


def test_what_nobody_can_settle_is_rejected() -> None:
    """A person's time is not spent on an unreadable plate or on two vehicles in one track."""
    assert decide(candidate(*[read(confidence=0.1)] * 4))[0] is Outcome.REJECTED
    violation, track = candidate(*[read()] * 4)
    assert decide((violation, replace(track, broken=True))) == (Outcome.REJECTED, {Reason.TRACK_BROKEN})
    assert decide((replace(violation, proof=Proof.HIDDEN), track)) == (Outcome.REJECTED, {Reason.NOT_WITNESSED})


def test_an_unsynchronised_clock_judges_no_hours() -> None:
    """A unit that lost the time does not say that it was five to ten."""
    odd_even = candidate(*[read()] * 4, kind=ViolationKind.ODD_EVEN)
    assert decide(odd_even, clock=False) == (Outcome.REVIEW, {Reason.CLOCK_UNSYNCHRONISED})
    assert decide(odd_even) == (Outcome.ACCEPTED, set())
    assert decide(candidate(*[read()] * 4), clock=False) == (Outcome.ACCEPTED, set())


def test_nobody_is_accused_twice() -> None:
    """A vehicle that comes back into view within a quarter of an hour gets one notice."""
    recent = Recent(THRESHOLDS)
    case = candidate(*[read()] * 4)
    assert decide(case, recent=recent)[0] is Outcome.ACCEPTED
    again = replace(case[0], at=AT + timedelta(seconds=900))
    assert decide((again, case[1]), recent=recent) == (Outcome.REJECTED, {Reason.DUPLICATE})
    assert decide(candidate(*[read("B1111ABC")] * 4), recent=recent)[0] is Outcome.ACCEPTED
    later = replace(case[0], at=AT + timedelta(seconds=901))
    assert decide((later, case[1]), recent=recent)[0] is Outcome.ACCEPTED


def test_a_rejected_candidate_does_not_shield_the_next() -> None:
    """An offender is not let off because an unreadable view of the same plate came first."""
    recent = Recent(THRESHOLDS)
    decide(candidate(*[read(confidence=0.1)] * 4), recent=recent)
    assert decide(candidate(*[read()] * 4), recent=recent)[0] is Outcome.ACCEPTED
