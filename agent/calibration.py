"""How the picture lies on the road: a homography fitted to marked points, and how well it is known (pure).

The homography is of the road's plane. A plate hangs above it, so where its line of sight meets the road lies farther
from the camera than the plate does: for a plate z above the road under a camera h above it, all distances from the
camera's foot come out h / (h - z) times too long, and with them all ways along the road. `road_share` undoes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from math import hypot, sqrt
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from agent.geometry import Homography, depth, fit_homography, project
from agent.markings import SitePart
from agent.types import Point


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
    mark_error_m: float = Field(default=0.03, ge=0, le=1)
    """Standard error of a mark's measured place, metres: a steel tape and a chalk cross."""
    mark_error_px: float = Field(default=1.0, ge=0, le=20)
    """Standard error of a mark's place in the picture, pixels."""
    camera_height_m: float | None = Field(default=None, ge=2.5, le=30)
    """The lens above the road, metres. Left out, it may be anything from 4 to 12 m, and speeds come out less sure."""
    camera_height_error_m: float = Field(default=0.1, ge=0, le=2)
    """Standard error of the camera's height, metres."""

    @cached_property
    def homography(self) -> Homography:
        return fit_homography([m.picture for m in self.marks], [m.road_m for m in self.marks])

    @cached_property
    def residual_m(self) -> float:
        """Root mean square distance between measured and fitted road places, metres."""
        return sqrt(sum(each**2 for each in self._residuals_m) / len(self.marks))

    @cached_property
    def _residuals_m(self) -> tuple[float, ...]:
        fitted = [(project(self.homography, m.picture), m.road_m) for m in self.marks]
        return tuple(hypot(p.x - r.x, p.y - r.y) for p, r in fitted)

    def on_road(self, point: Point) -> bool:
        """Whether a point of the picture lies on the marked side of the horizon."""
        return depth(self.homography, point) * depth(self.homography, self.marks[0].picture) > 0

    def to_road(self, point: Point) -> Point:
        """A point of the picture on the road, metres."""
        return project(self.homography, point)

    def below(self, point: Point, height_m: float) -> Point:
        """The place on the road below a point of the picture that lies so high above it, metres.

        A small square of the picture is drawn out on the road by 1 / sin of the angle at which it is looked down on;
        the cotangent of that angle is how much of the road a metre of height hides. Holds for square pixels, not far
        from the picture's middle.
        """
        here = self.to_road(point)
        steps = [self.to_road(Point(point.x + dx, point.y + dy)) for dx, dy in ((1, 0), (0, 1))]
        axes, (longer, shorter), turns = np.linalg.svd(np.array([(p.x - here.x, p.y - here.y) for p in steps]).T)
        ahead = Point(point.x + turns[0, 0], point.y + turns[0, 1])
        away = 1 if abs(depth(self.homography, ahead)) < abs(depth(self.homography, point)) else -1
        x, y = away * height_m * sqrt((longer / shorter) ** 2 - 1) * axes[:, 0]
        return Point(here.x - float(x), here.y - float(y))

    def ahead(self, start: Point, now: Point, share: float) -> tuple[Point, float] | None:
        """Where in the picture what came over the road from `start` to `now` will be after `share` of that way again,
        and how many times as large it will look; None where one of the three is off the road."""
        if not (self.on_road(start) and self.on_road(now)):
            return None
        (ax, ay), (bx, by) = self.to_road(start), self.to_road(now)
        there = project(self._to_picture, Point(bx + share * (bx - ax), by + share * (by - ay)))
        growth = depth(self.homography, there) / depth(self.homography, now)
        return (there, growth) if growth > 0 else None

    @cached_property
    def _to_picture(self) -> Homography:
        return np.asarray(np.linalg.inv(self.homography), np.float64)

    @cached_property
    def alternatives(self) -> tuple[Homography, ...]:
        """The homography with one coordinate of one mark moved by its standard error, for each of them.

        What a quantity changes by, squared and summed over these, is its variance from the marks (linear error
        propagation). Where the residual is larger than the errors of the marks explain, they are scaled up to it.
        """
        scale = self._excess
        return tuple(self._refitted(scale))

    def _refitted(self, scale: float) -> Iterator[Homography]:
        pictures, roads = [m.picture for m in self.marks], [m.road_m for m in self.marks]
        for index in range(len(self.marks)):
            for moved in _moved(pictures, index, scale * self.mark_error_px):
                yield fit_homography(moved, roads)
            for moved in _moved(roads, index, scale * self.mark_error_m):
                yield fit_homography(pictures, moved)

    @property
    def _excess(self) -> float:
        """How much larger the residuals are than the marks' errors explain, 1 or more; four marks leave none."""
        freedom = 2 * len(self.marks) - 8
        variances = [self._variance_m2(mark.picture) for mark in self.marks]
        if freedom == 0 or min(variances) == 0:
            return 1.0
        pairs = zip(self._residuals_m, variances, strict=True)
        return sqrt(max(1.0, sum(residual**2 / variance for residual, variance in pairs) / freedom))

    def _variance_m2(self, picture: Point) -> float:
        """Variance of a mark's place on the road, one coordinate, from both its errors."""
        here = self.to_road(picture)
        shifts = [self.to_road(moved) for (moved,) in _moved([picture], 0, self.mark_error_px)]
        return self.mark_error_m**2 + sum(hypot(p.x - here.x, p.y - here.y) ** 2 for p in shifts) / 2

    def road_share(self, plate_height_m: float, plate_height_error_m: float) -> tuple[float, float]:
        """What share of a way measured by a plate's line of sight the plate really went, and its standard error."""
        height = self.camera_height_m
        if height is None:
            return _UNKNOWN_HEIGHT
        share = 1 - plate_height_m / height
        error = hypot(plate_height_error_m / height, plate_height_m / height**2 * self.camera_height_error_m)
        return share, error

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


_UNKNOWN_HEIGHT = (0.87, 0.07)
"""Middle and standard error of 1 - z / h for plates 0.4 to 1.2 m and cameras 4 to 12 m up: 0.70 to 0.97."""


def _moved(points: Sequence[Point], index: int, by: float) -> Iterator[list[Point]]:
    """The points with one of them moved, once along x and once along y."""
    x, y = points[index]
    for moved in (Point(x + by, y), Point(x, y + by)):
        yield [*points[:index], moved, *points[index + 1 :]]
