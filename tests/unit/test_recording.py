"""What the networks saw, as text: nothing is lost on the way, and what is damaged is told."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from agent.errors import ConfigError, UsageError
from agent.recording import Header, Player, Recorder, Recording, read_line, read_of
from agent.scene import Scene
from agent.types import (
    Box,
    Candidate,
    Corners,
    Detection,
    Expiry,
    Frame,
    Image,
    LightSample,
    LightState,
    PlateColour,
    PlateRead,
    Point,
)

START = datetime(2026, 11, 23, 0, 30, tzinfo=UTC)
SITE = Scene.model_validate(
    {
        "id": "s1",
        "name": "S1",
        "location": "Jl. Contoh",
        "picture": {"width": 64, "height": 48},
        "rules": ["odd_even"],
        "lanes": [{"id": "L1", "polygon": [[0, 0], [64, 0], [64, 48], [0, 48]]}],
    }
)
CORNERS: Corners = (Point(10.123456, 10), Point(50, 10.5), Point(50, 22), Point(10, 22))
PLATE = Detection(Box(10.123456, 10, 50, 22), CORNERS, 0.87654321)
SMALL = Detection(Box(1, 1, 9, 4), (Point(1, 1), Point(9, 1), Point(9, 4), Point(1, 4)), 0.5)
READ = PlateRead(
    (Candidate("B1234XYZ", 0.98765432), Candidate("B1234XYV", 0.01)),
    (0.9999999,) * 8,
    PlateColour.WHITE,
    0.97,
    Expiry(5, 2028, 0.91234567),
    0.95,
)
HEADER = Header(recording=1, start=START, site=SITE).model_dump_json(exclude_defaults=True)


class Stages:
    """A detector, reader, lights and cuts whose answers are known."""

    def detect(self, image: Image) -> tuple[Detection, ...]:
        return PLATE, SMALL

    def read(self, image: Image, corners: Corners) -> PlateRead:
        return READ

    def read_crop(self, crop: Image) -> PlateRead:
        return READ

    def look(self, frame: Frame) -> tuple[LightSample, ...]:
        return (LightSample("S1", LightState.RED, frame.mono_ns),)

    def is_cut(self, image: Image) -> bool:
        return True


def record(path: Path) -> tuple[tuple[Detection, ...], PlateRead]:
    """A recording of one frame; what the pipeline was told of it."""
    stages, file = Stages(), io.StringIO()
    recorder = Recorder(stages, stages, stages, stages, START, file)
    recorder.head(SITE)
    image = np.zeros((48, 64, 3), np.uint8)
    recorder.look(Frame(image, 7, START + timedelta(milliseconds=280), 280_000_000))
    found = recorder.detect(image)
    assert recorder.is_cut(image)
    path.write_text(file.getvalue())
    return found, recorder.read(image, found[0].corners)


def test_a_player_says_what_the_pipeline_was_told(tmp_path: Path) -> None:
    """A recording that rounds more than the pipeline that made it would be judged otherwise."""
    found, read = record(tmp_path / "r.jsonl")
    player = Player(Recording.load(tmp_path / "r.jsonl"))
    (frame,) = player.frames()
    assert (frame.index, frame.at, frame.mono_ns) == (7, START + timedelta(milliseconds=280), 280_000_000)
    assert frame.image.shape == (48, 64, 3)
    assert player.detect(frame.image) == found
    assert player.read(frame.image, found[0].corners) == read
    assert player.look(frame) == (LightSample("S1", LightState.RED, 280_000_000),)
    assert player.is_cut(frame.image)


def test_plates_too_small_to_read_are_kept_unread(tmp_path: Path) -> None:
    """A tracker that asks for one would get another plate's text."""
    found, _ = record(tmp_path / "r.jsonl")
    player = Player(Recording.load(tmp_path / "r.jsonl"))
    (frame,) = player.frames()
    assert player.read(frame.image, found[1].corners).text == ""


def test_another_start_moves_the_wall_clock_only(tmp_path: Path) -> None:
    """Footage played at another hour would be faster or slower, or not at that hour."""
    record(tmp_path / "r.jsonl")
    later = START + timedelta(hours=4)
    (frame,) = Player(Recording.load(tmp_path / "r.jsonl"), later).frames()
    assert (frame.at - later, frame.mono_ns) == (timedelta(milliseconds=280), 280_000_000)


def test_a_saved_recording_loads_again(tmp_path: Path) -> None:
    """`scripts/replay --accept` would change more than the decisions."""
    record(tmp_path / "r.jsonl")
    first = Recording.load(tmp_path / "r.jsonl")
    first.save(tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_text() == (tmp_path / "r.jsonl").read_text()


def test_a_read_survives_but_for_its_last_digits() -> None:
    """A posterior near a threshold would fall on its other side each time that it is written."""
    once = read_of(read_line(READ))
    assert read_of(read_line(once)) == once
    assert once.confidence == pytest.approx(READ.confidence, abs=1e-6)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "line 1: "),
        ('{"recording": 1}\n', "line 1: start: is missing"),
        (
            Header(recording=1, start=START, site=SITE).model_dump_json(exclude_defaults=True) + '\n{"frame": 1}\n',
            "not a",
        ),
    ],
)
def test_a_damaged_recording_is_told_in_one_line(tmp_path: Path, content: str, said: str) -> None:
    """A maintainer who cuts a recording short would get a traceback."""
    path = tmp_path / "r.jsonl"
    path.write_text(content)
    with pytest.raises(ConfigError, match=said) as caught:
        Recording.load(path)
    assert "\n" not in str(caught.value)


def test_a_recording_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A mistyped path would get a traceback."""
    with pytest.raises(UsageError, match="give the path of a recording"):
        Recording.load(tmp_path / "none.jsonl")
