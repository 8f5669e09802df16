"""The site file of a scenario, from the camera's own geometry (`agent.scene` has the format)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np

from agent.errors import ConfigError
from agent.types import LightState
from simulation.footage_parts import LanePlan, SignalPlan, ZonePlan
from simulation.footage_scenario import Scenario
from simulation.road.camera import Camera, Floats
from simulation.road.signal_post import lamp_outline
from simulation.road.street import Strip

PLATE_Z_M = 0.55
"""Height at which lanes are drawn: plates hang 0.4 to 0.9 m above the road."""
_REAR_PLATE_Z_M = 0.75
"""Height at which lines and zones are drawn for vehicles that show their rear, where the plate hangs higher."""
_FARTHEST_M = 60.0
_MARK_ROWS = 4


def site_file(scenario: Scenario, seed: int = 0) -> dict[str, Any]:
    """What goes into `site.yaml`; seed and place decide the errors of the survey. Raises ConfigError."""
    camera, street, place, pole = scenario.pinhole, scenario.street, scenario.place, scenario.camera
    content = {
        "id": place.id,
        "name": place.name,
        "location": place.location,
        "camera": f"simulated, {pole.height_m:g} m above the road, {pole.focal_px:g} px focal length",
        "timezone": "Asia/Jakarta",
        "picture": {"width": pole.width, "height": pole.height},
        "rules": [rule.value for rule in scenario.rules],
        "lanes": [_lane(camera, strip, plan) for strip, plan in zip(street.lanes, scenario.lanes, strict=True)],
        "lines": [_line(camera, scenario, signal) for signal in scenario.signals],
        "zones": [_zone(camera, scenario, zone) for zone in scenario.zones],
        "signals": [_signal(camera, scenario, signal) for signal in scenario.signals],
        "calibration": _calibration(scenario, np.random.default_rng([seed, 9, *place.id.encode()])),
    }
    settings = {name: getattr(scenario, name).model_dump(exclude_defaults=True) for name in _SETTINGS}
    return {key: value for key, value in (content | settings).items() if value not in ([], {})}


_SETTINGS = ("crossing", "bus_lane", "stopping")


def _near_m(camera: Camera) -> float:
    """Where a plate leaves the picture at its lower edge."""
    bottom = np.array([camera.width / 2, float(camera.height)])
    return _at_plate_height(camera, bottom)


def _far_m(camera: Camera) -> float:
    """Where a plate comes into the picture, or where it is too far to matter."""
    top = max(0.0, camera.horizon_px() + 4)
    return min(_FARTHEST_M, _at_plate_height(camera, np.array([camera.width / 2, top])))


def _at_plate_height(camera: Camera, pixel: Floats) -> float:
    return float(camera.ground(pixel)[1]) * (1 - PLATE_Z_M / camera.height_m)


def _lane(camera: Camera, lane: Strip, plan: LanePlan) -> dict[str, Any]:
    far, near = _far_m(camera), _near_m(camera)
    # the outer edge of a lane continues over the line: riders hug it
    along = [np.array([lane.centre_m, y, PLATE_Z_M]) for y in (far, near)]
    content = {
        "id": lane.id,
        "polygon": _area(camera, lane.left_m, lane.right_m, near, far),
        "direction": _segment(camera, *(along if lane.towards else reversed(along))),
    }
    return content | ({"speed_limit_kmh": plan.speed_limit_kmh} if plan.speed_limit_kmh else {})


def _line(camera: Camera, scenario: Scenario, signal: SignalPlan) -> dict[str, Any]:
    left_m, right_m = scenario.street.span(signal.lanes)
    # a little past the lanes on both sides, as far as the picture goes
    z_m = _plate_z_m(scenario, signal.lanes)
    left, right = (np.array([x, signal.line_m, z_m]) for x in (left_m - 0.3, right_m + 0.3))
    return {"id": f"{signal.id}-line", "points": _segment(camera, left, right), "height_m": z_m}


def _zone(camera: Camera, scenario: Scenario, zone: ZonePlan) -> dict[str, Any]:
    near, far = max(zone.from_m, _near_m(camera)), min(zone.to_m, _far_m(camera))
    content = zone.model_dump(mode="json", exclude_defaults=True, exclude={"lanes", "from_m", "to_m"})
    z_m = _plate_z_m(scenario, zone.lanes)
    return content | {"polygon": _area(camera, *scenario.street.span(zone.lanes), near, far, z_m)}


def _plate_z_m(scenario: Scenario, lanes: Sequence[str]) -> float:
    return PLATE_Z_M if scenario.street.lane(lanes[0]).towards else _REAR_PLATE_Z_M


def _signal(camera: Camera, scenario: Scenario, signal: SignalPlan) -> dict[str, Any]:
    post = next(post for post in scenario.street.posts if post.id == signal.id)
    lamps = {}
    for state in (LightState.RED, LightState.YELLOW, LightState.GREEN):
        outline = [_pixel(camera, *corner) for corner in lamp_outline(post, state)]
        if not all(0 <= x <= camera.width and 0 <= y <= camera.height for x, y in outline):
            raise ConfigError(
                f"signals: {signal.id}: its {state} lamp is outside the picture; move it by x_m, y_m or height_m"
            )
        lamps[state.value] = outline
    return {"id": signal.id, "stop_line": f"{signal.id}-line", "lanes": list(signal.lanes), "lamps": lamps}


def _area(
    camera: Camera, left_m: float, right_m: float, near_m: float, far_m: float, z_m: float = PLATE_Z_M
) -> list[list[float]]:
    """A rectangle of the road at the height of plates, as far as it lies in the picture."""
    places = [(left_m, far_m), (right_m, far_m), (right_m, near_m), (left_m, near_m)]
    polygon = [_pixel(camera, x, y, z_m) for x, y in places]
    frame = [[0, 0], [camera.width, 0], [camera.width, camera.height], [0, camera.height]]
    _, shared = cv2.intersectConvexConvex(np.array(polygon, np.float32), np.array(frame, np.float32))
    return [[round(float(x), 1), round(float(y), 1)] for x, y in np.reshape(shared, (-1, 2))]


def _segment(camera: Camera, start: Floats, end: Floats) -> list[list[float]]:
    """The part of a straight way that lies in the picture, from its start to its end."""
    pixels = camera.project(start + (end - start) * np.linspace(0, 1, 400)[:, None])
    inside = pixels[((pixels >= 0) & (pixels <= (camera.width, camera.height))).all(1)]
    return [_listed(inside[0], 2), _listed(inside[-1], 2)]


def _calibration(scenario: Scenario, rng: np.random.Generator) -> dict[str, Any]:
    survey, height_m = scenario.survey, scenario.camera.height_m
    measured = height_m + rng.normal(0, survey.camera_height_error_m)
    return {
        "marks": list(_marks(scenario, rng)),
        # exact marks are right but for their last digit
        "mark_error_m": survey.mark_error_m or 0.001,
        "mark_error_px": survey.mark_error_px or 0.01,
        "camera_height_m": round(float(measured), 2),
        "camera_height_error_m": survey.camera_height_error_m,
    }


def _marks(scenario: Scenario, rng: np.random.Generator) -> Iterator[dict[str, list[float]]]:
    """Points of the road inside the picture, along both edges of the roadway, as they were measured."""
    camera, street, survey = scenario.pinhole, scenario.street, scenario.survey
    near = float(camera.ground(np.array([camera.width / 2, camera.height - 1.0]))[1]) + 1
    rows = near + (_far_m(camera) - near) * np.linspace(0, 1, _MARK_ROWS) ** 2
    for y in rows:
        for x in (street.left_m * 0.6, street.right_m * 0.6):
            px = np.array(_pixel(camera, x, float(y), 0.0)) + rng.normal(0, survey.mark_error_px, 2)
            road = np.array([x, y]) + rng.normal(0, survey.mark_error_m, 2)
            yield {"picture": _listed(px, 2), "road_m": _listed(road, 3)}


def _listed(values: Sequence[float] | Floats, digits: int) -> list[float]:
    return [round(float(value), digits) for value in values]


def _pixel(camera: Camera, x: float, y: float, z: float) -> list[float]:
    return _listed(camera.project(np.array([x, y, z])), 2)
