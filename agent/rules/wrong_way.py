"""Wrong way (melawan arus): travel against a lane's permitted direction, far enough, long enough and straight enough.

Distances are metres on the road where the site is calibrated, and shares of the lane's length in the picture where
it is not. The plate hangs half a metre above the road, which makes distances come out a tenth too long under a camera
6 m up: the margin that validation asks for is as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import hypot

from agent.markings import Lane
from agent.rules.law import NoTerms, RuleLaw
from agent.rules.path import clearest, main_lane, named_frames, road_heading, strides
from agent.scene import Scene
from agent.signal import Signals
from agent.types import PlateVote, Point, Track, TrackPoint, Violation, ViolationKind


@dataclass(frozen=True, slots=True)
class Travel:
    """A vehicle's way through one lane."""

    against: float
    """Distance gained against the permitted direction; negative: along it."""
    path: float
    """Distance driven."""
    least: float
    """Distance from which the rule holds, in the same measure."""
    unit: str
    duration_s: float

    @property
    def straightness(self) -> float:
        return self.against / self.path if self.path > 0 else 0.0


class WrongWay:
    """The rule with its law."""

    kind = ViolationKind.WRONG_WAY

    def __init__(self, law: RuleLaw[NoTerms]) -> None:
        self._law = law

    def evaluate(self, track: Track, vote: PlateVote, scene: Scene, signals: Signals) -> Violation | None:
        """A finding when the vehicle went against its lane; its margin is the distance past the least one."""
        found = main_lane(track, scene, self.kind)
        if found is None:
            return None
        lane, points = found
        moment = clearest(points)
        version = self._law.on(moment.at.astimezone(scene.zone).date())
        if version is None or len(points) < 2 or not _stays(points, track, scene):
            return None
        travel = measure(points, lane, scene)
        if not _is_against(travel, scene):
            return None
        return Violation(
            kind=self.kind,
            article=version.pasal,
            track_id=track.track_id,
            lane_id=lane.id,
            at=moment.at,
            frame_index=moment.frame_index,
            vote=vote,
            margin=travel.against / travel.least - 1,
            facts=_facts(travel, moment, len(points), lane, scene),
            frames=named_frames(points[0], moment, points[-1]),
        )


def _stays(points: Sequence[TrackPoint], track: Track, scene: Scene) -> bool:
    """Whether enough of the track lies in this lane: a plate that only brushes it belongs to the next lane."""
    return len(points) >= scene.wrong_way.min_lane_points_share * len(track.points)


def _is_against(travel: Travel, scene: Scene) -> bool:
    settings = scene.wrong_way
    far = travel.against >= travel.least and travel.duration_s >= settings.min_duration_s
    return far and travel.straightness >= settings.min_straightness


def measure(points: Sequence[TrackPoint], lane: Lane, scene: Scene) -> Travel:
    """How far the points go against the lane's direction, in metres or in shares of the lane's length."""
    centres = [point.detection.box.centre for point in points]
    places, heading, unit = _on_road(centres, lane, scene) or _in_picture(centres, lane)
    against = -_along(places[0], places[-1], heading)
    steps = strides(points)
    path = sum(hypot(places[b].x - places[a].x, places[b].y - places[a].y) for a, b in pairwise(steps))
    least = scene.wrong_way.min_distance_m if unit == "m" else scene.wrong_way.min_lane_share
    return Travel(against, path, least, unit, (points[-1].mono_ns - points[0].mono_ns) / 1e9)


def _on_road(centres: Sequence[Point], lane: Lane, scene: Scene) -> tuple[list[Point], Point, str] | None:
    if scene.calibration is None or lane.direction is None:
        return None
    places = [scene.calibration.to_road(centre) for centre in centres]
    return places, road_heading(lane, scene.calibration), "m"


def _in_picture(centres: Sequence[Point], lane: Lane) -> tuple[list[Point], Point, str]:
    places = [Point(centre.x / lane.length_px, centre.y / lane.length_px) for centre in centres]
    return places, lane.heading, "of the lane"


def _along(start: Point, end: Point, heading: Point) -> float:
    return (end.x - start.x) * heading.x + (end.y - start.y) * heading.y


def _facts(travel: Travel, moment: TrackPoint, frames: int, lane: Lane, scene: Scene) -> tuple[tuple[str, str], ...]:
    return (
        ("local_time", moment.at.astimezone(scene.zone).isoformat(timespec="milliseconds")),
        ("distance_against", f"{travel.against:.2f} {travel.unit}"),
        ("min_distance", f"{travel.least:.2f} {travel.unit}"),
        ("duration", f"{travel.duration_s:.2f} s"),
        ("straightness", f"{travel.straightness:.2f}"),
        ("calibration_residual", f"{scene.calibration.residual_m:.3f} m" if scene.calibration else "none"),
        ("lane", lane.id),
        ("frames_in_lane", str(frames)),
    )
