"""Makes room: drops what the centre has had for long, and never anything that is owed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from agent.errors import StoreError
from agent.evidence import EvidenceStore
from agent.outbox import Outbox

BATCH = 50
"""Events dropped in one transaction: it stays far below the other process's busy timeout."""
GRACE = timedelta(hours=1)
"""Evidence is on disk before its report is in the outbox; nothing so young is taken for forgotten."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long acknowledged violations are kept on the unit, and how full the disk may be."""

    keep: timedelta = timedelta(days=7)
    disk_share: float = 0.85
    """Above this share of the disk in use the oldest acknowledged go at once."""


@dataclass(frozen=True, slots=True)
class Swept:
    events: int
    files: int


def disk_share(folder: Path) -> float:
    """Share of the folder's disk that is in use, 0 to 1."""
    usage = shutil.disk_usage(folder)
    return usage.used / usage.total


def sweep(outbox: Outbox, evidence: EvidenceStore, now: datetime, limits: Limits, in_use: Callable[[], float]) -> Swept:
    """Drop what is past its time and then, while the disk is too full, the oldest acknowledged. Raises StoreError."""
    events = 0
    while dropped := outbox.forget(now - limits.keep, BATCH):
        events += dropped
    files = _drop_unnamed(outbox, evidence, now)
    while in_use() > limits.disk_share and (dropped := outbox.forget(now - GRACE, BATCH)):
        events += dropped
        files += _drop_unnamed(outbox, evidence, now)
    return Swept(events, files)


def _drop_unnamed(outbox: Outbox, evidence: EvidenceStore, now: datetime) -> int:
    named = outbox.named()
    oldest_s = (now - GRACE).timestamp()
    count = 0
    for path in evidence.files():
        try:
            if path.stem not in named and path.stat().st_mtime < oldest_s:
                path.unlink()
                count += 1
        except FileNotFoundError:
            continue  # a piece that was being written has got its name
        except OSError as error:
            raise StoreError(f"{path}: cannot be removed ({error.strerror}); check the folder's rights") from None
    return count
