"""`truth.jsonl`: all there is to know about each vehicle of a clip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil, floor
from typing import Any

from agent.types import Corners, ViolationKind
from simulation.footage import plate_face
from simulation.footage_law import LawInputs, Passage, TrueViolation, mean_speed_kmh, violations
from simulation.footage_parts import CLASSES
from simulation.footage_scenario import Scenario
from simulation.footage_traffic import Trip

READABLE_PX = 48.0
"""Plate width from which a person reads it without effort."""
_READABLE_FRAMES = 4
FOLLOWED_PX = 28.0
"""Plate width below which no network finds it."""
MOST_HIDDEN = 0.45
"""How much mud may hide of a character that can still be told."""
_PATH_STEP_S = 0.5

_STANDING = (ViolationKind.STOP_LINE, ViolationKind.STOPPING)
_ON_THE_WAY = (ViolationKind.BUS_LANE, ViolationKind.SPEED, ViolationKind.WRONG_WAY)
_BEHIND_M = 1.0
"""So much farther past its line than a vehicle has to be that drives on, it is seen to have driven on."""
_SHOWN_WAY_M = 12.0
"""Half as long again as the longest way that a rule asks for."""

Sightings = Mapping[int, Corners]
"""Frame -> where the plate is to be seen in it."""


def truth_lines(
    scenario: Scenario, cast: Sequence[Trip], seen: Mapping[int, Sightings], law: LawInputs
) -> Iterator[dict[str, Any]]:
    """A line for each vehicle; `seen` by vehicle id."""
    for trip in cast:
        yield _line(passage_of(trip, scenario, seen[trip.id], law, scenario.start), seen[trip.id])


def passage_of(trip: Trip, scenario: Scenario, seen: Sightings, law: LawInputs, start: datetime) -> Passage:
    """The trip as far as its plate is seen; for one that never is, its time on the road."""
    shown = seen or dict.fromkeys(_on_road(trip, scenario) or [0])
    best = max(seen, key=lambda f: _width_px(seen[f])) if seen else (min(shown) + max(shown)) // 2
    begin, end = min(shown), max(shown)
    return Passage(trip, scenario, law, begin / scenario.fps, end / scenario.fps, best / scenario.fps, start)


def _line(passage: Passage, seen: Sightings) -> dict[str, Any]:
    trip, scenario = passage.trip, passage.scenario
    plan, on_road = trip.plan, _on_road(trip, scenario)
    _, hidden = plate_face(trip)
    widths = [_width_px(corners) for corners in seen.values()]
    readable = sum(width >= READABLE_PX for width in widths)
    return {
        "id": trip.id,
        "plate": trip.spec.characters,
        "plate_colour": trip.spec.colour.value,
        "expiry": trip.spec.expiry,
        "kind": plan.kind.value,
        "class": CLASSES[plan.kind].value,
        "paint": plan.paint,
        "lane": plan.lane,
        "direction": plan.direction,
        "away": trip.away,
        "speed_kmh": round(mean_speed_kmh(passage), 3),
        "dirt": plan.dirt,
        "hidden": round(hidden, 3),
        "width_px": round(max(widths, default=0.0), 1),
        "frames": [on_road[0], on_road[-1]] if on_road else None,
        "frames_readable": readable,
        "readable": readable >= _READABLE_FRAMES and hidden <= MOST_HIDDEN,
        "at": _moment(scenario, passage.best_s),
        "violations": [
            {
                "kind": each.kind.value,
                "at": _moment(scenario, each.at_s),
                "reason": each.reason,
                "shown": _is_shown(each, passage, seen),
            }
            for each in violations(passage)
        ],
        "path_m": list(_path(passage)),
        "corners": [_rounded(seen.get(f)) for f in range(on_road[0], on_road[-1] + 1)] if on_road else [],
    }


def _is_shown(violation: TrueViolation, passage: Passage, seen: Sightings) -> bool:
    """Whether the camera sees it: not where a bus hides half of a stand, or all but a few metres of the way, nor where
    the line or the stand is so far off that no plate is found there any more."""
    fps = passage.scenario.fps
    if violation.kind is ViolationKind.RED_LIGHT:
        return _is_seen_behind(violation.at_s, passage, seen)
    stand = next((rest for rest in passage.rests() if rest[1] == violation.at_s), None)
    if violation.kind in _STANDING and stand:
        frames = range(ceil(stand[0] * fps), floor(stand[1] * fps) + 1)
        found = [frame for frame in frames if frame in seen and _is_found(seen[frame])]
        return 2 * len(found) >= len(frames)
    if violation.kind not in _ON_THE_WAY:
        return True
    begin, end = (passage.trip.plate_m(moment_s) for moment_s in (passage.begin_s, passage.end_s))
    return begin is not None and end is not None and abs(end[1] - begin[1]) >= _SHOWN_WAY_M


def _is_seen_behind(line_s: float, passage: Passage, seen: Sightings) -> bool:
    """Whether the plate is still large enough to be found where the vehicle has left its line behind."""
    line = passage.trip.plate_m(line_s)
    behind_m = passage.scenario.crossing.clear_m + _BEHIND_M
    for frame, corners in seen.items():
        place = passage.trip.plate_m(frame / passage.scenario.fps)
        if frame / passage.scenario.fps <= line_s or not _is_found(corners) or line is None or place is None:
            continue
        if abs(place[1] - line[1]) >= behind_m:
            return True
    return False


def _on_road(trip: Trip, scenario: Scenario) -> list[int]:
    return [f for f in range(scenario.frame_count) if trip.pose(f / scenario.fps)]


def _moment(scenario: Scenario, moment_s: float) -> str:
    return (scenario.start + timedelta(seconds=moment_s)).isoformat()


def _path(passage: Passage) -> Iterator[list[float]]:
    """Seconds of the clip, X and Y of the plate on the road."""
    count = int((passage.end_s - passage.begin_s) / _PATH_STEP_S)
    for moment_s in (*(passage.begin_s + n * _PATH_STEP_S for n in range(count + 1)), passage.end_s):
        if place := passage.trip.plate_m(moment_s):
            yield [round(moment_s, 3), *(round(value, 2) for value in place)]


def _is_found(corners: Corners) -> bool:
    return _width_px(corners) >= FOLLOWED_PX


def _width_px(corners: Corners) -> float:
    (ax, ay), (bx, by) = corners[0], corners[1]
    return float(((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5)


def _rounded(corners: Corners | None) -> list[list[float]] | None:
    return [[round(x, 2), round(y, 2)] for x, y in corners] if corners else None
