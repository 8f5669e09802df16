"""One frame's way through the stages, with stages whose answers are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from agent.bundle import reading
from agent.errors import CaptureError, ConfigError
from agent.lamps import LampsInPicture
from agent.pipeline import Finding, Pipeline, crop_plate, is_reported
from agent.replay import decision_line, finding_text, overlay, summary, summary_text
from agent.report import event_id
from agent.rules import build_rules, load_calendar, load_law
from agent.scene import Scene
from agent.track import Tracker
from agent.types import Box, Candidate, Corners, Detection, Frame, Image, Outcome, PlateColour, PlateRead, Point
from agent.validate import Thresholds

CONFIG = Path(__file__).parents[2] / "config"
START = datetime(2026, 11, 23, 0, 30, tzinfo=UTC)  # a Monday, 07:30 in Jakarta, an odd day
LANE = [[100, 0], [300, 0], [300, 400], [100, 400]]
SCENE = Scene.model_validate(
    {
        "id": "s1",
        "name": "S1",
        "location": "Jl. Contoh",
        "picture": {"width": 400, "height": 400},
        "rules": ["odd_even", "wrong_way"],
        "lanes": [{"id": "L1", "polygon": LANE, "direction": [[200, 0], [200, 400]]}],
        "lines": [{"id": "trip", "points": [[90, 200], [310, 200]]}, {"id": "off", "points": [[310, 200], [390, 200]]}],
        "ignore": [{"id": "caption", "polygon": [[0, 0], [90, 0], [90, 90], [0, 90]]}],
    }
)


def plate_at(x: float, y: float) -> Detection:
    box = Box(x - 40, y - 13, x + 40, y + 13)
    corners: Corners = (Point(*box[:2]), Point(box.x2, box.y1), Point(*box[2:]), Point(box.x1, box.y2))
    return Detection(box, corners, 0.9)


class Road:
    """A detector that sees one plate on its way, but for where it is hidden, and a caption that looks like one."""

    def __init__(self, ys: Sequence[float | None]) -> None:
        self._ys = iter(ys)

    def detect(self, image: Image) -> tuple[Detection, ...]:
        y, caption = next(self._ys), plate_at(45, 45)
        return (caption,) if y is None else (plate_at(200, y), caption)


class Says:
    def __init__(self, *candidates: Candidate) -> None:
        self._read = PlateRead(candidates, (0.99,) * 8, PlateColour.WHITE, 0.99, None, 0.99)

    def read(self, image: Image, corners: Corners) -> PlateRead:
        return self._read

    def read_crop(self, crop: Image) -> PlateRead:
        return self._read


def frames(count: int, size: int = 400) -> list[Frame]:
    return [Frame(_image(n, size), n, START + timedelta(seconds=n / 25), n * 40_000_000) for n in range(count)]


def _image(shade: int, size: int) -> Image:
    """Plain but for one corner, so that a veiled copy is another picture."""
    image = np.full((size, size, 3), shade, np.uint8)
    image[-8:, :8] = 255
    return image


def pipeline(ys: Sequence[float | None], text: str) -> Pipeline:
    return pipeline_with(ys, Candidate(text, 0.995))


def pipeline_with(ys: Sequence[float | None], *candidates: Candidate) -> Pipeline:
    rules = build_rules(SCENE, load_law(CONFIG / "law"), load_calendar(CONFIG / "calendars"))
    lights = LampsInPicture(SCENE.signals)
    return Pipeline(Road(ys), Says(*candidates), Tracker(), SCENE, rules, Thresholds(), lights, clock_synchronised=True)


DOWN = [40.0 + 6 * n for n in range(50)]
UP = DOWN[::-1]


def findings(built: Pipeline, count: int = 50) -> list[Finding]:
    return [finding for followed in built.run(iter(frames(count))) for finding in followed.findings]


def test_an_even_plate_on_an_odd_day_is_accepted_once() -> None:
    """The main job on the unit: one vehicle, one finding, judged by itself."""
    (finding,) = findings(pipeline(DOWN, "B1234XYZ"))
    assert (finding.violation.kind, finding.decision.outcome) == ("odd_even", Outcome.ACCEPTED)


def test_a_plate_that_may_drive_is_followed_and_left_alone() -> None:
    """Nobody is accused of obeying the law; the vehicle is still counted."""
    built = pipeline(DOWN, "B1235XYZ")
    assert findings(built) == []
    assert built.counters["vehicles"] == 1


def test_who_stands_behind_a_bus_for_a_while_is_one_vehicle() -> None:
    """It would be counted, and accused, once before the bus and once after it."""
    built = pipeline([*DOWN[:25], *[DOWN[25]] * 25, *[None] * 50, *[DOWN[25]] * 25, *DOWN[25:]], "B1234XYZ")
    (finding,) = findings(built, 150)
    assert finding.decision.outcome is Outcome.ACCEPTED
    assert built.counters["vehicles"] == 1


def test_one_vehicle_can_break_two_laws() -> None:
    """Each law broken is its own case."""
    kinds = {finding.violation.kind for finding in findings(pipeline(UP, "B1234XYZ"))}
    assert kinds == {"odd_even", "wrong_way"}


def test_doubt_goes_to_a_person_with_its_reason() -> None:
    """A plate read without certainty accuses nobody by itself, and why is counted."""
    built = pipeline_with(UP, Candidate("B1235XYZ", 0.54), Candidate("B1235XYV", 0.45))
    (finding,) = findings(built)
    assert finding.decision.outcome is Outcome.REVIEW
    assert built.counters["outcome.review"] == 1
    assert built.counters[f"reason.{finding.decision.reasons[0]}"] == 1


@pytest.mark.parametrize("way", [DOWN, UP])
def test_lines_count_who_crosses_them(way: list[float]) -> None:
    """An operator sees how many vehicles passed, whichever way, and none twice for trembling on the line."""
    built = pipeline([*way[:25], *[200.0 + (-1) ** n * 5 for n in range(10)], *way[25:40]], "B1235XYZ")
    findings(built)
    assert (built.counters["crossed.trip"], built.counters["crossed.off"]) == (1, 0)


LAMPS = {"red": 20, "yellow": 50, "green": 80}
JUNCTION = SCENE.model_dump() | {
    "rules": ["red_light", "stop_line"],
    "lines": [{"id": "stop", "points": [[90, 200], [310, 200]]}],
    "signals": [
        {
            "id": "S",
            "stop_line": "stop",
            "lanes": ["L1"],
            "lamps": {name: [[350, y - 9], [370, y - 9], [370, y + 9], [350, y + 9]] for name, y in LAMPS.items()},
        }
    ],
    # two hundred pixels to the metre: a plate of 80 pixels is a plate
    "calibration": {"marks": [{"picture": p, "road_m": [p[0] / 200, p[1] / 200]} for p in LANE]},
    "crossing": {"hysteresis_m": 0.05, "clear_m": 0.3},
}


def lit(count: int, red_from: int) -> list[Frame]:
    """Frames with a light that turns from green to red."""
    made = frames(count)
    for frame in made:
        frame.image[:] = 10
        colour = (60, 70, 255) if frame.index >= red_from else (190, 255, 70)
        y = LAMPS["red"] if frame.index >= red_from else LAMPS["green"]
        frame.image[y - 6 : y + 6, 354:366] = colour
    return made


@pytest.mark.parametrize(("red_from", "guilty"), [(5, True), (20, False), (60, False)])
def test_who_runs_the_light_in_the_picture_is_accepted(red_from: int, guilty: bool) -> None:
    """From the lamps' pixels to the decision: red for half a second and more before the line, and nobody else."""
    site = Scene.model_validate(JUNCTION)
    rules = build_rules(site, load_law(CONFIG / "law"), load_calendar(CONFIG / "calendars"))
    eyes, says = Road(DOWN), Says(Candidate("B1235XYZ", 0.995))
    lights = LampsInPicture(site.signals)
    built = Pipeline(eyes, says, Tracker(), site, rules, Thresholds(), lights, clock_synchronised=True)
    found = [finding for each in built.run(iter(lit(50, red_from))) for finding in each.findings]
    assert [(f.violation.kind, f.decision.outcome) for f in found] == [("red_light", Outcome.ACCEPTED)] * guilty


