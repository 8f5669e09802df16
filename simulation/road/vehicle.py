"""A vehicle's parts in its own coordinates: x across, y from the front bumper to the rear, z up, metres."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from agent.types import Image
from simulation.road.camera import Camera, Floats
from simulation.road.canvas import Face, Part, Patch, Pose, Seen, points_of, seen_parts
from simulation.road.light import Light, tinted
from simulation.road.paint import DARK, PAINTERS, TRIM, Look, cargo, cargo_doors, flank, side_glass
from simulation.road.rider import motorcycle_blocks
from simulation.road.shapes import CARGO, SHAPES, Kind, Section, Shape
from simulation.road.sheet import Colour, Sheet, shade

_SLICE_M = 1.6
"""Long faces are cut across: what is beside or behind the lens can then be left out."""

Block = tuple[Part, ...]
"""Parts in drawing order, of a body that is convex enough for one order."""


@dataclass(frozen=True, slots=True, eq=False)
class Vehicle:
    """A vehicle built to be seen from one end: what is drawn of it, its outline on the road, its plate and lamps."""

    kind: Kind
    shape: Shape
    blocks: tuple[Block, ...]
    plate: Face
    """The one at the end the camera sees."""
    lamps: Floats
    """(n, 3): where its head or tail lamps are."""

    def seen(self, camera: Camera, pose: Pose) -> list[Seen]:
        """What the camera sees of it, in drawing order."""
        far_first = sorted(self.blocks, key=lambda block: -_distance(camera, pose, block))
        return seen_parts(camera, pose, [part for block in far_first for part in block])


def _distance(camera: Camera, pose: Pose, block: Block) -> float:
    middle = np.concatenate([points_of(part) for part in block]).mean(0)
    return float(np.linalg.norm(pose.place(middle) - camera.place))


def build(
    kind: Kind,
    paint: Colour,
    plate: Image,
    plate_mm: tuple[int, int],
    seed: int,
    *,
    away: bool,
    light: Light,
    lift_m: float = 0.0,
) -> Vehicle:
    """A vehicle that comes or goes, with this picture on its plate; the seed decides its details.

    `lift_m` is how much higher than usual the plate hangs.
    """
    shape = SHAPES[kind]
    look = Look(paint, np.random.default_rng(seed), kind in (Kind.BUS, Kind.TRUCK), light)
    blocks = motorcycle_blocks(look, away) if kind is Kind.MOTORCYCLE else _car_blocks(kind, shape, look, away)
    y, z = shape.rear_plate if away else shape.front_plate
    face = Face(_plate_quad((y, z + lift_m), plate_mm, behind=away), tinted(plate, light.plate_level))
    dark = tuple(tuple(_darkened(part, light) for part in block) for block in blocks)
    return Vehicle(kind, shape, _with_plate(dark, _holder(face), face, last=away), face, _lamps(kind, shape, away))


def _darkened(part: Part, light: Light) -> Part:
    if isinstance(part, Face):
        return Face(part.quad, light.tinted(part.texture), part.both_sides)
    blue, green, red = (min(255.0, value * share) for value, share in zip(part.colour, light.level, strict=True))
    return Patch(part.points, (blue, green, red), part.both_sides)


def _lamps(kind: Kind, shape: Shape, away: bool) -> Floats:
    """A motorcycle has one lamp in its middle, the others two at their sides."""
    if kind is Kind.MOTORCYCLE:
        return np.array([(0.0, 1.76, 0.87)] if away else [(0.0, 0.18, 0.98)])
    section = next(s for s in (reversed(shape.spine) if away else shape.spine) if s.z_m >= 0.5)
    y, z = section.y_m, section.z_m + 0.14
    if kind is Kind.TRUCK and away:
        y, z = CARGO[1], CARGO[2] + 0.05
    half = shape.width_m * (0.42 if away else 0.38)
    return np.array([(-half, y, z), (half, y, z)])


def _with_plate(blocks: tuple[Block, ...], holder: Patch, plate: Face, last: bool) -> tuple[Block, ...]:
    """The plate belongs to the block at its end of the vehicle, and is drawn on top of it."""
    at = len(blocks) - 1 if last else 0
    return tuple((*block, holder, plate) if i == at else block for i, block in enumerate(blocks))


def _plate_quad(place: tuple[float, float], size_mm: tuple[int, int], behind: bool) -> Floats:
    y, z = place
    half, rise = size_mm[0] / 2000, size_mm[1] / 2000
    side = half if behind else -half
    # seen from the front the vehicle's +x is on the picture's right; from behind, on its left
    return np.array([(side, y, z + rise), (-side, y, z + rise), (-side, y, z - rise), (side, y, z - rise)])


def _holder(plate: Face) -> Patch:
    middle = plate.quad.mean(0)
    return Patch(middle + (plate.quad - middle) * (1.06, 1.0, 1.16), TRIM)


def _lit(sheet: Sheet, quad: Floats, away: bool, light: Light) -> Face:
    """The painted face, as bright as the sun makes it there."""
    normal = np.cross(quad[1] - quad[0], quad[3] - quad[0])
    normal = normal / -np.linalg.norm(normal)
    world = normal * (-1, -1, 1) if away else normal
    bright = light.brightness(world)
    sheet.fade(bright, bright)
    return Face(quad, sheet.picture)


def _car_blocks(kind: Kind, shape: Shape, look: Look, away: bool) -> tuple[Block, ...]:
    body: list[Part] = [*_tyres(shape)]
    for side in (-1, 1):
        body += _flank(shape, look, side, away)
        body += _wheels(shape, side)
    strips = list(_spine(shape, look, away))
    body += strips if away else reversed(strips)
    body += _mirrors(shape, look)
    if kind is not Kind.TRUCK:
        return (tuple(body),)
    return (tuple(body), tuple(_cargo(look, away)))


def _spine(shape: Shape, look: Look, away: bool) -> Iterator[Part]:
    for name, near, far in zip(shape.strips, shape.spine, shape.spine[1:], strict=False):
        length = float(np.hypot(far.y_m - near.y_m, far.z_m - near.z_m))
        sheet = Sheet(near.half_m + far.half_m, length, look.paint)
        PAINTERS[name](sheet, look)
        backwards = name in ("rear_window", "trunk", "tail", "rear_bumper", "cab_back")
        quad = _strip(near, far)
        yield from _sliced(_lit(sheet, quad[[2, 3, 0, 1]] if backwards else quad, away, look.light))


def _strip(near: Section, far: Section) -> Floats:
    return np.array([
        (-far.half_m, far.y_m, far.z_m), (far.half_m, far.y_m, far.z_m),
        (near.half_m, near.y_m, near.z_m), (-near.half_m, near.y_m, near.z_m),
    ])  # fmt: skip


def _flank(shape: Shape, look: Look, side: int, away: bool) -> Iterator[Part]:
    """One side: the body below the belt line and the windows above it."""
    length = shape.length_m
    front, rear = shape.spine[0], shape.spine[-1]
    lift = front.z_m
    hood_z = min(shape.belt_z_m, shape.spine[2].z_m)
    half = shape.width_m / 2
    quad = np.array([
        (side * shape.spine[2].half_m, shape.spine[2].y_m, hood_z), (side * half, rear.y_m, shape.belt_z_m + 0.05),
        (side * half, rear.y_m, lift), (side * half, 0.06, lift),
    ])  # fmt: skip
    doors = tuple(y / length for y in ((1.25, 2.25, 3.2) if length < 5 else (1.0, 3.4, 5.6, 7.6)) if y < rear.y_m)
    paint = partial(
        flank, doors=doors, arches=tuple(y / length for y in shape.axles_m if y < rear.y_m), arch_m=shape.wheel_m * 1.14
    )
    yield from _side_face(look, quad, shape.belt_z_m - lift, paint, side, away)
    yield _shoulder(shape, look, quad, side, away)
    if shape.glass is None:
        return
    (y1, x1), (y2, x2), (y3, x3), (y4, x4) = shape.glass
    top = max(s.z_m for s in shape.spine) - 0.02
    low = shape.belt_z_m
    w = shape.width_m * side
    windows = np.array([(x2 * w, y2, top), (x3 * w, y3, top), (x4 * w, y4, low), (x1 * w, y1, low)])
    count = 3 if length < 5 else 6
    pillars = tuple(i / count for i in range(1, count))
    yield from _side_face(look, windows, top - low, partial(side_glass, pillars=pillars), side, away)


def _shoulder(shape: Shape, look: Look, flank_quad: Floats, side: int, away: bool) -> Part:
    """The curve between a side's upper edge and the bonnet and boot."""
    low, high = flank_quad[0, 2] - 0.01, shape.belt_z_m + 0.15
    edge = [(side * s.half_m, s.y_m, s.z_m) for s in reversed(shape.spine) if low <= s.z_m <= high]
    light = look.light.brightness(np.array([(-side if away else side) * 0.6, 0.0, 0.8]))
    return Patch(np.array([*flank_quad[:2], *edge]), shade(look.paint, light))


