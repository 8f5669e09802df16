"""The plate reader: four corners in a frame to the most probable texts under a grammar.

The crop is the detector's quadrilateral, grown by a margin because corners are never exact, pulled straight to the
network's size. The network answers with a CTC lattice (40 steps of blank and 36 characters), the plate's colour, the
expiry line's month and year, and whether this can be read at all; `agent.lattice` finds the texts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.lattice import character_confidence, search, softmax
from agent.plate import Grammar
from agent.tflite import Network
from agent.types import Corners, Expiry, Image, PlateColour, PlateRead, Point

MARGIN = 0.05
"""Share of the plate's width and height that is cut in addition on every side; the network was trained with it."""
CROP_MARGIN = 0.0
MIN_SIDE_PX = 4.0
MIN_EXPIRY = 0.5
"""An expiry line less probable than this is not reported: it is small, and half of a date accuses the wrong person."""


def rectify(image: Image, corners: Corners, width: int, height: int, margin: float = MARGIN) -> Image:
    """The plate seen straight on, `width` x `height`, with `margin` (share of its sides) around it.

    Parts outside the frame repeat its edge. A plate larger than the target is first blurred to what the target can
    hold, so that fine strokes do not flicker.
    """
    quad = widened(corners, margin)
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    share = min(math.dist(quad[0], quad[1]) / width, math.dist(quad[0], quad[3]) / height)
    if share > 1.5:
        image, quad = _shrunk(image, quad, 1.0 / share)
    warp = cv2.getPerspectiveTransform(quad, target)
    return np.asarray(
        cv2.warpPerspective(image, warp, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
        np.uint8,
    )


def widened(corners: Sequence[Point], margin: float) -> NDArray[np.float32]:
    """The quadrilateral grown by `margin` of its own sides on every side; (4, 2) float32."""
    tl, tr, br, bl = (np.array(p, np.float64) for p in corners)
    grown = [
        tl + margin * ((tl - tr) + (tl - bl)),
        tr + margin * ((tr - tl) + (tr - br)),
        br + margin * ((br - bl) + (br - tr)),
        bl + margin * ((bl - br) + (bl - tl)),
    ]
    return np.array(grown, np.float32)


def _shrunk(image: Image, quad: NDArray[np.float32], share: float) -> tuple[Image, NDArray[np.float32]]:
    """The part of the picture around the quadrilateral, made smaller by area, and the quadrilateral in it."""
    height, width = image.shape[:2]
    x1, y1 = (max(0, math.floor(v) - 2) for v in quad.min(axis=0))
    x2, y2 = math.ceil(quad[:, 0].max()) + 2, math.ceil(quad[:, 1].max()) + 2
    part = image[y1 : min(height, y2), x1 : min(width, x2)]
    if part.size == 0:
        return image, quad
    size = (max(1, round(part.shape[1] * share)), max(1, round(part.shape[0] * share)))
    small = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    scale = np.array([size[0] / part.shape[1], size[1] / part.shape[0]], np.float32)
    return small, ((quad - np.array([x1, y1], np.float32)) * scale).astype(np.float32)


class PlateReader:
    """Reads plates with one network under one grammar."""

    def __init__(self, network: Network, grammar: Grammar) -> None:
        self._network = network
        self._grammar = grammar
        self._height, self._width, _ = network.picture_shape
        manifest = network.manifest
        self._temperature = float(manifest.get("temperature", 1.0))
        self._colours = tuple(PlateColour(name) for name in manifest["colours"])
        self._first_year = int(manifest["first_year"])

    def read(self, image: Image, corners: Corners) -> PlateRead:
        """Read the plate with these corners (TL TR BR BL, pixels of `image`)."""
        tl, tr, _, bl = corners
        if min(math.dist(tl, tr), math.dist(tl, bl)) < MIN_SIDE_PX:
            return UNREADABLE
        return self._read(rectify(image, corners, self._width, self._height))

    def read_crop(self, crop: Image) -> PlateRead:
        """Read a picture that is a plate crop already, cut at or just outside the plate's edge."""
        height, width = crop.shape[:2]
        corners = (Point(0, 0), Point(width, 0), Point(width, height), Point(0, height))
        return self._read(rectify(crop, corners, self._width, self._height, CROP_MARGIN))

    def _read(self, crop: Image) -> PlateRead:
        outputs = self._network.run(np.ascontiguousarray(crop[..., ::-1]))
        text = outputs["text"]
        candidates = search(text, self._grammar, temperature=self._temperature)
        colour = softmax(outputs["colour"])
        best = int(colour.argmax())
        return PlateRead(
            candidates=candidates,
            char_probs=character_confidence(text, candidates[0].text, self._temperature) if candidates else (),
            colour=self._colours[best],
            colour_probability=float(colour[best]),
            expiry=self._expiry(softmax(outputs["month"]), softmax(outputs["year"])),
            readability=1.0 / (1.0 + math.exp(-float(outputs["readable"][0]))),
        )

    def _expiry(self, month: NDArray[np.float64], year: NDArray[np.float64]) -> Expiry | None:
        """Class 0 of either is "none to be seen"."""
        best_month, best_year = int(month.argmax()), int(year.argmax())
        if best_month == 0 or best_year == 0:
            return None
        probability = float(month[best_month] * year[best_year])
        if probability < MIN_EXPIRY:
            return None
        return Expiry(best_month, self._first_year + best_year, probability)


UNREADABLE = PlateRead((), (), PlateColour.UNKNOWN, 0.0, None, 0.0)
"""What a crop too small to hold characters reads as."""
