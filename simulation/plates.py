"""The face of an Indonesian number plate, drawn without any font file.

Every character is a skeleton of strokes in a unit box; a stroke is a polyline whose corners are rounded, drawn with a
thick round pen. That is how the plates are pressed: straight-sided narrow characters, round ends, one stroke width.
A plate is a drawing order: base, border line, groups of the number, expiry line, dots or bolts.

Sources: sizes and colours Perpol 7/2021; shapes from photos of the street. Blur, noise and light are not drawn here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.plate import LOW_TRUST_PREFIXES, REGIONS
from agent.types import Image, PlateColour

Mask: TypeAlias = NDArray[np.uint8]
Style: TypeAlias = Literal["old", "new"]
Vehicle: TypeAlias = Literal["car", "motorcycle"]
Colour: TypeAlias = tuple[int, int, int]

SIZE_MM: dict[tuple[Style, Vehicle], tuple[int, int]] = {
    ("old", "car"): (395, 135),
    ("new", "car"): (430, 135),
    ("old", "motorcycle"): (250, 105),
    ("new", "motorcycle"): (275, 110),
}

INKS: dict[PlateColour, tuple[Colour, Colour]] = {
    PlateColour.WHITE: ((238, 238, 236), (26, 24, 24)),
    PlateColour.BLACK: ((28, 26, 25), (232, 234, 234)),
    PlateColour.YELLOW: ((30, 190, 240), (22, 22, 22)),
    PlateColour.RED: ((36, 30, 185), (236, 238, 238)),
    PlateColour.GREEN: ((80, 150, 40), (24, 24, 24)),
    PlateColour.BLUE: ((236, 236, 236), (150, 60, 20)),
    PlateColour.DEALER: ((238, 238, 238), (40, 30, 190)),
}
"""Base and ink of each colour class, BGR."""

PREFIXES: tuple[str, ...] = tuple(sorted(REGIONS.keys() - LOW_TRUST_PREFIXES))


@dataclass(frozen=True, slots=True)
class PlateSpec:
    """What stands on a plate and how it is made."""

    text: str
    """Characters, groups parted by one blank: `B 1234 XYZ`; without blanks the groups are found by kind."""
    expiry: tuple[int, int] | None
    """Month 1-12 and year, e.g. (5, 2028)."""
    colour: PlateColour
    style: Style
    vehicle: Vehicle

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(self.text.split()) if " " in self.text else split_groups(self.text)

    @property
    def characters(self) -> str:
        return self.text.replace(" ", "")


def split_groups(text: str) -> tuple[str, ...]:
    """Part `B1234XYZ` where letters and digits meet."""
    cuts = [i for i in range(1, len(text)) if text[i].isdigit() != text[i - 1].isdigit()]
    return tuple(text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True))


def random_spec(
    rng: np.random.Generator,
    colour: PlateColour | None = None,
    style: Style | None = None,
    vehicle: Vehicle | None = None,
    expiry_years: tuple[int, int] = (2020, 2033),
) -> PlateSpec:
    """A plausible plate: prefix, number of its vehicle's range, suffix, expiry; letters are equally likely."""
    style = style or ("old" if rng.random() < 0.5 else "new")
    vehicle = vehicle or ("motorcycle" if rng.random() < 0.3 else "car")
    prefix = PREFIXES[int(rng.integers(len(PREFIXES)))] if rng.random() < 0.6 else "B"
    low, high = (2000, 7000) if vehicle == "motorcycle" else (1, 2000)
    if prefix == "B":
        low, high = (3000, 7000) if vehicle == "motorcycle" else (1, 3000)
    number = int(rng.integers(max(low, 1000), high)) if rng.random() < 0.92 else int(rng.integers(low, high))
    length = int(rng.choice([1, 2, 3], p=[0.1, 0.45, 0.45]))
    suffix = "".join(chr(ord("A") + int(i)) for i in rng.integers(0, 26, length))
    expiry = (int(rng.integers(1, 13)), int(rng.integers(*expiry_years)))
    colour = colour or (PlateColour.BLACK if style == "old" else PlateColour.WHITE)
    return PlateSpec(f"{prefix} {number} {suffix}", expiry, colour, style, vehicle)