def _side_face(
    look: Look, quad: Floats, height_m: float, paint: partial[None], side: int, away: bool
) -> Iterator[Part]:
    """Painted from the front to the rear; on the right-hand side the picture runs the other way."""
    sheet = Sheet(float(np.ptp(quad[:, 1])), height_m, look.paint, 160.0)
    paint(sheet, look)
    if side > 0:
        yield from _sliced(_lit(sheet, quad, away, look.light))
        return
    sheet.picture = np.ascontiguousarray(sheet.picture[:, ::-1])
    yield from _sliced(_lit(sheet, quad[[1, 0, 3, 2]], away, look.light))


def _sliced(face: Face) -> Iterator[Face]:
    """The face cut across the vehicle's length where it is long."""
    count = int(np.ceil(np.ptp(face.quad[:, 1]) / _SLICE_M))
    if count <= 1:
        yield face
        return
    a, b, c, d = face.quad
    along = abs(b[1] - a[1]) > abs(d[1] - a[1])
    cuts = np.linspace(0, 1, count + 1)
    for low, high in pairwise(cuts):
        size = face.texture.shape[1] if along else face.texture.shape[0]
        start, end = round(low * size), max(round(low * size) + 1, round(high * size))
        if along:
            quad = [a + (b - a) * low, a + (b - a) * high, d + (c - d) * high, d + (c - d) * low]
            yield Face(np.array(quad), np.ascontiguousarray(face.texture[:, start:end]))
        else:
            quad = [a + (d - a) * low, b + (c - b) * low, b + (c - b) * high, a + (d - a) * high]
            yield Face(np.array(quad), np.ascontiguousarray(face.texture[start:end]))


