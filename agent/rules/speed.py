"""Speed (melebihi batas kecepatan): the mean speed through the lane is over the limit, beyond the measurement's doubt.

Only the lower end of the measured speed's 95 % interval counts, and the law's tolerance is added to the limit.
"""

from __future__ import annotations

from pydantic import Field

from agent.markings import Lane
from agent.rules.law import LawPart, RuleLaw
from agent.rules.pace import Pace, measure
from agent.rules.path import clearest, main_lane, named_frames
from agent.scene import Scene
from agent.signal import Signals
from agent.types import PlateVote, Track, TrackPoint, Violation, ViolationKind


class SpeedTerms(LawPart):
    """How strictly a limit is taken."""

    tolerance_kmh: float = Field(ge=0, le=50)
    """By how much the limit may be passed, km/h."""


class Speed:
    """The rule with its law."""

    kind = ViolationKind.SPEED

    def __init__(self, law: RuleLaw[SpeedTerms]) -> None:
        self._law = law

    def evaluate(self, track: Track, vote: PlateVote, scene: Scene, signals: Signals) -> Violation | None:
        """A finding when even the lower bound is over; its margin is the lower bound past limit and tolerance."""
        found = main_lane(track, scene, self.kind)
        if found is None or found[0].speed_limit_kmh is None:
            return None
        lane, points = found
        moment = clearest(points)
        version = self._law.on(moment.at.astimezone(scene.zone).date())
        pace = measure(points, lane, scene, vote)
        if version is None or pace is None:
            return None
        allowed_kmh = found[0].speed_limit_kmh + version.terms.tolerance_kmh
        if pace.lower_kmh <= allowed_kmh:
            return None
        return Violation(
            kind=self.kind,
            article=version.pasal,
            track_id=track.track_id,
            lane_id=lane.id,
            at=moment.at,
            frame_index=moment.frame_index,
            vote=vote,
            margin=pace.lower_kmh / allowed_kmh - 1,
            facts=_facts(pace, moment, lane, version.terms.tolerance_kmh, scene),
            frames=named_frames(points[0], moment, points[-1]),
        )


def _facts(
    pace: Pace, moment: TrackPoint, lane: Lane, tolerance_kmh: float, scene: Scene
) -> tuple[tuple[str, str], ...]:
    calibration = scene.calibration
    height_m = calibration.camera_height_m if calibration else None
    return (
        ("local_time", moment.at.astimezone(scene.zone).isoformat(timespec="milliseconds")),
        ("speed", f"{pace.speed_kmh:.1f} km/h"),
        ("interval_95", f"{pace.lower_kmh:.1f}-{pace.upper_kmh:.1f} km/h"),
        ("limit", f"{lane.speed_limit_kmh:g} km/h"),
        ("tolerance", f"{tolerance_kmh:g} km/h"),
        ("path", f"{pace.path_m:.1f} m in {pace.points} frames"),
        ("error_frames", f"{pace.frame_error:.2%}"),
        ("error_calibration", f"{pace.mark_error:.2%}"),
        ("error_heights", f"{pace.height_error:.2%}"),
        ("road_share", f"{pace.road_share:.1%}"),
        ("camera_height", f"{height_m:.2f} m" if height_m else "unknown"),
        ("calibration_residual", f"{calibration.residual_m:.3f} m" if calibration else "none"),
        ("lane", lane.id),
    )
