"""The ground as the camera sees it: asphalt with tyre tracks, patches and cracks, markings, pavement, grass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.types import Image
from simulation.road.camera import Camera
from simulation.road.light import Light
from simulation.road.noise import Field, lay, tile
from simulation.road.street import Marking, Paint, Street

SHOULDER_M = 0.45
KERB_M = 0.3
PAVEMENT_M = 1.8
VERGE_M = 1.6
MEDIAN_M = 1.9
OTHER_ROAD_M = 7.4
_PAINT = 205.0
_LINE_M = 0.13
_DASH_M, _PERIOD_M = 3.0, 8.0
_FAR_M = 400.0


@dataclass(frozen=True, slots=True)
class Edges:
    """Where the kerbs, the pavement and the verge begin, X in metres."""

    left_kerb: float
    right_kerb: float
    median_end: float
    verge: float
    wall: float


def edges(street: Street) -> Edges:
    right_kerb = street.right_m + SHOULDER_M
    left_kerb = street.left_m - SHOULDER_M
    verge = right_kerb + KERB_M + PAVEMENT_M
    return Edges(left_kerb, right_kerb, left_kerb - MEDIAN_M, verge, verge + VERGE_M)


def ground_picture(camera: Camera, street: Street, rng: np.random.Generator) -> Image:
    """The bare ground in the picture, BGR."""
    rows, cols = np.mgrid[0 : camera.height, 0 : camera.width]
    below = np.maximum(rows + 0.5, camera.horizon_px() + 12)
    place = camera.ground(np.stack([cols + 0.5, below], -1).astype(np.float64))
    x, y = (np.minimum(place[..., i], _FAR_M).astype(np.float32) for i in (0, 1))
    metres_per_row = np.asarray(np.abs(np.diff(y, axis=0, prepend=2 * y[:1] - y[1:2])) + 1e-4, np.float32)
    colour = _asphalt(x, y, metres_per_row, street, rng)
    for marking in street.markings:
        _lay(colour, x, y, metres_per_row, marking)
    _mark(colour, x, y, metres_per_row, street, rng)
    _beside(colour, x, y, street, rng)
    haze = np.clip((y - 30) / 260, 0, 0.7)[..., None]
    seen = colour * (1 - haze) + np.array((214, 208, 200), np.float32) * haze
    return np.clip(seen, 0, 255).astype(np.uint8)


def _asphalt(x: Field, y: Field, coarse: Field, street: Street, rng: np.random.Generator) -> Field:
    grain = lay(tile(rng, 512, 0.7), x, y, 2.6) * np.clip(1.2 - coarse * 6, 0.1, 1)
    clumps = lay(tile(rng, 512, 3.0), x, y, 9.0)
    broad = lay(tile(rng, 256, 9.0), x, y, 31.0)
    grey = 112 + grain * 6.5 + clumps * 3.2 + broad * 4.0
    for lane in street.lanes:
        off = x - lane.centre_m
        tracks = np.exp(-(((np.abs(off) - 0.78) / 0.3) ** 2))
        oil = np.exp(-((off / 0.3) ** 2)) * (0.7 + 0.5 * lay(tile(rng, 256, 5.0), x * 0.4, y * 0.15, 6.0))
        grey = grey + tracks * 7 - np.clip(oil, 0, 2) * 9
    grey = grey + _repairs(x, y, street, rng) + _cracks(x, y, rng)
    return np.asarray(grey[..., None] * np.array((0.97, 0.995, 1.0), np.float32), np.float32)


def _repairs(x: Field, y: Field, street: Street, rng: np.random.Generator) -> Field:
    """Patches of newer, darker asphalt with a seam around them."""
    total = np.zeros_like(x)
    wobble = lay(tile(rng, 256, 4.0), x, y, 3.0) * 0.04
    for _ in range(5):
        centre_x = rng.uniform(street.left_m, street.right_m)
        centre_y = rng.uniform(14, 60)
        half_x, half_y = rng.uniform(0.3, 1.1), rng.uniform(0.5, 2.2)
        inside = np.maximum(np.abs(x - centre_x) - half_x, np.abs(y - centre_y) - half_y) + wobble
        total -= 15 * (inside < 0) + 16 * (np.abs(inside) < 0.025)
    return total


def _cracks(x: Field, y: Field, rng: np.random.Generator) -> Field:
    """Thin dark lines where a smooth noise crosses zero, in places."""
    line = np.abs(lay(tile(rng, 512, 7.0), x, y * 0.6, 11.0))
    where = lay(tile(rng, 256, 10.0), x, y, 23.0) > 0.6
    return np.asarray(-26 * np.clip(1 - line / 0.05, 0, 1) * where, np.float32)


def _mark(colour: Field, x: Field, y: Field, coarse: Field, street: Street, rng: np.random.Generator) -> None:
    """White lines, worn: broken between lanes of one way, double between the ways, whole along the edges."""
    worn = np.clip(0.8 + 0.2 * lay(tile(rng, 512, 1.2), x, y, 3.0) + 0.1 * lay(tile(rng, 256, 6.0), x, y, 7.0), 0.2, 1)
    soft = np.clip(coarse * 0.15, 0.012, 0.1)
    paint = np.zeros_like(x)
    for at in (street.left_m + 0.08, street.right_m - 0.08):
        paint = np.maximum(paint, _stroke(x - at, soft))
    for left, right in zip(street.lanes, street.lanes[1:], strict=False):
        off = x - left.right_m
        if left.towards != right.towards:
            paint = np.maximum(paint, np.maximum(_stroke(off - 0.13, soft), _stroke(off + 0.13, soft)))
            continue
        along = np.abs(np.mod(y, _PERIOD_M) - _PERIOD_M / 2)
        paint = np.maximum(paint, _stroke(off, soft) * np.clip((_DASH_M / 2 - along) / (coarse + 0.02) + 0.5, 0, 1))
    _blend(colour, (_PAINT - 4, _PAINT, _PAINT), paint * worn)


def _lay(colour: Field, x: Field, y: Field, coarse: Field, marking: Marking) -> None:
    """A stop line, the red surface of a bus lane, the hatching of a box junction, the edging of a no-stopping zone."""
    soft = np.clip(coarse * 0.3, 0.012, 0.2)
    beside = np.minimum(x - marking.left_m, marking.right_m - x)
    along = np.minimum(y - marking.near_m, marking.far_m - y)
    inside = np.clip(np.minimum(beside, along) / soft + 0.5, 0, 1)
    edge = inside * np.clip((0.16 - np.minimum(beside, along)) / soft + 0.5, 0, 1)
    match marking.paint:
        case Paint.STOP_LINE:
            # the line begins where a vehicle has to stand, and is 0.3 m thick
            ahead = np.clip((0.15 - np.abs(y - marking.near_m)) / soft + 0.5, 0, 1)
            _blend(colour, (200, 204, 204), ahead * np.clip((beside - 0.12) / soft + 0.5, 0, 1))
        case Paint.BUS_LANE:
            _blend(colour, (62, 66, 128), inside * 0.72)
        case Paint.BOX_JUNCTION:
            hatch = np.minimum(np.abs(np.mod(x + y, 1.8) - 0.9), np.abs(np.mod(x - y, 1.8) - 0.9))
            _blend(colour, (46, 176, 214), np.maximum(edge, inside * np.clip((0.09 - hatch) / soft + 0.5, 0, 1)) * 0.85)
        case Paint.NO_STOPPING:
            zigzag = np.abs(marking.right_m - 0.35 - x - 0.16 * np.sign(np.mod(y, 2.0) - 1) * (1 - np.mod(y, 1.0) * 2))
            _blend(colour, (46, 176, 214), (along > 0) * np.clip((0.07 - zigzag) / soft + 0.5, 0, 1) * 0.9)


def _blend(colour: Field, tone: tuple[float, float, float], share: Field) -> None:
    colour += (np.array(tone, np.float32) - colour) * np.asarray(share, np.float32)[..., None]


def under_street_lamps(picture: Image, camera: Camera, street: Street, light: Light) -> Image:
    """The picture at night: dark, with pools of warm light along the road under its lamps."""
    rows, cols = np.mgrid[0 : camera.height, 0 : camera.width]
    below = np.maximum(rows + 0.5, camera.horizon_px() + 12)
    place = camera.ground(np.stack([cols + 0.5, below], -1).astype(np.float64))
    pools = np.zeros(place.shape[:2], np.float32)
    for y in (76.0, 52.0, 28.0, 10.0):
        away = ((place[..., 0] - street.left_m * 0.3) / 7.0) ** 2 + ((place[..., 1] - y) / 8.0) ** 2
        pools += np.exp(-away).astype(np.float32)
    warm = np.array((0.16, 0.24, 0.3), np.float32)
    lit = picture * (np.array(light.level, np.float32) * 0.8 + pools[..., None] * warm)
    return np.clip(lit, 0, 255).astype(np.uint8)


def _stroke(off: Field, soft: Field) -> Field:
    return np.asarray(np.clip((_LINE_M / 2 - np.abs(off)) / soft + 0.5, 0, 1), np.float32)


def _beside(colour: Field, x: Field, y: Field, street: Street, rng: np.random.Generator) -> None:
    """Gutter, kerb tops, pavement, verge, median and the other carriageway."""
    edge = edges(street)
    fine, broad = lay(tile(rng, 512, 1.0), x, y, 2.2), lay(tile(rng, 256, 8.0), x, y, 9.0)
    dirt = np.clip(1 - np.minimum(x - street.left_m + 0.5, street.right_m + 0.5 - x) / 0.9, 0, 1)[..., None]
    colour += (np.array((98, 110, 118), np.float32) + fine[..., None] * 6 - colour) * dirt * 0.55

    def cover(where: NDArray[np.bool_], tone: tuple[float, float, float], rough: Field | float) -> None:
        colour[where] = (np.array(tone, np.float32) + np.asarray(rough)[..., None])[where]

    slabs = (np.abs(np.mod(x, 0.4) - 0.2) > 0.185) | (np.abs(np.mod(y, 0.4) - 0.2) > 0.185)
    paving = fine * 5 + broad * 4 - 14 * slabs * (y < 45) + 6 * (np.mod(np.floor(x / 0.4) + np.floor(y / 0.4), 2) == 0)
    cover(x > edge.right_kerb, (128, 138, 148), paving)
    grass = fine * 13 + broad * 9
    cover(x > edge.verge, (52, 96, 84), grass)
    cover(x > edge.wall, (120, 126, 130), fine * 5 + broad * 4)
    cover((x < edge.left_kerb) & (x > edge.median_end), (50, 90, 80), grass)
    other = edge.median_end - OTHER_ROAD_M
    dashes = (np.abs(x - edge.median_end + OTHER_ROAD_M / 2) < 0.07) & (np.mod(y, _PERIOD_M) < _DASH_M)
    cover(dashes | ((x < edge.median_end - 0.2) & (x > edge.median_end - 0.33)), (176, 180, 180), fine * 4)
    cover(x < other, (56, 92, 84), grass)
    kerbs = ((x > edge.right_kerb) & (x < edge.right_kerb + KERB_M)) | (
        (x < edge.left_kerb) & (x > edge.left_kerb - KERB_M)
    )
    blocks = np.where(np.mod(y, 2.0) < 1.0, 190.0, 62.0).astype(np.float32)
    cover(kerbs, (0, 2, 4), blocks + fine * 5)
