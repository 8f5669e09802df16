"""Frame sources: recorded footage and folders of pictures.

A source yields frames in time order and says when it ends. A new kind of camera is one class with `frames` and one
line in `open_source`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from agent.errors import CaptureError, UsageError
from agent.types import Frame, Image

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
# A damaged file is told in one line of ours; FFmpeg's own dozens say no more (its level -8 is silence).
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


class FrameSource(Protocol):
    """Where frames come from."""

    def frames(self) -> Iterator[Frame]:
        """Frames in time order until the source ends. Raises CaptureError when it breaks off."""
        ...


@dataclass(frozen=True, slots=True)
class VideoFile:
    """Recorded footage; the clock is the footage's: `start` plus the frame's place in it."""

    path: Path
    start: datetime
    """Moment of the first frame, aware."""

    def frames(self) -> Iterator[Frame]:
        capture = cv2.VideoCapture(str(self.path))
        try:
            fps = capture.get(cv2.CAP_PROP_FPS)
            if not capture.isOpened() or not fps > 0:
                raise CaptureError(f"{self.path}: not a video that can be decoded; check the file with a player")
            index = 0
            while True:
                present, image = capture.read()
                if not present:
                    break
                yield _frame(image, index, self.start, fps)
                index += 1
            self._check_end(index, capture.get(cv2.CAP_PROP_FRAME_COUNT), fps)
        finally:
            capture.release()

    def _check_end(self, decoded: int, announced: float, fps: float) -> None:
        """Containers may be a few frames off; more than a second is a copy that was cut off or damaged."""
        if decoded == 0:
            raise CaptureError(f"{self.path}: no frame can be decoded; the file is empty or damaged")
        if announced - decoded > fps:
            raise CaptureError(
                f"{self.path}: breaks off after frame {decoded} of {announced:.0f}; the file is damaged, copy it again"
            )


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """A folder of pictures in the order of their names, taken `fps` to the second."""

    path: Path
    start: datetime
    fps: float

    def frames(self) -> Iterator[Frame]:
        for index, path in enumerate(image_files(self.path)):
            yield _frame(read_image(path), index, self.start, self.fps)


def open_source(path: Path, start: datetime, fps: float = 10.0) -> FrameSource:
    """The source for a path: a folder of pictures (`fps` to the second) or a video file. Raises UsageError."""
    if not path.exists():
        raise UsageError(f"{path}: no such video; give the path of a recorded clip or a folder of pictures")
    return ImageFolder(path, start, fps) if path.is_dir() else VideoFile(path, start)


def image_files(folder: Path) -> list[Path]:
    """The pictures of a folder by name. Raises UsageError when there is none."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise UsageError(f"{folder}: no pictures in this folder; supported are {', '.join(sorted(IMAGE_SUFFIXES))}")
    return found


def read_image(path: Path) -> Image:
    """A picture as BGR uint8 (height, width, 3). Raises UsageError or CaptureError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; give the path of a picture") from None
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error:
        image = None
    if image is None:
        raise CaptureError(f"{path}: not a picture that can be decoded; check or replace the file")
    return image  # type: ignore[return-value]


def _frame(image: object, index: int, start: datetime, fps: float) -> Frame:
    return Frame(
        image=image,  # type: ignore[arg-type]
        index=index,
        at=start + timedelta(seconds=index / fps),
        mono_ns=round(index * 1e9 / fps),
    )
