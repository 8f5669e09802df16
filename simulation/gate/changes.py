"""What differs between the decisions now and those that were accepted before (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from simulation.gate.lines import Decision

Key = tuple[str, str, int]
"""Rule, plate, and which of several."""
_NOT_COMPARED = ("track",)
"""A track's number says only how many were before it."""


@dataclass(frozen=True, slots=True)
class Change:
    """A decision that is not what it was."""

    kind: str
    plate: str
    what: str
    """`added`, `lost`, or the fields that changed."""

    @property
    def sort(self) -> str:
        return self.what if self.what in ("added", "lost") else "changed"

    def __str__(self) -> str:
        more = f": {self.what}" if self.sort == "changed" else ""
        return f"{self.sort}: {self.kind} {self.plate}{more}"


def compare(before: Sequence[Decision], now: Sequence[Decision]) -> list[Change]:
    """By rule and plate, in that order."""
    old, new = _keyed(before), _keyed(now)
    changes = []
    for key in sorted(old.keys() | new.keys()):
        if key not in old:
            changes.append(Change(*key[:2], "added"))
        elif key not in new:
            changes.append(Change(*key[:2], "lost"))
        elif fields := _differing(old[key], new[key]):
            changes.append(Change(*key[:2], ", ".join(fields)))
    return changes


def _keyed(decided: Sequence[Decision]) -> dict[Key, Decision]:
    counts: Counter[tuple[str, str]] = Counter()
    keyed = {}
    for each in decided:
        pair = each.kind, each.plate
        keyed[(*pair, counts[pair])] = each
        counts[pair] += 1
    return keyed


def _differing(old: Decision, new: Decision) -> list[str]:
    """`outcome review -> accepted` and the like; of long values only the name."""
    names = sorted((old.line.keys() | new.line.keys()) - set(_NOT_COMPARED))
    pairs = [(name, old.line.get(name), new.line.get(name)) for name in names]
    return [
        f"{name} {a} -> {b}" if isinstance(a, str | int | float) else name for name, a, b in pairs if a != b
    ]  # fmt: skip
