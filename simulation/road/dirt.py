"""Mud on a number plate."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.types import Image

_MUD = np.array((62, 84, 104), np.float32)
_CHARACTER = 0.38
"""Width of a character against the plate's height, its gap included."""


def soil(plate: Image, amount: float, rng: np.random.Generator) -> tuple[Image, float]:
    """The plate under so much mud, 0 to 1 (a thin film, and splashes that hide strokes), and how much of the number's
    worst-hit character it hides, 0 to 1."""
    if amount <= 0:
        return plate, 0.0
    height, width = plate.shape[:2]
    film = cv2.GaussianBlur(rng.random((height, width)).astype(np.float32), (0, 0), height / 10)
    film = (film - film.min()) / (film.max() - film.min())
    mask = np.zeros((height, width), np.float32)
    for _ in range(round(14 * amount)):
        centre = (int(rng.integers(width)), int(rng.integers(round(height * 0.7))))
        axes = (int(height * rng.uniform(0.05, 0.2)), int(height * rng.uniform(0.05, 0.16)))
        cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1, cv2.LINE_AA)
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), height / 40), np.float32)
    cover = np.clip(film * 0.5 * amount + mask * (0.65 + 0.35 * film), 0, 0.97)
    soiled = plate * (1 - cover[..., None]) + _MUD * cover[..., None]
    return np.asarray(np.clip(soiled, 0, 255), np.uint8), _worst(cover)


def _worst(cover: NDArray[np.float32]) -> float:
    """The largest mean cover over a character's width, in the rows of the number."""
    height = cover.shape[0]
    columns = cover[round(0.1 * height) : round(0.62 * height)].mean(0)
    window = round(_CHARACTER * height)
    return float(np.convolve(columns, np.ones(window) / window, "valid").max())
