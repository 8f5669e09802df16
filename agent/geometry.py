"""Plane geometry of a site: polygons in the picture and the homography from picture to road (pure, no OpenCV)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.types import Point

Polygon: TypeAlias = tuple[Point, ...]
Homography: TypeAlias = NDArray[np.float64]
"""3x3; maps (x, y, 1) of the picture to (x_m, y_m, 1) of the road up to a factor."""


def contains(polygon: Sequence[Point], point: Point) -> bool:
    """Whether the point lies inside the polygon (even-odd rule)."""
    inside = False
    for a, b in _sides(polygon):
        if (a.y > point.y) != (b.y > point.y):
            inside ^= point.x < a.x + (point.y - a.y) * (b.x - a.x) / (b.y - a.y)
    return inside


def area(polygon: Sequence[Point]) -> float:
    """Area in square pixels, whichever way round the polygon is given."""
    return abs(sum(a.x * b.y - b.x * a.y for a, b in _sides(polygon))) / 2


def crosses_itself(polygon: Sequence[Point]) -> bool:
    """Whether two sides that are not neighbours meet, or a corner is given twice."""
    sides = _sides(polygon)
    apart = (
        (sides[i], sides[j])
        for i in range(len(sides))
        for j in range(i + 2, len(sides))
        if (i, j) != (0, len(sides) - 1)
    )
    return len(set(polygon)) < len(polygon) or any(_meet(*one, *other) for one, other in apart)


def crosses(segment: tuple[Point, Point], polygon: Sequence[Point]) -> bool:
    """Whether a segment meets a side of the polygon."""
    return any(_meet(*segment, *side) for side in _sides(polygon))


def extent_along(polygon: Sequence[Point], origin: Point, unit: Point) -> float:
    """The polygon's length in pixels along a unit vector."""
    along = [(p.x - origin.x) * unit.x + (p.y - origin.y) * unit.y for p in polygon]
    return max(along) - min(along)


def _sides(polygon: Sequence[Point]) -> list[tuple[Point, Point]]:
    return list(zip(polygon, [*polygon[1:], polygon[0]], strict=True))


def _meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    def side(p: Point, q: Point, r: Point) -> float:
        return (q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x)

    def between(p: Point, q: Point, r: Point) -> bool:
        return min(p.x, q.x) <= r.x <= max(p.x, q.x) and min(p.y, q.y) <= r.y <= max(p.y, q.y)

    s1, s2, s3, s4 = side(a, b, c), side(a, b, d), side(c, d, a), side(c, d, b)
    if s1 * s2 < 0 and s3 * s4 < 0:
        return True
    touching = ((s1, a, b, c), (s2, a, b, d), (s3, c, d, a), (s4, c, d, b))
    return any(s == 0 and between(p, q, r) for s, p, q, r in touching)


def fit_homography(picture: Sequence[Point], road: Sequence[Point]) -> Homography:
    """The homography that maps marked points of the picture onto the road, by normalised DLT (Hartley 1997).

    Four or more pairs. Raises ValueError where they do not fix one (three of four on a line, points repeated).
    """
    to_unit, unit_picture = _normalised(picture)
    road_to_unit, unit_road = _normalised(road)
    rows = []
    for (x, y), (u, v) in zip(unit_picture, unit_road, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y, -u])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y, -v])
    _, singular, vectors = np.linalg.svd(np.array(rows, dtype=np.float64))
    if singular[7] < 1e-6 * singular[0]:
        raise ValueError("the points lie on a line or repeat")
    fitted = vectors[-1].reshape(3, 3)
    if abs(np.linalg.det(fitted)) < 1e-9:
        raise ValueError("the points lie on a line or repeat")
    homography: Homography = np.linalg.inv(road_to_unit) @ fitted @ to_unit
    return homography / np.linalg.norm(homography)


def _normalised(points: Sequence[Point]) -> tuple[Homography, NDArray[np.float64]]:
    """The similarity that moves the points round the origin at a mean distance of sqrt 2, and the moved points."""
    given = np.array(points, dtype=np.float64)
    centre = given.mean(axis=0)
    spread = float(np.hypot(*(given - centre).T).mean())
    if not spread > 0:
        raise ValueError("the points lie on a line or repeat")
    scale = float(np.sqrt(2)) / spread
    matrix = np.array([[scale, 0, -scale * centre[0]], [0, scale, -scale * centre[1]], [0, 0, 1]])
    return matrix, (given - centre) * scale


def depth(homography: Homography, point: Point) -> float:
    """The homography's third coordinate: its sign is one on the road and the other beyond the horizon."""
    return float(homography[2] @ (point.x, point.y, 1.0))


def project(homography: Homography, point: Point) -> Point:
    """A point of the picture on the road, metres."""
    x, y, w = homography @ (point.x, point.y, 1.0)
    return Point(float(x / w), float(y / w))
