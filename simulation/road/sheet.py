"""A flat picture of one face of a vehicle or house, painted in shares of its width and height."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.types import Image

Colour = tuple[float, float, float]
"""Blue, green, red, 0-255."""
Place = tuple[float, float]
"""Share of the width from the left, share of the height from the top."""


def shade(colour: Colour, factor: float) -> Colour:
    """The colour under so much light."""
    blue, green, red = (min(255.0, max(0.0, part * factor)) for part in colour)
    return blue, green, red


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """From one colour (0) to the other (1)."""
    blue, green, red = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return blue, green, red


class Sheet:
    """A face while it is painted; `picture` is what came of it."""

    def __init__(self, width_m: float, height_m: float, colour: Colour, px_per_m: float = 260.0) -> None:
        size = (max(4, round(height_m * px_per_m)), max(4, round(width_m * px_per_m)), 3)
        self.picture: Image = np.empty(size, np.uint8)
        self.picture[:] = [round(part) for part in colour]
        self.px_per_m = px_per_m

    @property
    def height(self) -> int:
        return int(self.picture.shape[0])

    @property
    def width(self) -> int:
        return int(self.picture.shape[1])

    def poly(self, places: Sequence[Place], colour: Colour) -> None:
        """A filled polygon."""
        points = np.array(places) * (self.width, self.height) * 16
        cv2.fillPoly(self.picture, [np.round(points).astype(np.int32)], colour, cv2.LINE_AA, 4)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour, round_m: float = 0.0) -> None:
        """A filled rectangle, its corners rounded by `round_m` metres."""
        if round_m <= 0:
            self.poly([(left, top), (right, top), (right, bottom), (left, bottom)], colour)
            return
        rx, ry = round_m * self.px_per_m / self.width, round_m * self.px_per_m / self.height
        turn = np.linspace(0, np.pi / 2, 6)
        corners = (
            (right - rx, bottom - ry, 0),
            (left + rx, bottom - ry, 1),
            (left + rx, top + ry, 2),
            (right - rx, top + ry, 3),
        )
        self.poly([
            (x + rx * float(np.cos(a + q * np.pi / 2)), y + ry * float(np.sin(a + q * np.pi / 2)))
            for x, y, q in corners for a in turn
        ], colour)  # fmt: skip

    def disc(self, x: float, y: float, radius_m: float, colour: Colour) -> None:
        """A filled circle."""
        centre = (round(x * self.width * 16), round(y * self.height * 16))
        cv2.circle(self.picture, centre, round(radius_m * self.px_per_m * 16), colour, -1, cv2.LINE_AA, 4)

    def line(self, start: Place, end: Place, width_m: float, colour: Colour) -> None:
        """A straight stroke."""
        a, b = ((round(x * self.width), round(y * self.height)) for x, y in (start, end))
        cv2.line(self.picture, a, b, colour, max(1, round(width_m * self.px_per_m)), cv2.LINE_AA)

    def fade(self, top: float, bottom: float) -> None:
        """Light that changes evenly from the top edge to the bottom one; 1 leaves it as it is."""
        self._light(np.linspace(top, bottom, self.height)[:, None, None])

    def fade_across(self, factors: Sequence[float]) -> None:
        """Light that changes from left to right through these factors."""
        xs = np.linspace(0, 1, len(factors))
        self._light(np.interp(np.linspace(0, 1, self.width), xs, factors)[None, :, None])

    def soften(self, metres: float) -> None:
        """Blur, so that what was painted so far has no hard edge."""
        sigma = metres * self.px_per_m
        self.picture = np.asarray(cv2.GaussianBlur(self.picture, (0, 0), sigma), np.uint8)

    def grain(self, rng: np.random.Generator, strength: float) -> None:
        """Fine unevenness, in grey levels."""
        noise = rng.normal(0, strength, (self.height, self.width, 1))
        self.picture = np.clip(self.picture + noise, 0, 255).astype(np.uint8)

    def _light(self, factors: NDArray[np.float64]) -> None:
        self.picture = np.clip(self.picture * factors, 0, 255).astype(np.uint8)
