"""The plate reader: four corners in a frame to the most probable texts under a grammar.

The crop is the detector's quadrilateral, grown by a margin because corners are never exact, pulled straight to the
network's size. The network answers with a CTC lattice (40 steps of blank and 36 characters), the plate's colour, where
the plate's corners really are, and whether this can be read at all; `agent.lattice` finds the texts. Where the corners
are elsewhere than the crop took them to be, it is cut again and looked at a second time; the surer answer counts. A
doubtful plate of a single picture, which has no next frame, is looked at twice more, a little aside. The expiry line,
6 pixels high in the crop of the whole plate, is read from crops of the places where it may be, by the same network
under a grammar of dates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.lattice import character_confidence, search, softmax
from agent.plate import EXPIRY_DATE, Grammar
from agent.tflite import Network
from agent.types import Candidate, Corners, Expiry, Image, PlateColour, PlateRead, Point

MARGIN = 0.05
"""Share of the plate's width and height that is cut in addition on every side; the network was trained with it."""
EXPIRY_PLACES = (
    (0.22, 0.64, 0.74, 1.0),
    (0.40, 0.58, 1.02, 1.0),
    (0.40, 0.70, 1.02, 1.06),
    (0.30, 0.84, 1.02, 1.24),
    (0.30, 0.98, 1.02, 1.42),
)
"""Where an expiry line may be, in shares of the plate's sides (left, top, right, bottom): in the middle of a car's
plate, at the right of a motorcycle's, a little lower there, below the corners where these were put around the number
alone, and below the edge of a holder that parts it from the number."""
MIN_SIDE_PX = 4.0
MIN_EXPIRY_PLATE_PX = 24.0
"""The expiry line of a lower plate is less than 5 pixels high; it is not looked for."""
MIN_EXPIRY = 0.5
"""An expiry line less probable than this is not reported: it is small, and half of a date accuses the wrong person."""
NO_DATE = 0.05
"""Prior odds that no date stands where one is looked for: of those tried, the one with the least Brier score on
rendered lines (`training.calibrate`)."""
SURE_EXPIRY = 0.9
"""An expiry line this probable is not looked for in the other places."""
SECOND_LOOK = 0.08
"""Mean distance, in heights of the crop, between a plate's corners and where they should be, from which on it is cut
again: 4 pixels. From less on, distant plates are read worse: the surer of two answers is too often the wrong one."""
DOUBTFUL = 0.95
"""A still whose best text is less probable than this is looked at again aside: whether the network sees the bar of a G
depends on where it falls on its grid."""
ASIDE_PX = (1.5, -1.5)
"""How far right and down of the first look, in pixels of the crop. Two such looks give what eight more give."""


