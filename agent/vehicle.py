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
from agent.types import Corners, PlateColour, Point, TrackPoint

_MIN_WIDTH_PX = 48.0
"""Below, a pixel at each end is four percent."""
_RULER_PX = 36.0
"""Plates are measured from this width on where there are no larger ones: a motorcycle's is never 48 on some roads."""
_AS_WIDE = 0.7
"""Plates smaller than this share of the widest look do not count beside it: a pixel is more there."""
PLATE_HEIGHTS_M: Mapping[tuple[VehicleClass, bool], tuple[float, float]] = {
    (VehicleClass.PASSENGER, True): (0.50, 0.11),
    (VehicleClass.PASSENGER, False): (0.80, 0.13),
    (VehicleClass.MOTORCYCLE, True): (0.80, 0.13),
    (VehicleClass.MOTORCYCLE, False): (0.70, 0.13),
    (VehicleClass.BUS, True): (0.55, 0.13),
    (VehicleClass.BUS, False): (0.70, 0.16),
    (VehicleClass.GOODS, True): (0.55, 0.13),
    (VehicleClass.GOODS, False): (0.70, 0.16),
}
"""(class, whether it is the front plate) -> a plate's height above the road and its standard error, metres: 10
to 15 cm from vehicle to vehicle, and the differences between models. Estimates from the build of common vehicles, not
measurements; a survey belongs here."""
_ANY_HEIGHT_M = (0.65, 0.2)
"""The same of a vehicle nothing is known of."""
_LEGAL_WIDTHS_M: Mapping[tuple[bool, PlateColour], float] = {
    (True, PlateColour.BLACK): 0.250,
    (True, PlateColour.WHITE): 0.275,
    (False, PlateColour.BLACK): 0.395,
    (False, PlateColour.WHITE): 0.430,
}
"""(whether a motorcycle's, colour) -> width of a plate, metres: private plates changed size with colour."""
_ANY_WIDTH_M = {True: 0.262, False: 0.412}
_SIZE_ERROR, _ANY_SIZE_ERROR = 0.03, 0.05
"""Standard errors of these widths beside what is seen of a plate, as shares; the second where the colour leaves the
size open. On 214 photos with marked corners, plates are found 3 % too narrow, with 3 % from photo to photo."""
_WIDTHS_M = (0.18, 0.32, 0.35, 0.62)
"""No plate is narrower; motorcycles' are up to the second; other vehicles' from the third on; no plate is wider."""
_ASPECTS = (1.4, 2.2, 3.0, 6.0)
"""The same for the ratio of width to height. Seen from 30 degrees aside a car's is 2.5, from 30 above a motorcycle's
2.9: between nothing is said."""


def plate_height_m(kind: VehicleClass, is_front: bool) -> tuple[float, float]:
    """How high above the road a plate hangs, and its standard error, metres."""
    return PLATE_HEIGHTS_M.get((kind, is_front), _ANY_HEIGHT_M)


def plate_width_m(kind: VehicleClass, colour: PlateColour) -> tuple[float, float]:
    """How wide a plate is, metres, and its standard error, as a share."""
    is_motorcycle = kind is VehicleClass.MOTORCYCLE
    width_m = _LEGAL_WIDTHS_M.get((is_motorcycle, colour))
    return (width_m, _SIZE_ERROR) if width_m else (_ANY_WIDTH_M[is_motorcycle], _ANY_SIZE_ERROR)


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
    share = calibration.road_share(*_ANY_HEIGHT_M)[0] if calibration else 1.0
    return SeenPlate(median(aspects), share * median(widths) if widths else None)


@dataclass(frozen=True, slots=True)
class Ruler:
    """A plate where its lines of sight meet the road. It comes out as many times too wide as its way comes out too
    long, for both are seen from the same height."""

    width_m: float
    width_px: float


def ruler(points: Sequence[TrackPoint], calibration: Calibration) -> Ruler | None:
    """The plate at its widest; None where it was never large enough to measure."""
    widths_px = [point.detection.box.width for point in points]
    least_px = max(_RULER_PX, _AS_WIDE * max(widths_px))
    large = [point.detection.corners for point in points if point.detection.box.width >= least_px]
    widths_m = [width_m for width_m in _widths_m(large, calibration) if width_m > 0]
    return Ruler(median(widths_m), median(px for px in widths_px if px >= least_px)) if widths_m else None


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
    """How wide each is where its lines of sight meet the road."""
    for top_left, top_right, bottom_right, bottom_left in plates:
        ends = _middle(top_left, bottom_left), _middle(top_right, bottom_right)
        if all(map(calibration.on_road, ends)):
            yield _distance(*map(calibration.to_road, ends))


def _middle(one: Point, other: Point) -> Point:
    return Point((one.x + other.x) / 2, (one.y + other.y) / 2)


def _distance(one: Point, other: Point) -> float:
    return hypot(other.x - one.x, other.y - one.y)
