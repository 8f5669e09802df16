"""What stands beside the road: kerb stones, trees, shrubs, lamp posts, shops; and the arrows painted on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.types import Image
from simulation.road.camera import Camera, Floats
from simulation.road.canvas import Face, Part, Patch
from simulation.road.ground import KERB_M, edges
from simulation.road.light import Light
from simulation.road.sheet import Colour, Sheet, mix, shade
from simulation.road.street import Street

KERB_Z_M = 0.17
HAZE: Colour = (214, 208, 200)
_TO_M = 96.0
_ARROW = ((-0.07, 2.4), (0.07, 2.4), (0.07, 0.9), (0.24, 0.9), (0.0, 0.0), (-0.24, 0.9), (-0.07, 0.9))
"""Outline of an arrow that points to smaller Y, metres."""


def hazy(colour: Colour, distance_m: float) -> Colour:
    """A colour seen through so much morning air."""
    return mix(colour, HAZE, float(np.clip((distance_m - 30) / 260, 0, 0.7)))


def kerbs(street: Street) -> Iterator[Part]:
    """Kerb stones, black and white by turns as in Jakarta, from far to near."""
    edge = edges(street)
    for y in np.arange(_TO_M, 3.0, -1.0):
        tone: Colour = (198, 200, 200) if int(y) % 2 else (54, 52, 52)
        for x, out in ((edge.left_kerb, -KERB_M), (edge.right_kerb, KERB_M)):
            top = [(x, y + 1, KERB_Z_M), (x + out, y + 1, KERB_Z_M), (x + out, y, KERB_Z_M), (x, y, KERB_Z_M)]
            front = [(x, y + 1, KERB_Z_M), (x, y, KERB_Z_M), (x, y, 0.0), (x, y + 1, 0.0)]
            yield Patch(np.array(top), hazy(tone, y))
            yield Patch(np.array(front), hazy(shade(tone, 0.66 if out > 0 else 0.95), y))


def arrows(street: Street) -> Iterator[Part]:
    """Which way a lane goes, painted on it every 22 metres."""
    for lane in street.lanes:
        for start in (18.5, 40.5, 62.5):
            shape = np.array(_ARROW) if lane.towards else np.array(_ARROW) * (1, -1) + (0, 2.4)
            points = np.column_stack(
                [shape[:, 0] * 1.2 + lane.centre_m, shape[:, 1] * 1.3 + start, np.zeros(len(shape))]
            )
            yield Patch(points, hazy((176, 182, 184), start))


def shops(street: Street, rng: np.random.Generator) -> Iterator[Part]:
    """A row of shop-houses behind the pavement on the right, and a wall beyond the other carriageway."""
    x = edges(street).wall + 0.6
    for y in np.arange(_TO_M, 14.0, -5.0):
        sheet = _shop_front(rng)
        sheet.fade(0.78, 0.78)
        sheet.picture = _through_haze(sheet.picture, float(y))
        yield Face(np.array([(x, y + 5, 5.5), (x, y, 5.5), (x, y, 0.0), (x, y + 5, 0.0)]), sheet.picture)
        awning: Colour = _AWNINGS[int(rng.integers(len(_AWNINGS)))]
        if rng.random() < 0.7:
            roof = [(x, y + 4.8, 3.0), (x, y + 0.2, 3.0), (x - 1.1, y + 0.2, 2.55), (x - 1.1, y + 4.8, 2.55)]
            yield Patch(np.array(roof), hazy(awning, y))
            edge = [
                (x - 1.1, y + 4.8, 2.55),
                (x - 1.1, y + 0.2, 2.55),
                (x - 1.1, y + 0.2, 2.3),
                (x - 1.1, y + 4.8, 2.3),
            ]
            yield Patch(np.array(edge), hazy(shade(awning, 0.7), y))
    far = edges(street).median_end - 9.5
    for y in np.arange(_TO_M, 30.0, -6.0):
        wall = [(far, y, 2.6), (far, y + 6, 2.6), (far, y + 6, 0.0), (far, y, 0.0)]
        yield Patch(np.array(wall), hazy(shade((150, 164, 172), float(rng.uniform(0.9, 1.08))), y + 15))


_AWNINGS: tuple[Colour, ...] = ((150, 90, 40), (50, 60, 150), (60, 120, 70), (60, 130, 190), (150, 150, 146))
_WALLS: tuple[Colour, ...] = ((188, 200, 206), (150, 184, 204), (176, 188, 172), (196, 188, 180), (160, 166, 190))


def _shop_front(rng: np.random.Generator) -> Sheet:
    """Ground floor with a rolling door and a window, the upper floor begins above; far is on the left."""
    wall = _WALLS[int(rng.integers(len(_WALLS)))]
    sheet = Sheet(5.0, 5.5, wall, 70.0)
    sheet.grain(rng, 4.0)
    sheet.box(0.03, 0.0, 0.97, 0.16, shade(wall, 0.85))
    for x in (0.14, 0.58):
        sheet.box(x, 0.0, x + 0.26, 0.14, (88, 78, 70))
    sheet.box(0.0, 0.28, 1.0, 0.41, shade(_AWNINGS[int(rng.integers(len(_AWNINGS)))], 1.1))
    door: Colour = (150, 146, 140) if rng.random() < 0.5 else (70, 64, 58)
    sheet.box(0.06, 0.47, 0.56, 0.98, door)
    for row in np.linspace(0.5, 0.96, 14):
        sheet.line((0.06, float(row)), (0.56, float(row)), 0.03, shade(door, 0.8))
    sheet.box(0.62, 0.5, 0.93, 0.86, (84, 72, 62))
    sheet.poly([(0.64, 0.84), (0.72, 0.52), (0.78, 0.52), (0.7, 0.84)], (124, 112, 100))
    sheet.box(0.0, 0.96, 1.0, 1.0, shade(wall, 0.6))
    return sheet


def _through_haze(picture: Image, distance_m: float) -> Image:
    share = float(np.clip((distance_m - 30) / 260, 0, 0.7))
    return np.clip(picture * (1 - share) + np.array(HAZE) * share, 0, 255).astype(np.uint8)


def posts(street: Street) -> Iterator[Part]:
    """Lamp posts in the median and bollards along the pavement."""
    edge = edges(street)
    for y in (76.0, 52.0, 28.0):
        x = edge.left_kerb - 0.9
        pole = [(x - 0.07, y, 9.0), (x + 0.07, y, 9.0), (x + 0.09, y, 0.1), (x - 0.09, y, 0.1)]
        yield Patch(np.array(pole), hazy((112, 110, 106), y))
        lit = [(x + 0.02, y, 9.0), (x + 0.07, y, 9.0), (x + 0.09, y, 0.1), (x + 0.03, y, 0.1)]
        yield Patch(np.array(lit), hazy((158, 156, 152), y))
    for y in np.arange(80.0, 12.0, -4.0):
        x = edge.right_kerb + KERB_M + 0.25
        for x1, x2, tone in ((-0.07, 0.07, 118.0), (0.0, 0.07, 168.0)):
            bollard = [(x + x1, y, 0.75), (x + x2, y, 0.75), (x + x2, y, 0.0), (x + x1, y, 0.0)]
            yield Patch(np.array(bollard), hazy((tone, tone, tone), y))


@dataclass(frozen=True, slots=True, eq=False)
class Plant:
    """A tree or shrub: a trunk and a cloud of leaf clumps."""

    root: Floats
    """(3,)"""
    trunk_m: float
    clumps: Floats
    """(n, 4): x, y, z, radius"""
    tones: Floats
    """(n,) brightness"""
    colour: Colour


def plants(street: Street, light: Light, rng: np.random.Generator) -> list[Plant]:
    """Trees along the pavement, shrubs in the median, more trees beyond the other carriageway; far ones first."""
    edge = edges(street)

    def row(x: float, ys: NDArray[np.float64], trunk_m: float, size: tuple[float, float, float], count: int) -> None:
        found.extend(_plant(rng, light, x, float(y), trunk_m, size, count) for y in ys)

    found: list[Plant] = []
    row(edge.verge + 0.7, np.arange(24.0, _TO_M, 8.5), 1.75, (1.35, 1.35, 1.5), 480)
    row(edge.left_kerb - 1.0, np.arange(12.0, _TO_M, 2.9), 0.2, (0.5, 0.85, 0.42), 420)
    row(edge.median_end - 8.6, np.arange(38.0, _TO_M, 7.0), 1.6, (2.0, 2.2, 2.2), 300)
    return sorted(found, key=lambda plant: -float(plant.root[1]))


def _plant(
    rng: np.random.Generator,
    light: Light,
    x: float,
    y: float,
    trunk_m: float,
    size: tuple[float, float, float],
    count: int,
) -> Plant:
    size_now = np.array(size) * rng.uniform(0.85, 1.2)
    out = rng.normal(0, 1, (count, 3))
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    out *= rng.uniform(0.35, 1.0, (count, 1)) ** 0.6
    root = np.array([x + rng.normal(0, 0.15), y + rng.normal(0, 0.4), 0.1])
    middle = root + np.array((0, 0, trunk_m + size_now[2]))
    radius = rng.uniform(0.05, 0.17, (count, 1)) * size_now.mean() ** 1.1
    tones = 0.62 + 0.38 * out @ np.array(light.to_sun) + 0.12 * out[:, 2] + rng.normal(0, 0.09, count)
    # the clumps that the camera sees last are the near and high ones
    order = np.argsort(-out[:, 1] * 1.0 + out[:, 2] * 0.6)
    green: Colour = (float(rng.uniform(36, 58)), float(rng.uniform(104, 132)), float(rng.uniform(70, 100)))
    return Plant(root, trunk_m, np.hstack([middle + out * size_now, radius])[order], tones[order], green)


def draw_plants(picture: Image, camera: Camera, found: Sequence[Plant]) -> None:
    """Draw them into the picture, far ones first."""
    for plant in found:
        distance = float(plant.root[1])
        scale = camera.focal_px / distance
        foot, fork = camera.project(plant.root + np.array([(0, 0, 0), (0, 0, plant.trunk_m + 0.6)]))
        if plant.trunk_m > 1:
            ends = [tuple(int(v) for v in np.round(end)) for end in (foot, fork)]
            cv2.line(picture, ends[0], ends[1], hazy((62, 78, 92), distance), max(1, round(0.17 * scale)), cv2.LINE_AA)
        places = camera.project(plant.clumps[:, :3])
        for (x, y), radius, tone in zip(places, plant.clumps[:, 3] * scale, plant.tones, strict=True):
            colour = hazy(shade(plant.colour, max(0.25, float(tone))), distance)
            cv2.circle(picture, (round(x * 16), round(y * 16)), max(8, round(radius * 16)), colour, -1, cv2.LINE_AA, 4)


def shade_from(camera: Camera, found: Sequence[Plant], light: Light) -> Image:
    """Light map of the ground under the plants: 255 in the sun, dappled below the crowns; three channels."""
    picture = np.full((camera.height, camera.width), 255, np.uint8)
    turn = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    ring = np.column_stack([np.cos(turn), np.sin(turn), np.zeros(10)])
    for plant in found:
        middles = light.shadow_on_ground(plant.clumps[:, :3])[:, None]
        outlines = camera.project(middles + ring * plant.clumps[:, 3, None, None] * 0.95)
        for outline in np.round(outlines * 16).astype(np.int32):
            cv2.fillConvexPoly(picture, outline, round(255 - 115 * light.shadow), cv2.LINE_AA, 4)
    picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.8), np.uint8)
    return np.dstack([picture] * 3)
