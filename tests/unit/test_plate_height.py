"""How high a plate hangs: by its class, by its width, and how sure that is."""

from __future__ import annotations

from random import Random

import pytest
from roads import ODD, vote
from test_rule_speed import CAMERA_M, car, site

from agent.plate import VehicleClass
from agent.plate_height import measured_height_m
from agent.scene import Scene
from agent.types import Track
from agent.vehicle import plate_height_m

USUAL_M, USUAL_ERROR_M = plate_height_m(VehicleClass.PASSENGER, True)


def height_m(track: Track, scene: Scene) -> tuple[float, float]:
    assert scene.calibration is not None
    return measured_height_m(track.points, vote(ODD), scene.calibration, scene.picture.width)


def test_a_plate_that_hangs_lower_is_measured_lower() -> None:
    """A low car that stands two metres past the line would look as if it stood on it, and go free."""
    usual, usual_error = height_m(car(30), site())
    low, low_error = height_m(car(30, z_m=0.3), site())
    assert usual == pytest.approx(USUAL_M, abs=0.01)
    assert 0.3 < low < USUAL_M - 0.02
    assert max(usual_error, low_error) < USUAL_ERROR_M


def test_without_a_measured_camera_the_usual_height_counts() -> None:
    """A site where nobody measured the pole still has a stop line, with the doubt that its class leaves."""
    assert height_m(car(30, z_m=0.3), site(camera_height_m=None)) == (USUAL_M, USUAL_ERROR_M)


@pytest.mark.parametrize("width_m", [0.275, 0.6])
def test_a_plate_of_another_size_says_nothing_of_its_height(width_m: float) -> None:
    """A car with a motorcycle's plate would be put metres before the line, or past it."""
    assert height_m(car(30, width_m=width_m), site()) == (USUAL_M, USUAL_ERROR_M)


def test_the_stated_error_is_honest() -> None:
    """Of a hundred drivers at a line, 95 are told a way past it that is off by no more than 1.96 of the doubt."""
    rng, held = Random(7), 0
    for _ in range(300):
        true_m = rng.gauss(USUAL_M, USUAL_ERROR_M)
        track = car(40, z_m=true_m, width_m=0.43 * rng.gauss(1, 0.03), noise_px=0.6, rng=rng)
        measured, error = height_m(track, site(camera_height_m=rng.gauss(CAMERA_M, 0.1)))
        held += abs(measured - true_m) <= 1.96 * error
    assert 0.92 <= held / 300 <= 0.98
