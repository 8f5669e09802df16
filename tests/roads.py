"""A road whose metres are known, votes, and vehicles that drive on it, for the tests of rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent.plate import fuse
from agent.rules import build_rules, load_calendar, load_law
from agent.scene import Scene
from agent.signal import Signals
from agent.types import (
    Box,
    Candidate,
    Detection,
    Expiry,
    PlateColour,
    PlateRead,
    PlateVote,
    Point,
    Track,
    TrackPoint,
    Violation,
    ViolationKind,
)

CONFIG = Path(__file__).parents[1] / "config"
LAW = load_law(CONFIG / "law")
CALENDAR = load_calendar(CONFIG / "calendars")
WIB = ZoneInfo("Asia/Jakarta")
TUESDAY_24TH = datetime(2026, 11, 24, 8, 0, tzinfo=WIB)
TOP, BOTTOM = Point(150, 120), Point(150, 480)
ODD, EVEN = "B1235XYZ", "B1230XYZ"


def scene(**changes: Any) -> Scene:
    """A lane of 40 m, 10 pixels to the metre, permitted downwards, and a strip beside it that is no lane."""
    corners = [[100, 100], [200, 100], [200, 500], [100, 500]]
    marks = [{"picture": p, "road_m": [p[0] / 10, p[1] / 10]} for p in corners]
    content = {
        "id": "s1",
        "name": "S1",
        "location": "Jl. Contoh",
        "picture": {"width": 640, "height": 640},
        "rules": ["odd_even", "wrong_way"],
        "lanes": [{"id": "L1", "polygon": corners, "direction": [[150, 100], [150, 500]]}],
        "calibration": {"marks": marks},
    }
    return Scene.model_validate(content | changes)


def vote(text: str, confidence: float = 0.99, colour: PlateColour = PlateColour.WHITE) -> PlateVote:
    return fuse([read(text, confidence, colour)])


def read(
    text: str, confidence: float = 0.99, colour: PlateColour = PlateColour.WHITE, expiry: Expiry | None = None
) -> PlateRead:
    return PlateRead((Candidate(text, confidence),), (0.9,) * len(text), colour, 0.9, expiry, 1.0)


def follow(
    at: datetime,
    place: Callable[[float], Point],
    seconds: float,
    *,
    fps: float = 25.0,
    reads: Sequence[PlateRead] = (),
) -> Track:
    """A track whose plate is at `place(s)` after s seconds; the reads are those of its first points."""
    points = []
    for n in range(round(seconds * fps) + 1):
        x, y = place(n / fps)
        box = Box(x - 20, y - 7, x + 20, y + 7)
        detection = Detection(box, (box.centre,) * 4, 0.9)
        moment = at.astimezone(UTC) + timedelta(seconds=n / fps)
        said = reads[n] if n < len(reads) else None
        points.append(TrackPoint(n, moment, round(n / fps * 1e9), detection, said))
    return Track(1, tuple(points), missed=0, closed=True, broken=False)


def drive(at: datetime, start: Point = TOP, end: Point = BOTTOM, seconds: float = 2.0, plate_px: float = 40.0) -> Track:
    """A track on a straight line at constant speed, 25 frames/s."""

    def place(elapsed_s: float) -> Point:
        share = elapsed_s / seconds
        return Point(start.x + (end.x - start.x) * share, start.y + (end.y - start.y) * share)

    return follow(at, place, seconds)


def judge(
    kind: ViolationKind, track: Track, plate: PlateVote, site: Scene | None = None, signals: Signals | None = None
) -> Violation | None:
    site = site or scene()
    (rule,) = (rule for rule in build_rules(site, LAW, CALENDAR) if rule.kind is kind)
    return rule.evaluate(track, plate, site, signals or {})
