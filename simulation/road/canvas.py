"""Draws faces in space onto a picture: each is a quad with a texture or a polygon of one colour, seen by the camera.

A vehicle is drawn at twice the size into the part of the picture it covers, and that part is shrunk again: edges come
out smooth, and what lies around it is left exactly as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.types import Image
from simulation.road.camera import Camera, Floats
from simulation.road.sheet import Colour

FINE = 2
_SHIFT = 4
_NEAREST_M = 1.5
"""What comes closer to the lens than this is far outside the picture."""

Window: TypeAlias = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of the picture."""


@dataclass(frozen=True, eq=False)
class Face:
    """A textured quad: corners as its texture's top left, top right, bottom right, bottom left."""

    quad: Floats
    """(4, 3)"""
    texture: Image
    both_sides: bool = False

    @cached_property
    def levels(self) -> tuple[Image, ...]:
        """The texture, and halves of it for far away."""
        levels = [self.texture]
        while min(levels[-1].shape[:2]) > 8 and len(levels) < 6:
            height, width = levels[-1].shape[:2]
            half = cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
            levels.append(np.asarray(half, np.uint8))
        return tuple(levels)


@dataclass(frozen=True, eq=False)
class Patch:
    """A polygon of one colour."""

    points: Floats
    """(n, 3)"""
    colour: Colour
    both_sides: bool = True


Part: TypeAlias = Face | Patch