def test_a_cut_ends_vehicles_and_lights() -> None:
    """After a cut nobody is where he was before it, and no light has been red before."""
    built = pipeline(DOWN, "B1235XYZ")
    made = frames(50)
    for frame in made:
        frame.image[:] = 0
        frame.image[100 * (frame.index >= 25) :: 7] = 200
    followed = list(built.run(iter(made)))
    assert built.counters["cuts"] == 1
    assert [each.track.points[-1].frame_index for each in followed] == [24, 49]


def test_masked_regions_are_not_looked_at() -> None:
    """A burnt-in caption with something like a plate is not a vehicle."""
    built = pipeline(DOWN, "B1235XYZ")
    findings(built)
    assert built.counters["plates"] == built.counters["frames"] == 50


def test_the_evidence_shows_the_plate() -> None:
    """The picture that goes to the owner is the one of the violation, the crop the plate in it."""
    (finding,) = findings(pipeline(DOWN, "B1234XYZ"))
    assert finding.context.image[0, 0, 0] == finding.context.index
    assert crop_plate(finding).shape == (53, 107, 3)


def test_a_vehicle_without_a_readable_plate_is_rejected_and_counted() -> None:
    """Driving the wrong way without a plate that can be read accuses nobody, and can still be shown."""
    built = pipeline_with(UP)
    (finding,) = findings(built)
    assert finding.decision.outcome is Outcome.REJECTED
    assert not is_reported(finding.decision)
    assert reading(finding.violation.vote).text == ""
    assert built.counters["reason.plate_unreadable"] == 1


