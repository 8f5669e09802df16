"""The site a camera looks at: its lanes, lines, masks and road calibration, from one YAML file (pure).

All picture coordinates are pixels of the frame at `picture` size. What is followed is the number plate, so lanes are
drawn where the *plates* pass, about half a metre above the road, not along the painted lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import hypot
from pathlib import Path
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from agent.geometry import (
    Homography,
    Polygon,
    area,
    contains,
    crosses_itself,
    depth,
    extent_along,
    fit_homography,
    project,
)
from agent.settings import load_yaml
from agent.types import Point, ViolationKind

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Segment = tuple[Point, Point]


class SitePart(BaseModel):
    """What all parts of a site file share."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _checked_polygon(polygon: Polygon) -> Polygon:
    if crosses_itself(polygon):
        raise ValueError("the polygon crosses or touches itself; give its corners in order, each once")
    if area(polygon) < 1:
        raise ValueError("the polygon has no area; give at least three corners that are not on one line")
    return polygon


class Picture(SitePart):
    """Size of the frames the coordinates belong to."""

    width: int = Field(gt=0, le=16384)
    """Pixels."""
    height: int = Field(gt=0, le=16384)
    """Pixels."""


class Lane(SitePart):
    """A strip of road in which vehicles may travel one way."""

    id: Name
    """Short name, printed in reports."""
    polygon: Polygon = Field(min_length=3)
    """Corners `[x, y]` in order, pixels."""
    direction: Segment | None = None
    """Two points `[[x, y], [x, y]]`: permitted travel goes from the first to the second. `wrong_way` needs it."""
    rules: tuple[ViolationKind, ...] | None = None
    """Rules that hold in this lane, of those the site has on; left out: all of them."""

    _polygon = field_validator("polygon")(_checked_polygon)

    @field_validator("direction")
    @classmethod
    def _has_length(cls, direction: Segment | None) -> Segment | None:
        if direction and direction[0] == direction[1]:
            raise ValueError("both points are the same; give a start and an end of permitted travel")
        return direction

    @property
    def heading(self) -> Point:
        """Unit vector of permitted travel in the picture. Only for lanes with a direction."""
        if self.direction is None:
            raise ValueError(f"lane {self.id} has no direction")
        start, end = self.direction
        length = hypot(end.x - start.x, end.y - start.y)
        return Point((end.x - start.x) / length, (end.y - start.y) / length)

    @cached_property
    def length_px(self) -> float:
        """The lane's length in the picture along its direction, pixels."""
        return extent_along(self.polygon, self.polygon[0], self.heading)

    def holds(self, point: Point) -> bool:
        return contains(self.polygon, point)

    def subject_to(self, kind: ViolationKind) -> bool:
        """Whether a rule that is on at the site holds in this lane."""
        return self.rules is None or kind in self.rules


class Line(SitePart):
    """A line across the road, such as a stop line."""

    id: Name
    """Short name."""
    points: Segment
    """Its two ends `[[x, y], [x, y]]`, pixels."""


class Mask(SitePart):
    """A region whose plates are not looked at: burnt-in captions, advertisements, parked cars."""

    id: Name
    """Short name."""
    polygon: Polygon = Field(min_length=3)
    """Corners `[x, y]` in order, pixels."""

    _polygon = field_validator("polygon")(_checked_polygon)


class Mark(SitePart):
    """A point that was found in the picture and measured on the road."""

    picture: Point
    """`[x, y]`, pixels."""
    road_m: Point
    """`[x, y]`, metres on the road in any right-angled system."""


class Calibration(SitePart):
    """How the picture lies on the road: a homography fitted to marked points."""

    marks: tuple[Mark, ...] = Field(min_length=4)
    """Four or more points, not three of four on a line, spread over the lanes. More than four show mistakes."""
    residual_limit_m: float = Field(default=0.25, gt=0, le=2)
    """Root mean square distance between measured and fitted places above which the file is refused, metres. A
    quarter of a metre is half a tyre-mark's doubt at each end of a ten-metre baseline: five percent."""

    @cached_property
    def homography(self) -> Homography:
        return fit_homography([m.picture for m in self.marks], [m.road_m for m in self.marks])

    @cached_property
    def residual_m(self) -> float:
        """Root mean square distance between measured and fitted road places, metres."""
        fitted = [(project(self.homography, m.picture), m.road_m) for m in self.marks]
        return float((sum((p.x - r.x) ** 2 + (p.y - r.y) ** 2 for p, r in fitted) / len(fitted)) ** 0.5)

    def on_road(self, point: Point) -> bool:
        """Whether a point of the picture lies on the marked side of the horizon."""
        return depth(self.homography, point) * depth(self.homography, self.marks[0].picture) > 0

    def to_road(self, point: Point) -> Point:
        """A point of the picture on the road, metres."""
        return project(self.homography, point)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        try:
            residual_m = self.residual_m
        except ValueError as error:
            raise ValueError(f"{error}; mark four or more points that span an area of the road") from None
        if not all(self.on_road(mark.picture) for mark in self.marks):
            raise ValueError("the marks lie on both sides of the horizon; check their order and measurements")
        if not residual_m <= self.residual_limit_m:
            raise ValueError(
                f"residual {residual_m:.2f} m is over the limit of {self.residual_limit_m:.2f} m; "
                "measure the marks again or find the wrong one"
            )
        return self


class OddEvenSettings(SitePart):
    """How sure `odd_even` has to be at this site."""

    min_parity_posterior: float = Field(default=0.98, gt=0.5, lt=1)
    """Least probability of the last digit's parity over all candidate texts. Below it there is no finding at all."""
    min_frames: int = Field(default=2, ge=1)
    """Frames in which the plate must be inside the lane."""


