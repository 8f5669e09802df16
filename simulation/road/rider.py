"""A motorcycle and its rider as layers across the way, each a few flat shapes."""

from __future__ import annotations

import numpy as np

from simulation.road.canvas import Part, Patch
from simulation.road.paint import AMBER, DARK, LAMP, TAIL, TRIM, Look
from simulation.road.sheet import Colour, shade

_JACKETS: tuple[Colour, ...] = (
    (58, 52, 48),
    (120, 78, 40),
    (56, 120, 60),
    (60, 60, 150),
    (150, 146, 140),
    (40, 110, 60),
)
_HELMETS: tuple[Colour, ...] = ((40, 38, 38), (210, 210, 208), (40, 36, 150), (130, 80, 40), (60, 160, 70))
_SKIN: Colour = (78, 104, 138)


def motorcycle_blocks(look: Look, away: bool) -> tuple[tuple[Part, ...], ...]:
    """Layers from the front wheel to the rear one; the first and the last are where the plates hang."""
    jacket = _JACKETS[int(look.rng.integers(len(_JACKETS)))]
    helmet = _HELMETS[int(look.rng.integers(len(_HELMETS)))]
    trousers = shade((86, 70, 58), float(look.rng.uniform(0.5, 1.1)))
    return (
        _front(look),
        _handlebar(look, away),
        _rider(jacket, helmet, trousers, away),
        _rear(look, away),
    )


def _flat(y: float, places: list[tuple[float, float]], colour: Colour) -> Patch:
    return Patch(np.array([(x, y, z) for x, z in places]), colour)


def _both(y: float, places: list[tuple[float, float]], colour: Colour) -> tuple[Patch, Patch]:
    """A shape and its mirror image on the other side."""
    return _flat(y, places, colour), _flat(y, [(-x, z) for x, z in places], colour)


def _oval(y: float, x: float, z: float, wide: float, high: float, colour: Colour) -> Patch:
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return Patch(np.stack([x + wide * np.cos(turn), np.full(24, y), z + high * np.sin(turn)], 1), colour)


def _front(look: Look) -> tuple[Part, ...]:
    """Front wheel, mudguard, and the shield with its lamps above it."""
    paint = look.paint
    return (
        _oval(0.3, 0.0, 0.28, 0.065, 0.29, (28, 27, 27)),
        *_both(0.28, [(0.06, 0.62), (0.1, 0.62), (0.1, 0.26), (0.07, 0.26)], (120, 118, 116)),
        _flat(0.2, [(-0.075, 0.4), (-0.09, 0.56), (0.09, 0.56), (0.075, 0.4)], shade(paint, 0.9)),
        _flat(
            0.2, [(-0.11, 0.55), (-0.25, 0.8), (-0.2, 1.02), (0.2, 1.02), (0.25, 0.8), (0.11, 0.55)], shade(paint, 0.95)
        ),
        _flat(0.19, [(-0.14, 0.58), (-0.2, 0.78), (0.2, 0.78), (0.14, 0.58)], shade(paint, 0.72)),
        *_both(0.185, [(0.03, 0.93), (0.17, 0.97), (0.17, 1.0), (0.05, 1.0)], shade(LAMP, 1.05)),
        *_both(0.185, [(0.19, 0.82), (0.235, 0.84), (0.22, 0.9), (0.19, 0.88)], AMBER),
    )


def _handlebar(look: Look, away: bool) -> tuple[Part, ...]:
    y = 0.45
    return (
        _flat(y, [(-0.16, 1.0), (-0.15, 1.13), (0.15, 1.13), (0.16, 1.0)], shade(look.paint, 0.8)),
        *_both(y, [(0.12, 1.06), (0.36, 1.04), (0.36, 1.0), (0.12, 1.01)], DARK),
        *_both(y, [(0.27, 1.05), (0.3, 1.05), (0.36, 1.2), (0.34, 1.2)], TRIM),
        _oval(y, 0.37, 1.24, 0.065, 0.05, TRIM if not away else (150, 140, 130)),
        _oval(y, -0.37, 1.24, 0.065, 0.05, TRIM if not away else (150, 140, 130)),
    )


def _rider(jacket: Colour, helmet: Colour, trousers: Colour, away: bool) -> tuple[Part, ...]:
    y, near = 0.95, (0.9 if not away else 1.0)
    lit, dim = shade(jacket, 1.12), shade(jacket, 0.78)
    face = () if away else (
        _oval(near, 0.0, 1.5, 0.085, 0.05, (52, 46, 42)),
        _flat(near - 0.01, [(-0.07, 1.525), (0.02, 1.535), (0.01, 1.515), (-0.06, 1.505)], (170, 160, 148)),
    )  # fmt: skip
    return (
        *_both(y - 0.2, [(0.1, 0.78), (0.25, 0.8), (0.3, 0.45), (0.27, 0.26), (0.18, 0.26), (0.17, 0.5)], trousers),
        *_both(y - 0.25, [(0.17, 0.28), (0.28, 0.28), (0.29, 0.18), (0.17, 0.18)], DARK),
        *_both(y - 0.3, [(0.2, 1.32), (0.27, 1.28), (0.4, 1.06), (0.36, 1.0), (0.29, 1.02), (0.18, 1.15)], dim),
        *_both(y - 0.45, [(0.31, 1.07), (0.38, 1.07), (0.37, 0.99), (0.31, 0.99)], _SKIN if not away else dim),
        _flat(y, [(-0.19, 0.74), (-0.24, 1.26), (-0.15, 1.39), (0.15, 1.39), (0.24, 1.26), (0.19, 0.74)], jacket),
        _flat(near + 0.01, [(0.04, 0.76), (0.08, 1.34), (0.15, 1.385), (0.235, 1.26), (0.19, 0.76)], lit),
        _flat(near, [(-0.012, 0.76), (-0.012, 1.36), (0.012, 1.36), (0.012, 0.76)], dim),
        _oval(y, 0.0, 1.5, 0.125, 0.145, shade(helmet, 0.85)),
        _oval(near + 0.005, 0.02, 1.53, 0.1, 0.11, helmet),
        _oval(near, 0.045, 1.575, 0.04, 0.04, shade(helmet, 1.35)),
        *face,
    )  # fmt: skip


def _rear(look: Look, away: bool) -> tuple[Part, ...]:
    """Rear wheel and mudguard, seat, tail lamp."""
    paint = look.paint
    return (
        _oval(1.55, 0.0, 0.28, 0.075, 0.29, (28, 27, 27)),
        *_both(1.6, [(0.1, 0.6), (0.15, 0.6), (0.17, 0.3), (0.12, 0.3)], (108, 106, 104)),
        _flat(1.7, [(-0.08, 0.42), (-0.1, 0.78), (0.1, 0.78), (0.08, 0.42)], DARK),
        _flat(
            1.72,
            [(-0.15, 0.78), (-0.17, 0.86), (-0.1, 0.95), (0.1, 0.95), (0.17, 0.86), (0.15, 0.78)],
            shade(paint, 0.95),
        ),
        _flat(1.75, [(-0.1, 0.84), (-0.12, 0.9), (0.12, 0.9), (0.1, 0.84)], TAIL),
        *_both(1.74, [(0.14, 0.8), (0.2, 0.8), (0.2, 0.85), (0.14, 0.85)], AMBER),
    )
