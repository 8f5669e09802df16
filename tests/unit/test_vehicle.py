"""A plate's size: what it says of the vehicle, and what is no plate at all."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from test_rule_speed import seen, site

from agent.plate import VehicleClass
from agent.types import Box, Detection, Point, TrackPoint
from agent.vehicle import PlateSize, fits, measure_plate

AT = datetime(2026, 11, 24, tzinfo=UTC)


def point(width_m: float, height_m: float, y_m: float, z_m: float = 0.6) -> TrackPoint:
    """A plate as the camera of the speed tests sees it."""
    half = width_m / 2
    corners = (
        seen(1 - half, y_m, z_m + height_m),
        seen(1 + half, y_m, z_m + height_m),
        seen(1 + half, y_m, z_m),
        seen(1 - half, y_m, z_m),
    )
    xs, ys = zip(*corners, strict=True)
    box = Box(min(xs), min(ys), max(xs), max(ys))
    return TrackPoint(0, AT, 0, Detection(box, corners, 0.9), None)


PLATES = [
    (0.250, 0.105, PlateSize.MOTORCYCLE),
    (0.275, 0.110, PlateSize.MOTORCYCLE),
    (0.395, 0.135, PlateSize.LARGER),
    (0.430, 0.135, PlateSize.LARGER),
    (0.460, 0.137, PlateSize.LARGER),
    (1.200, 0.300, PlateSize.NO_PLATE),
    (0.100, 0.040, PlateSize.NO_PLATE),
]


@pytest.mark.parametrize(("width_m", "height_m", "size"), PLATES)
@pytest.mark.parametrize("z_m", [0.4, 1.0])
def test_sizes_on_a_calibrated_road(width_m: float, height_m: float, size: PlateSize, z_m: float) -> None:
    """A motorcycle's plate and a car's are told apart by their width on the road, however high they hang."""
    points = [point(width_m, height_m, y_m, z_m) for y_m in (9.0, 6.0, 4.0, 2.0, 2.0)]
    measured = measure_plate(points, site().calibration)
    assert measured is not None
    assert measured.width_m == pytest.approx(width_m, rel=0.13)
    assert measured.size is size


def test_without_a_calibration_only_the_shape_is_left() -> None:
    """It says little: neither a car's plate nor a motorcycle's is taken for the other's."""
    for width_m, height_m, size in PLATES[:5]:
        measured = measure_plate([point(width_m, height_m, 5)], None)
        assert measured is not None
        assert measured.width_m is None
        assert measured.size in (size, PlateSize.UNCLEAR)


def test_plates_too_far_to_measure_say_nothing() -> None:
    """Five pixels of a plate at the far end of the road decide nothing."""
    assert measure_plate([point(0.43, 0.135, 60.0)], site().calibration) is None
    flat = Detection(Box(0, 0, 90, 0), (Point(0, 0), Point(90, 0), Point(90, 0), Point(0, 0)), 0.9)
    assert measure_plate([TrackPoint(0, AT, 0, flat, None)], None) is None


def test_which_size_fits_which_class() -> None:
    """A motorcycle's number belongs on a small plate, every other on a larger one; what is unclear fits all."""
    assert fits(PlateSize.MOTORCYCLE, VehicleClass.MOTORCYCLE)
    assert not fits(PlateSize.LARGER, VehicleClass.MOTORCYCLE)
    for kind in (VehicleClass.PASSENGER, VehicleClass.BUS, VehicleClass.GOODS):
        assert fits(PlateSize.LARGER, kind)
        assert not fits(PlateSize.MOTORCYCLE, kind)
    assert all(fits(PlateSize.UNCLEAR, kind) for kind in VehicleClass)
    assert fits(PlateSize.MOTORCYCLE, VehicleClass.SPECIAL)


def test_between_the_sizes_nothing_is_said() -> None:
    """A plate of a third of a metre, which nobody makes, may be either with a corner amiss."""
    measured = measure_plate([point(0.335, 0.12, 4.0)], site().calibration)
    assert measured is not None
    assert measured.size is PlateSize.UNCLEAR
