"""Where a plate will be next: constant speed on the road, as the picture shows it (pure).

A vehicle at constant speed changes its distance Z evenly, and both the size of its plate and its offset from the
vanishing point go as 1/Z. So with the plate's growth rate k = w'/w, its centre moves by v t / (1 - k t): speeding up
as it comes near, slowing down as it goes away. Two looks at the plate give v and k. Where the road is calibrated they
need not give k, which is the worse of the two: a plate of 30 pixels is measured to one in twenty. Seconds, pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, log, sqrt
from typing import Protocol

from agent.types import Box, Detection, Point, TrackPoint

NS = 1_000_000_000
_BASELINE_S = 0.12
"""Time between the two looks: long enough that a pixel of jitter is little, short enough that speed is constant."""
_TOP_SPEED_WIDTHS_PER_S = 80.0
"""110 km/h is 31 m/s, and a plate is about 0.4 m wide: how far a plate seen once can have come, in its widths."""
_WIDEST_GATE_WIDTHS = 8.0
_MOST_GROWTH = 0.6
_SIZE_RATIO = 1.6
"""Neighbouring looks at one plate differ less in size than this."""
_ASIDE_WIDTHS = 2.0
"""So far beside the way it was on a plate may be found later, in its widths: 0.8 m, less than half a lane."""
_FASTER = 1.2


@dataclass(frozen=True, slots=True)
class Prediction:
    """Where a plate is expected, and how far from there it may be found."""

    centre: Point
    size_px: float
    heading: Point
    """Unit vector of its motion in the picture."""
    along_px: float
    """Gate along the heading: speeds change."""
    across_px: float
    """Gate across it: vehicles do not jump sideways."""


class Ground(Protocol):
    """How the picture lies on the road."""

    def ahead(self, start: Point, now: Point, share: float) -> tuple[Point, float] | None:
        """Where what came from `start` to `now` will be after `share` of that way again, and how many times as large;
        None where that is off the road."""
        ...


def predict(points: Sequence[TrackPoint], mono_ns: int, ground: Ground | None = None) -> Prediction:
    """The plate's place at `mono_ns` from where it was seen so far. `ground` None: told by how it grew."""
    last = points[-1]
    look = _earlier_look(points)
    elapsed_s = (mono_ns - last.mono_ns) / NS
    return _coast(look, last, elapsed_s, ground) if look else _spread(last, elapsed_s)


def _earlier_look(points: Sequence[TrackPoint]) -> TrackPoint | None:
    """The newest point a baseline before the last one, else the oldest there is."""
    *earlier, last = points
    far_enough = (p for p in reversed(earlier) if last.mono_ns - p.mono_ns >= _BASELINE_S * NS)
    return next(far_enough, earlier[0] if earlier else None)


def _spread(last: TrackPoint, elapsed_s: float) -> Prediction:
    """Seen once: anywhere within reach."""
    reach = max(last.detection.box.width, 1.0) * min(0.5 + _TOP_SPEED_WIDTHS_PER_S * elapsed_s, _WIDEST_GATE_WIDTHS)
    return Prediction(last.detection.box.centre, _size(last.detection.box), Point(0.0, 1.0), reach, reach)


def _coast(look: TrackPoint, last: TrackPoint, elapsed_s: float, ground: Ground | None) -> Prediction:
    before, now = look.detection.box, last.detection.box
    share = elapsed_s * NS / (last.mono_ns - look.mono_ns)
    on_road = ground.ahead(before.centre, now.centre, share) if ground else None
    centre, growth = on_road or _as_it_grew(before, now, share)
    growth = min(growth, 1 / (1 - _MOST_GROWTH))
    dx, dy = centre.x - now.centre.x, centre.y - now.centre.y
    shift = hypot(dx, dy)
    width = max(now.width, 1.0) * growth
    jitter = 0.15 * share
    return Prediction(
        centre=centre,
        size_px=_size(now) * growth,
        heading=Point(dx / shift, dy / shift) if shift > 0 else Point(0.0, 1.0),
        along_px=width * min(0.6 + jitter, 1.5) + 0.3 * shift,
        across_px=min(width * (0.5 + jitter) + 0.1 * shift, 1.2 * width),
    )


def _as_it_grew(before: Box, now: Box, share: float) -> tuple[Point, float]:
    """The place after a share of the way from one look to the other, and the growth from now to then."""
    growth = min(max(_size(now) / _size(before), 0.5), 2.0)
    shrink = 1 - min((growth - 1) * share, _MOST_GROWTH)
    stretch = growth * share / shrink
    dx, dy = (now.centre.x - before.centre.x) * stretch, (now.centre.y - before.centre.y) * stretch
    return Point(now.centre.x + dx, now.centre.y + dy), 1 / shrink


def misfit(prediction: Prediction, detection: Detection) -> float | None:
    """How badly a detection fits: 0 at the predicted place and size, 1 at the edge of the gate; None outside."""
    x, y = detection.box.centre
    dx, dy = x - prediction.centre.x, y - prediction.centre.y
    along = dx * prediction.heading.x + dy * prediction.heading.y
    across = dx * prediction.heading.y - dy * prediction.heading.x
    place = hypot(along / prediction.along_px, across / prediction.across_px)
    size = abs(log(_size(detection.box) / prediction.size_px)) / log(_SIZE_RATIO)
    return hypot(place, 0.5 * size) if place <= 1 and size <= 1 else None


def leads_to(points: Sequence[TrackPoint], later: TrackPoint, ground: Ground | None = None) -> bool:
    """Whether what was seen so far may have come to a place on its way, as fast as it was or slower."""
    here, there = points[-1].detection.box.centre, later.detection.box.centre
    expected = predict(points, later.mono_ns, ground)
    dx, dy = there.x - here.x, there.y - here.y
    along = dx * expected.heading.x + dy * expected.heading.y
    across = abs(dx * expected.heading.y - dy * expected.heading.x)
    way = hypot(expected.centre.x - here.x, expected.centre.y - here.y)
    width = max(later.detection.box.width, points[-1].detection.box.width)
    return -width / 4 <= along <= _FASTER * way + width and across <= _ASIDE_WIDTHS * width


def _size(box: Box) -> float:
    return max(sqrt(box.area), 1.0)
