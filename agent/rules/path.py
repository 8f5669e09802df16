"""A track's way through the lanes and over the lines of a site."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot

from agent.calibration import Calibration
from agent.markings import Lane, Line
from agent.scene import Scene
from agent.types import Point, Track, TrackPoint, ViolationKind

NS = 1_000_000_000
_STRIDE_NS = 200_000_000
"""Path length is taken over strides of 0.2 s: over single frames, corner jitter would add up to a detour."""
_BESIDE_WIDTHS = 0.25
"""Hysteresis of a line in the picture, in widths of the plate."""
_STILL_M = 0.8
"""A plate that stays within so much of the road, metres, is at rest: a pixel is 0.15 m at 40 m under a camera 4.5 m up,
and a detector's jitter over half a minute is four of them."""


def main_lane(track: Track, scene: Scene, kind: ViolationKind) -> tuple[Lane, tuple[TrackPoint, ...]] | None:
    """The lane subject to a rule in which the plate was seen most often, and the points there; None: in none."""
    points: dict[str, list[TrackPoint]] = {}
    lanes = {lane.id: lane for lane in scene.lanes if lane.subject_to(kind)}
    for point in track.points:
        lane = scene.lane_at(point.detection.box.centre)
        if lane and lane.id in lanes:
            points.setdefault(lane.id, []).append(point)
    if not points:
        return None
    longest = max(points, key=lambda lane_id: len(points[lane_id]))
    return lanes[longest], tuple(points[longest])


def clearest(points: Sequence[TrackPoint]) -> TrackPoint:
    """The point that shows the plate best: the largest, detector's score counted in."""
    return max(points, key=lambda p: (p.detection.score * p.detection.box.area, -p.frame_index))


def named_frames(before: TrackPoint, at: TrackPoint, after: TrackPoint) -> tuple[tuple[str, int], ...]:
    """The frames that show a violation, as `Violation.frames` names them."""
    return ("before", before.frame_index), ("at", at.frame_index), ("after", after.frame_index)


def strides(points: Sequence[TrackPoint]) -> list[int]:
    """Indices of points a stride apart, the first and the last among them."""
    found = [0]
    for index, point in enumerate(points[:-1]):
        if point.mono_ns - points[found[-1]].mono_ns >= _STRIDE_NS:
            found.append(index)
    return [*found, len(points) - 1]


def road_heading(lane: Lane, calibration: Calibration) -> Point:
    """Unit vector of permitted travel on the road. Only for lanes with a direction."""
    if lane.direction is None:
        raise ValueError(f"lane {lane.id} has no direction")
    start, end = map(calibration.to_road, lane.direction)
    length = hypot(end.x - start.x, end.y - start.y)
    return Point((end.x - start.x) / length, (end.y - start.y) / length)


def past_line_m(
    points: Sequence[TrackPoint], line: Line, lane: Lane, calibration: Calibration, plate_height_m: float
) -> list[float]:
    """How far each point is past a line, by the lane's permitted travel, metres; negative: before it."""
    a, b = (calibration.below(end, line.height_m) for end in line.points)
    heading = road_heading(lane, calibration)
    length = hypot(b.x - a.x, b.y - a.y)
    across = Point((a.y - b.y) / length, (b.x - a.x) / length)
    sense = 1.0 if across.x * heading.x + across.y * heading.y > 0 else -1.0
    places = [calibration.below(point.detection.box.centre, plate_height_m) for point in points]
    return [sense * ((place.x - a.x) * across.x + (place.y - a.y) * across.y) for place in places]


def crossed(past: Sequence[float], hysteresis: float) -> tuple[int, int] | None:
    """The neighbouring points between which a line was crossed for good; None where it was not.

    One is before or past the line only by more than the hysteresis, so jitter on the line counts once, and who rolls
    back has not crossed. Where it was touched several times, the first counts.
    """
    last_before: int | None = None
    found: tuple[int, int] | None = None
    for index, distance in enumerate(past):
        if distance <= -hysteresis:
            last_before, found = index, None
        elif distance >= hysteresis and found is None and last_before is not None:
            after = next(i for i in range(last_before + 1, index + 1) if past[i] >= 0)
            found = after - 1, after
    return found


def crosses_line(points: Sequence[TrackPoint], line: tuple[Point, Point]) -> bool:
    """Whether the plate crossed a line in the picture, either way, between its ends."""
    (ax, ay), (bx, by) = line
    length = hypot(bx - ax, by - ay)
    along, beside = [], []
    for point in points:
        x, y = point.detection.box.centre
        along.append(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length**2)
        beside.append(((x - ax) * (by - ay) - (y - ay) * (bx - ax)) / length / max(point.detection.box.width, 1.0))
    found = crossed(beside, _BESIDE_WIDTHS) or crossed([-each for each in beside], _BESIDE_WIDTHS)
    return found is not None and all(0 <= along[index] <= 1 for index in found)


def road_places(points: Sequence[TrackPoint], calibration: Calibration) -> list[Point]:
    """Where the plates' lines of sight meet the road, metres."""
    return [calibration.to_road(point.detection.box.centre) for point in points]


def on_road(track: Track, calibration: Calibration) -> tuple[TrackPoint, ...]:
    """The track's points below the horizon."""
    return tuple(point for point in track.points if calibration.on_road(point.detection.box.centre))


def longest_rest(points: Sequence[TrackPoint], calibration: Calibration) -> tuple[TrackPoint, TrackPoint] | None:
    """The first and last of the neighbouring points between which the plate stood still longest; None: it never did."""
    places = road_places(points, calibration)
    best: tuple[TrackPoint, TrackPoint] | None = None
    begin = 0
    for end in range(len(points)):
        while not _is_still(places[begin : end + 1]):
            begin += 1
        if begin < end and (best is None or _lasts_ns(points[begin], points[end]) > _lasts_ns(*best)):
            best = points[begin], points[end]
    return best


def _is_still(places: Sequence[Point]) -> bool:
    return all(max(each) - min(each) <= _STILL_M for each in zip(*places, strict=True))


def _lasts_ns(first: TrackPoint, last: TrackPoint) -> int:
    return last.mono_ns - first.mono_ns
