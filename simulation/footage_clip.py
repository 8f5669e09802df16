"""Frames into an mp4: by ffmpeg where one with libx264 is on the PATH, else by the encoder inside OpenCV."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol

import cv2

from agent.errors import StoreError
from agent.types import Image


class Encoder(Protocol):
    """Takes frames, one after the other."""

    def add(self, image: Image) -> None: ...

    def close(self) -> None: ...


class Clip:
    """A video file while it is written; it appears under its name only when it is whole."""

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        self._path = path
        self._partial = path.with_name(f".{path.stem}.{os.getpid()}.partial.mp4")
        ffmpeg = _ffmpeg()
        self._encoder: Encoder = (
            _Pipe(ffmpeg, self._partial, fps, size) if ffmpeg else _OpenCv(self._partial, fps, size)
        )  # fmt: skip

    def __enter__(self) -> Clip:
        return self

    def add(self, image: Image) -> None:
        """Append a frame of the clip's size. Raises StoreError."""
        self._encoder.add(image)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._encoder.close()
            if kind is None:
                self._partial.replace(self._path)
        finally:
            self._partial.unlink(missing_ok=True)


def _ffmpeg() -> str | None:
    """Path of an ffmpeg that can write H.264."""
    path = shutil.which("ffmpeg")
    if path is None:
        return None
    listed = subprocess.run([path, "-hide_banner", "-encoders"], capture_output=True, text=True, check=False)
    return path if "libx264" in listed.stdout else None


class _Pipe:
    """Raw frames into ffmpeg. One thread, so that the same frames always give the same file."""

    def __init__(self, ffmpeg: str, path: Path, fps: float, size: tuple[int, int]) -> None:
        self._path = path
        command = [
            ffmpeg, "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{size[0]}x{size[1]}",
            "-r", f"{fps:g}", "-i", "-", "-c:v", "libx264", "-preset", "veryfast", "-crf", "22", "-threads", "1",
            "-pix_fmt", "yuv420p", "-bitexact", "-movflags", "+faststart", str(path),
        ]  # fmt: skip
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self._process.stdin is not None
        self._input: IO[bytes] = self._process.stdin

    def add(self, image: Image) -> None:
        try:
            self._input.write(image.tobytes())
        except OSError:
            self.close()
            raise StoreError(f"{self._path}: ffmpeg ended early; check the room on the disk") from None

    def close(self) -> None:
        _, said = self._process.communicate()
        if self._process.returncode:
            last = said.decode(errors="replace").strip().splitlines()[-1:]
            raise StoreError(f"{self._path}: cannot be written ({' '.join(last)}); check room and rights")


class _OpenCv:
    """MPEG-4 part 2, which every wheel of OpenCV writes."""

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        fourcc = cv2.VideoWriter.fourcc(*"mp4v")
        self._writer = cv2.VideoWriter(str(path), fourcc, fps, size)
        if not self._writer.isOpened():
            raise StoreError(f"{path}: cannot be written; check room and rights")

    def add(self, image: Image) -> None:
        self._writer.write(image)

    def close(self) -> None:
        self._writer.release()
