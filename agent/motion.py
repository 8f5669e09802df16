"""Where a plate will be next: constant speed on the road, as the picture shows it (pure).

A vehicle at constant speed changes its distance Z evenly, and both the size of its plate and its offset from the
vanishing point go as 1/Z. So with the plate's growth rate k = w'/w, its centre moves by v t / (1 - k t): speeding up
as it comes near, slowing down as it goes away. Two looks at the plate give v and k. Seconds, pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, log, sqrt

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


def predict(points: Sequence[TrackPoint], mono_ns: int) -> Prediction:
    """The plate's place at `mono_ns` from where it was seen so far."""
    last = points[-1]
    look = _earlier_look(points)
    elapsed_s = (mono_ns - last.mono_ns) / NS
    return _coast(look, last, elapsed_s) if look else _spread(last, elapsed_s)


def _earlier_look(points: Sequence[TrackPoint]) -> TrackPoint | None:
    """The newest point a baseline before the last one, else the oldest there is."""
    *earlier, last = points
    far_enough = (p for p in reversed(earlier) if last.mono_ns - p.mono_ns >= _BASELINE_S * NS)
    return next(far_enough, earlier[0] if earlier else None)


def _spread(last: TrackPoint, elapsed_s: float) -> Prediction:
    """Seen once: anywhere within reach."""
    reach = max(last.detection.box.width, 1.0) * min(0.5 + _TOP_SPEED_WIDTHS_PER_S * elapsed_s, _WIDEST_GATE_WIDTHS)
    return Prediction(last.detection.box.centre, _size(last.detection.box), Point(0.0, 1.0), reach, reach)


def _coast(look: TrackPoint, last: TrackPoint, elapsed_s: float) -> Prediction:
    before, now = look.detection.box, last.detection.box
    baseline_s = (last.mono_ns - look.mono_ns) / NS
    growth = min(max(_size(now) / _size(before), 0.5), 2.0)
    grown = min((growth - 1) / baseline_s * elapsed_s, _MOST_GROWTH)
    stretch = growth * elapsed_s / baseline_s / (1 - grown)
    dx, dy = (now.centre.x - before.centre.x) * stretch, (now.centre.y - before.centre.y) * stretch
    shift = hypot(dx, dy)
    width = max(now.width, 1.0) / (1 - grown)
    jitter = 0.15 * elapsed_s / baseline_s
    return Prediction(
        centre=Point(now.centre.x + dx, now.centre.y + dy),
        size_px=_size(now) / (1 - grown),
        heading=Point(dx / shift, dy / shift) if shift > 0 else Point(0.0, 1.0),
        along_px=width * min(0.6 + jitter, 1.5) + 0.3 * shift,
        across_px=min(width * (0.5 + jitter) + 0.1 * shift, 1.2 * width),
    )


def misfit(prediction: Prediction, detection: Detection) -> float | None:
    """How badly a detection fits: 0 at the predicted place and size, 1 at the edge of the gate; None outside."""
    x, y = detection.box.centre
    dx, dy = x - prediction.centre.x, y - prediction.centre.y
    along = dx * prediction.heading.x + dy * prediction.heading.y
    across = dx * prediction.heading.y - dy * prediction.heading.x
    place = hypot(along / prediction.along_px, across / prediction.across_px)
    size = abs(log(_size(detection.box) / prediction.size_px)) / log(_SIZE_RATIO)
    return hypot(place, 0.5 * size) if place <= 1 and size <= 1 else None


def _size(box: Box) -> float:
    return max(sqrt(box.area), 1.0)