# --- the typeface -----------------------------------------------------------------------------------------------
# A stroke is (corner radius in box widths, points); a point is (x, y) or (x, y, own radius); box 1 x 1, y down.

Point: TypeAlias = tuple[float, ...]
Stroke: TypeAlias = tuple[float, tuple[Point, ...]]
Skeleton: TypeAlias = tuple[float, tuple[Stroke, ...]]
"""Width of the box against the usual width, and the strokes."""

_BOWL = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.0, 0.0))
_ONE = (0.0, ((0.05, 0.24), (0.5, 0.0), (0.5, 1.0)))
_SIX = ((1.0, 0.22), (1.0, 0.0), (0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.42), (0.0, 0.42))
_SIX_DIAGONAL = ((0.72, 0.0), (0.0, 0.5), (0.0, 1.0), (1.0, 1.0), (1.0, 0.43), (0.06, 0.43))
_P = (0.5, ((0.0, 0.0, 0.0), (1.0, 0.0), (1.0, 0.52), (0.0, 0.52)))
_STEM: Stroke = (0.0, ((0.0, 0.0), (0.0, 1.0)))


def _turned(points: tuple[Point, ...]) -> tuple[Point, ...]:
    return tuple((1 - x, 1 - y) for x, y, *_ in points)


GLYPHS: dict[str, tuple[Skeleton, ...]] = {
    "0": ((1.0, ((0.5, _BOWL),)),),
    "1": (
        (0.75, (_ONE, (0.0, ((0.05, 1.0), (0.95, 1.0))))),
        (0.6, ((0.0, ((0.1, 0.25), (0.85, 0.0), (0.85, 1.0))),)),
        (0.12, ((0.0, ((0.5, 0.0), (0.5, 1.0))),)),
        (0.3, ((0.0, ((0.3, 0.12), (0.7, 0.0), (0.7, 1.0))),)),
    ),
    "2": ((1.0, ((0.5, ((0, 0.24), (0, 0), (1, 0), (1, 0.42, 0.3), (0, 1, 0.0), (1, 1))),)),),
    "3": (
        (
            1.0,
            (
                (0.5, ((0, 0.2), (0, 0), (0.96, 0), (0.96, 0.47), (0.4, 0.47))),
                (0.5, ((0.4, 0.47), (1, 0.47), (1, 1), (0, 1), (0, 0.8))),
            ),
        ),
        (
            1.0,
            (
                (0.0, ((0, 0), (0.95, 0), (0.42, 0.4))),
                (0.5, ((0.42, 0.4), (1, 0.4), (1, 1), (0, 1), (0, 0.8))),
            ),
        ),
    ),
    "4": (
        (1.0, ((0.0, ((0.55, 0), (0, 0.72), (1.02, 0.72))), (0.0, ((0.74, 0.42), (0.74, 1))))),
        (1.0, ((0.0, ((0.74, 1), (0.74, 0), (0, 0.72), (1.02, 0.72))),)),
    ),
    "5": (
        (
            1.0,
            (
                (0.0, ((0.94, 0), (0.06, 0), (0.02, 0.46))),
                (0.5, ((0.02, 0.46), (0.3, 0.38), (1, 0.38), (1, 1), (0, 1), (0, 0.8))),
            ),
        ),
    ),
    "6": ((1.0, ((0.5, _SIX),)), (1.0, ((0.5, _SIX_DIAGONAL),))),
    "7": ((1.0, ((0.0, ((0, 0), (1, 0), (0.35, 1))),)), (1.0, ((0.1, ((0, 0), (1, 0), (0.5, 0.5), (0.4, 1))),))),
    "8": (
        (
            1.0,
            (
                (0.5, ((0.04, 0), (0.96, 0), (0.96, 0.46), (0.04, 0.46), (0.04, 0))),
                (0.5, ((0, 0.46), (1, 0.46), (1, 1), (0, 1), (0, 0.46))),
            ),
        ),
    ),
    "9": ((1.0, ((0.5, _turned(_SIX)),)), (1.0, ((0.5, _turned(_SIX_DIAGONAL)),))),
    "A": (
        (1.1, ((0.0, ((0, 1), (0.5, 0), (1, 1))), (0.0, ((0.16, 0.7), (0.84, 0.7))))),
        (1.1, ((0.0, ((0, 1), (0.4, 0), (0.6, 0), (1, 1))), (0.0, ((0.16, 0.7), (0.84, 0.7))))),
    ),
    "B": (
        (
            1.0,
            (
                _STEM,
                (0.45, ((0, 0, 0.0), (0.94, 0), (0.94, 0.47), (0, 0.47))),
                (0.45, ((0, 0.47), (1, 0.47), (1, 1), (0, 1, 0.0))),
            ),
        ),
    ),
    "C": ((1.0, ((0.5, ((1, 0.24), (1, 0), (0, 0), (0, 1), (1, 1), (1, 0.76))),)),),
    "D": ((1.0, ((0.45, ((0, 1, 0.0), (0, 0, 0.0), (1, 0), (1, 1), (0, 1))),)),),
    "E": ((0.92, (_STEM, (0.0, ((1, 0), (0, 0))), (0.0, ((0, 0.48), (0.85, 0.48))), (0.0, ((0, 1), (1, 1))))),),
    "F": ((0.92, (_STEM, (0.0, ((1, 0), (0, 0))), (0.0, ((0, 0.48), (0.85, 0.48))))),),
    "G": (
        (1.0, ((0.5, ((1, 0.24), (1, 0), (0, 0), (0, 1), (1, 1), (1, 0.54, 0.0), (0.5, 0.54))),)),
        (
            1.0,
            (
                (0.5, ((1, 0.24), (1, 0), (0, 0), (0, 1), (1, 1), (1, 0.56))),
                (0.0, ((0.5, 0.56), (1.12, 0.56))),
            ),
        ),
        (1.0, ((0.5, ((1, 0.22), (1, 0), (0, 0), (0, 1), (1, 1), (1, 0.54, 0.0), (0.7, 0.54))),)),
        (1.0, ((0.5, ((1, 0.22), (1, 0), (0, 0), (0, 1), (1, 1), (1, 0.5, 0.0), (0.82, 0.5))),)),
    ),
    "H": ((1.0, (_STEM, (0.0, ((1, 0), (1, 1))), (0.0, ((0, 0.48), (1, 0.48))))),),
    "I": (
        (0.12, ((0.0, ((0.5, 0), (0.5, 1))),)),
        (
            0.7,
            ((0.0, ((0.5, 0), (0.5, 1))), (0.0, ((0.05, 0), (0.95, 0))), (0.0, ((0.05, 1), (0.95, 1)))),
        ),
    ),
    "J": (
        (0.9, ((0.5, ((1, 0), (1, 1), (0, 1), (0, 0.76))),)),
        (0.95, ((0.5, ((0.35, 0), (1, 0, 0.0), (1, 1), (0, 1), (0, 0.76))),)),
    ),
    "K": ((1.05, (_STEM, (0.0, ((0.96, 0), (0.04, 0.62))), (0.0, ((0.34, 0.42), (1, 1))))),),
    "L": ((0.92, ((0.0, ((0, 0), (0, 1), (1, 1))),)),),
    "M": (
        (1.2, ((0.0, ((0, 1), (0, 0), (0.5, 0.62), (1, 0), (1, 1))),)),
        (1.2, ((0.0, ((0, 1), (0, 0), (0.5, 1), (1, 0), (1, 1))),)),
    ),
    "N": ((1.08, ((0.0, ((0, 1), (0, 0), (1, 1), (1, 0))),)),),
    "O": ((1.05, ((0.5, _BOWL),)),),
    "P": ((1.0, (_STEM, _P)),),
    "Q": (
        (1.05, ((0.5, _BOWL), (0.0, ((0.58, 0.74), (1.05, 1.02))))),
        (1.05, ((0.5, _BOWL), (0.0, ((0.72, 0.8), (0.98, 1.06))))),
        (1.0, ((0.5, _BOWL), (0.0, ((0.62, 0.72), (0.62, 1.0))))),
        # on old pressed plates hardly more than a corner: the tail ends inside the bowl or on its edge
        (1.0, ((0.5, _BOWL), (0.0, ((0.66, 0.8), (0.98, 0.99))))),
        (1.0, ((0.5, _BOWL), (0.0, ((0.74, 0.84), (1.0, 1.0))))),
        (1.0, ((0.5, _BOWL), (0.0, ((0.55, 0.8), (0.8, 0.96))))),
        # on others a foot on the line, beside the bowl
        (1.05, ((0.5, _BOWL), (0.0, ((1.0, 0.6), (1.0, 1.0), (1.16, 1.0))))),
        (1.05, ((0.5, _BOWL), (0.0, ((0.66, 0.76), (0.94, 1.0), (1.16, 1.0))))),
        (1.05, ((0.5, _BOWL), (0.0, ((0.6, 0.72), (1.14, 1.06))))),
    ),
    "R": ((1.02, (_STEM, _P, (0.0, ((0.45, 0.52), (1.02, 1))))),),
    "S": (
        (
            1.0,
            (
                (
                    0.5,
                    (
                        (1, 0.22), (1, 0), (0, 0), (0, 0.48), (0.5, 0.49), (1, 0.5), (1, 1), (0, 1), (0, 0.78),
                    ),
                ),
            ),
        ),
    ),
    "T": ((1.0, ((0.0, ((0, 0), (1, 0))), (0.0, ((0.5, 0), (0.5, 1))))),),
    "U": ((1.0, ((0.5, ((0, 0), (0, 1), (1, 1), (1, 0))),)),),
    "V": ((1.08, ((0.0, ((0, 0), (0.5, 1), (1, 0))),)),),
    "W": (
        (1.35, ((0.0, ((0, 0), (0.25, 1), (0.5, 0.25), (0.75, 1), (1, 0))),)),
        (1.35, ((0.0, ((0, 0), (0.25, 1), (0.5, 0), (0.75, 1), (1, 0))),)),
    ),
    "X": ((1.05, ((0.0, ((0, 0), (1, 1))), (0.0, ((1, 0), (0, 1))))),),
    "Y": ((1.05, ((0.0, ((0, 0), (0.5, 0.5), (1, 0))), (0.0, ((0.5, 0.5), (0.5, 1))))),),
    "Z": ((1.0, ((0.0, ((0, 0), (1, 0), (0, 1), (1, 1))),)),),
}  # fmt: skip

