"""The lie of the street: lanes side by side, markings, kerbs, and what stands beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Strip:
    """A lane as it lies on the road."""

    id: str
    centre_m: float
    width_m: float
    towards: bool
    """Permitted travel comes towards the camera."""

    @property
    def left_m(self) -> float:
        return self.centre_m - self.width_m / 2

    @property
    def right_m(self) -> float:
        return self.centre_m + self.width_m / 2


@dataclass(frozen=True, slots=True)
class Street:
    """Lanes from left to right, centred on X = 0."""

    lanes: tuple[Strip, ...]

    @property
    def left_m(self) -> float:
        return self.lanes[0].left_m

    @property
    def right_m(self) -> float:
        return self.lanes[-1].right_m

    def lane(self, lane_id: str) -> Strip:
        return next(lane for lane in self.lanes if lane.id == lane_id)


def lay_out(lanes: Sequence[tuple[str, float, bool]]) -> Street:
    """A street of (id, width, towards) from left to right."""
    left = -sum(width for _, width, _ in lanes) / 2
    strips = []
    for lane_id, width, towards in lanes:
        strips.append(Strip(lane_id, left + width / 2, width, towards))
        left += width
    return Street(tuple(strips))
