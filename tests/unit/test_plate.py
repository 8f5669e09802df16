"""Plates: what a text says, and what many frames say together."""

from __future__ import annotations

import pytest

from agent.plate import (
    INDONESIAN,
    PREFIXES,
    PlateNumber,
    SpecialPlate,
    VehicleClass,
    edit_distance,
    format_plate,
    fuse,
    parity_posterior,
    parse,
    special_kind,
    vehicle_class,
)
from agent.types import Candidate, Expiry, PlateColour, PlateRead


def read(
    *candidates: tuple[str, float],
    colour: PlateColour = PlateColour.WHITE,
    expiry: Expiry | None = None,
    readability: float = 1.0,
) -> PlateRead:
    return PlateRead(
        candidates=tuple(Candidate(text, probability) for text, probability in candidates),
        char_probs=tuple(0.9 for _ in candidates[0][0]) if candidates else (),
        colour=colour,
        colour_probability=0.9,
        expiry=expiry,
        readability=readability,
    )


def test_prefixes() -> None:
    """A plate of any region of the regulation, or of the new Papuan provinces, can be read."""
    assert len(PREFIXES) == 57 + 5


def test_parse_takes_a_plate_apart() -> None:
    """A plate typed with blanks, dots or in lower case is the same plate."""
    assert parse("b 1234.xyz") == parse("B1234XYZ") == PlateNumber("B", "1234", "XYZ")
    assert format_plate("B1234XYZ") == "B 1234 XYZ"
    assert format_plate("D1") == "D 1"


@pytest.mark.parametrize("text", ["", "B", "B0123XYZ", "B12345XYZ", "B1234WXYZ", "C1234XYZ", "1234XYZ", "BAB12A"])
def test_parse_refuses_what_is_no_plate(text: str) -> None:
    """A text that cannot be a civil plate never passes for one."""
    assert parse(text) is None
    assert format_plate(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("B2999XY", VehicleClass.PASSENGER),
        ("B3000XY", VehicleClass.MOTORCYCLE),
        ("B6999XY", VehicleClass.MOTORCYCLE),
        ("B7000XY", VehicleClass.BUS),
        ("B8000XY", VehicleClass.PASSENGER),
        ("B9000XY", VehicleClass.GOODS),
        ("D1999XY", VehicleClass.PASSENGER),
        ("D2000XY", VehicleClass.MOTORCYCLE),
        ("D8000XY", VehicleClass.GOODS),
        ("D9999XY", VehicleClass.SPECIAL),
    ],
)
def test_class_by_number_range(text: str, expected: VehicleClass) -> None:
    """A motorcycle's number is never taken for a car's, in Jakarta's ranges and in the others'."""
    plate = parse(text)
    assert plate is not None
    assert vehicle_class(plate) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CD12345", SpecialPlate.DIPLOMATIC),
        ("RI1", SpecialPlate.STATE),
        ("1234500", SpecialPlate.MILITARY),
        ("1234VII", SpecialPlate.POLICE),
        ("B1234XYZ", None),
    ],
)
def test_special_plates_are_known_as_such(text: str, expected: SpecialPlate | None) -> None:
    """An embassy's, a minister's, an army's or a police plate is not bent into somebody's private plate."""
    assert special_kind(text) is expected
    assert INDONESIAN.accepts(text)


def test_one_read_counts_as_itself() -> None:
    """A single frame is believed exactly as far as the reader believed it."""
    vote = fuse([read(("B1234XYZ", 0.8), ("B1284XYZ", 0.1))])
    assert vote.text == "B1234XYZ"
    assert vote.confidence == pytest.approx(0.8)
    assert vote.runner_up_confidence == pytest.approx(0.1)
    assert (vote.support, vote.reads) == (1, 1)


def test_agreement_raises_confidence_within_a_bound() -> None:
    """The same doubtful picture shown a hundred times does not become a certainty."""
    doubtful = read(("B1234XYZ", 0.5), ("B1284XYZ", 0.4))
    confidences = [fuse([doubtful] * count).confidence for count in (1, 2, 5, 100)]
    assert confidences == sorted(confidences)
    assert confidences[-1] < 0.7


def test_one_wrong_frame_does_not_outvote_the_others() -> None:
    """A glare in one frame does not turn a good plate into another."""
    good, bad = read(("B1234XYZ", 0.9)), read(("B1284XYZ", 0.99))
    vote = fuse([good, good, bad, good, good])
    assert vote.text == "B1234XYZ"
    assert vote.support == 4
    assert vote.confidence > 0.75


def test_two_texts_with_equal_evidence_stay_undecided() -> None:
    """Frames that say two things in equal number never give a confident plate."""
    vote = fuse([read(("B1234XYZ", 0.95)), read(("B1284XYZ", 0.95))] * 3)
    assert vote.confidence < 0.55
    assert vote.runner_up_confidence == pytest.approx(vote.confidence)


def test_unreadable_crops_say_nothing() -> None:
    """A crop the network itself calls unreadable does not count against a clear one."""
    clear, blurred = read(("B1234XYZ", 0.9)), read(("D9XX", 0.9), readability=0.01)
    assert fuse([clear, blurred]).text == "B1234XYZ"
    from_afar = [read(("B4", 0.1), ("B8", 0.08))] * 20
    assert fuse([*from_afar, clear, clear]).confidence > 0.95 * fuse([clear, clear]).confidence
    assert fuse([read(), read()]).text == ""
    assert fuse([]).reads == 0


def test_parity_needs_only_the_last_digit() -> None:
    """A plate with a doubtful letter, but a clear last digit, can still be judged by odd-even."""
    vote = fuse([read(("B1234XYZ", 0.5), ("B1234XVZ", 0.48))])
    assert vote.confidence < 0.6
    assert parity_posterior(vote, even=True) == pytest.approx(0.98)
    assert parity_posterior(vote, even=False) == 0


def test_colour_needs_a_clear_majority() -> None:
    """A plate that looks white in one frame and yellow in the next has no known colour."""
    white, yellow = read(("B1A", 0.9)), read(("B1A", 0.9), colour=PlateColour.YELLOW)
    assert fuse([white, white, yellow]).colour is PlateColour.WHITE
    assert fuse([white, yellow]).colour is PlateColour.UNKNOWN


def test_expiry_needs_two_frames() -> None:
    """A month misread in a single frame is no month at all."""
    march, april = Expiry(3, 2027, 0.9), Expiry(4, 2027, 0.9)
    once, twice = read(("B1A", 0.9), expiry=march), read(("B1A", 0.9), expiry=april)
    assert fuse([once]).expiry is None
    assert fuse([once, twice, twice]).expiry == Expiry(4, 2027, pytest.approx(0.9))
    assert fuse([once, once, twice, twice]).expiry is None


def test_edit_distance() -> None:
    """Two readings of one plate are told from readings of two plates."""
    assert edit_distance("B1234XYZ", "B1234XYZ") == 0
    assert edit_distance("B1234XYZ", "B1284XY") == 2
    assert edit_distance("", "B1A") == 3
