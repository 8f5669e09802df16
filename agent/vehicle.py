"""What a plate's size says of its vehicle, beside its number and colour, and how high it hangs (pure).

Motorcycles carry plates of 250 x 105 or 275 x 110 mm, other vehicles of 395 x 135 to 460 x 137 mm (Perpol 7/2021). On
a calibrated road a plate's width is measured in metres; without one only its shape is left, and that is drawn out or
pushed together by the angle it is seen from, so it seldom says anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import hypot
from statistics import median

from agent.calibration import Calibration
from agent.plate import VehicleClass
from agent.types import Corners, Point, TrackPoint

_MIN_WIDTH_PX = 48.0
"""Below, a pixel at each end is four percent."""
PLATE_HEIGHTS_M: Mapping[tuple[VehicleClass, bool], tuple[float, float]] = {
    (VehicleClass.PASSENGER, True): (0.50, 0.10),
    (VehicleClass.PASSENGER, False): (0.80, 0.12),
    (VehicleClass.MOTORCYCLE, True): (0.80, 0.12),
    (VehicleClass.MOTORCYCLE, False): (0.70, 0.12),
    (VehicleClass.BUS, True): (0.55, 0.12),
    (VehicleClass.BUS, False): (0.70, 0.15),
    (VehicleClass.GOODS, True): (0.55, 0.12),
    (VehicleClass.GOODS, False): (0.70, 0.15),
}
"""(class, whether it is the front plate) -> a plate's height above the road and its standard error, metres. Estimates
from the build of common vehicles, not measurements; a survey belongs here."""
_ANY_HEIGHT_M = (0.65, 0.2)
"""The same of a vehicle nothing is known of."""
_WIDTHS_M = (0.18, 0.32, 0.35, 0.62)
"""No plate is narrower; motorcycles' are up to the second; other vehicles' from the third on; no plate is wider."""
_ASPECTS = (1.4, 2.2, 3.0, 6.0)
"""The same for the ratio of width to height. Seen from 30 degrees aside a car's is 2.5, from 30 above a motorcycle's
2.9: between nothing is said."""


def plate_height_m(kind: VehicleClass, is_front: bool) -> tuple[float, float]:
    """How high above the road a plate hangs, and its standard error, metres."""
    return PLATE_HEIGHTS_M.get((kind, is_front), _ANY_HEIGHT_M)


def shows_front(points: Sequence[TrackPoint]) -> bool:
    """Whether it comes nearer, so that the plate is its front one."""
    return points[-1].detection.box.width > points[0].detection.box.width


class PlateSize(StrEnum):
    """Whose plate it is by its size."""

    MOTORCYCLE = "motorcycle"
    LARGER = "larger"
    """A car's, bus's or lorry's."""
    UNCLEAR = "unclear"
    NO_PLATE = "no_plate"
    """No plate is of this size: an advertisement, a telephone number on a bus."""


@dataclass(frozen=True, slots=True)
class SeenPlate:
    """How large a plate was over the frames of a track: medians, so that one bad corner counts for nothing."""

    aspect: float
    width_m: float | None
    """None where the site is not calibrated."""

    @property
    def size(self) -> PlateSize:
        return _size(self.aspect, _ASPECTS) if self.width_m is None else _size(self.width_m, _WIDTHS_M)


def measure_plate(points: Sequence[TrackPoint], calibration: Calibration | None) -> SeenPlate | None:
    """The plate's size over a track; None where it was never large enough to measure."""
    large = [p.detection.corners for p in points if p.detection.box.width >= _MIN_WIDTH_PX]
    aspects = [aspect for corners in large if (aspect := _aspect(corners))]
    if not aspects:
        return None
    widths = list(_widths_m(large, calibration)) if calibration else []
    return SeenPlate(median(aspects), median(widths) if widths else None)


def fits(size: PlateSize, kind: VehicleClass) -> bool:
    """Whether a plate of this size may be of the class its number says."""
    if size is PlateSize.UNCLEAR or kind in (VehicleClass.SPECIAL, VehicleClass.UNKNOWN):
        return True
    return (size is PlateSize.MOTORCYCLE) == (kind is VehicleClass.MOTORCYCLE)


def _size(value: float, borders: tuple[float, float, float, float]) -> PlateSize:
    least, motorcycle, larger, most = borders
    if not least <= value <= most:
        return PlateSize.NO_PLATE
    if value <= motorcycle:
        return PlateSize.MOTORCYCLE
    return PlateSize.LARGER if value >= larger else PlateSize.UNCLEAR


def _aspect(corners: Corners) -> float | None:
    top_left, top_right, bottom_right, bottom_left = corners
    height = _distance(top_left, bottom_left) + _distance(top_right, bottom_right)
    return (_distance(top_left, top_right) + _distance(bottom_left, bottom_right)) / height if height else None


def _widths_m(plates: Sequence[Corners], calibration: Calibration) -> Iterator[float]:
    """How wide each is where its line of sight meets the road, and from there where it hangs."""
    share, _ = calibration.road_share(*_ANY_HEIGHT_M)
    for top_left, top_right, bottom_right, bottom_left in plates:
        ends = _middle(top_left, bottom_left), _middle(top_right, bottom_right)
        if all(map(calibration.on_road, ends)):
            yield share * _distance(*map(calibration.to_road, ends))


def _middle(one: Point, other: Point) -> Point:
    return Point((one.x + other.x) / 2, (one.y + other.y) / 2)


def _distance(one: Point, other: Point) -> float:
    return hypot(other.x - one.x, other.y - one.y)
