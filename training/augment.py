"""What a camera and the street do to a picture: light, dirt, blur, few pixels, noise, compression."""

from __future__ import annotations

import cv2
import numpy as np

from agent.types import Image


def patch(rng: np.random.Generator, shape: tuple[int, int], cells: int) -> np.ndarray:
    """A soft random field, float32 in 0..1, smooth over about 1/cells of the picture."""
    seed = rng.random((max(2, cells), max(2, cells * 2)), np.float32)
    return np.clip(cv2.resize(seed, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), 0, 1)


def weather(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Dirt, scratches, a shadow's edge, glare on a flat plate; float32 BGR in and out."""
    height, width = picture.shape[:2]
    if rng.random() < 0.35:
        field = patch(rng, (height, width), int(rng.integers(4, 14)))
        mud = np.array([50, 60, 70], np.float32) * rng.uniform(0.3, 2.2)
        cover = np.clip((field - rng.uniform(0.55, 0.9)) * 4, 0, 1)[..., None] * rng.uniform(0.2, 0.8)
        picture = picture * (1 - cover) + mud * cover
    if rng.random() < 0.3:
        picture = picture * _half_plane(rng, height, width, rng.uniform(0.25, 0.75))
    if rng.random() < 0.2:
        x, y, spread = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.2, 0.9) * height
        ys, xs = np.mgrid[:height, :width].astype(np.float32)
        light = np.exp(-(((xs - x) / 1.8) ** 2 + (ys - y) ** 2) / (2 * spread**2))
        picture = picture + light[..., None] * rng.uniform(40, 200)
    if rng.random() < 0.12:  # a plate that leans back mirrors the sky, often at one end more than at the other
        sky = np.linspace(rng.uniform(0, 1), rng.uniform(0.3, 1), width, dtype=np.float32)[None, :, None]
        picture = picture + (250 - picture) * sky * rng.uniform(0.3, 0.85)
    return picture


def _half_plane(rng: np.random.Generator, height: int, width: int, dark: float) -> np.ndarray:
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    away = (xs - rng.uniform(0.1, 0.9) * width) * np.cos(angle) + (ys - rng.uniform(0, 1) * height) * np.sin(angle)
    step = np.clip(away / rng.uniform(1, 8) + 0.5, 0, 1)
    return (dark + (1 - dark) * step)[..., None]


def expose(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light and tone: a colour cast, gamma, contrast, darkness or burnt white, now and then infrared grey."""
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    if rng.random() < 0.12:
        picture = cv2.merge([cv2.transform(picture, np.float32([[0.2, 0.45, 0.35]]))] * 3)
    cast = rng.normal(1, 0.08, 3).astype(np.float32)
    mode = rng.random()
    if mode < 0.4:
        gain, lift, gamma = rng.uniform(0.6, 1.1), rng.uniform(-0.05, 0.1), rng.uniform(0.7, 1.5)
    elif mode < 0.7:
        gain, lift, gamma = rng.uniform(0.2, 0.6), rng.uniform(-0.02, 0.08), rng.uniform(0.8, 1.6)
    else:
        gain, lift, gamma = rng.uniform(1.0, 1.8), rng.uniform(-0.1, 0.2), rng.uniform(0.6, 1.3)
    curve = (np.arange(256, dtype=np.float32)[:, None] / 255) ** gamma * gain * cast + lift
    table = (np.clip(curve, 0, 1) * 255).astype(np.float32)
    return np.asarray(cv2.LUT(picture, table[None]), np.float32)


def blur(picture: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Focus or motion blur of a 160x48 crop; `strength` about 0..1.5 in shares of readable."""
    kind = rng.random()
    if kind < 0.3:
        return picture
    if kind < 0.7:
        sigma = rng.uniform(0.3, 1.3) * strength
        return cv2.GaussianBlur(picture, (0, 0), max(0.2, sigma), sigmaY=max(0.2, sigma * rng.uniform(0.5, 1.3)))
    length = max(1.0, rng.uniform(1, 6) * strength)
    size = int(length) | 1
    kernel = np.zeros((size + 2, size + 2), np.float32)
    angle = rng.normal(0, 0.5) + (np.pi / 2 if rng.random() < 0.25 else 0)
    middle = (size + 1) / 2
    reach = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    ends = [tuple(int(v) for v in np.round((middle + s * reach) * 16)) for s in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_AA, 4)
    return cv2.filter2D(picture, -1, kernel / max(1e-6, float(kernel.sum())))


def few_pixels(
    picture: np.ndarray, rng: np.random.Generator, plate_width_px: float, upright: float = 1.0
) -> np.ndarray:
    """The crop as if the plate had been `plate_width_px` wide in the frame, then enlarged.

    A plate that leans back shows `upright` of its height.
    """
    height, width = picture.shape[:2]
    share = plate_width_px / (width * 0.9)
    rows = share * upright * rng.uniform(0.85, 1.25)
    if share >= 1 and rows >= 1:
        return picture
    size = (max(12, min(width, round(width * share))), max(6, min(height, round(height * rows))))
    shrink = cv2.INTER_AREA if rng.random() < 0.7 else cv2.INTER_LINEAR
    small = cv2.resize(picture, size, interpolation=shrink)
    small = compress(add_noise(small, rng), rng) if rng.random() < 0.7 else small
    grow = cv2.INTER_LINEAR if rng.random() < 0.6 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(small, (width, height), interpolation=grow), np.float32)


