"""Scenes for the detector: a warped piece of a real photo, plates put where plates are and where none were, clutter.

A scene is made in this order: background and its plates -> one homography that brings a chosen plate to a chosen
width and tilt -> plates exchanged, re-toned or added -> clutter that looks like a plate and is none -> light, camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.types import PlateColour
from simulation.plates import draw_plate, random_spec
from training.augment import burnt
from training.detector_clutter import draw_clutter, write_caption
from training.detector_photos import Corners, Photo, Plate
from training.foreign import draw_foreign

Picture = NDArray[np.uint8]
Rng = np.random.Generator

NARROWEST_PX, WIDEST_PX = 16.0, 330.0
FOREIGN = 0.35
"""Share of drawn plates that are no Indonesian ones."""
_COLOURS: dict[PlateColour | None, float] = {
    PlateColour.BLACK: 0.50,
    PlateColour.WHITE: 0.22,
    PlateColour.YELLOW: 0.12,
    PlateColour.RED: 0.07,
    PlateColour.GREEN: 0.03,
    PlateColour.BLUE: 0.03,
    PlateColour.DEALER: 0.03,
}


@dataclass(frozen=True, slots=True)
class Scene:
    """A finished picture, BGR, and its plates."""

    image: Picture
    plates: tuple[Plate, ...]


class Composer:
    """Makes endless scenes of one size out of photos and drawn plates."""

    def __init__(
        self, photos: Sequence[Photo], negatives: Sequence[Photo], footage: Sequence[Photo], size: tuple[int, int]
    ) -> None:
        # the few motorcycles are shown more often
        self.photos = [p for p in photos for _ in range(5 if p.name.startswith("mrzaizai2k") else 1)]
        self.negatives, self.footage = negatives, footage
        self.width, self.height = size
        self._art: list[Picture] = []
        self._clutter: list[Picture] = []

    def compose(self, rng: Rng) -> Scene:
        """The next scene."""
        draw = rng.random()
        if self.footage and draw < 0.12:
            return self._lit(self._warped(_pick(self.footage, rng), rng), rng)
        if draw < 0.30:
            return self._lit(self._added(self._negative(rng), rng, rng.integers(0, 4)), rng)
        scene = self._warped(_pick(self.photos, rng), rng)
        scene = self._exchanged(scene, rng)
        return self._lit(self._added(scene, rng, rng.integers(0, 4) if rng.random() < 0.7 else 0), rng)

    # --- backgrounds --------------------------------------------------------------------------------------------

    def _warped(self, photo: Photo, rng: Rng) -> Scene:
        """A piece of the photo in which one of its plates has the wanted width, tilt and place."""
        known = [p for p in photo.plates if p.kind != "ignore"]
        if not known:
            return self._cut(photo, rng)
        target = known[int(rng.integers(len(known)))].corners
        side = float(np.linalg.norm(target[1] - target[0]))
        wanted = _log_uniform(NARROWEST_PX, min(WIDEST_PX, side * 2.0), rng)
        margin = min(0.45, 0.55 * wanted / self.width), min(0.45, 0.3 * wanted / self.height)
        place = (
            rng.uniform(margin[0], 1 - margin[0]) * self.width,
            rng.uniform(margin[1], 1 - margin[1]) * self.height,
        )
        matrix = _homography(target.mean(0), place, wanted / side, rng)
        return self._apply(photo, matrix, rng)

    def _cut(self, photo: Photo, rng: Rng) -> Scene:
        height, width = photo.image.shape[:2]
        scale = _log_uniform(max(self.width / width, self.height / height) * 0.8, 2.0, rng)
        centre = np.array((rng.uniform(0.15, 0.85) * width, rng.uniform(0.15, 0.85) * height), np.float32)
        matrix = _homography(centre, (self.width / 2, self.height / 2), scale, rng)
        return self._apply(photo, matrix, rng)

    def _apply(self, photo: Photo, matrix: NDArray[np.float64], rng: Rng) -> Scene:
        image = _warp(photo, matrix, (self.width, self.height), self._ground(rng))
        plates = (replace(p, corners=_moved(p.corners, matrix)) for p in photo.plates)
        return Scene(image, tuple(q for p in plates if (q := self._judged(p))))

    def _ground(self, rng: Rng) -> Picture:
        """What shows beside the warped photo: another road, a wall, the letterbox's grey."""
        draw = rng.random()
        if draw < 0.45:
            other = self.negatives[int(rng.integers(len(self.negatives)))].shrunk(1)
            return np.asarray(cv2.resize(other, (self.width, self.height), interpolation=cv2.INTER_LINEAR), np.uint8)
        if draw < 0.6:
            return _flat_ground(self.width, self.height, rng)
        return np.full((self.height, self.width, 3), 114 if draw < 0.9 else 0, np.uint8)

    def _judged(self, plate: Plate) -> Plate | None:
        """None outside the picture; ignored where cut off or too small to ask for."""
        low, high = plate.corners.min(0), plate.corners.max(0)
        inside = np.clip(np.minimum(high, (self.width, self.height)) - np.maximum(low, 0), 0, None)
        share = float(inside.prod() / max(1e-6, (high - low).prod()))
        if share < 0.02:
            return None
        small = high[0] - low[0] < 13
        return replace(plate, kind="ignore") if share < 0.8 or small else plate

    def _negative(self, rng: Rng) -> Scene:
        draw = rng.random()
        if draw < 0.12:
            return Scene(_flat_ground(self.width, self.height, rng), ())
        if draw < 0.65:
            return self._cut(_pick(self.negatives, rng), rng)
        return self._cut(_pick(self.photos, rng), rng)

    # --- plates -------------------------------------------------------------------------------------------------

    def _exchanged(self, scene: Scene, rng: Rng) -> Scene:
        """Some of the scene's real plates become drawn ones or are re-toned."""
        image, plates = scene.image.copy(), []
        for plate in scene.plates:
            draw, aspect = rng.random(), _aspect(plate.corners)
            if plate.kind != "ignore" and draw < 0.68:
                if draw < 0.16 and aspect > 2.2:
                    _retone(image, plate.corners, rng)
                else:
                    art = self._some(self._art, rng, 1500, _draw_art)
                    corners = _fitted(plate.corners, _seen_aspect(art, rng), rng)
                    plate = self._put(image, art, corners, rng, over=plate.corners)
            plates.append(plate)
        return Scene(image, tuple(plates))

    def _added(self, scene: Scene, rng: Rng, count: int) -> Scene:
        """Plates, and then clutter, at places that are free."""
        image, plates = scene.image.copy(), list(scene.plates)
        for _ in range(int(count)):
            width = _log_uniform(18, 200, rng)
            art = self._some(self._art, rng, 1500, _draw_art)
            corners = _anywhere(width, _seen_aspect(art, rng), (self.width, self.height), rng)
            if _free(corners, plates, 1.25) and (judged := self._judged(Plate(corners, "exact"))):
                if rng.random() < 0.7 and _free(corners, plates, 2.2):
                    (_cowl if rng.random() < 0.6 else _panel)(image, corners, rng)
                put = self._put(image, art, corners, rng)
                plates.append(replace(put, kind=judged.kind))
        taken = list(plates)
        for _ in range(int(rng.integers(0, 4)) if rng.random() < 0.7 else 0):
            art = self._some(self._clutter, rng, 300, draw_clutter)
            corners = _anywhere(_log_uniform(16, 240, rng), art.shape[1] / art.shape[0], (self.width, self.height), rng)
            if _free(corners, taken, 1.05):
                _paste(image, art, corners, rng, rng.uniform(0.6, 1.0))
                taken.append(Plate(corners, "ignore"))
        if rng.random() < 0.2:
            write_caption(image, rng, [_box(p.corners, 1.2) for p in plates])
        return Scene(image, tuple(plates))

    def _put(self, image: Picture, art: Picture, corners: Corners, rng: Rng, over: Corners | None = None) -> Plate:
        """Paste a drawn plate on `corners`, in the light of the place; `over` is the plate it hides."""
        place = corners if over is None else over
        light = _light(image, place, over is not None, rng)
        if rng.random() < 0.35:
            _darken(image, corners, rng)
        if over is not None or rng.random() < 0.3:
            _surround(image, corners, over, rng)
        toned = _toned(art, light, rng)
        if rng.random() < 0.4:
            _recess(image, toned, corners, rng)
        _paste(image, toned, corners, rng)
        return Plate(corners, "exact")

    def _some(self, pool: list[Picture], rng: Rng, full: int, make) -> Picture:  # type: ignore[no-untyped-def]
        """One of a pool that is filled as it is asked and slowly renewed: drawing costs more than pasting."""
        if len(pool) < full:
            pool.append(make(rng))
            return pool[-1]
        index = int(rng.integers(full))
        if rng.random() < 0.02:
            pool[index] = make(rng)
        return pool[index]

    def _lit(self, scene: Scene, rng: Rng) -> Scene:
        image = photographed(scene.image, rng)
        return Scene(image, tuple(p if _visible(image, p) else replace(p, kind="ignore") for p in scene.plates))


