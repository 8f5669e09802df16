"""Drawn plates: every character, every colour, repeatable."""

from __future__ import annotations

import numpy as np
import pytest

from agent.plate import parse
from agent.types import PlateColour
from simulation.plates import (
    GLYPHS,
    INKS,
    SIZE_MM,
    PlateSpec,
    draw_character,
    draw_plate,
    random_pen,
    random_spec,
    split_groups,
)


def test_every_letter_and_digit_has_a_shape() -> None:
    """A demo plate with a missing letter would be read as another car."""
    assert "".join(sorted(GLYPHS)) == "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@pytest.mark.parametrize("char", sorted(GLYPHS))
def test_characters_have_ink_and_the_asked_height(char: str) -> None:
    """Strokes outside their box would be cut off on the plate."""
    rng = np.random.default_rng(1)
    for variant in range(len(GLYPHS[char])):
        pen = random_pen(rng, "old", "car")
        pen.variants[char] = variant
        ink = draw_character(char, 48, pen, rng)
        assert abs(ink.shape[0] - 48) <= 3
        assert 0.1 < float((ink > 128).mean()) < 0.95


@pytest.mark.parametrize("colour", [c for c in PlateColour if c is not PlateColour.UNKNOWN])
@pytest.mark.parametrize(("style", "vehicle"), list(SIZE_MM))
def test_plates_have_their_proportions_and_colours(colour: PlateColour, style: str, vehicle: str) -> None:
    """The colour decides whether odd-even applies; the proportions whether the detector knows it as a plate."""
    spec = PlateSpec("B 1234 XYZ", (5, 2028), colour, style, vehicle)  # type: ignore[arg-type]
    picture = draw_plate(spec, np.random.default_rng(2), 96)
    width_mm, height_mm = SIZE_MM[spec.style, spec.vehicle]
    assert picture.shape == (96, round(96 * width_mm / height_mm), 3)
    base = np.median(picture.reshape(-1, 3), axis=0)
    assert np.abs(base - np.array(INKS[colour][0])).max() < 25


def test_same_seed_same_plate() -> None:
    """Footage that differs from run to run could not be compared with its truth."""
    spec = PlateSpec("D 4321 ABC", (1, 2027), PlateColour.BLACK, "old", "car")
    first, second = (draw_plate(spec, np.random.default_rng(9)) for _ in range(2))
    assert np.array_equal(first, second)


def test_random_specs_are_real_plates() -> None:
    """The demo's owners are looked up by these numbers: they must be plates of the grammar."""
    rng = np.random.default_rng(4)
    for _ in range(200):
        spec = random_spec(rng)
        assert parse(spec.characters) is not None
        assert spec.groups == split_groups(spec.characters)


def test_text_without_blanks_is_grouped() -> None:
    """`B1234XYZ` and `B 1234 XYZ` are the same plate."""
    assert split_groups("B1234XYZ") == ("B", "1234", "XYZ")
