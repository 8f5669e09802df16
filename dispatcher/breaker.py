"""A circuit breaker: whoever failed several times in a row is left alone for a while (no I/O; time is a parameter).

Closed, it lets everything through; failures in a row open it, and it lets nothing through for a pause. Then it is half
open: one probe a pause is let through. A probe that succeeds closes it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from threading import Lock


class Breaker:
    """Between many threads and one service."""

    def __init__(self, failures: int, pause: timedelta) -> None:
        self._limit = failures
        self._pause = pause
        self._failures = 0
        self._since: datetime | None = None
        self._probe_at: datetime | None = None
        self._lock = Lock()

    @property
    def since(self) -> datetime | None:
        """Since when it is open; None while it is closed."""
        return self._since

    def allows(self, now: datetime) -> bool:
        """Whether the service may be called now; then `succeeded` or `failed` is told how that went."""
        with self._lock:
            if self._probe_at is None:
                return True
            if now < self._probe_at:
                return False
            self._probe_at = now + self._pause  # a probe whose end is never told keeps the others out no longer
            return True

    def succeeded(self) -> None:
        with self._lock:
            self._failures, self._since, self._probe_at = 0, None, None

    def failed(self, now: datetime) -> None:
        with self._lock:
            self._failures += 1
            if self._failures >= self._limit:
                self._since = self._since or now
                self._probe_at = now + self._pause
