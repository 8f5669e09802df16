"""How many cases are in each state, asked for by each page, each scrape and each look at the health.

Counting a million cases takes a third of a second. What somebody owes a move are few, and they are counted
each time; of many others the number is at most a few seconds old.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from threading import Lock

from sqlalchemy import Connection

from dispatcher import cases
from dispatcher.workflow import TOLD, State

WAITING: tuple[State, ...] = tuple(
    state for state in State if state not in (*TOLD, State.CONFIRMED, State.DISPUTED, State.EXPIRED, State.WITHDRAWN)
)
"""Somebody owes a case that is here a move."""
_MANY = 100_000
"""Fewer are counted in some ten milliseconds."""
_KEPT_S = 10.0


class Census:
    """Counts cases; may be used by several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._others: Mapping[State, tuple[int, datetime]] = {}
        self._good_until_s = clock()

    def tally(self, connection: Connection) -> Mapping[State, tuple[int, datetime]]:
        """By state: how many cases, and since when the one that has been there longest is there. Raises StoreError."""
        waiting = cases.tally(connection, WAITING)
        with self._lock:  # whoever comes meanwhile waits for one count, and makes none of their own
            if self._clock() >= self._good_until_s:
                whole = cases.tally(connection)
                self._others = {state: counted for state, counted in whole.items() if state not in WAITING}
                is_many = sum(number for number, _ in self._others.values()) >= _MANY
                self._good_until_s = self._clock() + is_many * _KEPT_S
            return {**self._others, **waiting}
