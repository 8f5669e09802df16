"""How fast a plate went along its lane, and how well that is known.

A straight line is fitted to the plate's place on the road over time, by least squares, each frame weighted by what a
pixel is worth there on the road. Three things make the result uncertain, and their variances add up:

  frames       where the detector puts the plate, and the time stamp; seen in the residuals of the fit, never taken for
               less than the site file says. Residuals that hang together (a detector that sits low for some frames, a
               pole that sways) say less: they are taken for a first-order process with their own lag-one correlation.
  calibration  what the speed would be were each mark off by its standard error.
  heights      the plate's above the road, as `agent.plate_height` measures it, and the camera's own.

The interval is two-sided, 95 %. Docs: docs/adr/0007-speed-only-above-doubt.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, sqrt

import numpy as np
from numpy.typing import NDArray

from agent.geometry import Homography, project
from agent.markings import Lane
from agent.plate_height import measured_road_share
from agent.scene import Scene
from agent.types import PlateVote, Point, TrackPoint

Floats = NDArray[np.float64]

KMH = 3.6
_Z95 = 1.96
_STUDENT = 2.72
"""Student's 97.5 % quantile is 1.96 + 2.72 / freedom to 0.01, from 8 degrees of freedom on."""
_MOST_CORRELATED = 0.95


@dataclass(frozen=True, slots=True)
class Pace:
    """A measured speed. The errors are standard errors as shares of the speed."""

    speed_kmh: float
    half_width_kmh: float
    """Half of the 95 % interval."""
    frame_error: float
    mark_error: float
    height_error: float
    road_share: float
    """What share of the way over the road, by the plate's line of sight, the plate went."""
    path_m: float
    points: int

    @property
    def lower_kmh(self) -> float:
        return self.speed_kmh - self.half_width_kmh

    @property
    def upper_kmh(self) -> float:
        return self.speed_kmh + self.half_width_kmh


@dataclass(frozen=True, slots=True)
class Slope:
    """A straight line's slope, its standard error, and a factor that makes 1.96 of them Student's 95 %."""

    value: float
    error: float
    student: float


def measure(points: Sequence[TrackPoint], lane: Lane, scene: Scene, vote: PlateVote) -> Pace | None:
    """The speed of a plate along a lane; None where there are too few frames, too short a way or no calibration.

    `vote`: what was read of it, for its kind and colour.
    """
    settings = scene.speed
    if scene.calibration is None or lane.direction is None or len(points) < settings.min_points:
        return None
    times = np.array([(point.mono_ns - points[0].mono_ns) / 1e9 for point in points])
    centres = [_centre(point) for point in points]
    homography = scene.calibration.homography
    places = _along(homography, centres, lane.direction)
    errors = settings.corner_error_px * _metres_per_pixel(homography, centres, lane.direction)
    errors = np.hypot(errors, _slope(times, places, errors) * settings.time_error_s)
    slope = _fit(times, places, errors)
    moved = [_slope(times, _along(h, centres, lane.direction), errors) for h in scene.calibration.alternatives]
    share, share_error = measured_road_share(points, vote, scene.calibration, scene.picture.width)
    path_m = abs(float(places[-1] - places[0])) * share
    if path_m < settings.min_path_m or slope.value == 0:
        return None
    frame_error = slope.error * slope.student / abs(slope.value)
    mark_error = sqrt(sum((each - slope.value) ** 2 for each in moved)) / abs(slope.value)
    speed_kmh = abs(slope.value) * share * KMH
    return Pace(
        speed_kmh=speed_kmh,
        half_width_kmh=_Z95 * speed_kmh * hypot(frame_error, mark_error, share_error / share),
        frame_error=frame_error,
        mark_error=mark_error,
        height_error=share_error / share,
        road_share=share,
        path_m=path_m,
        points=len(points),
    )


def _centre(point: TrackPoint) -> Point:
    """The middle of the four corners."""
    corners = point.detection.corners
    return Point(sum(each.x for each in corners) / 4, sum(each.y for each in corners) / 4)


def _along(homography: Homography, centres: Sequence[Point], direction: tuple[Point, Point]) -> Floats:
    """Places along permitted travel, metres from its start."""
    start, end = (project(homography, each) for each in direction)
    length = hypot(end.x - start.x, end.y - start.y)
    rays = np.array([(x, y, 1.0) for x, y in centres]) @ homography.T
    road = rays[:, :2] / rays[:, 2:]
    along: Floats = (road - (start.x, start.y)) @ (np.array([end.x - start.x, end.y - start.y]) / length)
    return along


def _metres_per_pixel(homography: Homography, centres: Sequence[Point], direction: tuple[Point, Point]) -> Floats:
    """What a pixel's error in x and in y comes to along the lane, at each place."""
    here = _along(homography, centres, direction)
    right = _along(homography, [Point(x + 1, y) for x, y in centres], direction)
    down = _along(homography, [Point(x, y + 1) for x, y in centres], direction)
    return np.hypot(right - here, down - here)


def _fit(times: Floats, places: Floats, errors: Floats) -> Slope:
    """The line's slope with an error that holds: `errors` are the least standard errors of the places."""
    design = np.stack([np.ones_like(times), times], axis=1) / errors[:, None]
    inverse = np.linalg.inv(design.T @ design)
    line = inverse @ design.T @ (places / errors)
    residuals = places / errors - design @ line
    r = _correlation(residuals)
    steps = np.arange(len(times))
    correlations = r ** np.abs(steps[:, None] - steps)
    # what errors of variance 1 that hang together so would leave as residuals, and do to the slope
    left = np.trace(correlations) - np.trace(inverse @ design.T @ correlations @ design)
    variance = (inverse @ design.T @ correlations @ design @ inverse)[1, 1]
    excess = max(1.0, float(residuals @ residuals) / left)
    return Slope(float(line[1]), sqrt(excess * variance), 1 + _STUDENT / (len(times) - 2) / _Z95)


def _slope(times: Floats, places: Floats, errors: Floats) -> float:
    weights = errors**-2
    elapsed = times - np.average(times, weights=weights)
    return float((weights * elapsed) @ places / ((weights * elapsed) @ elapsed))


def _correlation(residuals: Floats) -> float:
    """Lag-one correlation of what a straight line leaves, 0 to 0.95; the estimate is too low by (2 + 4 r) / n."""
    n, whole = len(residuals), float(residuals @ residuals)
    if whole == 0:
        return 0.0
    r = float(residuals[1:] @ residuals[:-1]) / whole
    return min(max((r + 2 / n) / (1 - 4 / n), 0.0), _MOST_CORRELATED)
