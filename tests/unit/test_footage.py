"""Simulated footage: what the truth says must be what the picture shows and what the law says."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from agent.errors import ConfigError
from agent.scene import Scene
from agent.settings import load_yaml
from agent.types import PlateColour, Point, ViolationKind
from simulation.cli import main
from simulation.footage import frames
from simulation.footage_files import CALENDARS, LAW, render
from simulation.footage_law import WIB, LawInputs, odd_even_in_force, violations
from simulation.footage_scenario import Scenario, load_scenario, names
from simulation.footage_site import PLATE_Z_M, site_file
from simulation.footage_traffic import Trip, meeting_s, trips
from simulation.footage_truth import passage_of
from simulation.road.camera import Camera

MONDAY = datetime(2026, 11, 23, 7, 30, tzinfo=WIB)
INPUTS = LawInputs.load(LAW, CALENDARS)


def scenario(**changes: object) -> Scenario:
    """A small road with one silver car close to the camera, changed as asked."""
    car = {"kind": "mpv", "plate": "B 1234 XYZ", "paint": "silver", "lane": "L1", "enters_at_s": -6.2, "speed_kmh": 36}
    plan = {
        "start": MONDAY,
        "duration_s": 0.3,
        "fps": 10,
        "camera": {"width": 320, "height": 180, "focal_px": 650, "x_m": 0},
        "lanes": [{"id": "L1", "width_m": 6}],
        "vehicles": [car],
    }
    return Scenario.model_validate(plan | changes)


def the_trip(**changes: object) -> Trip:
    """The trip of the only vehicle, changed as asked."""
    car = {"kind": "sedan", "plate": "B 1234 XYZ", "lane": "L1", "enters_at_s": 0, "speed_kmh": 36}
    return trips(scenario(vehicles=[car | changes]), 1)[0]


def kinds(trip: Trip, moment: datetime = MONDAY) -> list[ViolationKind]:
    """What the only vehicle of the small road violates when it drives at that moment."""
    return [violation.kind for violation in violations(passage_of(trip, scenario(), {}, INPUTS, moment))]


def test_same_seed_same_footage() -> None:
    """A replay test could not compare byte for byte if a scenario rendered differently each time."""
    first, second = (list(frames(scenario(), 7)) for _ in range(2))
    for (image, plates), (again, plates_again) in zip(first, second, strict=True):
        assert np.array_equal(image, again)
        assert plates == plates_again


def test_truth_corners_lie_on_the_drawn_plate() -> None:
    """A detector trained or judged by these corners would learn a place where no plate is."""
    image, plates = next(frames(scenario(camera={"width": 1280, "height": 720, "x_m": 0}), 1))
    (plate,) = plates
    assert plate.text == "B1234XYZ"
    assert plate.width_px > 60
    flat = np.array([(0, 0), (430, 0), (430, 135), (0, 135)], np.float32)
    crop = cv2.warpPerspective(
        image, cv2.getPerspectiveTransform(np.array(plate.corners, np.float32), flat), (430, 135)
    )  # fmt: skip
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    rim = np.concatenate([grey[12:18, 20:-20].ravel(), grey[-18:-12, 20:-20].ravel(), grey[20:-20, 8:14].ravel()])
    outside = cv2.getPerspectiveTransform(np.array(plate.corners, np.float32), flat + np.float32(60))
    around = cv2.cvtColor(cv2.warpPerspective(image, outside, (550, 255)), cv2.COLOR_BGR2GRAY)
    holder = np.concatenate([around[50:57, 60:-60].ravel(), around[-57:-50, 60:-60].ravel()])
    assert np.median(rim) > np.median(holder) + 60


def test_plate_that_leaves_the_picture_has_no_truth() -> None:
    """Half a plate would be counted as a miss of the detector."""
    leaving = scenario(vehicles=[{"kind": "mpv", "lane": "L1", "enters_at_s": -7.5, "speed_kmh": 36}])
    assert all(not plates for _, plates in frames(leaving, 1))


def test_covered_plate_has_no_truth() -> None:
    """A plate behind another vehicle would be counted as a miss of the detector."""
    near = {"kind": "bus", "lane": "L1", "enters_at_s": -5.6, "speed_kmh": 36}
    behind = {"kind": "sedan", "lane": "L1", "enters_at_s": -4.0, "speed_kmh": 36}
    seen = {plate.vehicle_id for _, plates in frames(scenario(vehicles=[near, behind]), 1) for plate in plates}
    assert 1 in seen
    assert 2 not in seen


@pytest.mark.parametrize("name", names())
def test_shipped_scenarios_hold_together(name: str) -> None:
    """`cakra-simulate footage --scenario NAME` would fail for a scenario of our own."""
    loaded = load_scenario(name)
    cast = trips(loaded, 1)
    assert len({trip.spec.characters for trip in cast}) == len(cast)


def test_demo_has_what_it_shows() -> None:
    """The demo would show nothing, or only one rule."""
    demo = load_scenario("demo")
    cast = trips(demo, 1)
    passages = [passage_of(trip, demo, {}, INPUTS, demo.start) for trip in cast]
    found = [(each.trip, [violation.kind for violation in violations(each)]) for each in passages]
    clear = [violated for trip, violated in found if trip.plan.dirt == 0]
    assert sum(ViolationKind.ODD_EVEN in violated for violated in clear) >= 6
    assert sum(ViolationKind.WRONG_WAY in violated for violated in clear) >= 2
    assert sum(not violated for violated in clear) >= 5
    assert any(trip.plan.dirt > 0 and violated for trip, violated in found)


@pytest.mark.parametrize("name", names())
def test_site_is_one_the_agent_takes_and_exact(tmp_path: Path, name: str) -> None:
    """Distances would be wrong, or the agent would refuse the site that belongs to the clip."""
    path = tmp_path / "site.yaml"
    loaded = load_scenario(name)
    path.write_text(json.dumps(site_file(loaded)))
    scene = Scene.load(path)
    assert scene.calibration is not None
    assert scene.calibration.residual_m < (0.2 if loaded.survey.mark_error_m else 0.02)
    for lane in loaded.street.lanes:
        for distance_m in (20.0, 30.0):
            x, y = loaded.pinhole.project(np.array([lane.centre_m, distance_m, PLATE_Z_M]))
            if not (0 <= x <= loaded.camera.width and 0 <= y <= loaded.camera.height):
                continue
            found = scene.lane_at(Point(float(x), float(y)))
            assert found is not None
            assert found.id == lane.id
            assert (found.heading.y > 0) == lane.towards


def test_ground_undoes_project() -> None:
    """The calibration would not fit the picture."""
    camera = Camera(1280, 720, 2600, 4.5, 0.4, 10.5, 3.0)
    places = np.array([(-3.0, 15.0, 0.0), (2.0, 30.0, 0.0), (0.0, 60.0, 0.0)])
    assert np.allclose(camera.ground(camera.project(places)), places[:, :2])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, [ViolationKind.ODD_EVEN]),
        ({"plate": "B 1235 XYZ"}, []),
        ({"plate_colour": PlateColour.BLACK}, [ViolationKind.ODD_EVEN]),
        ({"plate_colour": PlateColour.YELLOW}, []),
        ({"plate_colour": PlateColour.RED}, []),
        ({"kind": "motorcycle", "plate": "B 4712 XYZ"}, []),
        ({"kind": "truck", "plate": "B 9536 XYZ"}, [ViolationKind.ODD_EVEN]),
        ({"plate": "B 1235 XYZ", "direction": "against"}, [ViolationKind.WRONG_WAY]),
    ],
)
def test_truth_follows_the_law(change: dict[str, object], expected: list[ViolationKind]) -> None:
    """The demo's summary would call a right decision wrong."""
    assert kinds(the_trip(**change)) == expected


