"""Finds number plates in a picture: letterbox, network, decode, suppress.

    picture --fit--> 640x384 RGB --network--> score, box, corners a stride --decode--> candidates --suppress--> plates

A cell of a stride's grid says how sure it is that a plate's centre is near, how far left, top, right and bottom of
the plate's upright box are, and where its four corners are, all in units of the stride from the cell's centre.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.tflite import Network
from agent.types import Box, Detection, Image, Point

Floats = NDArray[np.float32]

GREY = 114
MAX_CANDIDATES = 200
"""Cells that go into the suppression: a full street has 30 plates of 4 to 8 cells."""
SAME_PLATE_IOU = 0.4
WIDEST_PX = 260.0
"""Width in the network's picture from which on a plate is larger than what it was trained on: such a one is looked
for again in the picture at half its size."""
CLOSER = 0.5
"""Footage that is shrunk to less is looked at once more at this scale where the road is, far off: in a frame 1920 wide
the network finds plates from 54 pixels on, and from 36 on they are read."""
FAINT = 0.3
"""Least score of what may be a plate in a still if it can be read: black plates on black bumpers score this little."""
SAME_PLATE_INSIDE = 0.75
"""A box of which this share lies in a better one is a part of that plate (its number without its expiry line)."""


class Letterbox(NamedTuple):
    """How a picture was brought into the network's: times `scale`, then moved right and down by the pads."""

    scale: float
    pad_x: float
    pad_y: float

    def back(self, places: Floats) -> Floats:
        """(..., 2) places in the network's picture -> pixels of the original."""
        return (places - np.array((self.pad_x, self.pad_y), np.float32)) / np.float32(self.scale)


class Candidates(NamedTuple):
    """What the cells said, one row a candidate, pixels of the network's picture."""

    scores: Floats
    """(n,)"""
    boxes: Floats
    """(n, 4) x1 y1 x2 y2"""
    corners: Floats
    """(n, 4, 2) TL TR BR BL"""


def fit(image: Image, width: int, height: int, share: float = 1.0) -> tuple[Image, Letterbox]:
    """A BGR picture of any size -> RGB of exactly `width` x `height`, aspect kept, grey around it.

    It fills `share` of the width or height that it could.
    """
    tall, wide = image.shape[:2]
    scale = min(width / wide, height / tall) * share
    new_wide, new_tall = max(1, round(wide * scale)), max(1, round(tall * scale))
    pad_x, pad_y = (width - new_wide) // 2, (height - new_tall) // 2
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = image if scale == 1 else cv2.resize(image, (new_wide, new_tall), interpolation=way)
    canvas = np.full((height, width, 3), GREY, np.uint8)
    cv2.cvtColor(small, cv2.COLOR_BGR2RGB, dst=canvas[pad_y : pad_y + new_tall, pad_x : pad_x + new_wide])
    return canvas, Letterbox(scale, pad_x, pad_y)


def decode(outputs: Mapping[str, Floats], strides: tuple[int, ...], threshold: float) -> Candidates:
    """Cells at or above the threshold. `outputs`: `score_S` (h, w, 1), `box_S` (h, w, 4), `corners_S` (h, w, 8)."""
    scores, boxes, corners = [], [], []
    for stride in strides:
        score = outputs[f"score_{stride}"][..., 0]
        rows, columns = np.nonzero(score >= threshold)
        centres = (np.stack([columns, rows], 1).astype(np.float32) + np.float32(0.5)) * stride
        reach = outputs[f"box_{stride}"][rows, columns] * np.float32(stride)
        boxes.append(np.concatenate([centres - reach[:, :2], centres + reach[:, 2:]], 1))
        offsets = outputs[f"corners_{stride}"][rows, columns].reshape(-1, 4, 2) * np.float32(stride)
        corners.append(centres[:, None] + offsets)
        scores.append(score[rows, columns])
    return Candidates(np.concatenate(scores), np.concatenate(boxes), np.concatenate(corners))


def suppress(found: Candidates) -> Candidates:
    """Of candidates that are one plate keep the best; best first."""
    order = np.argsort(-found.scores, kind="stable")[:MAX_CANDIDATES]
    boxes = found.boxes[order]
    areas = np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1)
    alive = areas > 0
    kept: list[int] = []
    for i in range(len(order)):
        if not alive[i]:
            continue
        kept.append(i)
        overlap = np.minimum(boxes[i, 2:], boxes[:, 2:]) - np.maximum(boxes[i, :2], boxes[:, :2])
        shared = np.prod(np.clip(overlap, 0, None), axis=1)
        whole = np.maximum(areas[i] + areas - shared, 1e-6)
        alive &= (shared / whole < SAME_PLATE_IOU) & (shared < SAME_PLATE_INSIDE * np.maximum(areas, 1e-6))
    chosen = order[kept]
    return Candidates(found.scores[chosen], found.boxes[chosen], found.corners[chosen])


