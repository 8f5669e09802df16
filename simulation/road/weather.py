"""What lies between the road and the lens: the glow of lamps, rain, the veil of a low sun."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from agent.types import Image
from simulation.road.canvas import window_of
from simulation.road.light import Light
from simulation.road.sheet import Colour

HEAD_LAMP: Colour = (225, 245, 255)
TAIL_LAMP: Colour = (50, 46, 235)
_SPRITE_PX = 96
_REACH = 128
"""By how many pixels the sheet of rain is larger than the picture: each frame shows another part of it."""


@cache
def _sprite(colour: Colour) -> Image:
    """A bright core in a wide faint halo."""
    y, x = np.mgrid[0:_SPRITE_PX, 0:_SPRITE_PX]
    far = np.hypot(x - (_SPRITE_PX - 1) / 2, y - (_SPRITE_PX - 1) / 2) / (_SPRITE_PX / 2)
    light = np.exp(-((far / 0.16) ** 2)) + 0.32 * np.clip(1 - far, 0, 1) ** 2.2
    return np.asarray(np.clip(light[..., None] * np.array(colour), 0, 255), np.uint8)


def glow(picture: Image, x: float, y: float, radius_px: float, colour: Colour) -> None:
    """Add a lamp's light to the picture."""
    size = max(3, round(2 * radius_px))
    left, top = round(x - size / 2), round(y - size / 2)
    height, width = picture.shape[:2]
    corners = np.array([(left, top), (left + size - 1, top + size - 1)], float)
    window = window_of(corners, width, height, pad=0)
    if window is None:
        return
    x1, y1, x2, y2 = window
    sprite = cv2.resize(_sprite(colour), (size, size), interpolation=cv2.INTER_AREA)
    part = sprite[y1 - top : y2 - top, x1 - left : x2 - left]
    area = picture[y1 : y1 + part.shape[0], x1 : x1 + part.shape[1]]
    area[:] = cv2.add(area, part)


class Weather:
    """Rain and glare of one clip."""

    def __init__(self, width: int, height: int, light: Light, seed: int) -> None:
        self._size = (width, height)
        self._seed = seed
        self._rain = _rain(width, height, light.rain, np.random.default_rng([seed, 31])) if light.rain else None
        self._glare = _glare(width, height, light.glare) if light.glare else None

    def over(self, picture: Image, frame: int) -> Image:
        """The picture as it is seen through it."""
        width, height = self._size
        if self._glare is not None:
            picture = np.asarray(cv2.addWeighted(picture, 0.86, self._glare, 1.0, 0), np.uint8)
        if self._rain is not None:
            x, y = (int(n) for n in np.random.default_rng([self._seed, 32, frame]).integers(0, _REACH, 2))
            picture = np.asarray(cv2.add(picture, self._rain[y : y + height, x : x + width]), np.uint8)
        return picture


def _rain(width: int, height: int, amount: float, rng: np.random.Generator) -> Image:
    """Streaks that fall slightly to one side, near ones long and faint, far ones short."""
    sheet = np.zeros((height + _REACH, width + _REACH), np.uint8)
    for length, thickness, tone, share in ((9, 1, 26, 1.0), (24, 1, 34, 0.4), (46, 2, 20, 0.06)):
        for _ in range(round(sheet.size / 900 * amount * share)):
            x, y = int(rng.integers(sheet.shape[1])), int(rng.integers(sheet.shape[0]))
            cv2.line(sheet, (x, y), (x + length // 6, y + length), tone, thickness, cv2.LINE_AA)
    veil = np.uint8(14 * amount)
    return np.dstack([cv2.add(cv2.blur(sheet, (1, 3)), np.full_like(sheet, veil))] * 3)


def _glare(width: int, height: int, amount: float) -> Image:
    """A veil that is brightest at the upper edge, where the sun stands just outside the picture."""
    y, x = np.mgrid[0:height, 0:width]
    far = np.hypot((x - width * 0.68) / width, (y + height * 0.1) / height)
    veil = 120 * amount * np.exp(-((far / 0.62) ** 2)) + 16 * amount
    return np.asarray(np.clip(veil[..., None] * np.array((0.84, 0.94, 1.0)), 0, 255), np.uint8)
