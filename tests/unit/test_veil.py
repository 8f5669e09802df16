"""The picture for the owner: their vehicle, and nobody else."""

from __future__ import annotations

import cv2
import numpy as np

from agent.types import Box, Image
from agent.veil import veil

PLATE = Box(600, 500, 700, 530)


def noise(width: int = 1280, height: int = 720) -> Image:
    """A picture that is fine detail everywhere."""
    return np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)


def test_the_vehicles_own_end_stays_as_it_was() -> None:
    """An owner who cannot read their own plate in the evidence has no reason to believe it."""
    picture = noise()
    assert np.array_equal(veil(picture, PLATE)[400:680, 450:850], picture[400:680, 450:850])


def test_nothing_else_can_be_read() -> None:
    """Somebody else's plate or face in the picture is none of the owner's business."""
    picture = np.full((720, 1280, 3), 90, np.uint8)
    cv2.putText(picture, "B 4321 ABC", (20, 200), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (255, 255, 255), 3)
    veiled = veil(picture, PLATE)
    plain = np.full((720, 1280, 3), 90, np.uint8)
    strokes = np.abs(cv2.Laplacian(veiled[150:220, :300], cv2.CV_64F))
    assert strokes.max() < 0.1 * np.abs(cv2.Laplacian(picture[150:220, :300], cv2.CV_64F)).max()
    assert not np.array_equal(veiled, plain)  # that there was something may be seen


def test_a_plate_at_the_edge_of_a_small_picture() -> None:
    """A camera that sees little, or a vehicle half out of the picture, must not stop the unit."""
    assert veil(noise(48, 32), Box(-3, 20, 20, 31)).shape == (32, 48, 3)
