"""Column charts as numbers (pure); a template draws them as SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720, 200
_LEFT, _TOP, _BOTTOM = 56, 8, 24
_MOST_LABELS = 10
_GAP = 0.3
"""Of a group's width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One value; where it stands in the box, in units of the SVG."""

    x: float
    y: float
    width: float
    height: float
    series: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Groups of bars, one bar a series, over one scale that begins at 0."""

    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    """Height and text of each line."""
    labels: tuple[tuple[float, str], ...]
    """Middle and name of as many groups as there is room for."""


def chart(groups: Sequence[tuple[str, Sequence[float | None]]], tell: Callable[[float], str]) -> Chart:
    """The chart of named groups with one value a series (None: no bar); `tell` writes a value at the scale."""
    most = max((value or 0.0 for _, values in groups for value in values), default=0.0)
    step = _step(most)
    top = step * max(math.ceil(most / step), 1)
    room = (WIDTH - _LEFT) / max(len(groups), 1)

    def height(value: float) -> float:
        return round(value / top * (HEIGHT - _TOP - _BOTTOM), 2)

    bars = []
    for index, (_, values) in enumerate(groups):
        width = room * (1 - _GAP) / len(values)
        for series, value in enumerate(values):
            if value:
                x = _LEFT + room * (index + _GAP / 2) + series * width
                y = HEIGHT - _BOTTOM - height(value)
                bars.append(Bar(x=round(x, 2), y=y, width=round(width, 2), height=height(value), series=series))
    middles = [(round(_LEFT + room * (index + 0.5), 2), name) for index, (name, _) in enumerate(groups)]
    return Chart(
        bars=tuple(bars),
        ticks=tuple((HEIGHT - _BOTTOM - height(n * step), tell(n * step)) for n in range(round(top / step) + 1)),
        labels=tuple(middles[:: math.ceil(len(groups) / _MOST_LABELS) or 1]),
    )


def _step(top: float) -> float:
    """The distance of the scale's lines, 1, 2 or 5 times a power of ten: at most five of them."""
    if top <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(top / 4))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power * 5 >= top)
