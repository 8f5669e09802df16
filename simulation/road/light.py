"""The light of a time of day: where the sun is, what the sky gives, how much of it all reaches the road and the plates.

`level` darkens and tints everything; plates throw back the lamp beside the camera, so they keep more (`plate_level`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from agent.types import Image

Floats = NDArray[np.float64]
Tint = tuple[float, float, float]
"""Share of blue, green and red that is left."""


class Sky(StrEnum):
    """Times of day and weathers that can be rendered."""

    MORNING = "morning"
    DAWN = "dawn"
    NOON = "noon"
    DUSK = "dusk"
    NIGHT = "night"
    RAIN = "rain"
    BACKLIGHT = "backlight"


@dataclass(frozen=True, slots=True)
class Light:
    """The light of one sky."""

    to_sun: tuple[float, float, float]
    """Unit vector to the sun."""
    ambient: float = 0.52
    """Share of the light that comes from the sky."""
    shadow: float = 1.0
    """How dark shadows are against those of a clear morning."""
    level: Tint = (1.0, 1.0, 1.0)
    plate_level: Tint = (1.0, 1.0, 1.0)
    lamps: bool = False
    """Whether vehicles have their lamps on."""
    street_lamps: bool = False
    rain: float = 0.0
    """How hard it rains, 0 to 1."""
    glare: float = 0.0
    """How much of a low sun falls into the lens, 0 to 1."""
    noise: float = 1.0
    """How noisy the sensor is against a clear morning."""

    def brightness(self, normal: Floats) -> float:
        """How bright a surface of this unit normal looks against one that faces the sun, about 0.45 to 1.05."""
        sky = self.ambient * (0.82 + 0.18 * float(normal[2]))
        return sky + (1 - self.ambient) * max(0.0, float(normal @ np.array(self.to_sun)))

    def shadow_on_ground(self, points: Floats) -> Floats:
        """(n, 3) -> (n, 3): where the points' shadows fall on the road."""
        sun = np.array(self.to_sun)
        fallen: Floats = points - sun * (points[:, 2:] / sun[2])
        fallen[:, 2] = 0.0
        return fallen

    def tinted(self, picture: Image) -> Image:
        """The picture as dark and as tinted as it is in this light."""
        return tinted(picture, self.level)


def tinted(picture: Image, tint: Tint) -> Image:
    if tint == (1.0, 1.0, 1.0):
        return picture
    return np.clip(picture * np.array(tint, np.float32), 0, 255).astype(np.uint8)


LIGHTS: dict[Sky, Light] = {
    # behind the camera's right shoulder, 44 degrees high, as in a Jakarta morning
    Sky.MORNING: Light((0.52, -0.5, 0.69)),
    Sky.NOON: Light((0.2, -0.14, 0.97), ambient=0.46, level=(1.02, 1.04, 1.06)),
    Sky.DAWN: Light(
        (0.86, -0.3, 0.41), ambient=0.8, shadow=0.3, level=(0.74, 0.66, 0.68), plate_level=(0.8, 0.76, 0.77),
        lamps=True, noise=1.2,
    ),
    Sky.DUSK: Light(
        (-0.88, -0.2, 0.43), ambient=0.78, shadow=0.4, level=(0.5, 0.56, 0.68), plate_level=(0.68, 0.7, 0.76),
        lamps=True, noise=1.3,
    ),
    Sky.NIGHT: Light(
        (0.3, -0.3, 0.9), ambient=0.9, shadow=0.25, level=(0.26, 0.25, 0.25), plate_level=(0.62, 0.62, 0.64),
        lamps=True, street_lamps=True, noise=1.7,
    ),
    Sky.RAIN: Light(
        (0.0, 0.0, 1.0), ambient=0.88, shadow=0.35, level=(0.74, 0.71, 0.69), plate_level=(0.82, 0.8, 0.79),
        lamps=True, rain=0.7, noise=1.1,
    ),
    Sky.BACKLIGHT: Light(
        (0.25, 0.83, 0.5), ambient=0.62, level=(0.9, 0.95, 1.0), plate_level=(0.9, 0.93, 0.95), glare=0.55,
    ),
}  # fmt: skip