def add_noise(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.4:
        return picture
    sigma = rng.exponential(3.5) * (0.4 + float(picture.mean()) / 160)
    grain = rng.standard_normal((*picture.shape[:2], 3 if rng.random() < 0.5 else 1), np.float32)
    return picture + grain * sigma


def compress(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.5:
        return picture
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 92))]
    _, code = cv2.imencode(".jpg", np.clip(picture, 0, 255).astype(np.uint8), quality)
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.float32)


def sharpen(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a camera's own processing adds."""
    if rng.random() < 0.75:
        return picture
    return picture + (picture - cv2.GaussianBlur(picture, (0, 0), 1.0)) * rng.uniform(0.3, 1.5)


def burnt(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A plate in the sun: its paper overflows the sensor, and light creeps into the strokes until they are faint.

    Two in five burn from above, where a plate that leans back mirrors the sky, and are clearer below.
    """
    picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.2)) * rng.uniform(1.2, 3.0)
    white = np.clip(rng.normal((255, 250, 246), 6), 225, 255).astype(np.float32)
    left = rng.uniform(0.12, 0.8)
    if rng.random() < 0.4:
        down = np.linspace(rng.uniform(0.0, 0.5), rng.uniform(0.7, 1.6), len(picture), dtype=np.float32)
        left = left * np.clip(down, 0.15, 1)[:, None, None]
    return np.asarray(white - (white - np.minimum(picture, white)) * left, np.float32)


def shaded(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The light of most days: three in ten dark, two in ten bright; a little bluish, or red from lamps and dusk."""
    mode = rng.random()
    if mode < 0.3:
        gain, lift, gamma = rng.uniform(0.15, 0.5), rng.uniform(0.0, 0.06), rng.uniform(0.8, 1.3)
    elif mode < 0.8:
        gain, lift, gamma = rng.uniform(0.5, 1.1), rng.uniform(-0.02, 0.05), rng.uniform(0.8, 1.3)
    else:
        gain, lift, gamma = rng.uniform(1.0, 1.5), rng.uniform(0.0, 0.2), rng.uniform(0.6, 1.0)
    dusk = (rng.uniform(0.35, 0.8), rng.uniform(0.5, 0.85), 1.05)
    cast = rng.normal(dusk if rng.random() < 0.12 else (1.06, 1.0, 0.96), 0.07, 3)
    curve = (np.clip(picture, 0, 255) / 255) ** gamma * gain * cast + lift
    return np.asarray(np.clip(curve, 0, 1) * 255, np.float32)


def photograph(
    picture: np.ndarray, rng: np.random.Generator, plate_width_px: float, upright: float = 1.0, *, lit: bool = False
) -> Image:
    """A clean crop as a roadside camera would have delivered it at its worst.

    A plate that leans back shows `upright` of its height. `lit`: its light is there already.
    """
    if not lit:
        picture = burnt(picture, rng) if rng.random() < 0.2 else expose(picture, rng)
    picture = blur(picture, rng, 1.0 if plate_width_px > 90 else 0.6)
    picture = few_pixels(picture, rng, plate_width_px, upright)
    picture = compress(add_noise(sharpen(picture, rng), rng), rng)
    return np.clip(picture, 0, 255).astype(np.uint8)


def photograph_well(
    picture: np.ndarray, rng: np.random.Generator, plate_width_px: float, upright: float = 1.0, *, lit: bool = False
) -> Image:
    """The same on most days: sharp, often dark and bluish as in the shade of a bonnet, now and then too bright."""
    if not lit:
        picture = burnt(picture, rng) if rng.random() < 0.1 else shaded(picture, rng)
    picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.2, 0.8))
    height, width = picture.shape[:2]
    share = min(1.0, plate_width_px / (width * 0.9))
    rows = min(1.0, share * upright)
    if rows < 1:
        size = (max(12, round(width * share)), max(6, round(height * rows)))
        grow = cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_CUBIC
        picture = cv2.resize(
            cv2.resize(picture, size, interpolation=cv2.INTER_AREA), (width, height), interpolation=grow
        )
    picture = sharpen(picture, rng) + rng.standard_normal(picture.shape, np.float32) * rng.exponential(1.5)
    return np.clip(compress(picture, rng) if rows == 1 else picture, 0, 255).astype(np.uint8)
