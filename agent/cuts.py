"""Hard cuts in footage: where a picture does not go on from the last (pure).

Pictures are compared as small ones, cell by cell, with the change that all cells share (a cloud, the exposure) taken
out. What moves on a road changes some cells, and about as many in each frame. A cut changes many more at once: all of
them when the scene is another, those of the vehicles that are gone when the same camera's footage jumps in time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from agent.types import Image, Point

_ROWS, _COLUMNS = 18, 32
"""Cells of the small picture: a car is a cell or two of it, a bus close by a quarter."""
_SAMPLES = 4
"""Pixels looked at in a cell, each way: enough to average a plate's letters and a tree's leaves away."""
CHANGED_LEVELS = 15.0
"""Least change of a cell's brightness or colour, of 255: twice what a sensor's noise and the encoder leave."""
MIN_EXCESS = 0.06
"""Least share of the cells that change beyond the most of the last frames. In real footage traffic alone came to 0.02,
at ten frames a second in a tight view to 0.03; one car that vanishes from a toll gate's picture to 0.075."""
MIN_RATIO = 1.5
_REMEMBERED = 5


class CutDetector:
    """Says of each picture whether new footage begins with it."""

    def __init__(self, ignored: Callable[[Point], bool]) -> None:
        """`ignored`: whether a point of the picture is not looked at, such as a burnt-in clock."""
        self._ignored = ignored
        self._heeded: NDArray[np.bool_] | None = None
        self._last: NDArray[np.float64] | None = None
        self._shares: deque[float] = deque(maxlen=_REMEMBERED)

    def is_cut(self, image: Image) -> bool:
        """Whether this picture does not go on from the one before. The first two never are cuts."""
        last, self._last = self._last, small(image)
        if last is None:
            return False
        if self._heeded is None:
            self._heeded = self._cells_heeded(image)
        share = changed_share(last, self._last, self._heeded)
        usual = max(self._shares, default=1.0)
        self._shares.append(share)
        return share >= MIN_RATIO * usual and share >= usual + MIN_EXCESS

    def _cells_heeded(self, image: Image) -> NDArray[np.bool_]:
        """The cells no part of which is ignored, by a grid of nine points each."""
        height, width = image.shape[:2]
        third = np.array([0.0, 0.5, 0.999])

        def free(row: int, column: int) -> bool:
            ys, xs = (row + third) * height / _ROWS, (column + third) * width / _COLUMNS
            return not any(self._ignored(Point(float(x), float(y))) for x in xs for y in ys)

        return np.array([[free(row, column) for column in range(_COLUMNS)] for row in range(_ROWS)])


def small(image: Image) -> NDArray[np.float64]:
    """(18, 32, 3): each cell the mean of some of its pixels."""
    height, width = image.shape[:2]
    rows = np.linspace(0, height - 1, _ROWS * _SAMPLES).astype(int)
    columns = np.linspace(0, width - 1, _COLUMNS * _SAMPLES).astype(int)
    sampled = image[rows[:, None], columns].reshape(_ROWS, _SAMPLES, _COLUMNS, _SAMPLES, 3)
    means: NDArray[np.float64] = sampled.mean(axis=(1, 3))
    return means


def changed_share(one: NDArray[np.float64], other: NDArray[np.float64], heeded: NDArray[np.bool_]) -> float:
    """Share of the heeded cells that changed by more than all cells did."""
    change = (other - one)[heeded]
    if len(change) == 0:
        return 0.0
    return float((np.abs(change - np.median(change, axis=0)).max(axis=1) >= CHANGED_LEVELS).mean())
