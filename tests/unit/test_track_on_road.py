"""Fast plates on a calibrated road: followed through missed frames, whatever their size is taken for."""

from __future__ import annotations

from random import Random

import pytest
from roads import TUESDAY_24TH

from agent.calibration import Calibration
from agent.track import Tracker
from agent.types import Box, Detection, Point

FOCAL_PX, CAMERA_M, PITCH = 2600.0, 6.7, 0.24
FPS = 25


def seen(x_m: float, y_m: float, z_m: float = 0.5) -> Point:
    """Where a point is in the picture of a gantry's camera: x right, y ahead of it, z above the road."""
    down = CAMERA_M - z_m
    depth = y_m + down * PITCH
    return Point(640 + FOCAL_PX * x_m / depth, 360 + FOCAL_PX * (down - y_m * PITCH) / depth)


MARKS = [{"picture": seen(x, y, 0), "road_m": (x, y)} for y in (16.0, 24.0, 36.0, 55.0) for x in (-4.0, 4.0)]
ROAD = Calibration.model_validate({"marks": MARKS})


def tracks_of(speed_kmh: float, missed: float, rng: Random) -> int:
    """How many tracks a car from 60 m to 15 m makes; a share of its frames is missed, its size is 7 % off."""
    tracker, ids = Tracker(ground=ROAD), set()
    step_m = speed_kmh / 3.6 / FPS
    for n in range(int(45 / step_m)):
        x, y = seen(1.5, 60 - step_m * n)
        width = FOCAL_PX * 0.43 / (60 - step_m * n) * rng.gauss(1, 0.07)
        box = Box(x - width / 2, y - width / 6, x + width / 2, y + width / 6)
        found = [Detection(box, (box.centre,) * 4, 0.9)] if n < 2 or rng.random() >= missed else []
        ids |= {track.track_id for track in tracker.update(n, TUESDAY_24TH, n * 10**9 // FPS, found)}
    return len(ids)


@pytest.mark.parametrize("speed_kmh", [60.0, 118.0, 140.0])
@pytest.mark.parametrize("missed", [0.0, 0.35])
def test_a_fast_plate_is_one_track(speed_kmh: float, missed: float) -> None:
    """A vehicle in two tracks is too short in each for its speed to be measured."""
    assert [tracks_of(speed_kmh, missed, Random(seed)) for seed in range(20)] == [1] * 20


def test_what_comes_near_is_foreseen() -> None:
    """At constant speed on the road a plate moves ever faster in the picture, and grows."""
    found = ROAD.ahead(seen(1, 50), seen(1, 45), 3)
    assert found is not None
    assert found[0] == pytest.approx(seen(1, 30), abs=1)
    assert found[1] == pytest.approx((45 + 6.2 * PITCH) / (30 + 6.2 * PITCH), rel=0.02)
    assert ROAD.ahead(seen(1, 50), seen(1, 20), 2) is None