def to_detections(
    found: Candidates, letterbox: Letterbox, width: int, height: int, threshold: float = 0.0
) -> tuple[Detection, ...]:
    """Plates in pixels of the original picture, boxes cut at its edges; largest score x area first. Those below the
    threshold are faint."""
    corners = letterbox.back(found.corners)
    boxes = letterbox.back(found.boxes.reshape(-1, 2, 2))
    boxes = np.clip(boxes, 0, np.array((width, height), np.float32))
    plates = [
        Detection(
            Box(*(float(v) for v in box.reshape(4))),
            (Point(*quad[0].tolist()), Point(*quad[1].tolist()), Point(*quad[2].tolist()), Point(*quad[3].tolist())),
            float(score),
            faint=float(score) < threshold,
        )
        for score, box, quad in zip(found.scores, boxes, corners, strict=True)
    ]
    return _ordered(plate for plate in plates if plate.box.area > 0)


class PlateDetector:
    """The `Detector` of the pipeline."""

    def __init__(
        self, network: Network, threshold: float | None = None, *, stills: bool = False, road: Box | None = None
    ) -> None:
        """`threshold`: least score of a plate; None takes the manifest's. `road`: where it is in all pictures.

        `stills`: for single pictures, which have no next frame: where no plate is found, one is looked for again at
        half the size, and faint finds are told, too.
        """
        self._stills = stills
        self._road = road
        self._network = network
        self._height, self._width, _ = network.picture_shape
        self._strides = tuple(int(s) for s in network.manifest["strides"])
        self._threshold = float(network.manifest["threshold"]) if threshold is None else threshold

    def detect(self, image: Image) -> tuple[Detection, ...]:
        """Plates of a BGR picture, in its pixels."""
        plates = _over(self._look_closer(image), self._look(image, 1.0))
        scale = min(self._width / image.shape[1], self._height / image.shape[0])
        sure = [plate for plate in plates if not plate.faint]
        if not sure and self._stills:
            return _over(self._look(image, 0.5), plates)
        if not any(plate.box.width * scale > WIDEST_PX for plate in sure):
            return plates
        return _over([plate for plate in self._look(image, 0.5) if plate.box.width * scale > WIDEST_PX], plates)

    def _look_closer(self, image: Image) -> tuple[Detection, ...]:
        """What is found at CLOSER where the road begins, unless all is seen so large already; whole plates only."""
        tall, wide = image.shape[:2]
        width, height = (min(round(most / CLOSER), side) for most, side in ((self._width, wide), (self._height, tall)))
        if self._road is None or (width == wide and height == tall):
            return ()
        top = min(max(round(self._road.y1), 0), tall - height)
        found: tuple[Detection, ...] = ()
        for left in _begins(self._road, width, wide):
            plates = self._look(image[top : top + height, left : left + width], 1.0)
            whole = (each for each in plates if _is_inside(each.box, width, height))
            found = _over(found, [_shifted(each, left, top) for each in whole])
        return found

    def _look(self, image: Image, share: float) -> tuple[Detection, ...]:
        canvas, letterbox = fit(image, self._width, self._height, share)
        least = min(FAINT, self._threshold) if self._stills else self._threshold
        found = suppress(decode(self._network.run(canvas), self._strides, least))
        return to_detections(found, letterbox, image.shape[1], image.shape[0], self._threshold)


def _begins(road: Box, width: int, wide: int) -> list[int]:
    """Where windows of that width begin that lie evenly over the road, in a picture so `wide`."""
    first, last = max(0, round(road.x1)), min(wide, round(road.x2))
    count = max(1, ceil((last - first) / width))
    spare = last - first - width
    lefts = (first + spare / 2 if count == 1 else first + spare * n / (count - 1) for n in range(count))
    return [min(max(round(left), 0), wide - width) for left in lefts]


def _is_inside(box: Box, width: int, height: int) -> bool:
    """Whether a box keeps off the edges of a picture, where plates are cut."""
    return box.x1 > 1 and box.y1 > 1 and box.x2 < width - 1 and box.y2 < height - 1


def _shifted(plate: Detection, right: int, down: int) -> Detection:
    box, corners = plate.box, plate.corners
    first, second, third, fourth = (Point(x + right, y + down) for x, y in corners)
    moved = Box(box.x1 + right, box.y1 + down, box.x2 + right, box.y2 + down)
    return replace(plate, box=moved, corners=(first, second, third, fourth))


def _over(plates: Sequence[Detection], others: Sequence[Detection]) -> tuple[Detection, ...]:
    """These plates, and of the others those that lie in none of them."""
    more = (other for other in others if not any(_lies_in(other.box, plate.box) for plate in plates))
    return _ordered((*plates, *more))


def _ordered(plates: Iterable[Detection]) -> tuple[Detection, ...]:
    """Largest score x area first."""
    return tuple(sorted(plates, key=lambda plate: -plate.score * plate.box.area))


def _lies_in(part: Box, whole: Box) -> bool:
    """Whether much of a box lies in another."""
    return part.overlap(whole) > SAME_PLATE_IOU * part.area
