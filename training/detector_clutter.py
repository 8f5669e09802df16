"""Things that look like a plate and are none: signs, captions, stickers, lamps, blank panels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Picture = NDArray[np.uint8]
Rng = np.random.Generator

FONT_FOLDERS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
_FONTS: list[Path] = []
_WORDS = (
    "BENGKEL", "WARUNG", "TOKO", "APOTEK", "STOP", "PARKIR", "DILARANG", "HATI-HATI", "SEWA", "DIJUAL", "HUB",
    "AVANZA", "INNOVA", "XENIA", "VIOS", "JAZZ", "TDI", "TURBO", "4x4", "GARUDA", "MASJID", "SEKOLAH", "BANK", "HOTEL",
    "POLISI", "AMBULANS", "TAXI", "EXPRESS", "BUS", "KM", "JL.", "SUDIRMAN", "THAMRIN", "RUKO", "PULSA", "BAKSO",
)  # fmt: skip


def draw_clutter(rng: Rng) -> Picture:
    """One flat patch, BGR, edge to edge."""
    makers: tuple[tuple[Callable[[Rng], Picture], float], ...] = (
        (_sign, 0.5), (_lamp, 0.15), (_blank, 0.15), (_stripes, 0.2),
    )  # fmt: skip
    shares = np.array([share for _, share in makers])
    return makers[int(rng.choice(len(makers), p=shares / shares.sum()))][0](rng)


def _sign(rng: Rng) -> Picture:
    """Words of a shop, a traffic sign, a model badge, a telephone number."""
    base = rng.uniform(0, 255, 3)
    ink = 255 - base + rng.normal(0, 40, 3) if rng.random() < 0.7 else rng.uniform(0, 255, 3)
    lines = int(rng.choice([1, 2, 3, 4], p=[0.5, 0.25, 0.15, 0.1]))
    text = "\n".join(_words(rng) for _ in range(lines))
    font = ImageFont.truetype(str(_font(rng)), int(rng.integers(18, 40)))
    probe = ImageDraw.Draw(Image.new("RGB", (8, 8)))
    left, top, right, bottom = probe.multiline_textbbox((0, 0), text, font=font)
    pad = int(rng.integers(1, 24))
    size = (max(8, int(right - left) + 2 * pad), max(8, int(bottom - top) + 2 * pad))
    picture = Image.new("RGB", size, tuple(int(v) for v in base))
    colour = tuple(int(v) for v in ink.clip(0, 255))
    ImageDraw.Draw(picture).multiline_text((pad - left, pad - top), text, font=font, fill=colour)
    return np.asarray(picture, np.uint8).copy()


def _words(rng: Rng) -> str:
    draw = rng.random()
    if draw < 0.55:
        words = rng.choice(_WORDS, int(rng.integers(1, 4)))
        text = " ".join(words)
        return text.title() if rng.random() < 0.4 else text
    if draw < 0.75:
        return f"08{rng.integers(10**8, 10**10)}"
    if draw < 0.9:
        month, day, hour, minute = (int(rng.integers(1, n)) for n in (13, 29, 24, 60))
        return f"2026-{month:02d}-{day:02d} {hour:02d}:{minute:02d}:{rng.integers(60):02d}"
    letters = rng.integers(ord("a"), ord("z") + 1, int(rng.integers(4, 12)))
    return "".join(chr(int(c)) for c in letters)


def _font(rng: Rng) -> Path:
    if not _FONTS:
        _FONTS.extend(sorted(p for folder in FONT_FOLDERS for p in folder.rglob("*.ttf") if _is_latin(p)))
    return _FONTS[int(rng.integers(len(_FONTS)))]


def _is_latin(path: Path) -> bool:
    return any(name in path.name for name in ("Liberation", "OpenSans", "DejaVu", "Roboto"))


def _lamp(rng: Rng) -> Picture:
    """Head or tail lamp, indicator, reflector: a bright blob in a dark, red or orange housing."""
    height, width = int(rng.integers(16, 48)), int(rng.integers(32, 120))
    tones = ((20, 20, 120), (30, 30, 220), (20, 120, 240), (60, 60, 60), (140, 140, 140))
    tone = np.array(tones[int(rng.integers(len(tones)))]) * rng.uniform(0.6, 1.1)
    picture = np.full((height, width, 3), tone.clip(0, 255), np.uint8)
    if rng.random() < 0.35:  # a reflector is flat, with the pattern of its prisms
        return np.clip(picture + rng.normal(0, 14, (height, width, 1)), 0, 255).astype(np.uint8)
    axes = (int(width * rng.uniform(0.15, 0.5)), int(height * rng.uniform(0.2, 0.5)))
    centre = (int(width * rng.uniform(0.3, 0.7)), height // 2)
    glow = (rng.uniform(170, 255), rng.uniform(170, 255), rng.uniform(200, 255))
    cv2.ellipse(picture, centre, axes, 0, 0, 360, glow, -1, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.8, 5)), np.uint8)


def write_caption(image: Picture, rng: Rng, taken: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """What a recorder burns into the picture: a number or a time in thin letters, beside the boxes in `taken`."""
    text = _words(rng) if rng.random() < 0.5 else f"{rng.integers(10, 100)}A-{rng.integers(10000, 100000)}"
    face, scale, thick = int(rng.integers(0, 5)), rng.uniform(0.35, 1.1), int(rng.integers(1, 3))
    (width, height), below = cv2.getTextSize(text, face, scale, thick)
    x = int(rng.uniform(-0.1, 0.9) * image.shape[1])
    y = int(rng.uniform(0.05, 1.0) * image.shape[0])
    for low, high in taken:
        if x < high[0] and x + width > low[0] and y - height < high[1] and y + below > low[1]:
            return
    tone = rng.uniform(0, 255, 3) if rng.random() < 0.5 else np.full(3, 255.0 * rng.integers(0, 2))
    if rng.random() < 0.4:
        cv2.putText(image, text, (x, y), face, scale, (255 - tone).tolist(), thick + 2, cv2.LINE_AA)
    cv2.putText(image, text, (x, y), face, scale, tone.tolist(), thick, cv2.LINE_AA)


def _blank(rng: Rng) -> Picture:
    """A plate holder without plate, a label, a window: one colour with a border."""
    height, width = int(rng.integers(16, 48)), int(rng.integers(32, 160))
    picture = np.full((height, width, 3), rng.uniform(0, 255, 3), np.uint8)
    edge = rng.uniform(0, 255, 3).tolist()
    cv2.rectangle(picture, (0, 0), (width - 1, height - 1), edge, int(rng.integers(1, 4)))
    return picture


def _stripes(rng: Rng) -> Picture:
    """Grilles, vents, kerbs, zebra crossings: repeated bars without a text's shape."""
    height, width = int(rng.integers(16, 64)), int(rng.integers(32, 160))
    dark, bright = np.sort(rng.uniform(0, 255, 2))
    period = int(rng.integers(3, 14))
    axis = np.arange(width) if rng.random() < 0.6 else np.arange(height)[:, None]
    slant = int(rng.integers(0, 2)) * np.arange(height)[:, None]
    bars = ((axis + slant) // period % 2) * (bright - dark) + dark
    grey = np.broadcast_to(bars, (height, width)).astype(np.uint8)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
