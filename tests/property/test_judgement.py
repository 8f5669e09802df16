"""Judgement as a whole: who is accused does not depend on who else is on the road, and everything is counted once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from roads import CALENDAR, LAW, scene

from agent.lamps import LampsInPicture
from agent.pipeline import MAX_READS_PER_FRAME, Finding, Pipeline
from agent.replay import decision_line
from agent.rules import build_rules
from agent.track import Tracker
from agent.types import Box, Candidate, Corners, Detection, Frame, Image, PlateColour, PlateRead, Point
from agent.validate import Thresholds

START = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)  # a Tuesday, 08:00 in Jakarta, an even day
FPS = 12.5
FRAMES = 50
CORNERS = [[100, 100], [200, 100], [200, 500], [100, 500]]
SITE = scene(
    rules=["odd_even", "wrong_way", "bus_lane", "stopping", "speed"],
    lanes=[
        {
            "id": "L1",
            "polygon": CORNERS,
            "direction": [[150, 100], [150, 500]],
            "speed_limit_kmh": 3,
        }
    ],
    zones=[
        {"id": "BUS", "kind": "bus_lane", "polygon": [[150, 100], [200, 100], [200, 500], [150, 500]]},
        {"id": "BOX", "kind": "box_junction", "polygon": [[100, 350], [200, 350], [200, 500], [100, 500]]},
    ],
    stopping={"max_rest_box_s": 1.0},
    bus_lane={"min_path_m": 1},
    speed={"min_path_m": 1},
    wrong_way={"min_distance_m": 1},
    # a hundred pixels to the metre: plates of 40 pixels are plates
    calibration={"marks": [{"picture": p, "road_m": [p[0] / 100, p[1] / 100]} for p in CORNERS], "camera_height_m": 6},
)
SETTINGS = settings(max_examples=20, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])


@dataclass(frozen=True)
class Driver:
    """A plate that goes its way: up or down the road at a speed, perhaps stopping on it."""

    text: str
    x: float
    start_y: float
    speed_px: float
    stops_at: int
    confidence: float
    colour: PlateColour

    def box(self, frame: int) -> Box | None:
        y = self.start_y + self.speed_px * min(frame, self.stops_at) / FPS
        return Box(self.x - 20, y - 7, self.x + 20, y + 7) if 20 <= y <= 560 else None


@st.composite
def drivers(draw: st.DrawFn, most: int = 3) -> list[Driver]:
    """Up to three abreast, each with a plate of its own."""
    lanes = draw(st.lists(st.sampled_from([110.0, 175.0, 280.0]), min_size=1, max_size=most, unique=True))
    found = []
    for x in lanes:
        downwards = draw(st.booleans())
        speed = draw(st.floats(30, 400))
        found.append(
            Driver(
                text=f"B{draw(st.integers(1000, 2999))}X{'ABC'[lanes.index(x)]}",
                x=x,
                start_y=60.0 if downwards else 540.0,
                speed_px=speed if downwards else -speed,
                stops_at=draw(st.sampled_from([FRAMES, 20])),
                confidence=draw(st.sampled_from([0.3, 0.9, 0.995])),
                colour=draw(st.sampled_from([PlateColour.WHITE, PlateColour.YELLOW, PlateColour.UNKNOWN])),
            )
        )
    return found


class Eyes:
    """Detector and reader of a road whose drivers are known; the frame's number is its first pixel."""

    def __init__(self, cast: Sequence[Driver]) -> None:
        self._cast = cast
        self.shown: list[tuple[int, Box]] = []

    def detect(self, image: Image) -> tuple[Detection, ...]:
        frame = int(image[0, 0, 0])
        boxes = [box for driver in self._cast if (box := driver.box(frame))]
        return tuple(Detection(box, _corners(box), 0.9) for box in boxes)

    def read(self, image: Image, corners: Corners) -> PlateRead:
        frame = int(image[0, 0, 0])
        driver = next(d for d in self._cast if (box := d.box(frame)) and _corners(box) == corners)
        candidates = (Candidate(driver.text, driver.confidence),)
        return PlateRead(candidates, (0.9,) * len(driver.text), driver.colour, 0.9, None, 0.95)

    def read_crop(self, crop: Image) -> PlateRead:
        raise NotImplementedError


