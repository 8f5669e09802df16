"""Where the characters of rendered training plates come from: photographed plates, the stroke typeface, fonts.

A typeface is a dict from character to ink masks (0-255, GLYPH_HEIGHT high over the ink, cut to their own width).
Photographed masks are taken from the training split of a labelled folder at training time and kept in a cache
outside the repository: real plates' pictures are never committed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PilImage
from PIL import ImageDraw, ImageFont

from agent.types import Image
from simulation.plates import GLYPHS, Mask, draw_character, random_pen
from training.labels import LabelledPlate

GLYPH_HEIGHT = 48
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
Typeface = dict[str, list[Mask]]

FONT_FILES = {
    "/usr/share/fonts/truetype/opendin/OSP-DIN.ttf": 0.8,
    "/usr/share/fonts/truetype/roadgeek/RG2014B.ttf": 1.0,
    "/usr/share/fonts/truetype/roadgeek/RG2014C.ttf": 1.0,
    "/usr/share/fonts/truetype/roadgeek/RG2014D.ttf": 0.9,
    "/usr/share/fonts/opentype/bebas-neue/BebasNeue-Bold.otf": 1.0,
    "/usr/share/fonts/opentype/bebas-neue/BebasNeue-Regular.otf": 1.0,
    "/usr/share/fonts/truetype/roboto/unhinted/RobotoCondensed-Bold.ttf": 0.95,
    "/usr/share/fonts/truetype/roboto/unhinted/RobotoCondensed-Regular.ttf": 0.95,
    "/usr/share/fonts/truetype/open-sans/OpenSans-CondBold.ttf": 1.0,
    "/usr/share/fonts/truetype/paratype/PTN77F.ttf": 0.95,
    "/usr/share/fonts/truetype/liberation/LiberationSansNarrow-Bold.ttf": 0.95,
    "/usr/share/fonts/truetype/liberation/LiberationSans-Bold.ttf": 0.8,
    "/usr/share/fonts/truetype/noto/NotoSans-ExtraCondensedBold.ttf": 1.0,
    "/usr/share/fonts/truetype/noto/NotoSans-ExtraCondensed.ttf": 1.0,
    "/usr/share/fonts/truetype/dejavu/DejaVuSansCondensed-Bold.ttf": 0.75,
}
"""Condensed grotesques of Debian packages and how much each is narrowed; absent ones are passed over."""

WIDE_FONT_FILES = {
    "/usr/share/fonts/truetype/liberation/LiberationSans-Bold.ttf": 1.0,
    "/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf": 1.0,
    "/usr/share/fonts/truetype/liberation/LiberationSansNarrow-Bold.ttf": 1.2,
    "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf": 0.85,
    "/usr/share/fonts/truetype/roboto/unhinted/RobotoCondensed-Bold.ttf": 1.2,
    "/usr/share/fonts/truetype/roadgeek/RG2014D.ttf": 1.1,
    "/usr/share/fonts/truetype/open-sans/OpenSans-Bold.ttf": 0.9,
    "/usr/share/fonts/truetype/open-sans/OpenSans-CondBold.ttf": 1.15,
}
"""Grotesques as other countries' plates have them."""


def flatten(image: Image, corners: np.ndarray, height_px: int) -> Image:
    """The plate seen straight on, as wide as its sides say."""
    sides = np.hypot(*(np.roll(corners, -1, 0) - corners).T)
    width = round(height_px * float(np.clip((sides[0] + sides[2]) / (sides[1] + sides[3]), 1.8, 4.5)))
    target = np.array([[0, 0], [width, 0], [width, height_px], [0, height_px]], np.float32)
    warp = cv2.getPerspectiveTransform(corners, target)
    return np.asarray(cv2.warpPerspective(image, warp, (width, height_px), flags=cv2.INTER_CUBIC), np.uint8)


def photographed(plates: list[LabelledPlate]) -> Typeface:
    """Ink masks of every plate whose characters part cleanly into as many pieces as its text is long."""
    face: Typeface = {c: [] for c in ALPHABET}
    for plate in plates:
        image = cv2.imread(str(plate.file))
        if image is None or plate.unsure:
            continue
        for char, mask in _characters(flatten(image, plate.corners, 128), plate.text):
            face[char].append(mask)
    return face


def _characters(flat: Image, text: str) -> list[tuple[str, Mask]]:
    grey = cv2.cvtColor(flat, cv2.COLOR_BGR2GRAY)
    row = cv2.GaussianBlur(grey[: round(grey.shape[0] * 0.74)], (3, 3), 0)
    block = cv2.adaptiveThreshold(row, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 61, 12)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(block, connectivity=4)
    tall, wide = flat.shape[:2]
    found = [
        i
        for i, (x, y, w, h, _) in enumerate(stats)
        if i and 0.33 * tall < h < 0.66 * tall and w < 0.14 * wide and x > 2 and x + w < wide - 2 and y > 2
    ]
    if len(found) != len(text):
        return []
    found.sort(key=lambda i: stats[i][0])
    return [(c, _soft(row, labels == i, stats[i])) for c, i in zip(text, found, strict=True)]


def _soft(row: Mask, piece: np.ndarray, stat: np.ndarray) -> Mask:
    """The piece's grey values between its paper and its ink, so that edges stay as soft as they were."""
    x, y, w, h = (int(v) for v in stat[:4])
    near = cv2.dilate(piece.astype(np.uint8), np.ones((5, 5), np.uint8))[y : y + h, x : x + w] > 0
    grey = row[y : y + h, x : x + w].astype(np.float32)
    dark, light = np.percentile(grey[piece[y : y + h, x : x + w]], 30), np.percentile(grey, 95)
    ink = np.clip((light - grey) / max(8.0, light - dark), 0, 1) * near
    width = max(3, round(w * GLYPH_HEIGHT / h))
    return np.asarray(cv2.resize((ink * 255).astype(np.uint8), (width, GLYPH_HEIGHT), interpolation=cv2.INTER_AREA))


def pressed(rng: np.random.Generator, variants: int = 3) -> Typeface:
    """One press tool of the stroke typeface, with `variants` shaky copies of each character."""
    style = "old" if rng.random() < 0.65 else "new"
    pen = random_pen(rng, style, "motorcycle" if rng.random() < 0.4 else "car")
    pen.variants.update({char: int(rng.integers(len(GLYPHS[char]))) for char in "QG1"})
    return {c: [draw_character(c, GLYPH_HEIGHT, pen, rng) for _ in range(variants)] for c in GLYPHS}


def printed(file: str, narrow: float) -> Typeface:
    """A font's capitals and digits as ink masks."""
    font = ImageFont.truetype(file, 120)
    return {c: [_printed(c, font, narrow)] for c in ALPHABET}


def _printed(char: str, font: ImageFont.FreeTypeFont, narrow: float) -> Mask:
    canvas = PilImage.new("L", (240, 240), 0)
    ImageDraw.Draw(canvas).text((60, 50), char, fill=255, font=font)
    ink = np.asarray(canvas)
    ys, xs = np.where(ink > 100)
    cut = ink[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    width = max(3, round(cut.shape[1] * narrow * GLYPH_HEIGHT / cut.shape[0]))
    return np.asarray(cv2.resize(cut, (width, GLYPH_HEIGHT), interpolation=cv2.INTER_AREA))


def fonts(files: Mapping[str, float] = FONT_FILES) -> list[Typeface]:
    return [printed(file, narrow) for file, narrow in files.items() if Path(file).exists()]
