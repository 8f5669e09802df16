"""The scene as the owner may see it: their own vehicle's end sharp, nobody else to be recognised."""

from __future__ import annotations

import cv2
import numpy as np

from agent.types import Box, Image

_COLUMNS = 64
"""So few blurred pixels across leave an eighth of the picture 8 pixels wide: a plate needs 40, a face 20."""
_ASIDE = 1.5
_ABOVE = 1.0
_BELOW = 1.5
"""In widths of the plate. A car is four of its plates wide, a motorcycle two and a half; one width above the plate ends
below the windscreen of a car and below the face of a rider."""


def veil(picture: Image, plate: Box) -> Image:
    """A copy of the picture in which only the surroundings of the plate are sharp."""
    height, width = picture.shape[:2]
    small = (min(_COLUMNS, width), max(1, round(height * min(_COLUMNS, width) / width)))
    coarse = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
    veiled = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    left, right = max(0, int(plate.x1 - _ASIDE * plate.width)), int(plate.x2 + _ASIDE * plate.width) + 1
    top, bottom = max(0, int(plate.y1 - _ABOVE * plate.width)), int(plate.y2 + _BELOW * plate.width) + 1
    veiled[top:bottom, left:right] = picture[top:bottom, left:right]
    return veiled