COMMON = {"1": 2}
"""How many of a character's variants simulated plates carry; the others are for training alone."""
SLASH: Stroke = (0.0, ((0.88, 0.1), (0.12, 0.9)))
"""What old pressed plates draw through the letter O; their digit 0 is plain."""
NOTCHED_ZERO: Stroke = (0.5, ((1.0, 0.3), (1.0, 1.0), (0.0, 1.0), (0.0, 0.0), (0.75, 0.0)))
"""The 0 of many new plates: the stroke is cut at the upper right."""


def _rounded(points: Sequence[Point], radius: float, width: float, height: float) -> NDArray[np.float64]:
    """The polyline in pixels with its corners rounded by quadratic curves; a closed one is rounded at its seam too."""
    scale = np.array([width, height])
    closed = points[0][:2] == points[-1][:2] and len(points) > 3
    ring = list(points[:-1]) if closed else list(points)
    places = [np.array(p[:2], float) * scale for p in ring]
    path: list[NDArray[np.float64]] = []
    for i, (point, place) in enumerate(zip(ring, places, strict=True)):
        cut = (point[2] if len(point) > 2 else radius) * width
        if (not closed and i in (0, len(ring) - 1)) or cut <= 0:
            path.append(place)
            continue
        before, after = places[i - 1], places[(i + 1) % len(ring)]
        length_in, length_out = np.hypot(*(before - place)), np.hypot(*(after - place))
        start = place + (before - place) * min(1.0, cut / length_in, 0.5 if length_in < 2 * cut else 1.0)
        end = place + (after - place) * min(1.0, cut / length_out, 0.5 if length_out < 2 * cut else 1.0)
        for t in (0.0, 0.25, 0.5, 0.75, 1.0):
            # a little fuller than a parabola: nearer to the circle a press tool leaves
            pull = place + (start + end - 2 * place) * 0.04
            path.append((1 - t) ** 2 * start + 2 * t * (1 - t) * pull + t**2 * end)
    return np.array([*path, path[0]] if closed else path)


