"""Bus lane (jalur khusus bus): drives in it while it holds, with a plate of a class it is not for.

Who crosses the lane to turn is inside for a short way and a small share of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import hypot

from agent.calibration import Calibration
from agent.markings import Zone, ZoneKind
from agent.plate import posterior
from agent.rules.calendar import Calendar
from agent.rules.law import NoTerms, RuleLaw
from agent.rules.path import clearest, named_frames, on_road, road_places, strides
from agent.rules.schedule import in_force
from agent.scene import Scene
from agent.signal import Signals
from agent.types import PlateVote, Proof, Track, TrackPoint, Violation, ViolationKind


class BusLane:
    """The rule with its law and the days on which zones may be off."""

    kind = ViolationKind.BUS_LANE

    def __init__(self, law: RuleLaw[NoTerms], calendar: Calendar) -> None:
        self._law = law
        self._calendar = calendar

    def evaluate(self, track: Track, vote: PlateVote, scene: Scene, signals: Signals) -> Violation | None:
        """A finding when enough of the way is inside; its margin is the lesser of share and path past their least."""
        if scene.calibration is None:
            return None
        ways = [_way(track, zone, scene.calibration) for zone in scene.zones_of(ZoneKind.BUS_LANE)]
        way = max(filter(None, ways), key=lambda each: each.inside_m, default=None)
        if way is None or vote.colour in way.zone.permitted_colours:
            return None
        settings = scene.bus_lane
        margin = min(way.share / settings.min_share_inside, way.inside_m / settings.min_path_m) - 1
        outsider = posterior(vote, way.zone.forbids)
        if margin < 0 or outsider <= posterior(vote, way.zone.permits):
            return None
        return self._violation(track, vote, scene, way, margin, outsider)

    def _violation(
        self, track: Track, vote: PlateVote, scene: Scene, way: _Way, margin: float, outsider: float
    ) -> Violation | None:
        zone, moment = way.zone, clearest(way.points)
        lane = scene.lane_at(moment.detection.box.centre)
        version = self._law.on(moment.at.astimezone(scene.zone).date())
        force = in_force(zone.hours, zone.off_on_holidays, way.points, self._calendar, scene.zone)
        if version is None or force is None or (lane and not lane.subject_to(self.kind)):
            return None
        return Violation(
            kind=self.kind,
            article=version.pasal,
            track_id=track.track_id,
            lane_id=lane.id if lane else zone.id,
            at=moment.at,
            frame_index=moment.frame_index,
            vote=vote,
            margin=margin if force.certain else 0.0,
            facts=(
                ("local_time", moment.at.astimezone(scene.zone).isoformat(timespec="milliseconds")),
                ("hours", force.span),
                ("share_inside", f"{way.share:.2f}"),
                ("min_share_inside", f"{scene.bus_lane.min_share_inside:.2f}"),
                ("path_inside", f"{way.inside_m:.1f} m"),
                ("min_path", f"{scene.bus_lane.min_path_m:.1f} m"),
                ("class_posterior", f"{outsider:.4f}"),
                ("permitted", ", ".join((*zone.permitted_classes, *zone.permitted_colours)) or "none"),
                ("zone", zone.id),
            ),
            frames=named_frames(way.points[0], moment, way.points[-1]),
            proof=Proof.WHOLE if outsider >= scene.bus_lane.min_class_posterior else Proof.DOUBTFUL,
        )


@dataclass(frozen=True, slots=True)
class _Way:
    zone: Zone
    points: tuple[TrackPoint, ...]
    """Those inside."""
    inside_m: float
    share: float


def _way(track: Track, zone: Zone, calibration: Calibration) -> _Way | None:
    """A track's way through a zone; None where it never is inside or never moves."""
    points = on_road(track, calibration)
    inside = [zone.holds(point.detection.box.centre) for point in points]
    if not any(inside):
        return None
    places = road_places(points, calibration)
    steps = list(pairwise(strides(points)))
    lengths = [hypot(places[b].x - places[a].x, places[b].y - places[a].y) for a, b in steps]
    inside_m = sum(length for length, (a, b) in zip(lengths, steps, strict=True) if inside[a] and inside[b])
    if sum(lengths) == 0:
        return None
    within = tuple(point for point, is_in in zip(points, inside, strict=True) if is_in)
    return _Way(zone, within, inside_m, inside_m / sum(lengths))
