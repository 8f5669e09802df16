"""Plates of other countries: any Latin text in a wide grotesque, of one line or two, often without a border.

The detector must find them, and `--grammar none` reads those of one line; Malaysian plates are such.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from agent.types import Image, PlateColour
from simulation.plates import INKS, paste_ink
from training.glyphs import ALPHABET, WIDE_FONT_FILES, Typeface, fonts

LINE_PX = 40
COLOURS = {PlateColour.BLACK: 0.72, PlateColour.WHITE: 0.14, PlateColour.YELLOW: 0.1, PlateColour.RED: 0.04}


@cache
def faces() -> tuple[Typeface, ...]:
    """The wide typefaces this machine has."""
    return tuple(fonts(WIDE_FONT_FILES))


def random_lines(rng: np.random.Generator, lines: int) -> tuple[str, ...]:
    """Letters and digits in the usual orders, parted by a blank or on two lines."""

    def some(of: str, low: int, high: int) -> str:
        return "".join(of[int(i)] for i in rng.integers(0, len(of), int(rng.integers(low, high + 1))))

    letters, digits = ALPHABET[10:], ALPHABET[:10]
    form = rng.random()
    if form < 0.55:
        groups = [some(letters, 1, 4), some(digits, 1, 4)]
    elif form < 0.7:
        groups = [some(letters, 1, 3), some(digits, 2, 4) + some(letters, 1, 1)]
    elif form < 0.85:
        groups = [some(digits, 2, 2) + some(letters, 1, 2), some(digits, 4, 5)]
    else:
        groups = [some(ALPHABET, 2, 4), some(ALPHABET, 2, 4)]
    return tuple(groups) if lines == 2 else (" ".join(groups),)


@dataclass(frozen=True, slots=True)
class ForeignPlate:
    """A flat plate, BGR, edge to edge, about its text's size."""

    picture: Image
    text: str
    colour: PlateColour


def draw_foreign(rng: np.random.Generator, lines: int) -> ForeignPlate:
    """A plate of one line or two."""
    face = faces()[int(rng.integers(len(faces())))]
    texts = random_lines(rng, lines)
    rows = [_row(text, face, rng) for text in texts]
    gap = int(LINE_PX * rng.uniform(0.1, 0.3))
    sides, top = (int(LINE_PX * rng.uniform(*span)) for span in ((0.12, 0.9), (0.15, 0.5)))
    width = max(row.shape[1] for row in rows) + 2 * sides
    ink = np.zeros((lines * LINE_PX + (lines - 1) * gap + 2 * top, width), np.uint8)
    for number, row in enumerate(rows):
        paste_ink(ink, row, (width - row.shape[1]) / 2, top + number * (LINE_PX + gap))
    if rng.random() < 0.4:
        inset = int(rng.integers(1, 5))
        cv2.rectangle(ink, (inset, inset), (width - 1 - inset, ink.shape[0] - 1 - inset), 255, int(rng.integers(1, 3)))
    colour = list(COLOURS)[int(rng.choice(len(COLOURS), p=list(COLOURS.values())))]
    base, tone = (np.array(t, np.float32) for t in INKS[colour])
    alpha = ink[..., None].astype(np.float32) / 255
    picture = np.clip(base + (tone - base) * alpha + rng.normal(0, 4, 3), 0, 255).astype(np.uint8)
    return ForeignPlate(picture, "".join(texts).replace(" ", ""), colour)


def _row(text: str, face: Typeface, rng: np.random.Generator) -> Image:
    """One line's ink, LINE_PX high."""
    narrow, gap = rng.uniform(0.75, 1.1), int(LINE_PX * rng.uniform(0.04, 0.16))
    places, x = [], 0
    for char in text:
        if char == " ":
            x += int(LINE_PX * rng.uniform(0.15, 0.4))
            continue
        glyph = face[char][0]
        glyph = cv2.resize(glyph, (max(2, round(glyph.shape[1] * narrow)), LINE_PX), interpolation=cv2.INTER_AREA)
        places.append((glyph, x))
        x += glyph.shape[1] + gap
    ink = np.zeros((LINE_PX, max(1, x - gap)), np.uint8)
    for glyph, left in places:
        paste_ink(ink, glyph, left, 0)
    return ink
