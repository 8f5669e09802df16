"""Site files: a good one loads, a bad one is refused with the field and the mend."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from agent.calibration import Calibration
from agent.errors import ConfigError
from agent.geometry import contains, crosses_itself, fit_homography, project
from agent.markings import ZoneKind
from agent.scene import Scene
from agent.types import Point, ViolationKind

SITES = Path(__file__).parents[2] / "config" / "sites"


def square(x: float, y: float, size: float) -> list[list[float]]:
    return [[x, y], [x + size, y], [x + size, y + size], [x, y + size]]


def site(**changes: Any) -> dict[str, Any]:
    """A small sound site: one lane downwards, 10 pixels to the metre."""
    marks = [{"picture": p, "road_m": [p[0] / 10, p[1] / 10]} for p in square(100, 100, 400)]
    return {
        "id": "s1",
        "name": "S1",
        "location": "Jl. Contoh",
        "picture": {"width": 640, "height": 640},
        "rules": ["odd_even", "wrong_way"],
        "lanes": [{"id": "L1", "polygon": square(100, 100, 400), "direction": [[300, 110], [300, 490]]}],
        "calibration": {"marks": marks},
    } | changes


def load(tmp_path: Path, content: dict[str, Any]) -> Scene:
    path = tmp_path / "site.yaml"
    path.write_text(yaml.safe_dump(content))
    return Scene.load(path)


@pytest.mark.parametrize("path", sorted(SITES.glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_sites_load(path: Path) -> None:
    """Every site file that ships can be used as it is."""
    assert Scene.load(path).lanes


def test_sound_site(tmp_path: Path) -> None:
    """Lanes, masks and metres come out of the file as they were drawn."""
    scene = load(tmp_path, site(ignore=[{"id": "caption", "polygon": square(0, 0, 50)}]))
    lane = scene.lane_at(Point(300, 300))
    assert lane is not None
    assert lane.id == "L1"
    assert lane.heading == Point(0, 1)
    assert lane.length_px == 400
    assert lane.subject_to(ViolationKind.ODD_EVEN)
    assert scene.lane_at(Point(50, 300)) is None
    assert scene.ignored(Point(10, 10))
    assert not scene.ignored(Point(60, 10))
    assert scene.calibration is not None
    assert scene.calibration.to_road(Point(200, 300)) == pytest.approx((20, 30))
    assert str(scene.zone) == "Asia/Jakarta"


def _lane(**changes: Any) -> list[dict[str, Any]]:
    return [site()["lanes"][0] | changes]


def _marks(*road_m: list[float]) -> dict[str, Any]:
    picture = [*square(100, 100, 400), [300, 300]]
    return {"marks": [{"picture": p, "road_m": r} for p, r in zip(picture, road_m, strict=False)]}


def _zone(**changes: Any) -> dict[str, Any]:
    return {"id": "Z", "kind": "bus_lane", "polygon": square(100, 100, 100)} | changes


def _signal(**changes: Any) -> dict[str, Any]:
    lamps = {"red": square(600, 10, 10), "green": square(600, 30, 10)}
    return {"id": "S1", "stop_line": "stop", "lanes": ["L1"], "lamps": lamps} | changes


STOP = [{"id": "stop", "points": [[90, 400], [510, 400]]}]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lane": []}, "lane: unknown key; did you mean `lanes`?"),
        ({"lanes": _lane(width=3)}, "lanes[0].width: unknown key; known are direction, id, polygon, rules, "),
        ({"rules": ["parking"]}, "rules[0]: should be "),
        ({"rules": ["odd_even", "odd_even"]}, "rules: a rule is named twice; name each once"),
        ({"timezone": "Asia/Batavia"}, "timezone: no time zone `Asia/Batavia`; give an IANA name"),
        (
            {"lanes": _lane(polygon=[[100, 100], [500, 500], [500, 100], [100, 500]])},
            "lanes[0].polygon: the polygon crosses or touches itself; give its corners in order, each once",
        ),
        (
            {"lanes": _lane(polygon=[[100, 100], [200, 200], [300, 300]])},
            "lanes[0].polygon: the polygon ",
        ),
        (
            {"lanes": _lane(polygon=[[100, 100], [200, 200]])},
            "lanes[0].polygon: Tuple should have at least 3 items",
        ),
        (
            {"lanes": _lane(polygon=square(300, 300, 400))},
            "lanes[0].polygon[1]: (700, 300) is outside the picture of 640x640; move it inside",
        ),
        ({"lanes": _lane(polygon=[[100, 100], [".nan", 200], [1, 2]])}, "lanes[0].polygon[1]"),
        (
            {"lanes": _lane(direction=[[1, 1], [1, 1]])},
            "lanes[0].direction: both points are the same; give a start and an end of permitted travel",
        ),
        ({"lanes": _lane(direction=None)}, "lanes[0].direction: is missing and wrong_way is on; give two"),
        ({"rules": ["odd_even"], "lanes": _lane(rules=["wrong_way"])}, "lanes[0].rules: `wrong_way` is not on"),
        ({"lanes": _lane() * 2}, "lanes[1].id: `L1` is taken already; give each its own id"),
        ({"lines": [{"id": "stop", "points": [[0, 0], [9, 900]]}]}, "lines[0].points[1]: (9, 900) is outside"),
        ({"lines": [{"id": "stop", "points": [[9, 9], [9, 9]]}]}, "lines[0].points: both ends are the same"),
        (
            {"zones": [_zone(polygon=[[100, 100], [500, 500], [500, 100], [100, 500]])]},
            "zones[0].polygon: the polygon crosses or touches itself",
        ),
        (
            {"zones": [_zone(hours=[{"days": ["mon"], "begin": "16:00", "end": "06:00"}])]},
            "zones[0].hours[0]: begin is not before end; split a span that passes midnight in two",
        ),
        ({"zones": [_zone(polygon=square(600, 600, 100))]}, "zones[0].polygon[1]: (700, 600) is outside"),
        ({"zones": [_zone(), _zone()]}, "zones[1].id: `Z` is taken already"),
        ({"signals": [_signal(lamps=None)]}, "signals[0]: has 0 sources; give one of `lamps`, `gpio` and `mqtt_topic`"),
        ({"signals": [_signal(mqtt_topic="a/b")]}, "signals[0]: has 2 sources"),
        ({"signals": [_signal(lamps=None, mqtt_topic="a/#")]}, "signals[0].mqtt_topic: String should match"),
        (
            {"signals": [_signal(lamps={"red": square(600, 10, 50), "green": square(600, 80, 9)})]},
            "signals[0].lamps.red[1]: (650, 10) is outside the picture",
        ),
        ({"signals": [_signal()]}, "signals[0].stop_line: no line `stop`; add it to `lines` or correct the name"),
        ({"signals": [_signal(lanes=["L9"])], "lines": STOP}, "signals[0].lanes: no lane `L9`; correct the name"),
        (
            {"signals": [_signal(), _signal(id="S2")], "lines": STOP},
            "signals[1].lanes: `L1` is governed by another signal already; name it in one",
        ),
        (
            {"signals": [_signal()], "lines": [{"id": "stop", "points": [[10, 10], [90, 10]]}]},
            "signals[0].stop_line: `stop` does not cross lane `L1`; draw it from one side",
        ),
        ({"rules": ["red_light"]}, "signals: none governs a lane and red_light is on; add one"),
        (
            {"rules": ["stop_line"], "signals": [_signal()], "lines": STOP, "calibration": None},
            "calibration: is missing and stop_line is on; mark four or more points",
        ),
        (
            {"rules": ["red_light"], "signals": [_signal()], "lines": STOP, "lanes": _lane(direction=None)},
            "lanes[0].direction: is missing and red_light is on; give two points",
        ),
        ({"rules": ["speed"]}, "lanes[0].speed_limit_kmh: is missing and speed is on; give what the sign says"),
        ({"rules": ["speed"], "lanes": _lane(speed_limit_kmh=50), "calibration": None}, "calibration: is missing"),
        ({"rules": ["bus_lane"]}, "zones: there is no bus_lane and bus_lane is on; draw one, or take bus_lane out"),
        ({"rules": ["stopping"], "zones": [_zone()]}, "zones: there is no box_junction or no_stopping and stopping"),
        ({"calibration": {"marks": []}}, "calibration.marks: Tuple should have at least 4 items"),
        (
            {"calibration": _marks([0, 0], [1, 0], [2, 0], [3, 0])},
            "calibration: the points lie on a line or repeat; mark four or more points",
        ),
        (
            {"calibration": _marks([0, 0], [40, 0], [40, 40], [0, 40], [26, 20])},
            "calibration: residual ",
        ),
    ],
)
def test_unsound_sites_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """A site that does not hold together never accuses anybody: it is refused with the field and the mend."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, site(**changes))
    assert str(caught.value).startswith(f"{tmp_path / 'site.yaml'}: {message}")
    assert "\n" not in str(caught.value)