def test_what_a_source_showed_before_it_broke_off_is_judged() -> None:
    """A camera that dies does not take with it what it has seen."""

    def breaks_off() -> Iterator[Frame]:
        yield from frames(50)
        raise CaptureError("camera: gone")

    followed = pipeline(DOWN, "B1234XYZ").run(breaks_off())
    assert len(next(followed).findings) == 1
    with pytest.raises(CaptureError):
        next(followed)


def test_decisions_are_the_same_each_time() -> None:
    """A replay is a proof: the same input gives the same bytes and the same event id."""
    first, second = (findings(pipeline(UP, "B1234XYZ")) for _ in range(2))
    assert list(map(decision_line, first)) == list(map(decision_line, second))
    assert event_id("u1", first[0].violation) == event_id("u1", second[0].violation)
    assert event_id("u1", first[0].violation) != event_id("u2", first[0].violation)


def test_frames_of_another_size_are_refused() -> None:
    """A site drawn on another camera's frame would accuse people in the wrong lane."""
    with pytest.raises(ConfigError, match="is 400x400, but the frames are 300x300"):
        pipeline(DOWN, "B1234XYZ").step(frames(1, size=300)[0])


def test_what_a_person_reads_of_a_replay() -> None:
    """Findings are lines that can be read, the summary counts every outcome, the overlay shows plate and path."""
    built = pipeline(DOWN, "B1234XYZ")
    (finding,) = findings(built)
    assert "B 1234 XYZ" in finding_text(finding, json_lines=False)
    assert is_reported(finding.decision)
    counts = summary(built, seconds=2.0)
    assert (counts["frames"], counts["frames_per_s"], counts["accepted"], counts["rejected"]) == (50, 25.0, 1, 0)
    assert "accepted" in summary_text(counts, json_lines=False)
    assert np.ptp(overlay(finding)) > 100
