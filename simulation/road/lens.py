"""What lies between the road and the file: a pole that trembles, a lens, an automatic exposure, a noisy sensor."""

from __future__ import annotations

import cv2
import numpy as np

from agent.types import Image

MARGIN_PX = 8
"""Rim of the drawn picture that the trembling of the pole may show."""
_NOISE = 2.6
_TARGET_GREY = 112.0
_SLOWNESS = 0.94
_REACH = 96


class Lens:
    """Turns drawn pictures into frames; keeps the exposure's state, so frames are given in order."""

    def __init__(self, width: int, height: int, seed: int, wind_px: float = 0.7, noise: float = 1.0) -> None:
        rng = np.random.default_rng([seed, 77])
        self._size = (width, height)
        self._phases = rng.uniform(0, 2 * np.pi, 6)
        self._wind_px = wind_px
        grain = rng.normal(0, _NOISE * noise, (height + _REACH, width + _REACH, 3)).astype(np.float32)
        # neighbours share some of their noise: the sensor has one colour a pixel, the rest is interpolated
        grain = grain * 0.75 + np.asarray(cv2.GaussianBlur(grain, (0, 0), 1.1)) * 1.4
        self._brighter = np.clip(np.round(grain), 0, 255).astype(np.uint8)
        self._darker = np.clip(np.round(-grain), 0, 255).astype(np.uint8)
        self._vignette = _vignette(width, height)
        self._seed = seed
        self._gain: float | None = None

    def tremor(self, moment_s: float) -> tuple[float, float]:
        """How far the picture is shifted at a moment, pixels right and down; below `MARGIN_PX`."""
        a, b, c, d, e, f = self._phases
        x = np.sin(2 * np.pi * 0.9 * moment_s + a) + 0.5 * np.sin(2 * np.pi * 3.7 * moment_s + b)
        y = np.sin(2 * np.pi * 1.3 * moment_s + d) + 0.5 * np.sin(2 * np.pi * 5.1 * moment_s + e)
        gust = 0.6 + 0.4 * np.sin(2 * np.pi * 0.07 * moment_s + c + f)
        return float(self._wind_px * gust * x * 0.7), float(self._wind_px * gust * y)

    def take(self, drawn: Image, frame: int, moment_s: float) -> Image:
        """The frame of a drawn picture that has a rim of `MARGIN_PX` around it."""
        dx, dy = self.tremor(moment_s)
        shift = np.array([[1, 0, dx - MARGIN_PX], [0, 1, dy - MARGIN_PX]], np.float64)
        image = cv2.warpAffine(drawn, shift, self._size, flags=cv2.INTER_LINEAR)
        image = cv2.GaussianBlur(image, (3, 3), 0.55)
        image = cv2.multiply(image, self._vignette, scale=self._exposure(np.asarray(image)) / 255)
        rng = np.random.default_rng([self._seed, frame])
        x, y = (int(n) for n in rng.integers(0, _REACH, 2))
        window = np.s_[y : y + self._size[1], x : x + self._size[0]]
        image = cv2.subtract(cv2.add(image, self._brighter[window]), self._darker[window])
        return np.asarray(image, np.uint8)

    def _exposure(self, image: Image) -> float:
        """Gain that slowly brings the picture's mean to middle grey, as far as the automatic goes."""
        wanted = float(np.clip(_TARGET_GREY / max(1.0, float(image[::12, ::12].mean())), 0.85, 1.25))
        self._gain = wanted if self._gain is None else self._gain * _SLOWNESS + wanted * (1 - _SLOWNESS)
        return self._gain


def _vignette(width: int, height: int) -> Image:
    y, x = np.mgrid[0:height, 0:width]
    far = np.hypot((x - width / 2) / (width / 2), (y - height / 2) / (height / 2))
    light = np.clip(255 * (1 - 0.1 * far**2.4), 0, 255).astype(np.uint8)
    return np.dstack([light] * 3)