def test_signals_and_zones(tmp_path: Path) -> None:
    """A rule finds the light that governs a lane, its stop line, and the zones it is about."""
    scene = load(tmp_path, site(lines=STOP, signals=[_signal()], zones=[_zone(), _zone(id="B", kind="box_junction")]))
    found = scene.signal_of(scene.lanes[0])
    assert found is not None
    assert (found[0].id, found[1].id) == ("S1", "stop")
    assert [zone.id for zone in scene.zones_of(ZoneKind.BOX_JUNCTION)] == ["B"]
    assert scene.zones[0].holds(Point(150, 150))


def test_lane_beyond_the_horizon_is_refused(tmp_path: Path) -> None:
    """Metres are never taken from the sky."""
    picture = [[250, 300], [390, 300], [600, 600], [40, 600]]
    road = [[0, 60], [10, 60], [10, 0], [0, 0]]
    marks = [{"picture": p, "road_m": r} for p, r in zip(picture, road, strict=True)]
    lanes = _lane(polygon=[[250, 0], [390, 0], [600, 600], [40, 600]])
    with pytest.raises(ConfigError, match=r"lanes\[0\]\.polygon: reaches over the calibration's horizon"):
        load(tmp_path, site(lanes=lanes, calibration={"marks": marks}))


def test_lane_without_direction_may_leave_wrong_way_out(tmp_path: Path) -> None:
    """A lane that may be driven both ways needs no direction when it names its rules."""
    scene = load(tmp_path, site(lanes=_lane(direction=None, rules=["odd_even"])))
    assert not scene.lanes[0].subject_to(ViolationKind.WRONG_WAY)


