"""How many wrong pairs of reference and plate are looked at: by network, by reference, and of all together.

In memory: a wrong pair must not cost the database more than the few that are counted, and a restart forgives at most
the free tries again. The awkward cases:

- Thousands of phones share one address of a mobile carrier. So only wrong pairs count, right ones never, a network has
  many free ones, and the wait ends by itself.
- An IPv6 customer has 2**64 addresses or more, so their /64 counts as one.
- Many networks guess at one reference: it waits like a network does, whether it exists or not.
- Many networks guess at many references: once `budget` wrong pairs came within `WINDOW`, each network has only
  `_FREE_WHEN_SPENT` free ones. Owners who type their pair right do not notice.
- A burst gets no more guesses than it would one by one: a pair counts as wrong before it is looked at.
- More networks than fit: those that were quiet longest are forgotten first.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from threading import Lock

from dispatcher.access.throttle import wait

FREE_BY_NETWORK = 20
FREE_BY_REFERENCE = 5
_FREE_WHEN_SPENT = 2
BUDGET = 300
"""Wrong pairs in a window. 100,000 owners a day who mistype every tenth pair make 70."""
WINDOW = timedelta(minutes=10)
_FORGOTTEN_AFTER = timedelta(hours=1)
_MOST_KEPT = 50_000
"""Networks and references, about 20 MB."""


@dataclass(slots=True)
class _Count:
    wrong: int
    last_at: datetime
    until: datetime
    """The next try has to wait so long."""


class Tries:
    """The wrong pairs of late."""

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._counts: OrderedDict[str, _Count] = OrderedDict()
        self._window_at: datetime | None = None
        self._spent = 0
        self._refused = 0
        self._lock = Lock()

    def admit(self, address: str, reference: str, now: datetime) -> bool:
        """Whether a pair may be looked at; it counts as wrong until `was_right` is told."""
        with self._lock:
            if self._window_at is None or now - self._window_at >= WINDOW:
                self._window_at, self._spent = now, 0
            by_network, by_reference = (self._count(scope, now) for scope in _scopes(address, reference))
            if by_network.until > now or by_reference.until > now:
                self._refused += 1
                return False
            free = FREE_BY_NETWORK if self._spent < self._budget else _FREE_WHEN_SPENT
            for count, allowed in ((by_network, free), (by_reference, FREE_BY_REFERENCE)):
                count.wrong += 1
                count.last_at, count.until = now, now + wait(count.wrong, allowed)
            self._spent += 1
        return True

    def was_right(self, address: str, reference: str) -> None:
        """The pair that was admitted was no guess."""
        by_network, by_reference = _scopes(address, reference)
        with self._lock:
            self._counts.pop(by_reference, None)
            self._spent -= 1
            if count := self._counts.get(by_network):
                count.wrong -= 1
                count.until = count.last_at

    def take_refused(self) -> int:
        """How many were refused since this was asked last."""
        with self._lock:
            refused, self._refused = self._refused, 0
        return refused

    def _count(self, scope: str, now: datetime) -> _Count:
        count = self._counts.get(scope)
        if count is None or now - count.last_at > _FORGOTTEN_AFTER:
            count = self._counts[scope] = _Count(0, now, now)
        self._counts.move_to_end(scope)
        if len(self._counts) > _MOST_KEPT:
            self._counts.popitem(last=False)
        return count


def _scopes(address: str, reference: str) -> tuple[str, str]:
    return "network:" + network(address), "reference:" + hashlib.sha256(reference.encode()).hexdigest()[:32]


def network(address: str) -> str:
    """Who shares a limit: an IPv4 address, the /64 of an IPv6 address; whatever is neither shares one."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address):
        parsed = parsed.ipv4_mapped or parsed
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else str(parsed)
