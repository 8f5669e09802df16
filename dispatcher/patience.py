"""Waiting for a database that is away: said once, tried again ever more slowly, and said when it is back."""

from __future__ import annotations

import logging

from dispatcher.errors import AwayError

log = logging.getLogger(__name__)

_FIRST_S = 0.25
"""A server that restarts after a crash refuses connections for about so long."""
LONGEST_S = 5.0
"""Nobody notices five seconds more of an outage, and a server that comes back is not overrun."""


class Patience:
    """How one part of the dispatcher waits."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._failures = 0

    def wait_s(self, fault: AwayError) -> float:
        """How long to wait before the same is tried again."""
        if not self._failures:
            log.error("the database is away; waiting", extra={"part": self._who, "reason": str(fault)})
        self._failures += 1
        return float(min(_FIRST_S * 2 ** min(self._failures - 1, 10), LONGEST_S))

    def back(self) -> None:
        """It went well."""
        if self._failures:
            log.warning("the database is back", extra={"part": self._who})
        self._failures = 0