def test_homography_is_found_again() -> None:
    """Distances on the road are right wherever in the picture they are measured."""
    truth = fit_homography(
        [Point(440, 180), Point(730, 180), Point(1150, 700), Point(60, 700)],
        [Point(0, 40), Point(10.5, 40), Point(10.5, 0), Point(0, 0)],
    )
    points = [Point(500, 300), Point(700, 310), Point(900, 650), Point(200, 600), Point(600, 450)]
    again = fit_homography(points, [project(truth, p) for p in points])
    for point in (Point(640, 400), Point(450, 190)):
        assert project(again, point) == pytest.approx(project(truth, point), abs=1e-6)


CORNERS = [Point(440, 180), Point(730, 180), Point(1150, 700), Point(60, 700), Point(400, 420), Point(880, 420)]
TRUTH = fit_homography(CORNERS[:4], [Point(0, 40), Point(10.5, 40), Point(10.5, 0), Point(0, 0)])


def _calibration(rng: Random, **changes: Any) -> Calibration:
    """Marks that were found and measured with the errors the file states."""
    marks = []
    for picture in CORNERS:
        road = project(TRUTH, picture)
        found = (picture.x + rng.gauss(0, 1), picture.y + rng.gauss(0, 1))
        marks.append({"picture": found, "road_m": (road.x + rng.gauss(0, 0.03), road.y + rng.gauss(0, 0.03))})
    return Calibration.model_validate({"marks": marks} | changes)


def test_a_calibration_knows_how_wrong_it_may_be() -> None:
    """The stated error of a distance is the one that marks with their errors really lead to."""
    rng, here, there = Random(5), Point(500, 300), Point(560, 600)
    true = project(TRUTH, there).y - project(TRUTH, here).y
    off, stated = [], []
    for _ in range(300):
        calibration = _calibration(rng)
        measured = calibration.to_road(there).y - calibration.to_road(here).y
        moved = [project(h, there).y - project(h, here).y for h in calibration.alternatives]
        off.append(measured - true)
        stated.append(sum((each - measured) ** 2 for each in moved) ** 0.5)
    actual = (sum(each**2 for each in off) / len(off)) ** 0.5
    assert sum(stated) / len(stated) == pytest.approx(actual, rel=0.15)


def test_a_plate_above_the_road() -> None:
    """A plate half a metre up under a camera 5 m up went nine tenths of the way its line of sight went."""
    share, error = _calibration(Random(1), camera_height_m=5, camera_height_error_m=0.1).road_share(0.5, 0.1)
    assert share == pytest.approx(0.9)
    assert error == pytest.approx((0.02**2 + 0.002**2) ** 0.5)
    unknown, wide = _calibration(Random(1)).road_share(0.5, 0.1)
    assert unknown - 2.5 * wide < 0.7
    assert unknown + 1.5 * wide > 0.97


def test_polygons() -> None:
    """A plate on the far side of a notch in a lane is not in the lane."""
    notched = [Point(0, 0), Point(10, 0), Point(10, 10), Point(5, 4), Point(0, 10)]
    assert contains(notched, Point(1, 5))
    assert not contains(notched, Point(5, 8))
    assert not crosses_itself(notched)
    assert crosses_itself([*notched, Point(10, 5)])