# --- geometry ---------------------------------------------------------------------------------------------------


def _pick(photos: Sequence[Photo], rng: Rng) -> Photo:
    return photos[int(rng.integers(len(photos)))]


def _log_uniform(low: float, high: float, rng: Rng) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(max(high, low * 1.01)))))


def _tilt(rng: Rng) -> float:
    """Degrees: mostly a few, one in six up to 32."""
    return float(rng.uniform(-32, 32) if rng.random() < 0.16 else rng.normal(0, 5))


def _homography(centre: NDArray[np.float32], place: tuple[float, float], scale: float, rng: Rng) -> NDArray[np.float64]:
    """Brings `centre` to `place`, scaled, squeezed, turned, sheared, in a slight perspective."""
    turn = np.deg2rad(_tilt(rng))
    squeeze = np.exp(rng.normal(0, 0.12))
    shear = rng.normal(0, 0.06 if rng.random() < 0.8 else 0.3)
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = linear @ np.array([[1, shear], [0, 1]]) @ np.diag([scale * squeeze, scale / squeeze])
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = -linear @ centre
    lens = np.eye(3)
    lens[2, :2] = rng.normal(0, 3e-4, 2)
    shift = np.eye(3)
    shift[:2, 2] = place
    return shift @ lens @ matrix


