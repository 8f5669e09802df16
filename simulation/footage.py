"""Rendered traffic with exact truth: the frames of a scenario and where each plate is in them.

scenario, seed --trips--> who is where when --draw--> picture --lens--> frame
                                 |
                                 +--pinhole--> plate corners, hidden ones left out
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from agent.types import Corners, Image, Point
from simulation.footage_scenario import Scenario
from simulation.footage_traffic import Trip, trips
from simulation.plates import SIZE_MM, draw_plate
from simulation.road.backdrop import backdrop
from simulation.road.camera import Camera, Floats
from simulation.road.canvas import Pose, Seen, darken, draw
from simulation.road.dirt import soil
from simulation.road.lens import MARGIN_PX, Lens
from simulation.road.light import shadow_on_ground
from simulation.road.paint import PAINTS
from simulation.road.vehicle import Vehicle, build

_SHUTTER_S = 1 / 800
_PLATE_PX = 96


@dataclass(frozen=True, slots=True)
class PlateTruth:
    """A plate that can be seen in a frame, whole and not covered."""

    vehicle_id: int
    text: str
    """Characters without blanks."""
    corners: Corners
    """Pixels of the frame: top left, top right, bottom right, bottom left of the plate's face."""

    @property
    def width_px(self) -> float:
        (ax, ay), (bx, by) = self.corners[0], self.corners[1]
        return float(np.hypot(bx - ax, by - ay))


@dataclass(frozen=True, slots=True, eq=False)
class Actor:
    """A trip and the vehicle that makes it."""

    trip: Trip
    vehicle: Vehicle


def frames(scenario: Scenario, seed: int) -> Iterator[tuple[Image, tuple[PlateTruth, ...]]]:
    """Frames of the scenario's size and rate with the plates that can be seen in them; the same seed, the same pixels.

    Raises ConfigError where the scenario's vehicles drive through each other.
    """
    return film(scenario, trips(scenario, seed), seed)


def film(scenario: Scenario, cast: Sequence[Trip], seed: int) -> Iterator[tuple[Image, tuple[PlateTruth, ...]]]:
    """The same for trips that are known already."""
    camera = scenario.pinhole
    wide = camera.enlarged(MARGIN_PX)
    empty = backdrop(wide, scenario.street, seed)
    lens = Lens(camera.width, camera.height, seed)
    actors = [Actor(trip, _vehicle(trip)) for trip in cast]
    for frame in range(scenario.frame_count):
        moment_s = frame / scenario.fps
        picture, plates = _stage(empty.copy(), wide, actors, moment_s)
        image = lens.take(picture, frame, moment_s)
        yield image, tuple(_truths(plates, lens.tremor(moment_s), camera))


def _vehicle(trip: Trip) -> Vehicle:
    rng = np.random.default_rng(trip.seed)
    plate = soil(draw_plate(trip.spec, rng, _PLATE_PX), trip.plan.dirt, rng)
    assert trip.plan.paint is not None
    return build(trip.plan.kind, PAINTS[trip.plan.paint], plate, SIZE_MM[trip.spec.style, trip.spec.vehicle], trip.seed)


def _stage(
    picture: Image, camera: Camera, actors: Sequence[Actor], moment_s: float
) -> tuple[Image, dict[Trip, Floats]]:
    """Draw everyone from far to near; returns each uncovered plate's corners in the drawn picture."""
    poses = [(actor, pose) for actor in actors if (pose := actor.trip.pose(moment_s))]
    poses.sort(key=lambda each: -_nearest_m(each[0], each[1]))
    scene = [(actor, pose, actor.vehicle.seen(camera, pose)) for actor, pose in poses]
    for actor, pose, _ in scene:
        _cast_shadow(picture, camera, actor.vehicle, pose)
    plates: dict[Trip, Floats] = {}
    for actor, pose, seen in scene:
        draw(picture, seen, _smear_px(actor, pose, camera, moment_s))
        _cover(plates, seen)
        face = next((each.pixels for each in seen if each.part is actor.vehicle.plate(pose.away)), None)
        if face is not None:
            plates[actor.trip] = face
    return picture, plates


def _nearest_m(actor: Actor, pose: Pose) -> float:
    return pose.y_m - actor.vehicle.shape.length_m if pose.away else pose.y_m


def _cast_shadow(picture: Image, camera: Camera, vehicle: Vehicle, pose: Pose) -> None:
    half, length, height = vehicle.shape.width_m / 2, vehicle.shape.length_m, vehicle.shape.height_m
    foot = np.array([(x, y, 0.0) for x in (-half, half) for y in (0.1, length - 0.1)])
    top = foot * (0.8, 0.7, 1) + (0, length * 0.15, height * 0.92)
    placed = pose.place(foot)
    if camera.view(placed)[:, 2].min() < 2:
        return
    fallen = np.concatenate([placed, shadow_on_ground(pose.place(top))])
    scale = camera.focal_px / max(4.0, pose.y_m)
    darken(picture, camera.project(fallen), 0.42, 0.05 * scale)
    darken(picture, camera.project(placed), 0.6, 0.07 * scale)


def _smear_px(actor: Actor, pose: Pose, camera: Camera, moment_s: float) -> float:
    """How far its nearest end moves in the picture while the shutter is open."""
    later = actor.trip.pose(moment_s + _SHUTTER_S)
    if later is None or pose.y_m < 3:
        return 0.0
    ends = np.array([(pose.x_m, pose.y_m, 0.6), (later.x_m, later.y_m, 0.6)])
    return float(np.abs(np.diff(camera.project(ends)[:, 1]))[0])


def _cover(plates: dict[Trip, Floats], seen: Sequence[Seen]) -> None:
    """Forget plates that this vehicle, which is nearer, covers or touches."""
    if not seen:
        return
    hull = cv2.convexHull(np.concatenate([each.pixels for each in seen]).astype(np.float32))
    for trip, corners in list(plates.items()):
        outline = [*corners, corners.mean(0)]
        if any(cv2.pointPolygonTest(hull, (float(x), float(y)), False) >= 0 for x, y in outline):
            del plates[trip]


def _truths(plates: dict[Trip, Floats], shift: tuple[float, float], camera: Camera) -> Iterator[PlateTruth]:
    size = np.array((camera.width, camera.height))
    for trip, drawn in plates.items():
        corners = drawn - MARGIN_PX + shift
        if (corners >= 0).all() and (corners <= size - 1).all():
            first, second, third, fourth = (Point(float(x), float(y)) for x, y in corners)
            yield PlateTruth(trip.id, trip.spec.characters, (first, second, third, fourth))