@dataclass(frozen=True, slots=True)
class Pen:
    """How one plate's characters are pressed; shares are of the character's height."""

    width: float
    stroke: float
    jitter: float
    """How far skeleton points wander from plate to plate, box widths."""
    variants: dict[str, int]
    slashed_o: bool
    notched_zero: bool
    square_ends: bool


def random_pen(rng: np.random.Generator, style: Style, vehicle: Vehicle) -> Pen:
    """A press tool as the style has it: old plates thicker and looser, motorcycles wider."""
    width = rng.uniform(0.31, 0.41) if vehicle == "car" else rng.uniform(0.38, 0.56)
    stroke = rng.uniform(0.1, 0.17) if style == "old" else rng.uniform(0.085, 0.15)
    variants = {c: COMMON.get(c, len(v)) for c, v in GLYPHS.items()}
    return Pen(
        width=float(width),
        stroke=float(stroke),
        jitter=float(rng.uniform(0.0, 0.05 if style == "old" else 0.025)),
        variants={c: int(rng.choice(n, p=_leaning(n))) for c, n in variants.items()},
        slashed_o=style == "old" and bool(rng.random() < 0.6),
        notched_zero=style == "new" and bool(rng.random() < 0.5),
        square_ends=style == "new" and bool(rng.random() < 0.5),
    )