def _warp(photo: Photo, matrix: NDArray[np.float64], size: tuple[int, int], ground: Picture) -> Picture:
    """Warp onto `ground`; shrinks by area first, as a camera's scaler does."""
    shrink = float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))
    halvings = int(np.clip(np.floor(-np.log2(max(shrink, 1e-3)) + 0.35), 0, 3))
    image = photo.shrunk(halvings)
    share = np.array(image.shape[1::-1]) / photo.image.shape[1::-1]
    matrix = matrix @ np.diag([*(1 / share), 1.0])
    return np.asarray(
        cv2.warpPerspective(image, matrix, size, dst=ground, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT),
        np.uint8,
    )


def _moved(corners: Corners, matrix: NDArray[np.float64]) -> Corners:
    points = np.c_[corners, np.ones(4)] @ matrix.T
    return (points[:, :2] / points[:, 2:]).astype(np.float32)


def _seen_aspect(art: Picture, rng: Rng) -> float:
    """Width by height; two in five lean back, as on the front of motorcycles, and look flatter than they are."""
    flat = rng.uniform(1.0, 2.2) if rng.random() < 0.4 else rng.uniform(0.9, 1.1)
    return float(art.shape[1] / art.shape[0] * flat)


def _aspect(corners: Corners) -> float:
    wide = np.linalg.norm(corners[1] - corners[0]) + np.linalg.norm(corners[2] - corners[3])
    tall = np.linalg.norm(corners[3] - corners[0]) + np.linalg.norm(corners[2] - corners[1])
    return float(wide / max(tall, 1e-6))


def _fitted(corners: Corners, aspect: float, rng: Rng) -> Corners:
    """The plate's place with another aspect, a little moved, turned and slanted."""
    centre = corners.mean(0)
    along = (corners[1] - corners[0] + corners[2] - corners[3]) / 2
    down = (corners[3] - corners[0] + corners[2] - corners[1]) / 2
    down = down * (_aspect(corners) / aspect)
    grow = np.exp(rng.normal(0.03, 0.06))
    along, down = along * grow, down * grow
    if rng.random() < 0.3:  # a motorcycle's plate leans back and is seen from the side, a car's hangs askew
        down = down + _lean(along, down, rng)
        along = along + down * rng.normal(0, 0.15)
    square = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)], np.float32)
    placed = centre + square @ np.stack([along, down])
    return (placed + rng.normal(0, 0.01, (4, 2)) * np.linalg.norm(down)).astype(np.float32)


