"""Cuts in footage: where a picture does not go on from the last."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from agent.cuts import CutDetector
from agent.types import Image, Point

RNG = np.random.default_rng(7)
ROAD = cv2.resize(RNG.integers(40, 200, (12, 20, 3), dtype=np.uint8), (640, 360), interpolation=cv2.INTER_LINEAR)
BEACH = cv2.resize(RNG.integers(40, 200, (12, 20, 3), dtype=np.uint8), (640, 360), interpolation=cv2.INTER_LINEAR)


def frame(base: Image, car_x: int | None = None, brighter: int = 0) -> Image:
    """The place with a sensor's noise and, where given, a car of a third of its width."""
    image = base.astype(np.int64) + RNG.integers(-6, 7, base.shape) + brighter
    if car_x is not None:
        image[140:310, max(0, car_x) : max(0, car_x + 200)] = (30, 30, 200)
    return np.clip(image, 0, 255).astype(np.uint8)


def cuts(frames: list[Image]) -> list[int]:
    detector = CutDetector(lambda _: False)
    return [index for index, image in enumerate(frames) if detector.is_cut(image)]


def test_another_scene_is_a_cut() -> None:
    """Footage that was edited does not make one vehicle of two."""
    assert cuts([frame(ROAD)] * 8 + [frame(BEACH)] * 8) == [8]


def test_a_jump_in_time_is_a_cut() -> None:
    """Two recordings of one camera strung together: the car that was there is gone at once."""
    arriving = [frame(ROAD, 12 * n) for n in range(20)]
    assert cuts([*arriving, *[frame(ROAD)] * 5]) == [20]


def test_traffic_and_weather_are_no_cuts() -> None:
    """A car that comes and goes, a cloud, or the camera's exposure ends nobody's track."""
    passing = [frame(ROAD, 12 * n - 200) for n in range(72)]
    clouds = [frame(ROAD, brighter=20 * (n // 5)) for n in range(20)]
    assert cuts(passing) == []
    assert cuts(clouds) == []


def test_a_masked_clock_is_not_looked_at() -> None:
    """A caption that changes every second is not footage."""
    captioned = [frame(ROAD) for _ in range(12)]
    for image in captioned[6:]:
        image[:60] = 255
    assert cuts(captioned) == [6]
    detector = CutDetector(lambda point: point.y < 60)
    assert not any(detector.is_cut(image) for image in captioned)
    blind = CutDetector(lambda _: True)
    assert not any(blind.is_cut(image) for image in captioned)


def test_small_pictures_are_compared_too() -> None:
    """A camera of few pixels is no special case."""
    tiny = np.zeros((9, 9, 3), np.uint8)
    assert cuts([tiny] * 3) == []


def test_real_footage_of_a_toll_gate(shared_data: Path) -> None:
    """The one jump in real footage is found, near frame 150, and nothing else in it is taken for one."""
    capture = cv2.VideoCapture(str(shared_data / "video" / "parkpow_cars.mp4"))
    detector = CutDetector(lambda point: point.y < 55 and point.x > 300)
    found = []
    for index in range(339):
        _, image = capture.read()
        if detector.is_cut(image):
            found.append(index)
    capture.release()
    assert len(found) == 1
    assert 140 <= found[0] <= 160


def test_masks_are_points_of_the_picture() -> None:
    """The mask is asked about places within the picture only."""
    asked: list[Point] = []
    detector = CutDetector(lambda point: bool(asked.append(point)))
    detector.is_cut(frame(ROAD))
    detector.is_cut(frame(ROAD))
    assert all(0 <= point.x < 640 and 0 <= point.y < 360 for point in asked)
