"""Makes room: drops what the centre has had for long, and never anything that is owed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from agent.evidence import UNFINISHED, EvidenceStore, remove
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
    files = _drop_forgotten(outbox, evidence, now)
    while in_use() > limits.disk_share and (dropped := outbox.forget(now - GRACE, BATCH)):
        events += dropped
        files += _drop_forgotten(outbox, evidence, now)
    return Swept(events, files)


def _drop_forgotten(outbox: Outbox, evidence: EvidenceStore, now: datetime) -> int:
    """Drop the bundles of events that are not in the outbox, each as a whole; returns how many files."""
    kept = outbox.kept()
    oldest_s = (now - GRACE).timestamp()
    return sum(_drop(folder, oldest_s, is_kept=folder.name in kept) for folder in evidence.bundles())


def _drop(folder: Path, oldest_s: float, *, is_kept: bool) -> int:
    """Drop a bundle that nobody writes to any more, or of a kept one what a kill left half written."""
    try:
        written_s = {path: path.stat().st_mtime for path in (folder, *folder.iterdir())}
    except FileNotFoundError:
        return 0  # a piece that was being written has got its name: the bundle is young
    if is_kept:
        gone = [path for path, at_s in written_s.items() if path.suffix == UNFINISHED and at_s < oldest_s]
    elif max(written_s.values()) < oldest_s:
        gone = [path for path in written_s if path != folder]
    else:
        return 0
    for path in gone:
        remove(path)
    if not is_kept:
        with suppress(OSError):  # somebody writes the same event anew
            folder.rmdir()
    return len(gone)
