"""Speed: how fast, how surely, and nobody by the measurement's doubt."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from roads import ODD, TUESDAY_24TH, judge, vote

from agent.plate import VehicleClass
from agent.rules.pace import Pace, measure
from agent.scene import Scene
from agent.types import Box, Detection, Point, Track, TrackPoint, Violation, ViolationKind
from agent.vehicle import plate_height_m

FOCAL_PX, CAMERA_M, PITCH = 1800.0, 6.0, 0.18
"""A camera 6 m above the road that looks 10 degrees down at traffic that comes towards it."""


def seen(x_m: float, y_m: float, z_m: float) -> Point:
    """Where a point of the road's space is in the picture: x right, y ahead, z up."""
    down, ahead = CAMERA_M - z_m, y_m
    depth = ahead * np.cos(PITCH) + down * np.sin(PITCH)
    return Point(640 + FOCAL_PX * x_m / depth, 360 + FOCAL_PX * (down * np.cos(PITCH) - ahead * np.sin(PITCH)) / depth)


MOTORCYCLE = "B4123XYZ"
MARKS = [(x, y) for y in (18.0, 26.0, 36.0, 50.0) for x in (-4.0, 4.0)]


def site(rng: Random | None = None, **calibration: Any) -> Scene:
    """A lane of 50 km/h, calibrated by marks that are off by what the file says."""
    error_px, error_m = (1.0, 0.03) if rng else (0.0, 0.0)
    rng = rng or Random(0)
    marks = []
    for x, y in MARKS:
        u, v = seen(x, y, 0)
        found = (u + rng.gauss(0, error_px), v + rng.gauss(0, error_px))
        marks.append({"picture": found, "road_m": (x + rng.gauss(0, error_m), y + rng.gauss(0, error_m))})
    corners = [seen(-2, 60, 0.5), seen(2, 60, 0.5), seen(2, 15, 0.5), seen(-2, 15, 0.5)]
    exact = {"camera_height_m": CAMERA_M, "mark_error_px": error_px, "mark_error_m": error_m}
    lane = {"id": "L1", "polygon": corners, "direction": [seen(0, 58, 0.5), seen(0, 16, 0.5)], "speed_limit_kmh": 50}
    return Scene.model_validate(
        {
            "id": "s1",
            "name": "S1",
            "location": "Jl. Contoh",
            "picture": {"width": 1280, "height": 1400},
            "rules": ["speed"],
            "lanes": [lane],
            "calibration": {"marks": marks, "residual_limit_m": 1} | exact | calibration,
        }
    )


def car(
    speed_kmh: float,
    *,
    z_m: float = 0.5,
    noise_px: float = 0.0,
    drift_px: float = 0.0,
    width_m: float = 0.43,
    rng: Random | None = None,
    from_m: float = 45.0,
    to_m: float = 18.0,
) -> Track:
    """A plate that comes towards the camera; its places are off by noise, and by a drift that lasts some frames."""
    rng, points, drift = rng or Random(0), [], 0.0
    steps = int((from_m - to_m) / (speed_kmh / 3.6 / 25)) + 1
    for n in range(steps):
        y_m = from_m - speed_kmh / 3.6 * n / 25
        drift = 0.8 * drift + rng.gauss(0, drift_px * 0.6)
        off = rng.gauss(0, noise_px), rng.gauss(0, noise_px) + drift
        points.append(TrackPoint(n, TUESDAY_24TH, n * 40_000_000, found(y_m, z_m, width_m, off), None))
    return Track(1, tuple(points), missed=0, closed=True, broken=False)


def found(y_m: float, z_m: float, width_m: float, off_px: tuple[float, float]) -> Detection:
    """A plate 135 mm high, as a detector finds it that is off."""
    sides = ((-1, 1), (1, 1), (1, -1), (-1, -1))
    true = (seen(0.3 + across * width_m / 2, y_m, z_m + up * 0.0675) for across, up in sides)
    first, second, third, fourth = (Point(x + off_px[0], y + off_px[1]) for x, y in true)
    return Detection(Box(fourth.x, first.y, second.x, third.y), (first, second, third, fourth), 0.9)


def pace(track: Track, scene: Scene, plate: str = ODD) -> Pace:
    measured = measure(track.points, scene.lanes[0], scene, vote(plate))
    assert measured is not None
    return measured


def speed(track: Track, scene: Scene | None = None) -> Violation | None:
    return judge(ViolationKind.SPEED, track, vote(ODD), scene or site())


def test_an_exact_road_gives_the_exact_speed() -> None:
    """With the heights right and nothing off, 72 km/h is 72 km/h, and all doubt is the plate's height."""
    measured = pace(car(72), site(camera_height_error_m=0))
    assert measured.speed_kmh == pytest.approx(72, abs=0.01)
    assert measured.mark_error == pytest.approx(0, abs=1e-9)
    assert measured.half_width_kmh == pytest.approx(1.96 * 72 * measured.height_error, rel=0.05)


def test_a_plate_that_hangs_higher_is_no_faster() -> None:
    """A motorcycle's plate at 0.8 m sweeps a longer way over the road than it drives; its class undoes that."""
    motorcycle = car(72, z_m=0.8, width_m=0.275)
    assert pace(motorcycle, site(), MOTORCYCLE).speed_kmh == pytest.approx(72, abs=0.02)
    assert pace(motorcycle, site()).speed_kmh > 75


