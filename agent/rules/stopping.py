"""Stopping (berhenti di tempat terlarang): stands in a box junction or a no-stopping zone for too long.

A vehicle that never leaves is judged when its track ends, which the tracker sees to after some minutes.
"""

from __future__ import annotations

from agent.calibration import Calibration
from agent.markings import Zone, ZoneKind
from agent.plate import posterior
from agent.rules.calendar import Calendar
from agent.rules.law import NoTerms, RuleLaw
from agent.rules.path import NS, longest_rest, named_frames, on_road
from agent.rules.schedule import in_force
from agent.scene import Scene
from agent.signal import Signals
from agent.types import PlateVote, Proof, Track, TrackPoint, Violation, ViolationKind

Rest = tuple[TrackPoint, TrackPoint]
_ZONES = (ZoneKind.BOX_JUNCTION, ZoneKind.NO_STOPPING)
_MAY_BE_PERMITTED = 0.02
"""A number that is of a permitted class with more than this probability is looked at by a person."""


class Stopping:
    """The rule with its law and the days on which zones may be off."""

    kind = ViolationKind.STOPPING

    def __init__(self, law: RuleLaw[NoTerms], calendar: Calendar) -> None:
        self._law = law
        self._calendar = calendar

    def evaluate(self, track: Track, vote: PlateVote, scene: Scene, signals: Signals) -> Violation | None:
        """A finding for the zone whose limit was passed most; its margin is the time at rest past the limit."""
        if scene.calibration is None:
            return None
        zones = [zone for zone in scene.zones_of(*_ZONES) if not _is_permitted(vote, zone)]
        rests = [(zone, rest) for zone in zones if (rest := _rest(track, zone, scene.calibration))]
        found = max(rests, key=lambda each: _margin(each[0], each[1], scene), default=None)
        if found is None or _margin(*found, scene) < 0:
            return None
        return self._violation(track, vote, scene, *found)

    def _violation(self, track: Track, vote: PlateVote, scene: Scene, zone: Zone, rest: Rest) -> Violation | None:
        begin, moment = rest
        lane = scene.lane_at(moment.detection.box.centre)
        version = self._law.on(moment.at.astimezone(scene.zone).date())
        force = in_force(zone.hours, zone.off_on_holidays, rest, self._calendar, scene.zone)
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
            margin=_margin(zone, rest, scene) if force.certain else 0.0,
            facts=(
                ("local_time", moment.at.astimezone(scene.zone).isoformat(timespec="milliseconds")),
                ("hours", force.span),
                ("at_rest", f"{_rest_s(rest):.1f} s"),
                ("max_rest", f"{_max_rest_s(zone, scene):.1f} s"),
                ("zone", f"{zone.id} ({zone.kind})"),
            ),
            frames=named_frames(begin, begin, moment),
            proof=Proof.WHOLE if posterior(vote, zone.permits) <= _MAY_BE_PERMITTED else Proof.DOUBTFUL,
        )


def _rest(track: Track, zone: Zone, calibration: Calibration) -> Rest | None:
    """The longest rest of which every point is inside the zone."""
    runs: list[list[TrackPoint]] = [[]]
    for point in on_road(track, calibration):
        if zone.holds(point.detection.box.centre):
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    rests = [rest for run in runs if (rest := longest_rest(run, calibration))]
    return max(rests, key=_rest_s, default=None)


def _is_permitted(vote: PlateVote, zone: Zone) -> bool:
    """Whether the plate is rather one that the zone is not for."""
    return vote.colour in zone.permitted_colours or posterior(vote, zone.permits) > posterior(vote, zone.forbids)


def _rest_s(rest: Rest) -> float:
    return (rest[1].mono_ns - rest[0].mono_ns) / NS


def _max_rest_s(zone: Zone, scene: Scene) -> float:
    return scene.stopping.max_rest_box_s if zone.kind is ZoneKind.BOX_JUNCTION else scene.stopping.max_rest_s


def _margin(zone: Zone, rest: Rest, scene: Scene) -> float:
    return _rest_s(rest) / _max_rest_s(zone, scene) - 1