@pytest.mark.parametrize(
    ("moment", "in_force"),
    [
        ("2026-11-23T05:59:59+07:00", False),
        ("2026-11-23T06:00:00+07:00", True),
        ("2026-11-23T10:00:00+07:00", False),
        ("2026-11-23T20:59:59+07:00", True),
        ("2026-11-22T07:30:00+07:00", False),
        ("2026-08-17T07:30:00+07:00", False),
    ],
)
def test_odd_even_hours(moment: str, in_force: bool) -> None:
    """Truth would name violations on a Sunday, a holiday or at noon."""
    assert odd_even_in_force(datetime.fromisoformat(moment).astimezone(WIB), INPUTS.calendar) is in_force


def test_vehicles_do_not_drive_through_each_other() -> None:
    """A clip with cars inside each other convinces nobody, and its truth is nonsense."""
    slow = {"kind": "bus", "lane": "L1", "enters_at_s": 0, "speed_kmh": 20}
    fast = {"kind": "sedan", "lane": "L1", "enters_at_s": 2, "speed_kmh": 60}
    with pytest.raises(ConfigError, match=r"vehicles\[1\]: drives through vehicles\[0\]"):
        trips(scenario(duration_s=10, vehicles=[slow, fast]), 1)
    crowd = trips(scenario(duration_s=10, vehicles=[], random={"vehicles": 12, "against": 0.2}), 3)
    pairs = [(one, other) for one in crowd for other in crowd if one.id < other.id]
    assert len(crowd) > 3
    assert all(meeting_s(one, other, 10) is None for one, other in pairs)