def rectify(image: Image, quad: NDArray[np.float32], width: int, height: int) -> Image:
    """What lies in a quadrilateral (4, 2) TL TR BR BL, seen straight on, `width` x `height`.

    Parts outside the frame repeat its edge. A plate larger than the target is first blurred to what the target can
    hold, so that fine strokes do not flicker.
    """
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    share = min(math.dist(quad[0], quad[1]) / width, math.dist(quad[0], quad[3]) / height)
    if share > 1.5:
        image, quad = _shrunk(image, quad, 1.0 / share)
    warp = cv2.getPerspectiveTransform(quad, target)
    return np.asarray(
        cv2.warpPerspective(image, warp, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
        np.uint8,
    )


def widened(corners: Sequence[Point] | NDArray[np.float32], margin: float) -> NDArray[np.float32]:
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


def placed_in(quad: NDArray[np.float32], places: NDArray[np.float32]) -> NDArray[np.float32]:
    """Places (n, 2) of a rectified crop, in shares of its sides -> pixels of the picture it was cut from at `quad`."""
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    moved = cv2.perspectiveTransform(places[None].astype(np.float32), cv2.getPerspectiveTransform(square, quad))
    return np.asarray(moved[0], np.float32)


def expiry_places(corners: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """The quadrilaterals in which a plate's expiry line is looked for; (4, 2) each, like `corners`."""
    return [
        placed_in(corners, np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32))
        for left, top, right, bottom in EXPIRY_PLACES
    ]


def exact_places() -> NDArray[np.float32]:
    """Where the corners of an exactly cut plate lie in its crop, in shares of the crop's sides; (4, 2)."""
    inset = MARGIN / (1 + 2 * MARGIN)
    return np.array([[inset, inset], [1 - inset, inset], [1 - inset, 1 - inset], [inset, 1 - inset]], np.float32)


@dataclass(frozen=True, slots=True)
class _Look:
    """What the network said of one crop, and where it says the plate is."""

    quad: NDArray[np.float32]
    """(4, 2) where in the picture it was cut."""
    outputs: Mapping[str, NDArray[np.float32]]
    candidates: tuple[Candidate, ...]
    plate: NDArray[np.float32]
    """(4, 2) the plate's corners in the picture."""
    off: float
    """Mean distance of these corners from where the crop took them to be, in heights of the crop."""

    @property
    def confidence(self) -> float:
        return self.candidates[0].probability if self.candidates else 0.0


class PlateReader:
    """Reads plates with one network: the number under a grammar, the expiry line under that of dates."""

    def __init__(self, network: Network, grammar: Grammar, *, dated: bool = True, stills: bool = False) -> None:
        """`dated`: False where nobody asks for the expiry line. `stills`: for single pictures, not footage."""
        self._network = network
        self._grammar = grammar
        self._dated = dated
        self._stills = stills
        self._height, self._width, _ = network.picture_shape
        manifest = network.manifest
        self._temperature = float(manifest.get("temperature", 1.0))
        self._colours = tuple(PlateColour(name) for name in manifest["colours"])

    def read(self, image: Image, corners: Corners) -> PlateRead:
        """Read the plate with these corners (TL TR BR BL, pixels of `image`)."""
        tl, tr, _, bl = corners
        if min(math.dist(tl, tr), math.dist(tl, bl)) < MIN_SIDE_PX:
            return UNREADABLE
        return self._read(image, widened(corners, MARGIN))

    def read_crop(self, crop: Image) -> PlateRead:
        """Read a picture that is a plate crop already, cut at or just outside the plate's edge."""
        height, width = crop.shape[:2]
        return self._read(crop, np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32))

    def _read(self, image: Image, quad: NDArray[np.float32]) -> PlateRead:
        look = self._look(image, quad)
        if look.off > SECOND_LOOK and _is_plausible(look.plate, quad):
            second = self._look(image, widened(look.plate, MARGIN))
            look = max(look, second, key=lambda each: each.confidence)
        if self._stills and look.confidence < DOUBTFUL:
            aside = (self._look(image, _moved(look.quad, px / self._width, px / self._height)) for px in ASIDE_PX)
            look = replace(look, candidates=_pooled([look, *aside]))
        colour = softmax(look.outputs["colour"])
        best = int(colour.argmax())
        return PlateRead(
            candidates=look.candidates,
            char_probs=self._char_probs(look),
            colour=self._colours[best],
            colour_probability=float(colour[best]),
            expiry=self._expiry(image, look.plate),
            readability=1.0 / (1.0 + math.exp(-float(look.outputs["readable"][0]))),
        )

    def _look(self, image: Image, quad: NDArray[np.float32]) -> _Look:
        crop = rectify(image, quad, self._width, self._height)
        outputs = self._network.run(np.ascontiguousarray(crop[..., ::-1]))
        offsets = outputs["corners"].reshape(4, 2)
        off = float(np.hypot(offsets[:, 0] * self._width / self._height, offsets[:, 1]).mean())
        candidates = search(outputs["text"], self._grammar, temperature=self._temperature)
        return _Look(quad, outputs, candidates, placed_in(quad, exact_places() + offsets), off)

    def _char_probs(self, look: _Look) -> tuple[float, ...]:
        if not look.candidates:
            return ()
        return character_confidence(look.outputs["text"], look.candidates[0].text, self._temperature)

    def _expiry(self, image: Image, plate: NDArray[np.float32]) -> Expiry | None:
        """None where no expiry line is to be seen, or not clearly."""
        if not self._dated or min(math.dist(plate[0], plate[3]), math.dist(plate[1], plate[2])) < MIN_EXPIRY_PLATE_PX:
            return None
        best = Candidate("", MIN_EXPIRY)
        for place in expiry_places(plate):
            crop = rectify(image, place, self._width, self._height)
            lattice = self._network.run(np.ascontiguousarray(crop[..., ::-1]))["text"]
            dates = search(lattice, EXPIRY_DATE, 1, self._temperature, outside=NO_DATE)
            best = max((best, *dates), key=lambda date: date.probability)
            if best.probability > SURE_EXPIRY:
                break
        return Expiry(int(best.text[:2]), 2000 + int(best.text[2:]), best.probability) if best.text else None


def _moved(quad: NDArray[np.float32], right: float, down: float) -> NDArray[np.float32]:
    """A quadrilateral moved by shares of its upper and its left side."""
    return np.asarray(quad + right * (quad[1] - quad[0]) + down * (quad[3] - quad[0]), np.float32)


def _pooled(looks: Sequence[_Look]) -> tuple[Candidate, ...]:
    """The texts of several looks at the same pixels with their mean probabilities: no look is news beside another."""
    share: dict[str, float] = {}
    for candidate in (each for look in looks for each in look.candidates):
        share[candidate.text] = share.get(candidate.text, 0.0) + candidate.probability / len(looks)
    best = sorted(share.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Candidate(*each) for each in best[: max(len(look.candidates) for look in looks)])


def _is_plausible(plate: NDArray[np.float32], quad: NDArray[np.float32]) -> bool:
    """Whether corners found in a crop make a plate: convex, not mirrored, not much smaller or larger than the crop."""
    share = cv2.contourArea(plate, oriented=True) / cv2.contourArea(quad, oriented=True)
    return bool(cv2.isContourConvex(plate)) and 0.2 < share < 1.5


UNREADABLE = PlateRead((), (), PlateColour.UNKNOWN, 0.0, None, 0.0)
"""What a crop too small to hold characters reads as."""
