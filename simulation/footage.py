"""Rendered traffic with exact truth: the frames of a scenario and where each plate is in them.

scenario, seed --trips--> who is where when --draw--> picture --weather, lens--> frame
                                 |
                                 +--pinhole--> plate corners, hidden ones left out
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from agent.types import Corners, Image, LightState, Point
from simulation.footage_lights import state_at
from simulation.footage_scenario import Scenario
from simulation.footage_traffic import Trip, trips
from simulation.plates import SIZE_MM, draw_plate
from simulation.road.backdrop import HERE, backdrop
from simulation.road.camera import Camera, Floats
from simulation.road.canvas import Pose, Seen, darken, draw, seen_parts
from simulation.road.dirt import soil
from simulation.road.lens import MARGIN_PX, Lens
from simulation.road.light import LIGHTS, Light
from simulation.road.paint import PAINTS
from simulation.road.signal_post import LIT, lamp_place, post_parts
from simulation.road.street import Post
from simulation.road.vehicle import Vehicle, build
from simulation.road.weather import HEAD_LAMP, TAIL_LAMP, Weather, glow

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


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A vehicle in one frame."""

    actor: Actor
    pose: Pose
    parts: list[Seen]

    @property
    def nearest_m(self) -> float:
        return self.pose.y_m - self.actor.vehicle.shape.length_m if self.pose.away else self.pose.y_m


def frames(scenario: Scenario, seed: int) -> Iterator[tuple[Image, tuple[PlateTruth, ...]]]:
    """Frames of the scenario's size and rate with the plates that can be seen in them; the same seed, the same pixels.

    Raises ConfigError where the scenario's vehicles drive through each other.
    """
    return film(scenario, trips(scenario, seed), seed)


def film(scenario: Scenario, cast: Sequence[Trip], seed: int) -> Iterator[tuple[Image, tuple[PlateTruth, ...]]]:
    """The same for trips that are known already."""
    camera, light = scenario.pinhole, LIGHTS[scenario.sky]
    wide = camera.enlarged(MARGIN_PX)
    empty = backdrop(wide, scenario.street, light, seed)
    lens = lens_of(scenario, seed)
    weather = Weather(wide.width, wide.height, light, seed)
    actors = actors_of(scenario, cast)
    for frame in range(scenario.frame_count):
        moment_s = frame / scenario.fps
        picture = empty.copy()
        scene = _on_stage(actors, wide, moment_s)
        _draw_all(picture, wide, scene, scenario, moment_s)
        image = lens.take(weather.over(picture, frame), frame, moment_s)
        yield image, tuple(_truths(uncovered(scene), lens.tremor(moment_s), camera))


def visible_plates(scenario: Scenario, cast: Sequence[Trip], seed: int) -> Iterator[tuple[PlateTruth, ...]]:
    """The plates of each frame without drawing it."""
    camera = scenario.pinhole
    wide = camera.enlarged(MARGIN_PX)
    lens = lens_of(scenario, seed)
    actors = actors_of(scenario, cast)
    for frame in range(scenario.frame_count):
        moment_s = frame / scenario.fps
        yield tuple(_truths(uncovered(_on_stage(actors, wide, moment_s)), lens.tremor(moment_s), camera))


def lens_of(scenario: Scenario, seed: int) -> Lens:
    pole = scenario.camera
    return Lens(pole.width, pole.height, seed, pole.wind_px, LIGHTS[scenario.sky].noise)


def actors_of(scenario: Scenario, cast: Sequence[Trip]) -> list[Actor]:
    return [Actor(trip, _vehicle(trip, LIGHTS[scenario.sky])) for trip in cast]


@lru_cache(256)
def plate_face(trip: Trip) -> tuple[Image, float]:
    """The plate edge to edge, BGR, and how much of its worst character mud hides, 0 to 1."""
    rng = np.random.default_rng(trip.seed)
    return soil(draw_plate(trip.spec, rng, _PLATE_PX), trip.plan.dirt, rng)


def _vehicle(trip: Trip, light: Light) -> Vehicle:
    assert trip.plan.paint is not None
    face, _ = plate_face(trip)
    return build(
        trip.plan.kind,
        PAINTS[trip.plan.paint],
        face,
        SIZE_MM[trip.spec.style, trip.spec.vehicle],
        trip.seed,
        away=trip.away,
        light=light,
        lift_m=trip.plan.plate_lift_m,
    )