class WrongWaySettings(SitePart):
    """How far a vehicle has to go against the permitted direction."""

    min_distance_m: float = Field(default=5.0, gt=0)
    """Least distance against the direction where the site is calibrated, metres: more than a car's length, so that
    pulling back out of a gap is not driving the wrong way."""
    min_lane_share: float = Field(default=0.25, gt=0, lt=1)
    """The same where it is not calibrated, as a share of the lane's length in the picture."""
    min_duration_s: float = Field(default=0.5, ge=0)
    """Least time it takes, seconds: a jump of the tracker is over within two or three frames."""
    min_straightness: float = Field(default=0.8, gt=0, le=1)
    """Least ratio of the distance gained to the path driven: a vehicle that wavers is not accused."""
    min_lane_points_share: float = Field(default=0.7, gt=0, le=1)
    """Least share of the vehicle's points that lie in the lane: a plate that brushes the next lane, where the other
    direction is permitted, does not drive there."""


class Scene(SitePart):
    """A site file: `config/sites/*.yaml`."""

    id: Name
    """The site's short name, unique in the region; goes into every report."""
    name: Text
    """The site as operators know it."""
    location: Text
    """The place as the owner reads it in the notice: road, direction, town."""
    camera: str = ""
    """Mounting notes for the technician: pole, height, lens."""
    timezone: str = "Asia/Jakarta"
    """IANA name of the local time that rules with hours go by."""
    picture: Picture
    """Size of the frames in which everything below is drawn."""
    rules: tuple[ViolationKind, ...] = Field(min_length=1)
    """The rules that are on here."""
    lanes: tuple[Lane, ...] = Field(min_length=1)
    """The lanes; where they overlap, the first one counts."""
    lines: tuple[Line, ...] = ()
    """Lines across the road."""
    ignore: tuple[Mask, ...] = ()
    """Regions whose plates are not looked at."""
    calibration: Calibration | None = None
    """Picture to road; left out: distances are shares of a lane's length."""
    odd_even: OddEvenSettings = OddEvenSettings()
    """Settings of the odd-even rule."""
    wrong_way: WrongWaySettings = WrongWaySettings()
    """Settings of the wrong-way rule."""

    @classmethod
    def load(cls, path: Path) -> Scene:
        """The site of a file. Raises ConfigError that names file, field and mend."""
        return load_yaml(path, cls)

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def lane_at(self, point: Point) -> Lane | None:
        """The first lane that holds the point."""
        return next((lane for lane in self.lanes if lane.holds(point)), None)

    def ignored(self, point: Point) -> bool:
        """Whether plates at this point are not looked at."""
        return any(contains(mask.polygon, point) for mask in self.ignore)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, timezone: str) -> str:
        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"no time zone `{timezone}`; give an IANA name such as Asia/Jakarta") from None
        return timezone

    @field_validator("rules")
    @classmethod
    def _each_once(cls, rules: tuple[ViolationKind, ...]) -> tuple[ViolationKind, ...]:
        if len(set(rules)) < len(rules):
            raise ValueError("a rule is named twice; name each once")
        return rules

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        self._check_ids()
        self._check_points()
        for index, lane in enumerate(self.lanes):
            self._check_lane(f"lanes[{index}]", lane)
        return self

    def _check_ids(self) -> None:
        for field, parts in (("lanes", self.lanes), ("lines", self.lines), ("ignore", self.ignore)):
            ids = [part.id for part in parts]
            for index, name in enumerate(ids):
                if name in ids[:index]:
                    raise ValueError(f"{field}[{index}].id: `{name}` is taken already; give each its own id")

    def _check_points(self) -> None:
        for field, points in self._drawn():
            for index, (x, y) in enumerate(points):
                if not (0 <= x <= self.picture.width and 0 <= y <= self.picture.height):
                    raise ValueError(
                        f"{field}[{index}]: ({x:g}, {y:g}) is outside the picture of "
                        f"{self.picture.width}x{self.picture.height}; move it inside"
                    )

    def _drawn(self) -> list[tuple[str, Sequence[Point]]]:
        """Everything drawn in the picture, with its field's name."""
        drawn: list[tuple[str, Sequence[Point]]] = []
        for index, lane in enumerate(self.lanes):
            drawn.append((f"lanes[{index}].polygon", lane.polygon))
            drawn.append((f"lanes[{index}].direction", lane.direction or ()))
        drawn += [(f"lines[{index}].points", line.points) for index, line in enumerate(self.lines)]
        drawn += [(f"ignore[{index}].polygon", mask.polygon) for index, mask in enumerate(self.ignore)]
        return drawn

    def _check_lane(self, field: str, lane: Lane) -> None:
        unknown = [kind for kind in lane.rules or () if kind not in self.rules]
        if unknown:
            raise ValueError(f"{field}.rules: `{unknown[0]}` is not on at this site; add it to `rules` or drop it here")
        wrong_way = ViolationKind.WRONG_WAY
        if wrong_way in self.rules and lane.subject_to(wrong_way) and lane.direction is None:
            raise ValueError(
                f"{field}.direction: is missing and wrong_way is on; give two points of permitted travel, "
                "or name the lane's `rules` without it"
            )
        if self.calibration and not all(map(self.calibration.on_road, (*lane.polygon, *(lane.direction or ())))):
            raise ValueError(f"{field}.polygon: reaches over the calibration's horizon; end the lane before it")