def _corners(box: Box) -> Corners:
    return Point(box.x1, box.y1), Point(box.x2, box.y1), Point(box.x2, box.y2), Point(box.x1, box.y2)


def run(cast: Sequence[Driver]) -> tuple[list[Finding], Counter[str]]:
    eyes = Eyes(cast)
    rules = build_rules(SITE, LAW, CALENDAR)
    lights = LampsInPicture(SITE.signals)
    pipeline = Pipeline(eyes, eyes, Tracker(), SITE, rules, Thresholds(), lights, clock_synchronised=True)
    blank = np.zeros((640, 640, 3), np.uint8)
    frames = []
    for index in range(FRAMES):
        image = blank.copy()
        image[0, 0, 0] = index
        elapsed_s = index / FPS
        frames.append(Frame(image, index, START + timedelta(seconds=elapsed_s), round(elapsed_s * 1e9)))
    return [finding for each in pipeline.run(iter(frames)) for finding in each.findings], pipeline.counters


def decisions(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """What was decided, but for the numbers of the tracks."""
    lines = [decision_line(finding) for finding in findings]
    return sorted(({k: v for k, v in line.items() if k != "track"} for line in lines), key=repr)


@SETTINGS
@given(drivers())
def test_every_candidate_is_counted_exactly_once(cast: list[Driver]) -> None:
    """The unit's status adds up: as many outcomes as findings, and a reason counted for each that is given."""
    findings, counters = run(cast)
    outcomes = {name.partition(".")[2]: n for name, n in counters.items() if name.startswith("outcome.")}
    assert outcomes == Counter(finding.decision.outcome.value for finding in findings)
    reasons = {name.partition(".")[2]: n for name, n in counters.items() if name.startswith("reason.")}
    assert reasons == Counter(reason.value for finding in findings for reason in finding.decision.reasons)  # type: ignore[attr-defined]
    assert len({(f.violation.kind, f.violation.track_id) for f in findings}) == len(findings)


@SETTINGS
@given(drivers(), st.integers(0, 2**32))
def test_others_on_the_road_change_no_decision(cast: list[Driver], seed: int) -> None:
    """Nobody is accused, or let off, because of strangers beside the road, more than the unit reads in a frame.

    Who has not come to a lane yet may be read less often beside them.
    """
    rng = Random(seed)
    strangers = [
        Driver(f"D135{n}QQ", 350.0 + 60 * n, 60.0, rng.uniform(30, 200), FRAMES, 0.4, PlateColour.WHITE)
        for n in range(MAX_READS_PER_FRAME)
    ]
    texts = {stranger.text for stranger in strangers}
    alone, beside = decisions(run(cast)[0]), decisions(run([*cast, *strangers])[0])
    for line in (*alone, *beside):
        del line["reading"]
    assert alone == [line for line in beside if line["plate"] not in texts]


@SETTINGS
@given(drivers())
def test_one_sight_of_a_plate_accuses_one_vehicle(cast: list[Driver]) -> None:
    """No frame of a plate is evidence against two, and each accused plate is one that was there."""
    findings, _ = run(cast)
    tracks = {finding.track.track_id: finding.track for finding in findings}
    seen = [(p.frame_index, p.detection.box) for track in tracks.values() for p in track.points]
    assert len(set(seen)) == len(seen)
    by_text = {driver.text: driver for driver in cast}
    for finding in findings:
        driver = by_text[finding.violation.vote.text]
        assert all(point.detection.box == driver.box(point.frame_index) for point in finding.track.points)