def _on_stage(actors: Sequence[Actor], camera: Camera, moment_s: float) -> list[Shown]:
    """Who is on the road, from far to near."""
    here = [(actor, pose) for actor in actors if (pose := actor.trip.pose(moment_s))]
    shown = [Shown(actor, pose, actor.vehicle.seen(camera, pose)) for actor, pose in here]
    return sorted(shown, key=lambda each: -each.nearest_m)


def _draw_all(picture: Image, camera: Camera, scene: Sequence[Shown], scenario: Scenario, moment_s: float) -> None:
    """Everyone from far to near, and the traffic lights where they stand among them."""
    light = LIGHTS[scenario.sky]
    for each in scene:
        _cast_shadow(picture, camera, each, light)
    posts = sorted(scenario.street.posts, key=lambda post: -post.y_m)
    for each in scene:
        while posts and posts[0].y_m > each.nearest_m:
            _draw_post(picture, camera, posts.pop(0), scenario, moment_s)
        draw(picture, each.parts, _smear_px(each, camera, moment_s))
        if light.lamps:
            _draw_lamps(picture, camera, each)
    for post in posts:
        _draw_post(picture, camera, post, scenario, moment_s)


def _draw_post(picture: Image, camera: Camera, post: Post, scenario: Scenario, moment_s: float) -> None:
    signal = next(signal for signal in scenario.signals if signal.id == post.id)
    state = state_at(signal, moment_s)
    draw(picture, seen_parts(camera, HERE, list(post_parts(post, state, LIGHTS[scenario.sky]))))
    if state is not LightState.UNKNOWN:
        x, y = camera.project(lamp_place(post, state))
        blue, green, red = LIT[state]
        glow(picture, float(x), float(y), 0.42 * camera.focal_px / post.y_m, (blue * 0.5, green * 0.5, red * 0.5))


def _draw_lamps(picture: Image, camera: Camera, shown: Shown) -> None:
    places = shown.pose.place(shown.actor.vehicle.lamps)
    colour, radius_m = (TAIL_LAMP, 0.22) if shown.pose.away else (HEAD_LAMP, 0.4)
    for place in places:
        depth = float(camera.view(place)[2])
        if depth > 4:
            x, y = camera.project(place)
            glow(picture, float(x), float(y), radius_m * camera.focal_px / depth, colour)


def _cast_shadow(picture: Image, camera: Camera, shown: Shown, light: Light) -> None:
    shape, pose = shown.actor.vehicle.shape, shown.pose
    half, length, height = shape.width_m / 2, shape.length_m, shape.height_m
    foot = np.array([(x, y, 0.0) for x in (-half, half) for y in (0.1, length - 0.1)])
    top = foot * (0.8, 0.7, 1) + (0, length * 0.15, height * 0.92)
    placed = pose.place(foot)
    if camera.view(placed)[:, 2].min() < 2:
        return
    fallen = np.concatenate([placed, light.shadow_on_ground(pose.place(top))])
    scale = camera.focal_px / max(4.0, pose.y_m)
    if camera.view(fallen)[:, 2].min() > 2:
        darken(picture, camera.project(fallen), 0.42 * light.shadow, 0.05 * scale)
    darken(picture, camera.project(placed), 0.6, 0.07 * scale)


def _smear_px(shown: Shown, camera: Camera, moment_s: float) -> float:
    """How far its nearest end moves in the picture while the shutter is open."""
    later = shown.actor.trip.pose(moment_s + _SHUTTER_S)
    if later is None or shown.pose.y_m < 3:
        return 0.0
    ends = np.array([(shown.pose.x_m, shown.pose.y_m, 0.6), (later.x_m, later.y_m, 0.6)])
    return float(np.abs(np.diff(camera.project(ends)[:, 1]))[0])


def uncovered(scene: Sequence[Shown]) -> dict[Trip, Floats]:
    """Each plate's corners in the drawn picture, without those that a nearer vehicle covers or touches."""
    plates: dict[Trip, Floats] = {}
    for shown in scene:
        _cover(plates, shown.parts)
        face = next((each.pixels for each in shown.parts if each.part is shown.actor.vehicle.plate), None)
        if face is not None:
            plates[shown.actor.trip] = face
    return plates


def _cover(plates: dict[Trip, Floats], seen: Sequence[Seen]) -> None:
    if not seen or not plates:
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