def _leaning(count: int) -> NDArray[np.float64]:
    """The first variant is the common one."""
    return np.array([1.0] if count == 1 else [0.65] + [0.35 / (count - 1)] * (count - 1))


def draw_character(char: str, height_px: float, pen: Pen, rng: np.random.Generator) -> Mask:
    """One character's ink, 0-255, cut to its own width; `height_px` is measured over the ink."""
    share, strokes = GLYPHS[char][pen.variants[char]]
    if char == "0" and pen.notched_zero:
        strokes = (NOTCHED_ZERO,)
    if char == "O" and pen.slashed_o:
        strokes = (*strokes, SLASH)
    fine = 2.0
    thick = max(1.0, pen.stroke * height_px * fine)
    box_height, box_width = height_px * fine - thick, pen.width * share * height_px * fine
    pad = thick / 2 + 1
    canvas = np.zeros((round(box_height + 2 * pad), round(box_width + 2 * pad)), np.uint8)
    for radius, points in strokes:
        moved = tuple((p[0] + rng.normal(0, pen.jitter), p[1] + rng.normal(0, pen.jitter / 2), *p[2:]) for p in points)
        if points[0][:2] == points[-1][:2]:
            moved = (*moved[:-1], moved[0])
        path = _rounded(moved, radius, box_width, box_height) + pad
        cv2.polylines(canvas, [np.round(path * 16).astype(np.int32)], False, 255, round(thick), cv2.LINE_AA, 4)
    if pen.square_ends:
        canvas = np.asarray(cv2.dilate(canvas, np.ones((round(thick / 5) | 1,) * 2, np.uint8)), np.uint8)
    size = (max(1, round(canvas.shape[1] / fine)), max(1, round(canvas.shape[0] / fine)))
    return np.asarray(cv2.resize(canvas, size, interpolation=cv2.INTER_AREA), np.uint8)


# --- the plate --------------------------------------------------------------------------------------------------

Draw: TypeAlias = Callable[[str, float], Mask]
"""Gives a character's ink at a height in pixels; training passes its own (photographed glyphs, fonts)."""


def draw_plate(
    spec: PlateSpec,
    rng: np.random.Generator,
    height_px: int = 96,
    draw: Draw | None = None,
) -> Image:
    """The flat plate edge to edge, BGR, `height_px` high and as wide as its kind is."""
    alpha = draw_ink(spec, rng, height_px, draw)[..., None].astype(np.float32) / 255
    base, text = (np.array(c, np.float32) for c in INKS[spec.colour])
    tint = rng.normal(0, 3, 3).astype(np.float32)
    picture = np.clip(base + tint + (text - base) * alpha, 0, 255).astype(np.uint8)
    _bolts(picture, spec, rng)
    return picture


