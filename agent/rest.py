"""Whether a vehicle that was hidden for long is the one that comes to light (pure).

A bus that lets people out hides the car behind it for longer than any prediction holds, one beside it at a stop line
while it rolls over the line. What was hidden and what comes to light are one vehicle when two confident reads of each
say the very same plate, and it is found where it stood, or farther along the way it was on. One that drove up in the
meantime has another plate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import hypot

from agent.motion import NS, Ground, leads_to
from agent.types import Box, PlateRead, TrackPoint

_REST_S = 0.5
"""So long a plate has to have been in its place: walking pace is a width and a half in it."""
_PLACE_WIDTHS = 0.25
"""Within so much of its width a plate is in one place: three times what a detector is off by."""
_SIZE_RATIO = 1.25
"""Looks at one plate at rest differ less in width."""
_AGREEING_READS = 2
CONFIDENT = 0.9
"""Posterior from which a read speaks for a plate by itself."""
_READABLE = 0.5


def is_confident(read: PlateRead) -> bool:
    """Whether a read speaks for a plate by itself."""
    return read.confidence >= CONFIDENT and read.readability >= _READABLE


def stands(points: Sequence[TrackPoint]) -> bool:
    """Whether a plate was at rest when it was seen last."""
    last = points[-1]
    lately = [point for point in points if last.mono_ns - point.mono_ns <= _REST_S * NS]
    earlier = next((point for point in reversed(points) if last.mono_ns - point.mono_ns >= _REST_S * NS), None)
    return earlier is not None and all(_in_one_place(point, last) for point in (earlier, *lately))


def is_same(hidden: Sequence[TrackPoint], come_to_light: Sequence[TrackPoint], ground: Ground | None = None) -> bool:
    """Whether what was hidden is what was found afterwards, where it stood or farther along its way."""
    last, first = hidden[-1], come_to_light[0]
    if last.mono_ns >= first.mono_ns:
        return False
    if not (_in_one_place(last, first) if stands(hidden) else leads_to(hidden, first, ground)):
        return False
    plate = settled_plate(hidden)
    return plate is not None and plate == settled_plate(come_to_light)


def settled_plate(points: Sequence[TrackPoint]) -> str | None:
    """The text that all confident reads say, two or more of them."""
    texts = Counter(point.read.text for point in points if point.read and is_confident(point.read))
    return next(iter(texts)) if len(texts) == 1 and texts.total() >= _AGREEING_READS else None


def _in_one_place(one: TrackPoint, other: TrackPoint) -> bool:
    a, b = one.detection.box, other.detection.box
    moved = hypot(b.centre.x - a.centre.x, b.centre.y - a.centre.y)
    return moved <= _PLACE_WIDTHS * min(a.width, b.width) and _ratio(a, b) <= _SIZE_RATIO


def _ratio(one: Box, other: Box) -> float:
    return max(one.width, other.width) / max(min(one.width, other.width), 1.0)
