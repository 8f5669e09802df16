"""Who saw which case, in the trail: what a breach report is made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from dispatcher.access import audit as trail
from dispatcher.access.audit import Actor, Audit, What
from dispatcher.store import Store

LIST = "list"
"""What somebody saw who saw a list; it shows plates."""
_ONCE_IN = timedelta(hours=1)
"""A person who goes back and forth is written down once."""


@dataclass(frozen=True, slots=True)
class Sights:
    """Writes down who saw what."""

    store: Store
    audit: Audit

    def saw(self, actor: Actor, about: str, now: datetime) -> None:
        """Somebody is shown a case (by its reference) or a list; on the disk before anything is shown."""
        with self.store.reading() as connection:
            if trail.times(connection, actor.name, What.SEEN, now - _ONCE_IN, about):
                return
        with self.store.writing() as connection:
            self.audit.append(connection, now, actor, What.SEEN, about)
