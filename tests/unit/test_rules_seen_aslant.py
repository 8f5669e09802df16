"""Stop lines under a real camera: a plate hangs above the road, so it looks farther off than it is."""

from __future__ import annotations

import pytest
from roads import ODD, TUESDAY_24TH, judge, scene, vote

from agent.scene import Scene
from agent.signal import LightHistory, Signals
from agent.types import Box, Detection, LightState, Point, Track, TrackPoint, Violation, ViolationKind
from agent.validate import Thresholds

FOCAL_PX, CAMERA_M, PITCH = 2400.0, 4.5, 0.18
LINE_M = 20.0
MARKS = [(x, y) for y in (14.0, 20.0, 28.0, 40.0) for x in (-3.0, 3.0)]
RED: Signals = {"S1": LightHistory(1.0).seen(LightState.RED, 0).seen(LightState.RED, 900_000_000)}


def seen(x_m: float, y_m: float, z_m: float) -> Point:
    """Where a point is in the picture: x right, y ahead of the camera, z above the road."""
    down = CAMERA_M - z_m
    depth = y_m + down * PITCH
    return Point(640 + FOCAL_PX * x_m / depth, 360 + FOCAL_PX * (down - y_m * PITCH) / depth)


def junction(*, away: bool, line_z_m: float) -> Scene:
    """One lane that drives towards the camera or away from it, over a line drawn at a height."""
    area = [seen(x, y, 0.5) for x, y in ((-2, 45), (2, 45), (2, 12), (-2, 12))]
    ends = [seen(0, y, 0.5) for y in ((14, 40) if away else (40, 14))]
    lamps = {"red": [[600, 10], [610, 10], [610, 20]], "green": [[600, 30], [610, 30], [610, 40]]}
    line = {"id": "stop", "points": [seen(x, LINE_M, line_z_m) for x in (-2.5, 2.5)], "height_m": line_z_m}
    return scene(
        picture={"width": 1280, "height": 1280},
        rules=["red_light", "stop_line"],
        lanes=[{"id": "L1", "polygon": area, "direction": ends}],
        lines=[line],
        signals=[{"id": "S1", "stop_line": "stop", "lanes": ["L1"], "lamps": lamps}],
        calibration={"marks": [{"picture": seen(x, y, 0), "road_m": [x, y]} for x, y in MARKS]},
    )


def halts(past_m: float, z_m: float, *, away: bool) -> Track:
    """Comes at 5 m/s and stands for ten seconds with its plate, at a height, so far past the line."""
    points = []
    for n in range(25 * 13):
        driven_m = past_m - 5 * max(0.0, 3 - n / 25)
        y_m = LINE_M + (driven_m if away else -driven_m)
        x, y = seen(0, y_m, z_m)
        half = FOCAL_PX * 0.43 / y_m / 2
        box = Box(x - half, y - half / 3, x + half, y + half / 3)
        points.append(TrackPoint(n, TUESDAY_24TH, n * 40_000_000, Detection(box, (box.centre,) * 4, 0.9), None))
    return Track(1, tuple(points), missed=0, closed=True, broken=False)


def judged(kind: ViolationKind, track: Track, *, away: bool, line_z_m: float = 0.5) -> Violation | None:
    red = RED["S1"]
    for n in range(14):
        red = red.seen(LightState.RED, (n + 1) * 1_000_000_000)
    return judge(kind, track, vote(ODD), junction(away=away, line_z_m=line_z_m), {"S1": red})


@pytest.mark.parametrize(("x_m", "y_m"), [(0, 20), (2, 16), (-2, 35)])
@pytest.mark.parametrize("z_m", [0.0, 0.5, 1.0])
def test_the_place_below_a_plate(x_m: float, y_m: float, z_m: float) -> None:
    """Vehicles would be taken to be where the line of sight over their plate meets the road, metres behind them."""
    calibration = junction(away=True, line_z_m=0.5).calibration
    assert calibration is not None
    assert calibration.below(seen(x_m, y_m, z_m), z_m) == pytest.approx((x_m, y_m), abs=0.25)


@pytest.mark.parametrize("away", [True, False], ids=["away", "towards"])
@pytest.mark.parametrize("line_z_m", [0.0, 0.75], ids=["on its paint", "at rear plates"])
def test_a_line_may_be_drawn_at_any_height(away: bool, line_z_m: float) -> None:
    """Drawn on its paint, or where the plates pass: who stands two metres past it is two metres past it."""
    usual_m = 0.8 if away else 0.5
    found = judged(ViolationKind.STOP_LINE, halts(2.0, usual_m, away=away), away=away, line_z_m=line_z_m)
    assert found is not None
    assert float(dict(found.facts)["past_line"].removesuffix(" m")) == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize(("away", "higher_m"), [(True, 0.25), (False, -0.25)])
def test_a_plate_that_hangs_oddly_accuses_nobody_by_itself(away: bool, higher_m: float) -> None:
    """Two standard errors off, a car that waits 0.7 m before the line looks as if it stood past it: a person looks."""
    track = halts(-0.7, (0.8 if away else 0.5) + higher_m, away=away)
    found = judged(ViolationKind.STOP_LINE, track, away=away)
    assert found is None or found.margin < Thresholds().margin(ViolationKind.STOP_LINE)


def test_who_stands_past_the_line_has_not_run_the_light() -> None:
    """A high rear plate 2.8 m past the line looks as if it were four: the article would be the wrong one."""
    track = halts(2.8, 1.05, away=True)
    assert judged(ViolationKind.RED_LIGHT, track, away=True) is None
    found = judged(ViolationKind.STOP_LINE, track, away=True)
    assert found is not None
    assert found.margin > Thresholds().margin(ViolationKind.STOP_LINE)