def draw_ink(spec: PlateSpec, rng: np.random.Generator, height_px: int, draw: Draw | None = None) -> Mask:
    """What is raised and painted on the plate, 0-255: border line, number, expiry line."""
    width_mm, height_mm = SIZE_MM[spec.style, spec.vehicle]
    draw = draw or partial(draw_character, pen=random_pen(rng, spec.style, spec.vehicle), rng=rng)
    ink = np.zeros((height_px, round(height_px * width_mm / height_mm)), np.uint8)
    _border(ink, spec, rng)
    _number(ink, spec, rng, draw)
    if spec.expiry:
        _expiry(ink, spec, rng, draw)
    return ink


def _border(ink: Mask, spec: PlateSpec, rng: np.random.Generator) -> None:
    height = ink.shape[0]
    if rng.random() < (0.9 if spec.style == "old" else 0.35):
        inset, thick = rng.uniform(0.025, 0.06) * height, max(1, round(rng.uniform(0.015, 0.035) * height))
        _rounded_box(ink, inset, rng.uniform(0.04, 0.1) * height, thick)


def _rounded_box(ink: Mask, inset: float, radius: float, thick: int) -> None:
    height, width = ink.shape
    box = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.0, 0.0))
    wide = width - 2 * inset
    path = _rounded(box, radius / wide, wide, height - 2 * inset) + inset
    cv2.polylines(ink, [np.round(path * 16).astype(np.int32)], True, 255, thick, cv2.LINE_AA, 4)


def paste_ink(ink: Mask, glyph: Mask, x: float, y: float) -> None:
    """Add a character's ink with its upper left corner at (x, y); what falls outside is lost."""
    left, top = round(x), round(y)
    x1, y1 = max(0, left), max(0, top)
    x2, y2 = min(ink.shape[1], left + glyph.shape[1]), min(ink.shape[0], top + glyph.shape[0])
    if x2 > x1 and y2 > y1:
        part = ink[y1:y2, x1:x2]
        np.maximum(part, glyph[y1 - top : y2 - top, x1 - left : x2 - left], out=part)


def _row(glyphs: Sequence[Mask], gap: float) -> float:
    return float(sum(g.shape[1] for g in glyphs) + gap * (len(glyphs) - 1))


def _number(ink: Mask, spec: PlateSpec, rng: np.random.Generator, draw: Draw) -> None:
    """Prefix at the left, suffix at the right, the number between them."""
    height, width = ink.shape
    car = spec.vehicle == "car"
    tall = height * (rng.uniform(0.5, 0.64) if not spec.expiry else rng.uniform(0.35, 0.48))
    top = (
        height * rng.uniform(0.1 if car else 0.05, 0.22 if car else 0.16)
        if spec.expiry
        else (height - tall) * rng.uniform(0.4, 0.6)
    )
    margin = height * rng.uniform(0.1, 0.22)
    rows = [[draw(c, tall) for c in group] for group in spec.groups]
    gap = tall * (rng.uniform(0.06, 0.16) if car else rng.uniform(0.08, 0.26))
    least = tall * (rng.uniform(0.35, 0.75) if rng.random() < 0.8 else 0.25)
    lengths = [_row(row, gap) for row in rows]
    room = width - 2 * margin - sum(lengths)
    between = room / max(1, len(rows) - 1)
    if between < least:
        shrink = max(0.5, (width - 2 * margin) / (sum(lengths) + least * (len(rows) - 1)))
        rows = [[_narrowed(g, shrink) for g in row] for row in rows]
        gap *= shrink
        lengths = [_row(row, gap) for row in rows]
        between = (width - 2 * margin - sum(lengths)) / max(1, len(rows) - 1)
    if rng.random() < 0.4:  # most plates use their whole width
        between = min(between, tall * rng.uniform(0.5, 2.2))
    x = (width - sum(lengths) - between * (len(rows) - 1)) / 2
    dots = spec.style == "old" and rng.random() < 0.3
    for i, row in enumerate(rows):
        for glyph in row:
            paste_ink(ink, glyph, x, top + (tall - glyph.shape[0]) / 2 + rng.normal(0, 0.008) * height)
            x += glyph.shape[1] + gap
        x += between - gap
        if dots and i < len(rows) - 1 and between > tall * 0.3:
            place = (round(x - between / 2), round(top + tall * rng.uniform(0.4, 0.6)))
            cv2.circle(ink, place, max(1, round(tall * rng.uniform(0.05, 0.08))), 255, -1, cv2.LINE_AA)