def _anywhere(width: float, aspect: float, size: tuple[int, int], rng: Rng) -> Corners:
    turn = np.deg2rad(_tilt(rng))
    along = np.array([np.cos(turn), np.sin(turn)]) * width
    down = np.array([-np.sin(turn), np.cos(turn)]) * width / aspect
    down = down + _lean(along, down, rng)
    along = along + down * rng.normal(0, 0.2)
    square = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
    centre = rng.uniform(0.04, 0.96, 2) * size
    return (centre + square @ np.stack([along, down])).astype(np.float32)


def _lean(along: NDArray[np.float64], down: NDArray[np.float64], rng: Rng) -> NDArray[np.float64]:
    """How far the upright edges of a plate slant along it: up to 40 degrees on motorcycles seen from the side."""
    share = rng.normal(0, 0.12) if rng.random() < 0.6 else rng.uniform(-0.8, 0.8)
    return np.asarray(along / np.linalg.norm(along) * np.linalg.norm(down) * share)


def _free(corners: Corners, plates: Sequence[Plate], room: float) -> bool:
    low, high = _box(corners, room)
    for plate in plates:
        other_low, other_high = _box(plate.corners, room)
        if (np.minimum(high, other_high) > np.maximum(low, other_low)).all():
            return False
    return True


def _box(corners: Corners, room: float = 1.0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    low, high = corners.min(0), corners.max(0)
    half = (high - low) / 2 * room
    return (low + high) / 2 - half, (low + high) / 2 + half


# --- light and paint --------------------------------------------------------------------------------------------


def _draw_art(rng: Rng) -> Picture:
    if rng.random() < FOREIGN:
        return draw_foreign(rng, lines=2 if rng.random() < 0.3 else 1).picture
    colours = list(_COLOURS)
    colour = colours[int(rng.choice(len(colours), p=list(_COLOURS.values())))]
    spec = random_spec(rng, colour=colour)
    plate = draw_plate(spec, rng, 64)
    return _held(plate, rng) if spec.vehicle == "motorcycle" and rng.random() < 0.25 else plate


def _held(plate: Picture, rng: Rng) -> Picture:
    """In a motorcycle's holder, whose bar parts the number from the expiry line; both are one plate."""
    height, width = plate.shape[:2]
    tone = rng.uniform(10, 70) + rng.normal(0, 6, 3)
    top, deep = rng.uniform(0.54, 0.62) * height, rng.uniform(0.05, 0.14) * height
    cv2.rectangle(plate, (0, round(top)), (width, round(top + deep)), tone.tolist(), -1)
    if rng.random() < 0.6:  # and leaves a window for the expiry line alone
        cv2.rectangle(plate, (0, round(top)), (round(width * rng.uniform(0.3, 0.6)), height), tone.tolist(), -1)
    edge = round(rng.uniform(0.02, 0.08) * height)
    cv2.rectangle(plate, (0, 0), (width - 1, height - 1), tone.tolist(), 2 * edge)
    return plate


def _paste(image: Picture, art: Picture, corners: Corners, rng: Rng, opacity: float = 1.0) -> None:
    """Paste flat art on a quadrilateral, shrunk by area and softened to the place's size."""
    tall = (np.linalg.norm(corners[3] - corners[0]) + np.linalg.norm(corners[2] - corners[1])) / 2
    shrink = float(np.clip(tall * 1.15 / art.shape[0], 0.02, 1.0))
    if shrink < 0.95:
        size = max(4, round(art.shape[1] * shrink)), max(3, round(art.shape[0] * shrink))
        art = np.asarray(cv2.resize(art, size, interpolation=cv2.INTER_AREA), np.uint8)
    height, width = art.shape[:2]
    low = np.floor(corners.min(0)).astype(int) - 2
    high = np.ceil(corners.max(0)).astype(int) + 3
    low, high = np.maximum(low, 0), np.minimum(high, (image.shape[1], image.shape[0]))
    if (high <= low).any():
        return
    source = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32) - 0.5
    matrix = cv2.getPerspectiveTransform(source, corners - low.astype(np.float32) - 0.5)
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    warped = cv2.warpPerspective(art, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpPerspective(np.full((height, width), 255, np.uint8), matrix, size, flags=cv2.INTER_LINEAR)
    alpha = mask.astype(np.float32)[..., None] * (opacity / 255)
    region = image[low[1] : high[1], low[0] : high[0]]
    sigma = abs(rng.normal(0, 0.012)) * tall + 0.2
    warped = cv2.GaussianBlur(warped, (0, 0), sigma)
    region[:] = np.clip(region * (1 - alpha) + warped * alpha, 0, 255).astype(np.uint8)


def _light(image: Picture, corners: Corners, is_plate: bool, rng: Rng) -> NDArray[np.float32]:
    """What white paint looks like at this place, BGR: from the white plate that hangs there, else from around it."""
    low, high = (
        np.clip(v, 0, (image.shape[1], image.shape[0])).astype(int) for v in _box(corners, 0.9 if is_plate else 3.0)
    )
    region = image[low[1] : high[1] + 1, low[0] : high[0] + 1].reshape(-1, 3)
    if len(region) < 4:
        return np.full(3, 180, np.float32)
    bright = np.percentile(region[:: max(1, len(region) // 400)], 85 if is_plate else 90, axis=0).astype(np.float32)
    if not is_plate:
        bright = np.maximum(bright * rng.uniform(0.9, 1.6), 40)
    return np.clip(bright * rng.uniform(0.75, 1.25), 25, 255).astype(np.float32)


def _toned(art: Picture, light: NDArray[np.float32], rng: Rng) -> Picture:
    """Art in the light of its place: dirt, weak contrast, a haze, a slope of light, a glare or the sun now and then."""
    paint = art.astype(np.float32) / 235 * light
    mean = paint.mean((0, 1))
    paint = mean + (paint - mean) * (rng.uniform(0.4, 1.05) if rng.random() < 0.75 else rng.uniform(0.15, 0.5))
    paint += rng.uniform(0, 0.12) * light
    if rng.random() < 0.5:
        slope = np.linspace(rng.uniform(0.5, 1), rng.uniform(0.5, 1.1), art.shape[1 if rng.random() < 0.5 else 0])
        paint *= (slope[None, :, None] if len(slope) == art.shape[1] else slope[:, None, None]).astype(np.float32)
    if rng.random() < 0.35:  # a plate that leans back mirrors the sky, often at one end more than at the other
        glare = np.linspace(rng.uniform(0, 1), rng.uniform(0.3, 1), art.shape[1])[None, :, None]
        paint = paint + (255 - paint) * (glare * rng.uniform(0.3, 0.9)).astype(np.float32)
    if rng.random() < 0.15:
        paint = burnt(paint * (235 / max(1.0, float(light.max()))), rng)
    return np.clip(paint, 0, 255).astype(np.uint8)


def _retone(image: Picture, corners: Corners, rng: Rng) -> None:
    """A real white plate becomes a plausible black, yellow, red or green one."""
    low, high = (np.clip(v, 0, (image.shape[1], image.shape[0])).astype(int) for v in _box(corners))
    region = image[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    if region.size == 0:
        return
    mask = np.zeros(region.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, np.round(corners - low).astype(np.int32), 255, cv2.LINE_AA)
    grey = region.mean(2, keepdims=True)
    bright, dark = np.percentile(grey, 90), np.percentile(grey, 5)
    share = np.clip((grey - dark) / max(20.0, bright - dark), 0, 1)
    base, ink = (
        ((28, 26, 25), (220, 222, 222))
        if rng.random() < 0.7
        else (((30, 180, 235), (25, 25, 25)), ((40, 35, 175), (225, 225, 225)), ((80, 140, 40), (25, 25, 25)))[
            int(rng.integers(3))
        ]
    )
    gain = bright / 235 * rng.uniform(0.7, 1.1)
    toned = (np.array(base) * share + np.array(ink) * (1 - share)) * gain + rng.uniform(0, 15)
    alpha = mask[..., None].astype(np.float32) / 255
    image[low[1] : high[1], low[0] : high[0]] = np.clip(region * (1 - alpha) + toned * alpha, 0, 255).astype(np.uint8)


def _darken(image: Picture, corners: Corners, rng: Rng) -> None:
    """A dark car around the plate, or its shadow: old black plates hang on dark bumpers."""
    low, high = _box(corners)
    half = (high - low) * (rng.uniform(0.6, 2.0), rng.uniform(0.7, 3.0))
    centre = (low + high) / 2
    small = np.zeros((image.shape[0] // 8 + 1, image.shape[1] // 8 + 1), np.float32)
    cv2.ellipse(
        small, (centre / 8).astype(int).tolist(), np.maximum(1, half / 8).astype(int).tolist(), 0, 0, 360, 1.0, -1
    )
    small = cv2.GaussianBlur(small, (0, 0), max(0.6, float(half[0]) / 24))
    mask = cv2.resize(small, (image.shape[1], image.shape[0]))[..., None]
    image[:] = (image * (1 - mask * rng.uniform(0.4, 0.9))).astype(np.uint8)


def _surround(image: Picture, corners: Corners, over: Corners | None, rng: Rng) -> None:
    """Holder, frame or bumper behind the plate; what is left of the plate it hides goes under it."""
    if over is not None:
        region_low, region_high = (np.clip(v, 0, (image.shape[1], image.shape[0])).astype(int) for v in _box(over, 1.5))
        ring = image[region_low[1] : region_high[1], region_low[0] : region_high[0]].reshape(-1, 3)
        tone = np.median(ring[:: max(1, len(ring) // 300)], axis=0) if len(ring) else np.full(3, 60.0)
        tone = tone * rng.uniform(0.25, 0.7)
        _fill(image, over + (over - over.mean(0)) * 0.12, tone)
    if rng.random() < 0.4:
        tone = np.full(3, rng.uniform(0, 60)) if rng.random() < 0.7 else np.full(3, rng.uniform(90, 220))
        _fill(image, corners + (corners - corners.mean(0)) * rng.uniform(0.03, 0.18), tone)


def _recess(image: Picture, plate: Picture, corners: Corners, rng: Rng) -> None:
    """A black bumper behind a black plate, which then has no edge of its own: only its characters are to be seen."""
    tone = np.median(plate, axis=(0, 1))
    if tone.mean() > 80:
        return
    centre = corners.mean(0)
    stretch = np.array((rng.uniform(1.02, 2.2), rng.uniform(1.05, 2.6)), np.float32)
    shift = rng.normal(0, 0.1, 2).astype(np.float32) * (corners[2] - corners[0])
    _fill(image, centre + (corners - centre) * stretch + shift, tone * rng.uniform(0.5, 1.4) + rng.uniform(0, 12))


def _fill(image: Picture, corners: Corners, tone: NDArray[np.float64]) -> None:
    cv2.fillConvexPoly(image, np.round(corners * 8).astype(np.int32), tone.tolist(), cv2.LINE_AA, 3)


def _visible(image: Picture, plate: Plate) -> bool:
    """False where dark, glare or noise has left nothing to see of a plate."""
    low, high = (np.clip(v, 0, (image.shape[1], image.shape[0])).astype(int) for v in _box(plate.corners))
    region = image[low[1] : high[1], low[0] : high[0], 1]
    return region.size > 8 and float(cv2.blur(region, (2, 2)).std()) > 5.0


def _panel(image: Picture, corners: Corners, rng: Rng) -> None:
    """A piece of bodywork behind an added plate, of any paint, darker downwards."""
    centre = corners.mean(0)
    stretch = np.array((rng.uniform(1.1, 2.5), rng.uniform(1.2, 3.5)), np.float32)
    quad = centre + (corners - centre) * stretch + rng.normal(0, 2, 2).astype(np.float32)
    tone = np.full(3, rng.uniform(5, 70)) if rng.random() < 0.5 else rng.uniform(10, 240, 3)
    _fill(image, quad, tone)
    if rng.random() < 0.5:  # a grille or a bumper's edges
        for share in rng.uniform(0, 1, int(rng.integers(1, 6))):
            a, b = quad[0] + (quad[3] - quad[0]) * share, quad[1] + (quad[2] - quad[1]) * share
            line = (tone * rng.uniform(0.3, 1.6)).clip(0, 255).tolist()
            cv2.line(image, a.astype(int).tolist(), b.astype(int).tolist(), line, int(rng.integers(1, 4)), cv2.LINE_AA)


def _cowl(image: Picture, corners: Corners, rng: Rng) -> None:
    """The front of a motorcycle: pieces of fairing in a few paints, a screen above the plate, a lamp or two below."""
    centre, along = corners.mean(0), corners[1] - corners[0]
    size = float(np.linalg.norm(along))
    paints = [rng.uniform(0, 50) + rng.normal(0, 4, 3), rng.uniform(10, 245, 3), np.full(3, rng.uniform(120, 250))]
    for _ in range(int(rng.integers(3, 8))):
        middle = centre + rng.normal(0, 0.4, 2) * size + (0, rng.uniform(-0.3, 0.6) * size)
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 7))))
        reach = rng.uniform(0.2, 0.7, len(angles)) * size
        piece = middle + np.stack([np.cos(angles), np.sin(angles) * rng.uniform(0.4, 1.3)], 1) * reach[:, None]
        _fill(image, piece.astype(np.float32), paints[int(rng.integers(len(paints)))] * rng.uniform(0.5, 1.1))
    for side in rng.permutation([-0.35, 0.0, 0.35])[: int(rng.integers(0, 3))]:
        place = centre + along * side + (0, rng.uniform(0.25, 0.6) * size)
        axes = (max(1, round(size * rng.uniform(0.08, 0.3))), max(1, round(size * rng.uniform(0.05, 0.2))))
        glass = (np.full(3, rng.uniform(120, 255)) + rng.normal(0, 20, 3)).clip(0, 255).tolist()
        cv2.ellipse(image, place.astype(int).tolist(), axes, rng.uniform(-40, 40), 0, 360, glass, -1, cv2.LINE_AA)


def _flat_ground(width: int, height: int, rng: Rng) -> Picture:
    """A wall, a sky, a screen: slow changes of one colour."""
    coarse = rng.uniform(0, 255, 3) + rng.normal(0, rng.uniform(2, 40), (4, 5, 1)) + rng.normal(0, 6, (4, 5, 3))
    ground = cv2.resize(coarse.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(ground + rng.normal(0, rng.uniform(0, 6), ground.shape), 0, 255).astype(np.uint8)


def photographed(image: Picture, rng: Rng) -> Picture:
    """Light, lens, sensor and compression."""
    picture = image.astype(np.float32)
    if rng.random() < 0.3:
        picture *= rng.normal(1, 0.12, 3).clip(0.6, 1.5).astype(np.float32)
    if rng.random() < 0.25:
        grey = picture @ np.array([0.114, 0.587, 0.299], np.float32)
        picture = grey[..., None] + (picture - grey[..., None]) * rng.uniform(0, 1.5)
    night = rng.random() < 0.18
    gain, gamma = (
        (rng.uniform(0.2, 0.6), rng.uniform(1.0, 1.6))
        if night
        else (np.exp(rng.normal(0, 0.22)), np.exp(rng.normal(0, 0.2)))
    )
    table = (np.linspace(0, 1, 256) ** gamma * gain * 255 + rng.normal(0, 8)).clip(0, 255).astype(np.uint8)
    result = np.asarray(cv2.LUT(picture.clip(0, 255).astype(np.uint8), table), np.uint8)
    result = _blurred(result, rng)
    if night or rng.random() < 0.35:
        sigma = rng.uniform(2, 9 if night else 6)
        noise = np.empty(result.shape, np.int16)
        cv2.setRNGSeed(int(rng.integers(1 << 30)))
        cv2.randn(noise, (0, 0, 0), (sigma, sigma, sigma))
        result = np.asarray(cv2.add(result, noise, dtype=cv2.CV_8U), np.uint8)
    if rng.random() < 0.5:
        quality = int(rng.integers(25, 92))
        result = np.asarray(
            cv2.imdecode(cv2.imencode(".jpg", result, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1), np.uint8
        )
    return result


def _blurred(image: Picture, rng: Rng) -> Picture:
    draw = rng.random()
    if draw < 0.22:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.1)), np.uint8)
    if draw < 0.32:
        length = int(rng.integers(2, 7))
        kernel = np.zeros((length, length), np.float32)
        turn = rng.uniform(0, np.pi)
        half = np.array((np.cos(turn), np.sin(turn))) * length / 2
        middle = np.full(2, (length - 1) / 2)
        cv2.line(
            kernel, np.round(middle - half).astype(int).tolist(), np.round(middle + half).astype(int).tolist(), 1.0
        )
        return np.asarray(cv2.filter2D(image, -1, kernel / max(1e-6, kernel.sum())), np.uint8)
    if draw < 0.40:
        share = rng.uniform(0.5, 0.9)
        small = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
    if draw < 0.48:
        soft = cv2.GaussianBlur(image, (0, 0), 1.2)
        return np.asarray(cv2.addWeighted(image, 1.6, soft, -0.6, 0), np.uint8)
    return image
