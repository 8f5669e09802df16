"""How high a plate hangs above the road (pure).

No camera sees it, and it decides where on the road a plate is. Two things tell it: how high plates of its class hang,
front or rear; and how wide it looks, for the law says how wide it is, and what a plate that hangs higher gains in way
over the road, it gains in width. Each is weighed by its error. Docs: docs/adr/0026-the-plate-is-a-ruler.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot, sqrt

from agent.calibration import Calibration
from agent.plate import voted_class
from agent.types import PlateVote, TrackPoint
from agent.vehicle import plate_height_m, plate_width_m, ruler, shows_front

_EDGE_ERROR = 0.7 / 640
"""Standard error of a plate's width as it is found, as a share of the picture's: the detector sees all pictures 640
pixels wide, and on rendered frames a plate's width there is off by 0.7 over all its frames."""
_AGREE = 3.0
"""Standard errors by which a plate's width may contradict its usual height; beyond, it is a plate of another size, or
was not found edge to edge, and only the usual height counts."""

Measure = tuple[float, float]
"""A value and its standard error."""


def measured_height_m(
    points: Sequence[TrackPoint], vote: PlateVote, calibration: Calibration, picture_px: float
) -> Measure:
    """How high the plate hangs, metres; the usual height of its class where nobody measured the camera's.

    `picture_px`: the picture's width.
    """
    usual = plate_height_m(voted_class(vote), shows_front(points))
    by_width, camera_m = _share_by_width(points, vote, calibration, picture_px), calibration.camera_height_m
    if by_width is None or camera_m is None:
        return usual
    share, error = by_width
    error_m = hypot(camera_m * error, (1 - share) * calibration.camera_height_error_m)
    return _weighed(usual, (camera_m * (1 - share), error_m))


def measured_road_share(
    points: Sequence[TrackPoint], vote: PlateVote, calibration: Calibration, picture_px: float
) -> Measure:
    """What share of a way measured by the plate's line of sight the plate really went."""
    usual = calibration.road_share(*plate_height_m(voted_class(vote), shows_front(points)))
    by_width = _share_by_width(points, vote, calibration, picture_px)
    return _weighed(usual, by_width) if by_width else usual


def _share_by_width(
    points: Sequence[TrackPoint], vote: PlateVote, calibration: Calibration, picture_px: float
) -> Measure | None:
    """That share by the plate's width alone; None where it was never large enough to measure."""
    seen = ruler(points, calibration)
    if seen is None:
        return None
    width_m, size_error = plate_width_m(voted_class(vote), vote.colour)
    share = width_m / seen.width_m
    return share, share * hypot(size_error, _EDGE_ERROR * picture_px / seen.width_px)


def _weighed(usual: Measure, by_width: Measure) -> Measure:
    """The mean of both, each weighed by its variance."""
    (value, error), (other, other_error) = usual, by_width
    if abs(other - value) > _AGREE * hypot(error, other_error):
        return usual
    weight = error**2 / (error**2 + other_error**2)
    return value + weight * (other - value), sqrt(1 - weight) * error
