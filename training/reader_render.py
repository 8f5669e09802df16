"""Training crops for the reader: plates composed, set into surroundings, seen by a careless detector, photographed.

A crop is what `agent.ocr.rectify` cuts: the detector's four corners, widened by MARGIN on each side, pulled to
160 x 48. So the composed plate is warped with corners that are wrong by what detectors are wrong by. A crop of the
expiry line is one of `agent.ocr.expiry_places`, pulled to the same size.

`python -m training.reader_render --out DIR --shards N` writes shards that `training.reader` picks up while it runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from agent.ocr import MARGIN, exact_places, expiry_places, widened
from agent.types import Image, PlateColour
from simulation.plates import PREFIXES, Draw, Mask, PlateSpec, Style, Vehicle, draw_ink
from training.augment import burnt, patch, photograph, photograph_well, weather
from training.foreign import draw_foreign
from training.glyphs import ALPHABET, GLYPH_HEIGHT, Typeface, fonts, photographed, pressed
from training.labels import LabelledPlate, expiry_dates, held_back, load_labels

WIDTH, HEIGHT = 160, 48
FLAT_HEIGHT, REAL_HEIGHT = 60, 64
FLAT_DATED_HEIGHT = 96
"""Height of a flat plate of which only the expiry line is looked at."""
COLOURS = tuple(c for c in PlateColour if c is not PlateColour.UNKNOWN)
MAX_TEXT = 10
YEARS = (2010, 2040)
UNKNOWN = -1
CORNER_UNIT = 10_000
"""Corner offsets are kept as whole numbers of this share of the crop's sides."""
FAINTEST = 3.0
"""Contrast of the strokes, in grey levels, below which nobody can read a crop."""
HARD = 0.4
"""Share of the crops that are dirty, far off, cut carelessly or ill lit. The rest are as most plates are: an eye that
learns from hopeless crops alone stops looking for the short strokes that tell G from C."""
WELL_SHOT = 0.45
"""Share of the hard ones that are photographed well nevertheless."""
LOOKALIKES, LOOKALIKE_DIGITS = "OQDGCUV", "83956"
"""Characters that differ by one short stroke are shown more often."""

