"""The empty street: everything that does not move, drawn once."""

from __future__ import annotations

import cv2
import numpy as np

from agent.types import Image
from simulation.road.camera import Camera
from simulation.road.canvas import Pose, draw, seen_parts
from simulation.road.ground import ground_picture
from simulation.road.scenery import arrows, draw_plants, kerbs, plants, posts, shade_from, shops
from simulation.road.street import Street

_HERE = Pose(0.0, 0.0, away=False)


def backdrop(camera: Camera, street: Street, seed: int) -> Image:
    """The street without vehicles."""
    rng = np.random.default_rng([seed, 5])
    picture = ground_picture(camera, street, rng)
    draw(picture, seen_parts(camera, _HERE, list(arrows(street))))
    green = plants(street, rng)
    cv2.multiply(picture, shade_from(camera, green), picture, 1 / 255)
    draw(picture, seen_parts(camera, _HERE, [*shops(street, rng), *kerbs(street)]))
    draw_plants(picture, camera, green)
    draw(picture, seen_parts(camera, _HERE, list(posts(street))))
    return picture
