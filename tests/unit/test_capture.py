"""Frame sources: what footage gives, and what broken footage says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

from agent.capture import ImageFolder, VideoFile, image_files, open_source, read_image
from agent.errors import CaptureError, UsageError

START = datetime(2026, 11, 23, 0, 30, tzinfo=UTC)


def write_clip(path: Path, frames: int, fps: float = 20.0) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (64, 48))
    for index in range(frames):
        writer.write(np.full((48, 64, 3), 8 * index, np.uint8))
    writer.release()
    return path


def test_footage_brings_its_own_clock(tmp_path: Path) -> None:
    """A violation's time is the footage's, whatever the time of the replay and however fast it goes."""
    frames = list(VideoFile(write_clip(tmp_path / "clip.mp4", 5), START).frames())
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert frames[2].at == START + timedelta(seconds=0.1)
    assert frames[2].mono_ns == 100_000_000
    assert frames[0].image.shape == (48, 64, 3)


def test_a_folder_is_taken_in_the_order_of_names(tmp_path: Path) -> None:
    """Pictures saved by a camera come in the order they were taken."""
    for name, grey in (("b.png", 20), ("a.png", 10)):
        cv2.imwrite(str(tmp_path / name), np.full((8, 8, 3), grey, np.uint8))
    (tmp_path / "notes.txt").write_text("not a picture")
    frames = list(ImageFolder(tmp_path, START, fps=2).frames())
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [10, 20]
    assert frames[1].at == START + timedelta(seconds=0.5)


def test_open_source_takes_folders_and_files(tmp_path: Path) -> None:
    """A maintainer names a path and need not say what it is."""
    assert isinstance(open_source(tmp_path, START), ImageFolder)
    assert isinstance(open_source(write_clip(tmp_path / "clip.mp4", 1), START), VideoFile)


def test_a_missing_video_is_a_usage_error(tmp_path: Path) -> None:
    """A mistyped path is told as such, with the path."""
    with pytest.raises(UsageError, match=r"clip\.mp4: no such video"):
        open_source(tmp_path / "clip.mp4", START)


@pytest.mark.parametrize("content", [b"", b"no video at all", b"\0\0\0\x18ftypmp42" + bytes(64)])
def test_a_damaged_video_says_so(tmp_path: Path, content: bytes) -> None:
    """A file cut off by a full disk is named, not a silent zero frames."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(CaptureError, match=r"clip\.mp4: "):
        list(VideoFile(path, START).frames())


def test_footage_that_breaks_off_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a copied clip is not a quiet street: what was there is seen, then the fault is told."""
    source = VideoFile(write_clip(tmp_path / "clip.mp4", 30), START)
    real = cv2.VideoCapture

    class CutOff:
        def __init__(self, path: str) -> None:
            self._whole, self._left = real(path), 5

        def read(self) -> tuple[bool, object]:
            self._left -= 1
            return self._whole.read() if self._left >= 0 else (False, None)

        def __getattr__(self, name: str) -> object:
            return getattr(self._whole, name)

    monkeypatch.setattr(cv2, "VideoCapture", CutOff)
    frames = source.frames()
    assert [next(frames).index for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(CaptureError, match="breaks off after frame 5 of 30"):
        next(frames)


@pytest.mark.parametrize("content", [b"", b"text", b"\xff\xd8\xff\xe0broken"])
def test_a_damaged_picture_says_so(tmp_path: Path, content: bytes) -> None:
    """One broken picture of a thousand is found by its name."""
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(CaptureError, match=r"a\.jpg: not a picture"):
        read_image(path)


def test_missing_pictures_and_empty_folders_are_usage_errors(tmp_path: Path) -> None:
    """A wrong folder is told at once."""
    with pytest.raises(UsageError, match="No such file"):
        read_image(tmp_path / "a.jpg")
    with pytest.raises(UsageError, match="no pictures"):
        image_files(tmp_path)
