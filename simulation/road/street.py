"""The lie of the street: lanes side by side, what is painted on them, traffic lights, and what stands beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


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


class Paint(StrEnum):
    """What can be painted across lanes."""

    STOP_LINE = "stop_line"
    BUS_LANE = "bus_lane"
    BOX_JUNCTION = "box_junction"
    NO_STOPPING = "no_stopping"


@dataclass(frozen=True, slots=True)
class Marking:
    """Something painted on the road: from left to right, from its near end to its far end."""

    paint: Paint
    left_m: float
    right_m: float
    near_m: float
    far_m: float


@dataclass(frozen=True, slots=True)
class Post:
    """A traffic light's post."""

    id: str
    x_m: float
    y_m: float
    height_m: float
    """Of its red lamp."""


@dataclass(frozen=True, slots=True)
class Street:
    """Lanes from left to right, centred on X = 0."""

    lanes: tuple[Strip, ...]
    markings: tuple[Marking, ...] = ()
    posts: tuple[Post, ...] = ()

    @property
    def left_m(self) -> float:
        return self.lanes[0].left_m

    @property
    def right_m(self) -> float:
        return self.lanes[-1].right_m

    def lane(self, lane_id: str) -> Strip:
        return next(lane for lane in self.lanes if lane.id == lane_id)

    def span(self, lane_ids: Sequence[str]) -> tuple[float, float]:
        """Left and right edge of lanes that lie side by side."""
        lanes = [lane for lane in self.lanes if lane.id in lane_ids]
        return min(lane.left_m for lane in lanes), max(lane.right_m for lane in lanes)


def lay_out(
    lanes: Sequence[tuple[str, float, bool]], markings: tuple[Marking, ...] = (), posts: tuple[Post, ...] = ()
) -> Street:
    """A street of (id, width, towards) from left to right."""
    left = -sum(width for _, width, _ in lanes) / 2
    strips = []
    for lane_id, width, towards in lanes:
        strips.append(Strip(lane_id, left + width / 2, width, towards))
        left += width
    return Street(tuple(strips), markings, posts)
