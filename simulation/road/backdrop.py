"""The empty street: everything that does not move, drawn once."""

from __future__ import annotations

import numpy as np

from agent.types import Image
from simulation.road.camera import Camera
from simulation.road.ground import ground_picture
from simulation.road.street import Street


def backdrop(camera: Camera, street: Street, seed: int) -> Image:
    """The street without vehicles."""
    rng = np.random.default_rng([seed, 5])
    return ground_picture(camera, street, rng)
