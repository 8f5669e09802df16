"""The platform's rate limits: throughput of the number, pace to one user, users in a day."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulation.whatsapp.faults import Refusal
from simulation.whatsapp.settings import DAY_S, Limits


@dataclass(slots=True)
class Bucket:
    """A token bucket: `capacity` at once, `per_s` tokens come back each second."""

    capacity: float
    per_s: float
    level: float = field(init=False)
    at_s: float | None = None

    def __post_init__(self) -> None:
        self.level = self.capacity

    def take(self, now_s: float) -> bool:
        """Take one token if there is one."""
        elapsed_s = 0.0 if self.at_s is None else max(0.0, now_s - self.at_s)
        self.level = min(self.capacity, self.level + elapsed_s * self.per_s)
        self.at_s = now_s
        if self.level < 1.0:
            return False
        self.level -= 1.0
        return True


class Gate:
    """Lets a send pass or refuses it with the limit's own code (130429, 131056, 131048)."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._number = Bucket(limits.messages_per_s, limits.messages_per_s)
        self._pairs: dict[str, Bucket] = {}
        self._users: dict[str, float] = {}

    def admit(self, recipient: str, now_s: float) -> None:
        """Count one send; raises `Refusal` when it is one too many."""
        if not self._number.take(now_s):
            raise Refusal(130429)
        if not self._pair(recipient).take(now_s):
            raise Refusal(131056)
        self._count_user(recipient, now_s)

    def _pair(self, recipient: str) -> Bucket:
        limits = self._limits
        return self._pairs.setdefault(recipient, Bucket(limits.pair_burst, 1.0 / limits.pair_interval_s))

    def _count_user(self, recipient: str, now_s: float) -> None:
        """A user counts once in 24 hours from the first message."""
        if now_s - self._users.get(recipient, -DAY_S) < DAY_S:
            return
        while self._users and now_s - next(iter(self._users.values())) >= DAY_S:  # the one counted first stands first
            del self._users[next(iter(self._users))]
        if len(self._users) >= self._limits.unique_users_per_day:
            raise Refusal(131048)
        self._users[recipient] = now_s
