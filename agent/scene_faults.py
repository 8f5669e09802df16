"""What can be wrong with a site whose parts are sound each: `FIELD: what is wrong; the mend` (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from agent.geometry import crosses
from agent.markings import Lane, Line, Mask, SignalHead, Zone, ZoneKind
from agent.types import Point, ViolationKind

if TYPE_CHECKING:
    from agent.scene import Scene


def faults(scene: Scene) -> Iterator[str]:
    """What is wrong; nothing for a site that holds together."""
    yield from _ids(scene)
    yield from _points(scene)
    yield from _lanes(scene)
    yield from _signals(scene)
    for kind in scene.rules:
        yield from _NEEDS.get(kind, _nothing)(scene, kind)


def _ids(scene: Scene) -> Iterator[str]:
    groups: Mapping[str, Sequence[Lane | Line | Zone | SignalHead | Mask]] = {
        "lanes": scene.lanes,
        "lines": scene.lines,
        "zones": scene.zones,
        "signals": scene.signals,
        "ignore": scene.ignore,
    }
    for field, parts in groups.items():
        ids = [part.id for part in parts]
        for index, name in enumerate(ids):
            if name in ids[:index]:
                yield f"{field}[{index}].id: `{name}` is taken already; give each its own id"


def _points(scene: Scene) -> Iterator[str]:
    width, height = scene.picture.width, scene.picture.height
    for field, points in _drawn(scene):
        for index, (x, y) in enumerate(points):
            if not (0 <= x <= width and 0 <= y <= height):
                yield f"{field}[{index}]: ({x:g}, {y:g}) is outside the picture of {width}x{height}; move it inside"


def _drawn(scene: Scene) -> Iterator[tuple[str, Iterable[Point]]]:
    """Everything drawn in the picture, with its field's name."""
    for index, lane in enumerate(scene.lanes):
        yield f"lanes[{index}].polygon", lane.polygon
        yield f"lanes[{index}].direction", lane.direction or ()
    for index, line in enumerate(scene.lines):
        yield f"lines[{index}].points", line.points
    for index, zone in enumerate(scene.zones):
        yield f"zones[{index}].polygon", zone.polygon
    for index, mask in enumerate(scene.ignore):
        yield f"ignore[{index}].polygon", mask.polygon
    for index, signal in enumerate(scene.signals):
        for state, polygon in (signal.lamps.regions() if signal.lamps else {}).items():
            yield f"signals[{index}].lamps.{state}", polygon


def _lanes(scene: Scene) -> Iterator[str]:
    for index, lane in enumerate(scene.lanes):
        for kind in lane.rules or ():
            if kind not in scene.rules:
                yield (f"lanes[{index}].rules: `{kind}` is not on at this site; add it to `rules` or drop it here")
        drawn = (*lane.polygon, *(lane.direction or ()))
        if scene.calibration and not all(map(scene.calibration.on_road, drawn)):
            yield f"lanes[{index}].polygon: reaches over the calibration's horizon; end the lane before it"


def _signals(scene: Scene) -> Iterator[str]:
    lanes = {lane.id: lane for lane in scene.lanes}
    lines = {line.id: line for line in scene.lines}
    governed: set[str] = set()
    for index, signal in enumerate(scene.signals):
        field = f"signals[{index}]"
        if signal.stop_line not in lines:
            yield f"{field}.stop_line: no line `{signal.stop_line}`; add it to `lines` or correct the name"
            return
        for name in signal.lanes:
            if name not in lanes:
                yield f"{field}.lanes: no lane `{name}`; correct the name"
            elif name in governed:
                yield f"{field}.lanes: `{name}` is governed by another signal already; name it in one"
            elif not crosses(lines[signal.stop_line].points, lanes[name].polygon):
                yield (
                    f"{field}.stop_line: `{signal.stop_line}` does not cross lane `{name}`; draw it from one side of "
                    "the lane to the other"
                )
            governed.add(name)


def _nothing(scene: Scene, kind: ViolationKind) -> Iterator[str]:
    yield from ()


def _direction(scene: Scene, kind: ViolationKind) -> Iterator[str]:
    yield from _undirected(scene, kind, [lane for lane in scene.lanes if lane.subject_to(kind)])


def _undirected(scene: Scene, kind: ViolationKind, lanes: Sequence[Lane]) -> Iterator[str]:
    for lane in lanes:
        if lane.direction is None:
            yield (
                f"lanes[{scene.lanes.index(lane)}].direction: is missing and {kind} is on; give two points of "
                "permitted travel, or name the lane's `rules` without it"
            )


def _limit(scene: Scene, kind: ViolationKind) -> Iterator[str]:
    yield from _direction(scene, kind)
    for index, lane in enumerate(scene.lanes):
        if lane.subject_to(kind) and lane.speed_limit_kmh is None:
            yield (
                f"lanes[{index}].speed_limit_kmh: is missing and {kind} is on; give what the sign says, "
                "or name the lane's `rules` without it"
            )
    yield from _calibrated(scene, kind)


def _light(scene: Scene, kind: ViolationKind) -> Iterator[str]:
    governed = [lane for lane in scene.lanes if lane.subject_to(kind) and scene.signal_of(lane)]
    if not governed:
        yield f"signals: none governs a lane and {kind} is on; add one with its stop line and lanes, or take {kind} out"
    yield from _undirected(scene, kind, governed)
    yield from _calibrated(scene, kind)


def _calibrated(scene: Scene, kind: ViolationKind) -> Iterator[str]:
    if scene.calibration is None:
        yield f"calibration: is missing and {kind} is on; mark four or more points of the road, or take {kind} out"


def _zoned(*kinds: ZoneKind) -> Callable[[Scene, ViolationKind], Iterator[str]]:
    def missing(scene: Scene, kind: ViolationKind) -> Iterator[str]:
        if not scene.zones_of(*kinds):
            named = " or ".join(kinds)
            yield f"zones: there is no {named} and {kind} is on; draw one, or take {kind} out"
        yield from _calibrated(scene, kind)

    return missing


_NEEDS: Mapping[ViolationKind, Callable[[Scene, ViolationKind], Iterator[str]]] = {
    ViolationKind.WRONG_WAY: _direction,
    ViolationKind.SPEED: _limit,
    ViolationKind.RED_LIGHT: _light,
    ViolationKind.STOP_LINE: _light,
    ViolationKind.BUS_LANE: _zoned(ZoneKind.BUS_LANE),
    ViolationKind.STOPPING: _zoned(ZoneKind.BOX_JUNCTION, ZoneKind.NO_STOPPING),
}
"""What each rule needs of a site; a rule that is not named needs lanes only."""