def _tyres(shape: Shape) -> Iterator[Part]:
    """The dark of the underbody and the tyres that stand in it, across the vehicle."""
    half = shape.width_m / 2
    low = shape.spine[0].z_m + 0.06
    for y in (min(shape.axles_m) - shape.wheel_m * 0.6, max(shape.axles_m) + shape.wheel_m * 0.6):
        yield Patch(np.array([(-half, y, low), (half, y, low), (half, y, 0.12), (-half, y, 0.12)]), (16, 15, 15))
        for x in (-half + 0.02, half - 0.24):
            tyre = [(x, y, low), (x + 0.22, y, low), (x + 0.22, y, 0.0), (x, y, 0.0)]
            yield Patch(np.array(tyre), (30, 29, 29))


def _wheels(shape: Shape, side: int) -> Iterator[Part]:
    for y in shape.axles_m:
        x = side * (shape.width_m / 2 + 0.01)
        for share, colour in (
            (1.0, (26, 25, 25)),
            (0.66, (120, 118, 116)),
            (0.5, (70, 69, 68)),
            (0.16, (150, 148, 146)),
        ):
            yield _wheel(x, y, shape.wheel_m, shape.wheel_m * share, colour)


def _wheel(x: float, y: float, z: float, radius: float, colour: Colour) -> Patch:
    """A disc on one side of the vehicle, seen from that side only."""
    ring = _ring(x, y, z, radius)
    return Patch(ring if x > 0 else ring[::-1], colour, both_sides=False)


def _ring(x: float, y: float, z: float, radius: float) -> Floats:
    turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    return np.stack([np.full(20, x), y + radius * np.cos(turn), z + radius * np.sin(turn)], 1)


def _mirrors(shape: Shape, look: Look) -> Iterator[Part]:
    if shape.glass is None:
        return
    y, z = shape.glass[0][0] + 0.3, shape.belt_z_m + 0.1
    for side in (-1, 1):
        x = side * (shape.width_m / 2 + 0.02)
        out = side * 0.17
        yield Patch(
            np.array([(x, y, z + 0.16), (x + out, y, z + 0.15), (x + out, y, z + 0.01), (x, y, z)]),
            shade(look.paint, 0.78),
        )
        yield Patch(
            np.array(
                [(x, y + 0.08, z + 0.14), (x + out, y + 0.08, z + 0.13), (x + out, y, z + 0.15), (x, y, z + 0.16)]
            ),
            shade(look.paint, 1.0),
        )


def _cargo(look: Look, away: bool) -> Iterator[Part]:
    """A truck's box behind its cab, with the chassis and the rear wheels below it."""
    y1, y2, z1, z2, half = CARGO
    box = Look((208, 206, 200), look.rng, big=True, light=look.light)
    yield Patch(np.array([(-half, y2, z1), (half, y2, z1), (half, y2, 0.45), (-half, y2, 0.45)]), DARK)
    for x in (-half + 0.05, half - 0.35):
        yield Patch(
            np.array([(x, y2 - 0.9, 0.7), (x + 0.3, y2 - 0.9, 0.7), (x + 0.3, y2 - 0.9, 0), (x, y2 - 0.9, 0)]),
            (28, 27, 27),
        )
    quads = {
        "front": [(-half, y1, z2), (half, y1, z2), (half, y1, z1), (-half, y1, z1)],
        "rear": [(half, y2, z2), (-half, y2, z2), (-half, y2, z1), (half, y2, z1)],
        "top": [(-half, y2, z2), (half, y2, z2), (half, y1, z2), (-half, y1, z2)],
        "right": [(half, y1, z2), (half, y2, z2), (half, y2, z1), (half, y1, z1)],
        "left": [(-half, y2, z2), (-half, y1, z2), (-half, y1, z1), (-half, y2, z1)],
    }
    for name, corners in quads.items():
        quad = np.array(corners)
        width, height = (float(np.linalg.norm(quad[i] - quad[0])) for i in (1, 3))
        sheet = Sheet(width, height, box.paint, 130.0)
        (cargo_doors if name == "rear" else cargo)(sheet, box)
        yield from _sliced(_lit(sheet, quad, away, look.light))
    for y in (4.3,):
        for side in (-1, 1):
            yield _wheel(side * (half + 0.01), y, 0.38, 0.38, (26, 25, 25))