SHARES = {
    PlateColour.BLACK: 0.38,
    PlateColour.WHITE: 0.34,
    PlateColour.YELLOW: 0.14,
    PlateColour.RED: 0.06,
    PlateColour.GREEN: 0.03,
    PlateColour.BLUE: 0.02,
    PlateColour.DEALER: 0.03,
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One training crop and what is to be read from it; UNKNOWN (-1) is left out of the loss."""

    crop: Image
    text: str
    colour: int
    readable: int
    corners: np.ndarray | None
    """(4, 2) where the plate's corners lie in the crop, pixels; None where nothing is asked of them."""

    def row(self) -> np.ndarray:
        """int16: ten characters (1-36, 0 fills up), colour, readable, whether corners count, eight corner offsets."""
        codes = [ALPHABET.index(c) + 1 for c in self.text] + [0] * (MAX_TEXT - len(self.text))
        known = self.corners is not None and bool((abs(self.corners / (WIDTH, HEIGHT) - EXACT) < 0.6).all())
        offsets = (self.corners / (WIDTH, HEIGHT) - EXACT) * CORNER_UNIT if known else np.zeros((4, 2))
        return np.array([*codes, self.colour, self.readable, known, *offsets.ravel().round()], np.int16)


EXACT = exact_places()


@dataclass(frozen=True, slots=True)
class RealCrop:
    """A photographed plate of the training split with its surroundings."""

    image: Image
    corners: np.ndarray
    text: str
    expiry: str
    """`MMYY`; empty where it is not known."""


@dataclass(frozen=True, slots=True)
class RetonedScene:
    """A photographed plate made another colour, before a camera sees it; float32 BGR."""

    picture: np.ndarray
    corners: np.ndarray
    text: str
    colour: PlateColour
    turned: bool
    """Whether it was turned, so that a detector may see an upright box around it."""


SUN = 0.5
"""Chance that a motorcycle's white plate is in full sun: it leans back, towards the sky."""


def random_text(rng: np.random.Generator) -> str:
    """Seven in ten as Indonesian plates are built, the rest any Latin plate; all letters equally often."""
    if rng.random() < 0.7:
        return indonesian_text(rng)
    form = rng.random()
    if form < 0.4:
        return f"{_letters(rng, 1, 3)} {_digits(rng, 1, 4)}"
    if form < 0.6:
        return f"{_letters(rng, 1, 3)} {_digits(rng, 2, 4)} {_letters(rng, 1, 2)}"
    if form < 0.75:
        return f"{_digits(rng, 2, 2)}{_letters(rng, 1, 1)} {_digits(rng, 4, 5)}"
    return " ".join("".join(rng.choice(list(ALPHABET), int(rng.integers(2, 5)))) for _ in range(2))


def indonesian_text(rng: np.random.Generator) -> str:
    """Any number that an Indonesian plate may have, from any town."""
    prefix = PREFIXES[int(rng.integers(len(PREFIXES)))]
    low = 4 if rng.random() < 0.9 else 1
    number = _digit(rng, first=1) + _digits(rng, low - 1, 3 if low == 4 else 2)
    return f"{prefix} {number} {_letters(rng, 1, 3)}"


def _letters(rng: np.random.Generator, low: int, high: int) -> str:
    count = int(rng.integers(low, high + 1))
    return "".join(
        LOOKALIKES[int(rng.integers(len(LOOKALIKES)))] if rng.random() < 0.25 else chr(65 + int(rng.integers(26)))
        for _ in range(count)
    )


def _digits(rng: np.random.Generator, low: int, high: int) -> str:
    return "".join(_digit(rng) for _ in range(int(rng.integers(low, high + 1))))


def _digit(rng: np.random.Generator, first: int = 0) -> str:
    if rng.random() < 0.15:
        return LOOKALIKE_DIGITS[int(rng.integers(len(LOOKALIKE_DIGITS)))]
    return str(int(rng.integers(first, 10)))


def misplaced(
    quad: np.ndarray, rng: np.random.Generator, each: np.ndarray | float, together: np.ndarray | float, scale: float
) -> np.ndarray:
    """A quadrilateral (4, 2) as a detector finds it: off by these standard errors, corner by corner, as a whole (both
    in its own unit, right and down), and in its size."""
    off = rng.normal(0, 1, (4, 2)) * each
    common = rng.normal(0, 1, 2) * together
    middle = quad.mean(0)
    return np.asarray((quad - middle) * (1 + rng.normal(0, scale, 2)) + middle + off + common, np.float32)


def tones(colour: PlateColour, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Base and ink as weathered plates have them, BGR float32."""
    light = np.full(3, rng.uniform(170, 250)) + rng.normal(0, 8, 3)
    dark = np.full(3, rng.uniform(8, 75)) + rng.normal(0, 6, 3)
    if rng.random() < 0.12:  # years in the sun
        dark, light = dark + rng.uniform(30, 90), light - rng.uniform(0, 60)
    hues = {
        PlateColour.YELLOW: (rng.uniform(0, 90), rng.uniform(140, 205), rng.uniform(190, 250)),
        PlateColour.RED: (rng.uniform(15, 70), rng.uniform(10, 60), rng.uniform(120, 220)),
        PlateColour.GREEN: (rng.uniform(50, 120), rng.uniform(110, 190), rng.uniform(20, 90)),
    }
    blue = np.array([rng.uniform(120, 200), rng.uniform(40, 90), rng.uniform(10, 50)])
    red = np.array([rng.uniform(10, 60), rng.uniform(10, 60), rng.uniform(140, 215)])
    base, ink = {
        PlateColour.WHITE: (light, dark),
        PlateColour.BLACK: (dark, light),
        PlateColour.RED: (np.array(hues[PlateColour.RED]), light),
        PlateColour.BLUE: (light, blue),
        PlateColour.DEALER: (light, red),
    }.get(colour) or (np.array(hues[colour]), dark)
    return base.astype(np.float32), ink.astype(np.float32)


class Composer:
    """Makes samples out of typefaces, real crops and surroundings; all chance comes from its generator."""

    def __init__(self, seed: int, plates: list[LabelledPlate], scenery: list[Path]) -> None:
        self._rng = rng = np.random.default_rng(seed)
        self._hard = True
        """Whether anything may befall the crop that is being made."""
        self._photographed = photographed(plates)
        self._pressed = [pressed(rng) for _ in range(80)]
        self._fonts = fonts()
        dates = expiry_dates(plates[0].file.parents[1]) if plates else {}
        self._real = [
            crop for p in plates if not p.unsure and (crop := _cut(p, dates.get(p.file.name, ""))) is not None
        ]
        self._dated: dict[str, list[RealCrop]] = {}
        for crop in self._real:
            if crop.expiry:
                self._dated.setdefault(crop.expiry[2:], []).append(crop)
        self._scenery = [_small(file) for file in scenery]

    def reseed(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def sample(self) -> Sample:
        self._hard = bool(self._rng.random() < HARD)
        kind = self._rng.random()
        if kind < 0.04:
            return self._negative()
        if kind < 0.12:
            return self._foreign()
        if kind < 0.28:
            return self.expiry_sample()
        return self.retoned() if kind < 0.48 and self._real else self._composed()

    def expiry_sample(self) -> Sample:
        """The second line of a plate, with `MMYY` as its text; one in eight without a date."""
        rng = self._rng
        if self._dated and rng.random() < 0.2:
            return self._dated_sample()
        colour = COLOURS[int(rng.choice(len(COLOURS), p=[SHARES[c] for c in COLOURS]))]
        vehicle: Vehicle = "motorcycle" if rng.random() < 0.55 else "car"
        # as many months with a 1 in front as with a 0: who expects a 0 takes the lit rim of a pressed 1 for one
        month = int(rng.integers(10, 13) if rng.random() < 0.5 else rng.integers(1, 10))
        date = (month, int(rng.integers(*YEARS))) if rng.random() < 0.87 else None
        flat = self._flat(PlateSpec(random_text(rng), date, colour, self._style(colour), vehicle), FLAT_DATED_HEIGHT)
        canvas, corners = self._surround(flat)
        width_px = self._distance(70 if self._hard else 130, 330)
        quad = self._posed(vehicle)
        seen = self._cornered(quad)
        place = 0 if vehicle == "car" else 1
        if rng.random() < 0.15:  # corners around the number alone
            seen[2:] += (seen[1::-1] - seen[2:]) * rng.uniform(0.18, 0.3)
            place = 3
        matrix = to_crop(expiry_places(seen)[place])
        warped = _warp(canvas, matrix @ cv2.getPerspectiveTransform(corners, quad))
        # a car's expiry line is a twentieth of its plate's width high, a motorcycle's a twelfth
        readable = date is not None and width_px / (20 if vehicle == "car" else 12) > 5.0
        text = f"{date[0]:02d}{date[1] % 100:02d}" if date else ""
        return Sample(self._photographed_as(warped, min(230.0, width_px * 1.9)), text, UNKNOWN, int(readable), None)

    def _dated_sample(self) -> Sample:
        """The expiry line of a photographed plate, each year as often as the others."""
        rng, years = self._rng, sorted(self._dated)
        crops = self._dated[years[int(rng.integers(len(years)))]]
        real = crops[int(rng.integers(len(crops)))]
        scene = self._retoned_scene(real)
        seen = self._cornered(scene.corners * 48 / REAL_HEIGHT) * REAL_HEIGHT / 48
        warped = _warp(scene.picture, to_crop(expiry_places(seen)[0]))
        return Sample(self._photographed_as(warped, float(rng.uniform(100, 230))), real.expiry, UNKNOWN, 1, None)

    # --- composed plates ---

    def _draw(self, face: Typeface, scatter: float, vehicle: Vehicle, style: Style) -> Draw:
        rng = self._rng
        narrow = rng.uniform(0.72, 1.12) if vehicle == "car" else rng.uniform(0.9, 1.5)
        grow = int(rng.choice([-1, -1, -1, 0, 0, 0, 1] if vehicle == "motorcycle" else [-1, 0, 0, 0, 1, 2]))

        def draw(char: str, height_px: float) -> Mask:
            choices = face[char]
            glyph = choices[int(rng.integers(len(choices)))]
            if char == "O" and slashed and rng.random() < 0.95:
                glyph = self._slashed(glyph)
            if grow and height_px > 15:
                padded = cv2.copyMakeBorder(glyph, 1, 1, 2, 2, cv2.BORDER_CONSTANT)
                change = cv2.dilate if grow > 0 else cv2.erode
                glyph = change(padded, np.ones((2 + (grow > 1), 2 + (grow > 1)), np.uint8))
            tall = height_px * (1 + rng.normal(0, scatter))
            wide = glyph.shape[1] * narrow * tall / GLYPH_HEIGHT
            size = (max(2, round(wide)), max(3, round(tall)))
            return np.asarray(cv2.resize(glyph, size, interpolation=cv2.INTER_AREA), np.uint8)

        slashed = rng.random() < (0.4 if style == "old" else 0.05)
        return draw

    def _slashed(self, glyph: Mask) -> Mask:
        height, width = glyph.shape
        glyph = glyph.copy()
        cv2.line(glyph, (round(width * 0.8), 5), (round(width * 0.2), height - 6), 255, 5, cv2.LINE_AA)
        return glyph

    def _face(self) -> tuple[Typeface, float]:
        """A typeface, and how far its characters' heights scatter."""
        rng = self._rng
        pick = rng.random()
        if pick < 0.42:
            return self._photographed, 0.01
        if pick < 0.87:
            return self._pressed[int(rng.integers(len(self._pressed)))], 0.015
        return self._fonts[int(rng.integers(len(self._fonts)))], 0.0

    def _style(self, colour: PlateColour) -> Style:
        return "old" if colour is not PlateColour.WHITE or self._rng.random() < 0.15 else "new"

    def _flat(self, spec: PlateSpec, height_px: int) -> np.ndarray:
        """The plate edge to edge, weathered, float32 BGR."""
        face, scatter = self._face()
        ink = draw_ink(spec, self._rng, height_px, self._draw(face, scatter, spec.vehicle, spec.style))
        return self._colourise(ink, spec.colour, spec.style == "old", spec.vehicle)

    def _composed(self) -> Sample:
        rng = self._rng
        colour = COLOURS[int(rng.choice(len(COLOURS), p=[SHARES[c] for c in COLOURS]))]
        text = random_text(rng)
        vehicle: Vehicle = "motorcycle" if rng.random() < 0.5 else "car"
        indonesian = text.count(" ") == 2
        dated = rng.random() < (0.93 if indonesian else 0.15)
        expiry = (int(rng.integers(1, 13)), int(rng.integers(*YEARS))) if dated else None
        spec = PlateSpec(text, expiry, colour, self._style(colour), vehicle)
        return self._placed(self._flat(spec, FLAT_HEIGHT), spec.characters, colour, vehicle)

    def _foreign(self) -> Sample:
        plate = draw_foreign(self._rng, lines=1)
        size = (max(20, round(plate.picture.shape[1] * FLAT_HEIGHT / plate.picture.shape[0])), FLAT_HEIGHT)
        flat = cv2.resize(plate.picture, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        flat = self._weathered(flat * self._rng.uniform(0.7, 1.1))
        return self._placed(flat, plate.text, plate.colour, "car")

    def _placed(self, flat: np.ndarray, text: str, colour: PlateColour, vehicle: Vehicle) -> Sample:
        """A flat plate set into the street and photographed."""
        rng = self._rng
        sunny = vehicle == "motorcycle" and colour is PlateColour.WHITE and rng.random() < SUN
        canvas, corners = self._surround(burnt(flat, rng) if sunny else flat)
        width_px = self._distance(48 if self._hard else 58, 230)
        if self._hard and rng.random() < 0.03:
            width_px = float(rng.uniform(16, 32))
        matrix = self._seen(corners, vehicle)
        leans = vehicle == "motorcycle" and rng.random() < 0.5
        upright = float(rng.uniform(0.35 if self._hard else 0.6, 0.95)) if leans else 1.0
        crop = self._photographed_as(_warp(canvas, matrix), width_px, upright, lit=sunny)
        placed = cv2.perspectiveTransform(corners[None], matrix)[0]
        return Sample(crop, text, COLOURS.index(colour), int(width_px > 40 and contrast(crop) > FAINTEST), placed)

    def _colourise(self, ink: Mask, colour: PlateColour, pressed_deep: bool, vehicle: Vehicle) -> np.ndarray:
        rng = self._rng
        base, text = tones(colour, rng)
        alpha = (ink.astype(np.float32) / 255)[..., None]
        if self._hard and rng.random() < 0.25:
            worn = patch(rng, ink.shape, int(rng.integers(6, 20)))[..., None]
            alpha = alpha * np.clip(1.2 - worn * rng.uniform(0.2, 0.9), 0.2, 1)
        if pressed_deep and rng.random() < 0.5:
            alpha = alpha * (1 - _backs(ink)[..., None] * rng.uniform(-0.1, 0.7))
        flat = base + (text - base) * alpha
        if rng.random() < (0.6 if pressed_deep else 0.3):
            relief = cv2.GaussianBlur(ink, (0, 0), rng.uniform(0.7, 1.6)).astype(np.float32) / 255
            shift = np.float32([[1, 0, rng.normal(0, 1.2)], [0, 1, rng.uniform(-0.5, 2)]])
            moved = cv2.warpAffine(relief, shift, (ink.shape[1], ink.shape[0]))
            flat = flat + ((relief - moved) * rng.uniform(-30, 90))[..., None]
        if pressed_deep and rng.random() < 0.4:  # the sheet is sunk around what is raised
            well = cv2.GaussianBlur(ink, (0, 0), rng.uniform(1.0, 2.5)).astype(np.float32)[..., None] / 255
            flat = flat + well * (1 - alpha) * rng.uniform(-60, 40)
        if rng.random() < (0.7 if vehicle == "motorcycle" else 0.45):
            self._bolts(flat, vehicle)
        if rng.random() < 0.25:
            self._emblem(flat, text)
        flat = flat * (1 + (patch(rng, ink.shape, 2)[..., None] - 0.5) * rng.uniform(0, 0.7))
        return self._weathered(flat)

    def _weathered(self, flat: np.ndarray) -> np.ndarray:
        return weather(flat, self._rng) if self._hard else flat

    def _photographed_as(self, crop: np.ndarray, width_px: float, upright: float = 1.0, *, lit: bool = False) -> Image:
        camera = photograph_well if not self._hard or self._rng.random() < WELL_SHOT else photograph
        return camera(crop, self._rng, width_px, upright, lit=lit)

    def _distance(self, low_px: float, high_px: float) -> float:
        """Width of a plate in the frame: as many between 50 and 100 px as between 100 and 200."""
        return float(np.exp(self._rng.uniform(np.log(low_px), np.log(high_px))))

    def _bolts(self, flat: np.ndarray, vehicle: Vehicle) -> None:
        rng = self._rng
        height, width = flat.shape[:2]
        y = height * (rng.uniform(0.32, 0.68) if vehicle == "motorcycle" else rng.uniform(0.1, 0.6))
        tone = rng.uniform(20, 220) + rng.normal(0, 15, 3)
        for share in (rng.uniform(0.15, 0.35), rng.uniform(0.62, 0.85)):
            centre = (round(width * share), round(y + rng.normal(0, 1.5)))
            radius = max(1, round(height * rng.uniform(0.02, 0.075)))
            cv2.circle(flat, centre, radius + 1, tuple((tone * 0.4).tolist()), -1, cv2.LINE_AA)
            cv2.circle(flat, centre, radius, tuple(tone.tolist()), -1, cv2.LINE_AA)

    def _emblem(self, flat: np.ndarray, text: np.ndarray) -> None:
        """The police crest at the lower left of many plates, a few pixels of something."""
        height = flat.shape[0]
        x, y, size = round(0.08 * height), round(0.72 * height), round(0.16 * height)
        spot = flat[y : y + size, x : x + size]
        spot += (text - spot) * (self._rng.random((size, size, 1), np.float32) * self._rng.uniform(0.2, 0.8))

    def _scene(self, height: int, width: int) -> np.ndarray:
        """Something of the street, of the asked size, float32."""
        rng = self._rng
        kind = rng.random()
        if kind < 0.35 or not self._scenery:
            tone = rng.uniform(5, 235) + rng.normal(0, 18, 3)
            field = patch(rng, (height, width), int(rng.integers(2, 6)))[..., None]
            picture = (tone * (0.5 + field)).astype(np.float32)
        else:
            photo = self._scenery[int(rng.integers(len(self._scenery)))]
            share = rng.uniform(0.1, 0.7)
            h = max(8, round(photo.shape[0] * share))
            w = min(photo.shape[1], max(8, round(h * width / height)))
            y, x = int(rng.integers(0, photo.shape[0] - h + 1)), int(rng.integers(0, photo.shape[1] - w + 1))
            picture = cv2.resize(photo[y : y + h, x : x + w], (width, height)).astype(np.float32)
        if rng.random() < 0.35:
            for _ in range(int(rng.integers(1, 5))):
                y = int(rng.integers(0, height))
                tone = float(rng.uniform(0, 255))
                cv2.line(picture, (0, y), (width, y + int(rng.normal(0, 4))), (tone,) * 3, int(rng.integers(1, 9)))
        return picture

    def _surround(self, flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The plate in a street patch, often in a plastic frame; and its corners there."""
        rng = self._rng
        height, width = flat.shape[:2]
        x, y = round(0.16 * width), round(0.45 * height)
        canvas = self._scene(height + 2 * y, width + 2 * x)
        if rng.random() < 0.55:
            tone = rng.uniform(5, 60) if rng.random() < 0.75 else rng.uniform(100, 230)
            edges = rng.uniform(0.01, 0.1, 4) * height
            edges[3] += rng.uniform(0, 0.25) * height * (rng.random() < 0.3)
            left, top = round(x - edges[0]), round(y - edges[1])
            right, bottom = round(x + width + edges[2]), round(y + height + edges[3])
            canvas[max(0, top) : bottom, max(0, left) : right] = tone + rng.normal(0, 6, 3)
            if rng.random() < 0.5:
                cv2.rectangle(canvas, (left, top), (right, bottom), (float(rng.uniform(60, 250)),) * 3, 1)
        canvas[y : y + height, x : x + width] = flat
        if rng.random() < 0.08:
            cover = round(height * rng.uniform(0.02, 0.1))
            canvas[y + height - cover : y + height] = rng.uniform(0, 60)
        corners = np.float32([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])
        return canvas, corners

    # --- where the detector says the plate is ---

    def _seen(self, corners: np.ndarray, vehicle: str) -> np.ndarray:
        """Homography from the canvas to the 160 x 48 crop."""
        quad = self._posed(vehicle)
        boxed = self._rng.random() < (0.4 if vehicle == "motorcycle" else 0.3) * (1.0 if self._hard else 0.3)
        seen = self._boxed(quad) if boxed else self._cornered(quad)
        to_photo = cv2.getPerspectiveTransform(corners, quad)
        return np.asarray(to_crop(widened(seen, MARGIN)) @ to_photo)

    def _posed(self, vehicle: str) -> np.ndarray:
        """The plate's corners in an imagined frame, about 160 x 48, turned, slanted and foreshortened."""
        rng = self._rng
        # motorcycles carry their plates turned, and are seen from the side
        turn_deg, slant_sigma, drop_sigma = (7.0, 0.28, 0.11) if vehicle == "motorcycle" else (4.5, 0.12, 0.05)
        quad = np.float32([[-80, -24], [80, -24], [80, 24], [-80, 24]])
        turn = np.deg2rad(rng.normal(0, turn_deg))
        slant, drop = rng.normal(0, slant_sigma), rng.normal(0, drop_sigma)
        if vehicle == "motorcycle" and rng.random() < 0.25:
            slant = rng.uniform(-0.8, 0.8)
        shear = np.float32([[1, slant], [drop, 1]])
        spin = np.float32([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        quad = quad @ (spin @ shear).T * np.float32([1, rng.uniform(0.85, 1.25)])
        depth = rng.normal(0, 0.05)
        quad[:, 1] *= 1 + depth * np.sign([-1, 1, 1, -1])
        return quad.astype(np.float32)

    def _cornered(self, quad: np.ndarray) -> np.ndarray:
        sigma = self._rng.choice([0.015, 0.035, 0.06] if self._hard else [0.01, 0.025]) * 48
        off = sigma * np.array([1.3, 1.0]) * 0.7
        return misplaced(quad, self._rng, off, off, 0.03)

    def _boxed(self, quad: np.ndarray) -> np.ndarray:
        (x1, y1), (x2, y2) = quad.min(0), quad.max(0)
        box = np.float32([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
        return self._cornered(box)

    # --- photographed plates ---

    def retoned(self) -> Sample:
        """A real plate, as it is or as another colour of plate."""
        scene = self._retoned_scene()
        if self._rng.random() < 0.5:
            scene = replace(scene, picture=self._weathered(scene.picture))
        return self._shot(scene, self._distance(48 if self._hard else 58, 230))

    def retoned_track(self, frames: int) -> list[Sample]:
        """The same plate in the same light and dirt, photographed again and again as it comes nearer."""
        scene = self._retoned_scene()
        scene = replace(scene, picture=weather(scene.picture, self._rng))
        far, near = np.sort(np.exp(self._rng.uniform(np.log(40), np.log(200), 2)))
        return [self._shot(scene, float(width_px)) for width_px in np.geomspace(far, near, frames)]

    def _retoned_scene(self, real: RealCrop | None = None) -> RetonedScene:
        rng = self._rng
        real = real or self._real[int(rng.integers(len(self._real)))]
        picture = real.image.astype(np.float32)
        colour = PlateColour.WHITE
        if rng.random() < 0.65:
            others = [PlateColour.BLACK] * 6 + [PlateColour.YELLOW] * 3 + [PlateColour.RED, PlateColour.GREEN]
            colour = others[int(rng.integers(len(others)))]
            picture = self._retone(picture, real.corners, colour)
        corners, turned = real.corners, rng.random() < 0.3
        if turned:
            spin = cv2.getRotationMatrix2D(tuple(corners.mean(0).tolist()), float(rng.normal(0, 7)), 1.0)
            spin[0, 1] += rng.normal(0, 0.15)
            corners = cv2.transform(corners[None], spin)[0]
            picture = cv2.warpAffine(picture, spin, (picture.shape[1], picture.shape[0]), borderMode=cv2.BORDER_REFLECT)
        return RetonedScene(picture, np.asarray(corners, np.float32), real.text, colour, turned)

    def _shot(self, scene: RetonedScene, width_px: float) -> Sample:
        share = 48 / REAL_HEIGHT
        seen = (self._boxed if scene.turned else self._cornered)(scene.corners * share) / share
        matrix = to_crop(widened(seen, MARGIN))
        warped = _warp(cv2.GaussianBlur(scene.picture, (0, 0), 0.7), matrix)
        placed = cv2.perspectiveTransform(scene.corners[None], matrix)[0]
        crop = self._photographed_as(warped, width_px)
        return Sample(crop, scene.text, COLOURS.index(scene.colour), int(contrast(crop) > FAINTEST), placed)

    def _retone(self, picture: np.ndarray, corners: np.ndarray, colour: PlateColour) -> np.ndarray:
        rng = self._rng
        grey = picture.mean(2)
        inside = np.zeros(grey.shape, np.uint8)
        cv2.fillConvexPoly(inside, np.round(corners).astype(np.int32), 1)
        dark, light = np.percentile(grey[inside > 0], [3, 80])
        alpha = np.clip((light - grey) / max(10.0, light - dark), -0.2, 1.1)[..., None].astype(np.float32)
        base, ink = tones(colour, rng)
        toned = base + (ink - base) * alpha
        keep = inside[..., None] > 0 if rng.random() < 0.7 else np.ones_like(inside[..., None]) > 0
        picture = np.where(keep, toned, picture * rng.uniform(0.3, 1.0)).astype(np.float32)
        if rng.random() < 0.7:
            line = corners.mean(0) + (corners - corners.mean(0)) * np.array([0.985, rng.uniform(0.88, 0.97)])
            tone = tuple(float(v) for v in ink)
            cv2.polylines(picture, [np.round(line).astype(np.int32)], True, tone, int(rng.integers(1, 4)), cv2.LINE_AA)
        return picture

    def _negative(self) -> Sample:
        shot = self._photographed_as(self._scene(HEIGHT, WIDTH), float(self._rng.uniform(60, 200)))
        return Sample(shot, "", UNKNOWN, 0, None)


def _backs(ink: Mask) -> np.ndarray:
    """1 along the middle of strokes, 0 at their edges and beside them: a pressed stroke catches light on its rim."""
    depth = cv2.distanceTransform((ink > 127).astype(np.uint8), cv2.DIST_L2, 3)
    return np.clip(depth / max(1.0, float(np.percentile(depth[depth > 0], 85))), 0, 1) if depth.any() else depth


def contrast(crop: Image) -> float:
    """How much the grey levels of a crop's middle differ at the size of strokes: finer is noise, coarser is light."""
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY).astype(np.float32)
    strokes = cv2.GaussianBlur(grey, (0, 0), 1.2) - cv2.GaussianBlur(grey, (0, 0), 7)
    return float(strokes[8:-8, 12:-12].std())


def to_crop(quad: np.ndarray) -> np.ndarray:
    """Homography that brings a quadrilateral to a crop's edges."""
    target = np.float32([[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]])
    return np.asarray(cv2.getPerspectiveTransform(np.asarray(quad, np.float32), target))


def _warp(canvas: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return cv2.warpPerspective(canvas, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def _small(file: Path) -> Image:
    picture = cv2.imread(str(file))
    share = 480 / max(picture.shape[:2])
    return np.asarray(cv2.resize(picture, None, fx=share, fy=share, interpolation=cv2.INTER_AREA), np.uint8)


def _cut(plate: LabelledPlate, expiry: str) -> RealCrop | None:
    """The plate with its surroundings, shrunk to a plate height of about 64 pixels or less."""
    picture = cv2.imread(str(plate.file))
    if picture is None or not 4 <= len(plate.text) <= MAX_TEXT:
        return None
    tall = float(np.hypot(*(plate.corners[3] - plate.corners[0])))
    share = min(1.0, REAL_HEIGHT / tall)
    picture = cv2.resize(picture, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    corners = plate.corners * share
    pad = 0.5 * tall * share
    x1, y1 = np.maximum(0, corners.min(0) - pad).astype(int)
    x2, y2 = (corners.max(0) + pad).astype(int)
    image, inside = np.asarray(picture[y1:y2, x1:x2], np.uint8), (corners - [x1, y1]).astype(np.float32)
    return RealCrop(image, inside, plate.text, expiry)


def training_plates(data: Path) -> list[LabelledPlate]:
    return [p for p in load_labels(data / "train/id_white") if not held_back(p.text)]


def scenery_files(data: Path) -> list[Path]:
    """Photos that may stand around a plate: roads without readable Indonesian plates."""
    dashcam = sorted((data / "train/ro_dashcam/images").iterdir())[::4]
    return dashcam + sorted((data / "train/negatives/images").iterdir())


def write_shard(draw: Callable[[], Sample], path: Path, count: int) -> None:
    """Pictures and labels side by side; the pictures get their name last, so that a trainer sees whole shards only."""
    samples = [draw() for _ in range(count)]
    np.save(path.with_suffix(".labels.npy"), np.array([s.row() for s in samples]))
    np.save(path.with_suffix(".tmp.npy"), np.array([s.crop for s in samples]))
    path.with_suffix(".tmp.npy").rename(path.with_suffix(".pictures.npy"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, required=True, help="folder of the shards, outside the repository")
    parser.add_argument("--shards", type=int, default=30)
    parser.add_argument("--first", type=int, default=0, help="number of the first shard; also its seed")
    parser.add_argument("--size", type=int, default=8192)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    composer = Composer(args.first, training_plates(args.data), scenery_files(args.data))
    for number in range(args.first, args.first + args.shards):
        path = args.out / f"{number:04d}"
        if path.with_suffix(".pictures.npy").exists():
            continue
        composer.reseed(number)
        write_shard(composer.sample, path, args.size)
        print(path, flush=True)


if __name__ == "__main__":
    main()
