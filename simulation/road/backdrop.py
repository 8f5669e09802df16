"""The empty street: everything that does not move, drawn once."""

from __future__ import annotations

import cv2
import numpy as np

from agent.types import Image
from simulation.road.camera import Camera
from simulation.road.canvas import Pose, draw, seen_parts
from simulation.road.ground import ground_picture, under_street_lamps
from simulation.road.light import Light
from simulation.road.scenery import arrows, draw_plants, kerbs, plants, posts, shade_from, shops
from simulation.road.street import Street

HERE = Pose(0.0, 0.0, away=False)


def backdrop(camera: Camera, street: Street, light: Light, seed: int) -> Image:
    """The street without vehicles."""
    rng = np.random.default_rng([seed, 5])
    picture = ground_picture(camera, street, rng)
    draw(picture, seen_parts(camera, HERE, list(arrows(street))))
    green = plants(street, light, rng)
    cv2.multiply(picture, shade_from(camera, green, light), picture, 1 / 255)
    draw(picture, seen_parts(camera, HERE, [*shops(street, rng), *kerbs(street)]))
    draw_plants(picture, camera, green)
    draw(picture, seen_parts(camera, HERE, list(posts(street))))
    return under_street_lamps(picture, camera, street, light) if light.street_lamps else light.tinted(picture)