def _narrowed(glyph: Mask, share: float) -> Mask:
    size = (max(2, round(glyph.shape[1] * share)), glyph.shape[0])
    return np.asarray(cv2.resize(glyph, size, interpolation=cv2.INTER_AREA), np.uint8)


def _expiry(ink: Mask, spec: PlateSpec, rng: np.random.Generator, draw: Draw) -> None:
    """`MM.YY`: in the middle under a car's number, at a motorcycle's lower right."""
    assert spec.expiry is not None
    height, width = ink.shape
    month, year = spec.expiry
    car = spec.vehicle == "car"
    tall = height * (rng.uniform(0.13, 0.18) if car else rng.uniform(0.18, 0.24))
    glyphs = [draw(c, tall) for c in f"{month:02d}{year % 100:02d}"]
    if spec.style == "old" and rng.random() < 0.7:
        bold = rng.uniform(0.02, 0.11)
        glyphs = [_bolder(g, bold) for g in glyphs]
    stretch = rng.uniform(1.0, 1.5) if car else rng.uniform(0.9, 1.5)
    glyphs = [_narrowed(g, stretch) for g in glyphs]
    loose = 1.0 if car else rng.uniform(0.5, 2.4)
    gap, middle = tall * rng.uniform(0.1, 0.3) * loose, tall * rng.uniform(0.4, 0.9) * loose
    length = _row(glyphs, gap) + middle
    x = (width - length) / 2 + rng.normal(0, 0.03) * width
    if not car:
        x = width - length - height * rng.uniform(0.08, 0.4)
    y = height * rng.uniform(0.69, 0.76) if car else height * rng.uniform(0.9, 0.94) - tall
    for i, glyph in enumerate(glyphs):
        paste_ink(ink, glyph, x, y)
        x += glyph.shape[1] + gap
        if i == 1:
            dot = (round(x - gap / 2 + middle / 2), round(y + tall * rng.uniform(0.45, 0.6)))
            cv2.circle(ink, dot, max(1, round(tall * 0.1)), 255, -1, cv2.LINE_AA)
            x += middle


def _bolder(glyph: Mask, share: float) -> Mask:
    """The character as tall as it was, its strokes wider by twice this share of its height: one tool pressed all."""
    height, width = glyph.shape
    fine = 4
    grow = round(share * height * fine)
    large = cv2.resize(glyph, (width * fine, height * fine), interpolation=cv2.INTER_LINEAR)
    padded = cv2.copyMakeBorder(large, grow, grow, grow, grow, cv2.BORDER_CONSTANT)
    pen = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * grow + 1, 2 * grow + 1))
    size = (max(2, round(padded.shape[1] * height / padded.shape[0])), height)
    return np.asarray(cv2.resize(cv2.dilate(padded, pen), size, interpolation=cv2.INTER_AREA), np.uint8)


def _bolts(picture: Image, spec: PlateSpec, rng: np.random.Generator) -> None:
    """Two bolts: above the gaps of a car's plate, below them on a motorcycle's."""
    if rng.random() > (0.35 if spec.vehicle == "car" else 0.6):
        return
    height, width = picture.shape[:2]
    y = height * (rng.uniform(0.15, 0.3) if spec.vehicle == "car" else rng.uniform(0.5, 0.66))
    tone = int(rng.integers(40, 200))
    for share in (rng.uniform(0.2, 0.32), rng.uniform(0.68, 0.8)):
        centre = (round(width * share), round(y))
        radius = max(1, round(height * rng.uniform(0.02, 0.045)))
        cv2.circle(picture, centre, radius, (tone // 2, tone // 2, tone // 2), -1, cv2.LINE_AA)
        cv2.circle(picture, centre, max(1, radius - 1), (tone, tone + 4, tone + 8), -1, cv2.LINE_AA)
