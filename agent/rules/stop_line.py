"""Stop line (melanggar garis stop): crosses the line when the light is not green, and stands past it while it is red.

Who crossed on green and is held up behind the line by the traffic ahead is free. One whose crossing nobody saw is
named as such, for validation to reject: it may have been green. Who leaves the line behind on red has broken
`red_light`, and is not accused of both. Who stands hardly past the line, or past it by less than the doubt, is found
with no margin: a person looks.
"""

from __future__ import annotations

from math import inf
from statistics import median

from agent.rules.crossing import Crossing, find_crossing
from agent.rules.law import NoTerms, RuleLaw
from agent.rules.path import longest_rest, named_frames
from agent.scene import Scene
from agent.signal import Signals
from agent.types import LightState, PlateVote, Proof, Track, TrackPoint, Violation, ViolationKind

_SURE = 1.3
"""Standard errors that a plate has to be past the line, one in ten beyond them: at the usual doubt of 0.5 m, one that
waits 0.7 m before the line, as many do, is then three from being accused."""


class StopLine:
    """The rule with its law."""

    kind = ViolationKind.STOP_LINE

    def __init__(self, law: RuleLaw[NoTerms]) -> None:
        self._law = law

    def evaluate(self, track: Track, vote: PlateVote, scene: Scene, signals: Signals) -> Violation | None:
        """A finding when the vehicle stood past the line on red; its margin is the time past the least one,
        or the way past the line beside its doubt, whichever is less."""
        crossing = find_crossing(track, vote, scene, signals, self.kind)
        if crossing is None or scene.calibration is None or not _may_not_cross(crossing):
            return None
        rest = longest_rest(_past(crossing), scene.calibration)
        stood_s = crossing.light.red_within_s(rest[0].mono_ns, rest[1].mono_ns) if rest else 0.0
        if rest is None or stood_s < scene.crossing.min_stand_s:
            return None
        moment = rest[1]
        past_m = _past_m(crossing, rest, scene)
        version = self._law.on(moment.at.astimezone(scene.zone).date())
        if version is None:
            return None
        return Violation(
            kind=self.kind,
            article=version.pasal,
            track_id=track.track_id,
            lane_id=crossing.lane.id,
            at=moment.at,
            frame_index=moment.frame_index,
            vote=vote,
            margin=min(stood_s / scene.crossing.min_stand_s, _surely_past(past_m, crossing, scene)) - 1,
            facts=(
                ("local_time", moment.at.astimezone(scene.zone).isoformat(timespec="milliseconds")),
                ("stood_on_red", f"{stood_s:.2f} s"),
                ("min_stand", f"{scene.crossing.min_stand_s:.2f} s"),
                ("past_line", f"{past_m:.1f} m"),
                ("past_line_error", f"{crossing.doubt_m:.1f} m"),
                ("signal", crossing.signal.id),
                ("lane", crossing.lane.id),
            ),
            frames=named_frames(crossing.points[crossing.before], rest[0], moment),
            proof=Proof.WHOLE if crossing.seen else Proof.HIDDEN,
        )


def _may_not_cross(crossing: Crossing) -> bool:
    """Whether the light surely was not green when it crossed, nor in the frame after, should that be one much later."""
    before, after = (crossing.light.at(crossing.points[i].mono_ns) for i in (crossing.before, crossing.after))
    if before is None or any(spell and spell.state is LightState.GREEN for spell in (before, after)):
        return False
    return not crossing.ran_red


def _past_m(crossing: Crossing, rest: tuple[TrackPoint, TrackPoint], scene: Scene) -> float:
    """How far past the line it was when its rest ended; where it stood on the line, that, however far it crept then."""
    begin, end = (crossing.points.index(point) for point in rest)
    stood_m = median(crossing.past_m[begin : end + 1])
    return crossing.past_m[end] if stood_m >= scene.crossing.hysteresis_m else stood_m


def _surely_past(past_m: float, crossing: Crossing, scene: Scene) -> float:
    """How many times the way past the line is the least from which a person need not look; 1 and more."""
    least_m = max(_SURE * crossing.doubt_m, scene.crossing.hysteresis_m)
    return max(1.0, past_m / least_m) if least_m > 0 else inf


def _past(crossing: Crossing) -> tuple[TrackPoint, ...]:
    """The points past the line that have not left it behind."""
    end = len(crossing.points) if crossing.cleared is None else crossing.cleared
    return tuple(crossing.points[i] for i in range(crossing.after, end) if crossing.past_m[i] >= 0)
