"""A traffic light's state from its lamps in the picture (pure).

A lamp is lit when it is bright, clearly brighter than the darkest lamp of its light, and of its own colour. The bright
middle of a lamp that overexposes at night is white: its colour is taken from the halo round it. By day the glass of a
dark lamp shines in the sun, but it is darker than a lit one, or two lamps look lit, and then nothing is known.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.geometry import Polygon, contains
from agent.markings import SignalHead
from agent.types import Frame, Image, LightSample, LightState, Point

MIN_LIGHT = 0.45
"""Least brightness of a lit lamp, as a share of white: a camera exposes for the road, and a lamp outshines it."""
MIN_CONTRAST = 1.4
"""Least ratio to the darkest lamp: signal lamps outshine sunlit dark glass by two to four times (EN 12368, phantom)."""
MIN_COLOUR = 0.12
"""Least excess of its own colour, as a share of white; grey and white have none."""
_BRIGHT_SHARE = 0.3
_COLOUR_PERCENTILE = 85


@dataclass(frozen=True, slots=True)
class Level:
    """What one lamp's region looks like."""

    light: float
    """Mean of its brightest third, 0 to 1."""
    colour: float
    """How much of its own colour its most coloured pixels have, -1 to 1."""


def lit_alone(lit: Collection[LightState]) -> LightState:
    """The light's state by which lamps are lit: exactly one, or it is unknown (broken, blinded, changing)."""
    return next(iter(lit)) if len(lit) == 1 else LightState.UNKNOWN


def classify(levels: Mapping[LightState, Level]) -> LightState:
    """The light's state by what its lamps look like."""
    darkest = min(level.light for level in levels.values())
    return lit_alone([state for state, level in levels.items() if _is_lit(level, darkest)])


def _is_lit(level: Level, darkest: float) -> bool:
    return level.light >= max(MIN_LIGHT, MIN_CONTRAST * darkest) and level.colour >= MIN_COLOUR


def level(pixels: NDArray[np.uint8], state: LightState) -> Level:
    """What a lamp's pixels (n, BGR) look like."""
    blue, green, red = (pixels.astype(np.float64) / 255).T
    brightness = np.sort(np.maximum(np.maximum(blue, green), red))
    excess = {
        LightState.RED: red - np.maximum(green, blue),
        LightState.YELLOW: np.minimum(red, green) - blue,
        LightState.GREEN: green - red,
    }[state]
    brightest = brightness[-max(1, round(len(brightness) * _BRIGHT_SHARE)) :]
    return Level(float(brightest.mean()), float(np.percentile(excess, _COLOUR_PERCENTILE)))


class LampsInPicture:
    """Reads the lights of a site whose lamps are drawn in its picture."""

    def __init__(self, signals: Sequence[SignalHead]) -> None:
        self._lamps = {
            signal.id: {state: _Region.of(polygon) for state, polygon in signal.lamps.regions().items()}
            for signal in signals
            if signal.lamps
        }

    def look(self, frame: Frame) -> tuple[LightSample, ...]:
        """What each light shows in this frame."""
        return tuple(
            LightSample(signal_id, self._state(frame.image, lamps), frame.mono_ns)
            for signal_id, lamps in self._lamps.items()
        )

    @staticmethod
    def _state(image: Image, lamps: Mapping[LightState, _Region]) -> LightState:
        return classify({state: level(region.pixels(image), state) for state, region in lamps.items()})


@dataclass(frozen=True, slots=True, eq=False)
class _Region:
    """The pixels whose middles lie in a polygon."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]

    @classmethod
    def of(cls, polygon: Polygon) -> _Region:
        xs, ys = zip(*polygon, strict=True)
        inside = [
            (y, x)
            for y in range(int(min(ys)), int(max(ys)) + 1)
            for x in range(int(min(xs)), int(max(xs)) + 1)
            if contains(polygon, Point(x + 0.5, y + 0.5))
        ]
        rows, columns = np.array(inside or [(int(ys[0]), int(xs[0]))]).T
        return cls(rows, columns)

    def pixels(self, image: Image) -> NDArray[np.uint8]:
        """(n, BGR)."""
        return image[self.rows, self.columns]
