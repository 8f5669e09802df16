"""A track's way through the lanes of a site."""

from __future__ import annotations

from collections.abc import Sequence

from agent.markings import Lane
from agent.scene import Scene
from agent.types import Track, TrackPoint, ViolationKind


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