def test_files_of_a_clip(tmp_path: Path) -> None:
    """`cakra-agent replay` could not open the clip, or the truth would not belong to it."""
    render(scenario(), "small", 1, tmp_path, tmp_path / "frames")
    reader = cv2.VideoCapture(str(tmp_path / "clip.mp4"))
    for name in ("00000.png", "00001.png", "00002.png"):
        decoded, image = reader.read()
        assert decoded
        written = cv2.imread(str(tmp_path / "frames" / name))
        assert np.abs(image.astype(int) - written).mean() < 8
    assert not reader.read()[0]
    header = json.loads((tmp_path / "clip.json").read_text())
    assert header["start"] == "2026-11-23T07:30:00+07:00"
    (line,) = (tmp_path / "truth.jsonl").read_text().splitlines()
    truth = json.loads(line)
    assert truth["plate"] == "B1234XYZ"
    assert truth["violations"][0]["kind"] == "odd_even"
    assert len(truth["corners"]) == 3
    pictures = json.loads((tmp_path / "frames" / "truth.json").read_text())
    assert sorted(pictures) == ["00000.png", "00001.png", "00002.png"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("lanes: [{id: L1, colour: red}]", "lanes[0].colour: unknown key"),
        ("vehicles: [{kind: sedan, lane: L9, enters_at_s: 0, speed_kmh: 30}]", "no lane `L9`"),
        (
            "vehicles: [{kind: sedan, lane: L1, enters_at_s: 0, speed_kmh: 30, plate: B 4712 XYZ}]",
            "is for a motorcycle",
        ),
        ("vehicles: []", "no vehicles"),
    ],
)
def test_bad_scenario_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, said: str
) -> None:
    """A maintainer who mistypes a scenario would get a traceback."""
    path = tmp_path / "mine.yaml"
    good = {
        "start": "start: 2026-11-23T07:30:00+07:00",
        "duration_s": "duration_s: 1",
        "lanes": "lanes: [{id: L1}]",
        "vehicles": "vehicles: [{kind: sedan, lane: L1, enters_at_s: 0, speed_kmh: 30}]",
    }
    path.write_text("\n".join({**good, change.split(":")[0]: change}.values()))
    assert main(["footage", "--scenario", str(path), "--out", str(tmp_path / "out")]) == 78
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_unknown_scenario_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped name would not say which names there are."""
    assert main(["footage", "--scenario", "dmeo", "--out", str(tmp_path)]) == 2
    assert "there are busway demo" in capsys.readouterr().err


def test_smoke_scenario_loads_strictly() -> None:
    """An unknown key in a shipped scenario would be ignored silently."""
    path = Path(__file__).parents[2] / "simulation" / "scenarios" / "smoke.yaml"
    assert load_yaml(path, Scenario).frame_count == 30
