"""The sun: one direction, one strength, and a blue sky that fills the shade."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TO_SUN: Floats = np.array([0.52, -0.5, 0.69])
"""Unit vector to the sun: behind the camera's right shoulder, 44 degrees high, as in a Jakarta morning."""
AMBIENT = 0.52
"""Share of the light that comes from the sky."""


def brightness(normal: Floats) -> float:
    """How bright a surface of this unit normal looks against one that faces the sun, about 0.45 to 1.05."""
    sky = AMBIENT * (0.82 + 0.18 * float(normal[2]))
    return sky + (1 - AMBIENT) * max(0.0, float(normal @ TO_SUN))


def shadow_on_ground(points: Floats) -> Floats:
    """(n, 3) -> (n, 3): where the points' shadows fall on the road."""
    fallen: Floats = points - TO_SUN * (points[:, 2:] / TO_SUN[2])
    fallen[:, 2] = 0.0
    return fallen
