"""A traffic light on its post: red, yellow and green lamp one above the other, turned to the camera."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from agent.types import LightState
from simulation.road.camera import Floats
from simulation.road.canvas import Part, Patch
from simulation.road.light import Light
from simulation.road.sheet import Colour, shade
from simulation.road.street import Post

LAMPS: dict[LightState, float] = {LightState.RED: 0.0, LightState.YELLOW: 0.42, LightState.GREEN: 0.84}
"""How far below the red one each lamp is, metres."""
RADIUS_M = 0.15
_HALF_M = 0.24
"""Half of the housing's width: the lamp with a little of the dark round it."""
LIT: dict[LightState, Colour] = {
    LightState.RED: (70, 70, 255), LightState.YELLOW: (60, 200, 255), LightState.GREEN: (170, 250, 90),
}  # fmt: skip
_HOUSING: Colour = (30, 32, 32)


def lamp_place(post: Post, state: LightState) -> Floats:
    """(3,) middle of a lamp."""
    return np.array([post.x_m, post.y_m, post.height_m - LAMPS[state]])


def lamp_outline(post: Post, state: LightState) -> Floats:
    """(4, 3) the square of its housing that holds a lamp."""
    square = np.array([(-1, 0, 1), (1, 0, 1), (1, 0, -1), (-1, 0, -1)]) * _HALF_M * 0.86
    placed: Floats = lamp_place(post, state) + square
    return placed


def post_parts(post: Post, state: LightState, light: Light) -> Iterator[Part]:
    """What is drawn of it while it shows a state; lamps shine as bright by night as by day."""
    low = post.height_m - LAMPS[LightState.GREEN] - 0.3
    yield _box(post, 0.06, low, 0.0, _in(light, (120, 118, 112)))
    yield _box(post, _HALF_M + 0.05, post.height_m + 0.31, low - 0.03, _in(light, (170, 174, 176)))
    yield _box(post, _HALF_M, post.height_m + 0.26, low + 0.02, _in(light, _HOUSING))
    for each in LAMPS:
        glass = LIT[each] if each is state else _in(light, shade(LIT[each], 0.26))
        yield _disc(lamp_place(post, each), RADIUS_M, glass)
        if each is state:
            yield _disc(lamp_place(post, each), RADIUS_M * 0.55, shade(LIT[each], 1.5))
        yield _visor(lamp_place(post, each), _in(light, (16, 17, 17)))


def _in(light: Light, colour: Colour) -> Colour:
    blue, green, red = (value * share for value, share in zip(colour, light.level, strict=True))
    return blue, green, red


def _box(post: Post, half_m: float, top_m: float, bottom_m: float, colour: Colour) -> Patch:
    left, right = post.x_m - half_m, post.x_m + half_m
    corners = [(left, top_m), (right, top_m), (right, bottom_m), (left, bottom_m)]
    return Patch(np.array([(x, post.y_m, z) for x, z in corners]), colour)


def _disc(middle: Floats, radius_m: float, colour: Colour) -> Patch:
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return Patch(middle + radius_m * np.column_stack([np.cos(turn), 0 * turn, np.sin(turn)]), colour)


def _visor(middle: Floats, colour: Colour) -> Patch:
    """The hood over a lamp, seen from below and in front."""
    turn = np.linspace(0.15, np.pi - 0.15, 12)
    ring = np.column_stack([np.cos(turn), 0 * turn, np.sin(turn)])
    return Patch(middle + np.concatenate([ring * (RADIUS_M + 0.045), ring[::-1] * (RADIUS_M + 0.005)]), colour)
