"""A vehicle's way over the stop line of a traffic light, for the rules that look at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.calibration import Calibration
from agent.markings import Lane, Line, SignalHead
from agent.plate_height import measured_height_m
from agent.rules.path import NS, crossed, longest_rest, on_road, past_line_m
from agent.scene import Scene
from agent.signal import LightHistory, Signals
from agent.types import PlateVote, Track, TrackPoint, ViolationKind


@dataclass(frozen=True, slots=True)
class Crossing:
    """A vehicle that crossed its stop line, from a lane that the light governs."""

    lane: Lane
    signal: SignalHead
    light: LightHistory
    points: tuple[TrackPoint, ...]
    past_m: tuple[float, ...]
    """How far each point is past the line, metres; negative: before it."""
    doubt_m: float
    """Standard error of that at the line, by the doubt how high its plate hangs."""
    seen: bool
    """Whether it was seen before the line, and so crossing it."""
    before: int
    """Index of the last point before the line; of the first one where none is."""
    after: int
    """Index of the first point past it."""
    cleared: int | None
    """Index of the first point at which the vehicle has left the line behind; None: it stayed near it."""

    @property
    def ran_red(self) -> bool:
        """Whether it was the same red from before the line until the vehicle had left it behind."""
        if self.cleared is None or not self.seen:
            return False
        first = self.light.at(self.points[self.before].mono_ns)
        last_ns = self.points[self.cleared].mono_ns
        return first is not None and self.light.at(last_ns) is first and self.light.red_for_s(last_ns) is not None


def find_crossing(
    track: Track, vote: PlateVote, scene: Scene, signals: Signals, kind: ViolationKind
) -> Crossing | None:
    """Where the track crosses a stop line that holds for it, or that it was past from the start; None: nowhere, or
    nothing is known of the light."""
    if scene.calibration is None:
        return None
    for lane in scene.lanes:
        governed = scene.signal_of(lane)
        light = signals.get(governed[0].id) if governed else None
        if governed and light and lane.subject_to(kind):
            found = _crossing(track, vote, lane, *governed, light, scene, scene.calibration)
            if found:
                return found
    return None


def _crossing(
    track: Track,
    vote: PlateVote,
    lane: Lane,
    signal: SignalHead,
    line: Line,
    light: LightHistory,
    scene: Scene,
    calibration: Calibration,
) -> Crossing | None:
    points = on_road(track, calibration)
    if not points:
        return None
    height_m, error_m = measured_height_m(points, vote, calibration, scene.picture.width)
    past_m = past_line_m(points, line, lane, calibration, height_m)
    over = crossed(past_m, scene.crossing.hysteresis_m)
    found = over or ((0, 0) if past_m[0] > -scene.crossing.hysteresis_m else None)
    if found is None or scene.lane_at(points[found[0]].detection.box.centre) is not lane:
        return None
    before, after = found
    (higher_m,) = past_line_m(points[after : after + 1], line, lane, calibration, height_m + error_m)
    doubt_m = abs(higher_m - past_m[after])
    clear_m = scene.crossing.clear_m
    near = [i for i in range(after, len(past_m)) if past_m[i] < clear_m + 2 * doubt_m]
    if _stands([points[i] for i in near], scene, calibration):
        clear_m += 2 * doubt_m
    cleared = next((i for i in range(after, len(past_m)) if past_m[i] >= clear_m), None)
    return Crossing(lane, signal, light, points, tuple(past_m), doubt_m, over is not None, before, after, cleared)


def _stands(points: Sequence[TrackPoint], scene: Scene, calibration: Calibration) -> bool:
    """Whether it comes to a stand there: then it is not to be taken for one that drives on."""
    rest = longest_rest(points, calibration)
    return rest is not None and rest[1].mono_ns - rest[0].mono_ns >= scene.crossing.min_stand_s * NS