def points_of(part: Part) -> Floats:
    return part.quad if isinstance(part, Face) else part.points


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a vehicle stands: the middle of its front bumper, and whether it comes or goes."""

    x_m: float
    y_m: float
    away: bool
    turn_rad: float = 0.0
    """How far it is turned out of the road's direction, about its front, clockwise as seen from above."""

    def place(self, points: Floats) -> Floats:
        """(..., 3) vehicle coordinates (y from the front to the rear) -> road coordinates."""
        sign = -1.0 if self.away else 1.0
        placed: Floats = points * (sign, sign, 1.0)
        if self.turn_rad:
            cos, sin = np.cos(self.turn_rad), np.sin(self.turn_rad)
            x, y = placed[..., 0], placed[..., 1]
            placed = np.stack([x * cos + y * sin, y * cos - x * sin, placed[..., 2]], -1)
        moved: Floats = placed + np.array([self.x_m, self.y_m, 0.0])
        return moved


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One part in the picture."""

    part: Part
    pixels: Floats
    """(n, 2)"""


def seen_parts(camera: Camera, pose: Pose, parts: Sequence[Part]) -> list[Seen]:
    """The parts that face the camera, in the order given."""
    corners = [points_of(part) for part in parts]
    view = camera.view(pose.place(np.concatenate(corners)))
    depth = np.maximum(view[:, 2:], _NEAREST_M / 2)
    pixels = view[:, :2] / depth * camera.focal_px + camera.centre
    found, end = [], 0
    for part, its in zip(parts, corners, strict=True):
        start, end = end, end + len(its)
        if view[start:end, 2].min() >= _NEAREST_M and (part.both_sides or _clockwise(pixels[start:end])):
            found.append(Seen(part, pixels[start:end]))
    return found


def _clockwise(pixels: Floats) -> bool:
    """Whether the corners run as a face turned to the camera shows them (y grows downwards)."""
    x, y = pixels.T
    return bool(x[:-1] @ y[1:] - x[1:] @ y[:-1] + x[-1] * y[0] - x[0] * y[-1] > 0)


def window_of(pixels: Floats, width: int, height: int, pad: int = 4) -> Window | None:
    """The part of the picture that holds all these places, if any of it is in the picture."""
    left, top = np.floor(pixels.min(0)).astype(int) - pad
    right, bottom = np.ceil(pixels.max(0)).astype(int) + pad
    left, top, right, bottom = max(0, left), max(0, top), min(width, right), min(height, bottom)
    return (left, top, right, bottom) if right - left > 1 and bottom - top > 1 else None


def draw(picture: Image, seen: Sequence[Seen], smear_px: float = 0.0) -> None:
    """Draw the parts into the picture, in order; `smear_px` is how far they move while the shutter is open."""
    if not seen:
        return
    outline = np.concatenate([each.pixels for each in seen])
    window = window_of(outline, picture.shape[1], picture.shape[0])
    if window is None:
        return
    left, top, right, bottom = window
    area = picture[top:bottom, left:right]
    size = (right - left, bottom - top)
    fine = np.asarray(cv2.resize(area, (size[0] * FINE, size[1] * FINE), interpolation=cv2.INTER_NEAREST), np.uint8)
    for each in seen:
        # pixel centres: a place p of the picture is p * FINE + (FINE - 1) / 2 of the fine one
        _draw_part(fine, each.part, (each.pixels - (left, top)) * FINE + (FINE - 1) / 2)
    if smear_px > 0.3:
        _smear(fine, (outline - (left, top)) * FINE, smear_px * FINE)
    area[:] = cv2.resize(fine, size, interpolation=cv2.INTER_AREA)


def _draw_part(fine: Image, part: Part, pixels: Floats) -> None:
    if isinstance(part, Patch):
        points = np.round(pixels * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(fine, [points], part.colour, cv2.LINE_AA, _SHIFT)
        return
    window = window_of(pixels, fine.shape[1], fine.shape[0], pad=1)
    if window is None:
        return
    left, top, right, bottom = window
    texture = _level(part, pixels)
    height, width = texture.shape[:2]
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32) - np.float32(0.5)
    matrix = cv2.getPerspectiveTransform(corners, (pixels - (left, top)).astype(np.float32))
    area = np.ascontiguousarray(fine[top:bottom, left:right])
    cv2.warpPerspective(texture, matrix, (right - left, bottom - top), area, cv2.INTER_LINEAR, cv2.BORDER_TRANSPARENT)
    fine[top:bottom, left:right] = area


def _level(face: Face, pixels: Floats) -> Image:
    """The texture at the size that is nearest to, and not below, the size in the picture."""
    span = max(float(np.hypot(*(pixels[1] - pixels[0]))), float(np.hypot(*(pixels[2] - pixels[3]))), 1.0)
    rise = max(float(np.hypot(*(pixels[3] - pixels[0]))), float(np.hypot(*(pixels[2] - pixels[1]))), 1.0)
    height, width = face.texture.shape[:2]
    shrink = min(width / span, height / rise)
    return face.levels[int(np.clip(np.floor(np.log2(max(shrink, 1.0)) + 0.4), 0, len(face.levels) - 1))]


def _smear(fine: Image, outline: Floats, length_px: float) -> None:
    """Motion blur along the columns, inside the outline only."""
    length = max(2, round(length_px))
    mask = np.zeros(fine.shape[:2], np.uint8)
    hull = cv2.convexHull(np.round(outline).astype(np.int32))
    cv2.fillConvexPoly(mask, hull, 255)
    cv2.copyTo(cv2.blur(fine, (1, length)), mask, fine)


def darken(picture: Image, pixels: Floats, strength: float, soft_px: float) -> None:
    """Lay a soft shadow of this outline on the picture."""
    pad = int(2.5 * soft_px) + 4
    window = window_of(pixels, picture.shape[1], picture.shape[0], pad)
    if window is None:
        return
    left, top, right, bottom = window
    light: NDArray[np.uint8] = np.full((bottom - top, right - left), 255, np.uint8)
    hull = cv2.convexHull(np.round((pixels - (left, top)) * 16).astype(np.int32))
    cv2.fillConvexPoly(light, hull, round(255 * (1 - strength)), cv2.LINE_AA, _SHIFT)
    # two box blurs look like a Gaussian one and cost the same at any size
    reach = 2 * round(soft_px * 1.2) + 1
    light = np.asarray(cv2.blur(cv2.blur(light, (reach, reach)), (reach, reach)), np.uint8)
    area = picture[top:bottom, left:right]
    area[:] = cv2.multiply(area, cv2.merge([light, light, light]), scale=1 / 255)