def test_a_plate_that_hangs_higher_looks_wider() -> None:
    """A jacked-up car would be measured as if its plate hung where others do: its plate's width says otherwise."""
    usual = pace(car(72), site())
    raised = pace(car(72, z_m=0.7), site())
    by_height_alone = 72 * (CAMERA_M - 0.5) / (CAMERA_M - 0.7)
    assert usual.speed_kmh < raised.speed_kmh < by_height_alone - 0.4
    assert raised.lower_kmh < 72 < raised.upper_kmh


def test_a_plate_of_another_size_is_no_ruler() -> None:
    """A car with a motorcycle's plate, or one found with half of its bumper, would get a speed it did not drive."""
    measured = {width_m: pace(car(72, width_m=width_m), site()) for width_m in (0.275, 0.43, 0.6)}
    assert all(each.speed_kmh == pytest.approx(72, abs=0.02) for each in measured.values())
    assert measured[0.275].height_error == measured[0.6].height_error > measured[0.43].height_error


@pytest.mark.parametrize("speed_kmh", [20.0, 60.0, 110.0])
@pytest.mark.parametrize("drift_px", [0.0, 1.0], ids=["jitter", "drift"])
def test_the_stated_interval_is_honest(speed_kmh: float, drift_px: float) -> None:
    """Of a thousand drivers, 950 are told an interval that holds their true speed: each on a site measured with its
    errors, with a plate as high as its class's are, and a detector that jitters, or sits low for some frames."""
    rng = Random(round(speed_kmh + 10 * drift_px))
    mean_m, error_m = plate_height_m(VehicleClass.PASSENGER, True)
    sites, held, off = [site(rng) for _ in range(20)], 0, []
    for n in range(200):
        track = car(speed_kmh, z_m=rng.gauss(mean_m, error_m), noise_px=0.6, drift_px=drift_px, rng=rng)
        camera_m = rng.gauss(CAMERA_M, 0.1)
        measured = pace(track, _with_camera(sites[n % len(sites)], camera_m))
        held += measured.lower_kmh <= speed_kmh <= measured.upper_kmh
        off.append(abs(measured.speed_kmh / speed_kmh - 1))
    assert 0.92 <= held / 200 <= 0.98
    assert np.median(off) <= 0.02
    assert np.quantile(off, 0.95) <= 0.05


def _with_camera(scene: Scene, height_m: float) -> Scene:
    assert scene.calibration is not None
    return scene.model_copy(update={"calibration": scene.calibration.model_copy(update={"camera_height_m": height_m})})


def test_an_unknown_camera_height_widens_the_interval() -> None:
    """A site where nobody measured the pole accuses only those who are far over."""
    known, unknown = pace(car(90), site()), pace(car(90), site(camera_height_m=None))
    assert unknown.half_width_kmh > 1.5 * known.half_width_kmh
    assert unknown.lower_kmh <= 90 <= unknown.upper_kmh
    assert speed(car(56), site(camera_height_m=None)) is None


def test_speed_finding() -> None:
    """The notice can say how fast, within which bounds, and what was allowed; the margin is the lower bound's."""
    found = speed(car(80))
    assert found is not None
    assert found.article.startswith("Pasal 287 ayat (5)")
    facts = dict(found.facts)
    assert facts["speed"] == "80.0 km/h"
    assert (facts["limit"], facts["tolerance"]) == ("50 km/h", "3 km/h")
    lower = float(facts["interval_95"].partition("-")[0])
    assert found.margin == pytest.approx(lower / 53 - 1, abs=1e-3)
    assert [name for name, _ in found.frames] == ["before", "at", "after"]


@pytest.mark.parametrize(
    ("speed_kmh", "guilty"), [(50.0, False), (53.0, False), (54.5, False), (56.5, True), (90.0, True)]
)
def test_only_the_lower_bound_counts(speed_kmh: float, guilty: bool) -> None:
    """At limit and tolerance, and within the doubt above it, nobody is accused."""
    assert (speed(car(speed_kmh)) is not None) == guilty


def test_noise_accuses_nobody() -> None:
    """The worse the detector trembles, the wider the interval; whoever keeps to the limit is free all the same."""
    calm, trembling = (pace(car(52, noise_px=px, rng=Random(2)), site()) for px in (0.5, 20.0))
    assert trembling.half_width_kmh > 1.5 * calm.half_width_kmh
    assert [speed(car(50, noise_px=20.0, rng=Random(seed))) for seed in range(40)] == [None] * 40


def test_too_little_to_measure() -> None:
    """Few frames, a short way, or no direction: no speed."""
    whole = car(80)
    assert speed(replace(whole, points=whole.points[:9])) is None
    assert speed(car(80, from_m=22.5, to_m=18)) is None


def test_pruned_tracks_measure_the_same() -> None:
    """A track that kept every third point gives the same speed."""
    whole = car(80, noise_px=0.3, rng=Random(4))
    pruned = replace(whole, points=whole.points[::3])
    assert pace(pruned, site()).speed_kmh == pytest.approx(pace(whole, site()).speed_kmh, rel=0.01)
