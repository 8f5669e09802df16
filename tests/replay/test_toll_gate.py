"""Real footage of a toll gate: its labels are read where the footage lies, and are no part of the project."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.app import load_networks, model_settings
from agent.capture import open_source
from agent.lights import open_lights
from agent.pipeline import Followed, Pipeline
from agent.plate import edit_distance
from agent.scene import Scene
from agent.track import Tracker
from agent.validate import Thresholds

CLIP = "parkpow_cars.mp4"
CUT_FRAME = 147
CAPTION_PX = 44
"""Height of the burnt-in caption along the upper edge."""
SITE = Scene.model_validate(
    {
        "id": "toll-gate",
        "name": "Toll gate",
        "location": "A toll gate",
        "picture": {"width": 1280, "height": 720},
        "rules": ["odd_even"],
        "lanes": [{"id": "L1", "polygon": [[0, 0], [1280, 0], [1280, 720], [0, 720]]}],
        "ignore": [{"id": "caption", "polygon": [[0, 0], [1280, 0], [1280, CAPTION_PX], [0, CAPTION_PX]]}],
    }
)


@pytest.fixture(scope="module")
def vehicles(shared_data: Path) -> tuple[Followed, ...]:
    """All that is followed in the clip, plates of any country."""
    video = shared_data / "video" / CLIP
    if not video.exists():
        pytest.skip(f"{CLIP} is not on this machine")
    networks = load_networks(model_settings(None, 1), "none", stills=False)
    lights = open_lights((), None)
    pipeline = Pipeline(
        networks.detector, networks.reader, Tracker(), SITE, (), Thresholds(), lights, clock_synchronised=True
    )  # fmt: skip
    return tuple(pipeline.run(open_source(video, datetime(2020, 1, 1, tzinfo=UTC)).frames()))


@pytest.fixture(scope="module")
def labels(shared_data: Path) -> list[tuple[str, int, int]]:
    """Plate, first and last frame of each labelled vehicle, from the table beside the footage."""
    row = next(line for line in (shared_data / "README.md").read_text().splitlines() if CLIP in line)
    found = re.findall(r"(\w{7,9}) \((?:frames )?(\d+)-(\d+),", row)
    assert len(found) == 3
    return [(text, int(first), int(last)) for text, first, last in found]


def test_each_labelled_vehicle_is_one_track(vehicles: tuple[Followed, ...], labels: list[tuple[str, int, int]]) -> None:
    """A vehicle in two tracks would be accused twice, two in one track would share a plate."""
    for text, first, last in labels:
        its = [each for each in vehicles if edit_distance(each.vote.text, text) <= 1]
        assert len(its) == 1, [each.vote.text for each in its]
        frames = [point.frame_index for point in its[0].track.points]
        assert sum(first <= frame <= last for frame in frames) >= 0.5 * min(len(frames), last - first)
        assert not its[0].track.broken


def test_the_caption_is_no_plate(vehicles: tuple[Followed, ...]) -> None:
    """A plate-like number in a burnt-in caption would be followed, read and accused."""
    assert all(point.detection.box.centre.y > CAPTION_PX for each in vehicles for point in each.track.points)


def test_no_track_survives_the_cut(vehicles: tuple[Followed, ...]) -> None:
    """A vehicle from before a cut would be taken for one after it."""
    for each in vehicles:
        frames = [point.frame_index for point in each.track.points]
        assert max(frames) < CUT_FRAME - 1 or min(frames) > CUT_FRAME - 3, (min(frames), max(frames))
