"""The site file of a scenario, from the camera's own geometry (`agent.scene` has the format)."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from simulation.footage_scenario import Scenario
from simulation.road.camera import Camera
from simulation.road.street import Strip

PLATE_Z_M = 0.55
"""Height at which lanes are drawn: plates hang 0.4 to 0.9 m above the road."""
_FARTHEST_M = 60.0
_MARK_ROWS = 4


def site_file(scenario: Scenario) -> dict[str, Any]:
    """What goes into `site.yaml`."""
    camera, street = scenario.pinhole, scenario.street
    place, pole = scenario.place, scenario.camera
    near = _near_m(camera)
    return {
        "id": place.id,
        "name": place.name,
        "location": place.location,
        "camera": f"simulated, {pole.height_m:g} m above the road, {pole.focal_px:g} px focal length",
        "timezone": "Asia/Jakarta",
        "picture": {"width": pole.width, "height": pole.height},
        "rules": ["odd_even", "wrong_way"],
        "lanes": [_lane(camera, lane, near) for lane in street.lanes],
        "calibration": {
            "marks": _marks(camera, street.left_m, street.right_m),
            # the marks are right but for their last digit
            "mark_error_m": 0.001,
            "mark_error_px": 0.01,
            "camera_height_m": pole.height_m,
            "camera_height_error_m": 0.0,
        },
    }


def _near_m(camera: Camera) -> float:
    """Where a plate leaves the picture at its lower edge."""
    bottom = np.array([camera.width / 2, float(camera.height)])
    ground_y = float(camera.ground(bottom)[1])
    return ground_y * (1 - PLATE_Z_M / camera.height_m)


def _far_m(camera: Camera) -> float:
    """Where a plate comes into the picture, or where it is too far to matter."""
    return min(_FARTHEST_M, _horizon_free_m(camera))


def _horizon_free_m(camera: Camera) -> float:
    top = max(0.0, camera.horizon_px() + 4)
    ground_y = float(camera.ground(np.array([camera.width / 2, top]))[1])
    return ground_y * (1 - PLATE_Z_M / camera.height_m)


def _lane(camera: Camera, lane: Strip, near: float) -> dict[str, Any]:
    far = _far_m(camera)
    # the outer edge of a lane continues over the line: riders hug it
    places = [(lane.left_m, far), (lane.right_m, far), (lane.right_m, near), (lane.left_m, near)]
    ends = [(lane.centre_m, far), (lane.centre_m, near)]
    return {
        "id": lane.id,
        "polygon": _inside(camera, [_pixel(camera, x, y, PLATE_Z_M) for x, y in places]),
        "direction": [_pixel(camera, x, y, PLATE_Z_M) for x, y in (ends if lane.towards else reversed(ends))],
    }


def _inside(camera: Camera, polygon: list[list[float]]) -> list[list[float]]:
    """The part of a polygon (convex, pixels) that lies in the picture."""
    frame = [[0, 0], [camera.width, 0], [camera.width, camera.height], [0, camera.height]]
    _, shared = cv2.intersectConvexConvex(np.array(polygon, np.float32), np.array(frame, np.float32))
    return [[round(float(x), 1), round(float(y), 1)] for x, y in np.reshape(shared, (-1, 2))]


def _marks(camera: Camera, left_m: float, right_m: float) -> list[dict[str, list[float]]]:
    """Points of the road inside the picture, along both edges of the roadway."""
    near = float(camera.ground(np.array([camera.width / 2, camera.height - 1.0]))[1]) + 1
    far = _far_m(camera)
    rows = near + (far - near) * np.linspace(0, 1, _MARK_ROWS) ** 2
    return [
        {"picture": _pixel(camera, x, float(y), 0.0), "road_m": [round(x, 3), round(float(y), 3)]}
        for y in rows
        for x in (left_m * 0.6, right_m * 0.6)
    ]


def _pixel(camera: Camera, x: float, y: float, z: float) -> list[float]:
    return [round(float(v), 2) for v in camera.project(np.array([x, y, z]))]
