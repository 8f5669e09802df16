"""How far a long command is, a line a step on standard error."""

from __future__ import annotations

import sys
import time


class Progress:
    """Counts steps, and says how long the rest will take by how long those before took."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._started = time.monotonic()

    def step(self, what: str) -> None:
        """One more is done."""
        self._done += 1
        left_s = (time.monotonic() - self._started) / self._done * (self._total - self._done)
        print(f"[{self._done}/{self._total}] {what}  {left_s / 60:.0f} min left", file=sys.stderr, flush=True)
