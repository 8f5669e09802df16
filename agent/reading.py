"""`cakra-agent read`: the plates of single pictures, as a maintainer wants to see them."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import cv2

from agent.capture import image_files, read_image
from agent.errors import CakraError, UsageError
from agent.overlay import draw_plate
from agent.plate import format_plate
from agent.types import Box, Corners, Detection, Detector, Image, PlateRead, Point, Reader


@dataclass(frozen=True, slots=True)
class PlateReading:
    """One plate of a picture: where it is and what it says."""

    detection: Detection
    read: PlateRead


@dataclass(frozen=True, slots=True)
class PictureReading:
    """The plates of one picture, the main one first, and the time they took."""

    file: Path
    plates: tuple[PlateReading, ...]
    detect_ms: float
    read_ms: float


def read_picture(file: Path, image: Image, detector: Detector | None, reader: Reader) -> PictureReading:
    """Find and read the plates of a picture; without a detector the picture is taken as one plate crop.

    Where no plate can be read, faint finds that can be are plates, too.
    """
    started = time.perf_counter()
    detections = (whole_picture(image),) if detector is None else detector.detect(image)
    found = time.perf_counter()
    plates = [PlateReading(e, _read(reader, image, e, crop=detector is None)) for e in detections if not e.faint]
    if not any(map(_is_legible, plates)):
        faint = [PlateReading(each, reader.read(image, each.corners)) for each in detections if each.faint]
        plates += filter(_is_legible, faint)
    done = time.perf_counter()
    main_first = tuple(sorted(plates, key=_weight, reverse=True))
    return PictureReading(file, main_first, detect_ms=(found - started) * 1e3, read_ms=(done - found) * 1e3)


def _is_legible(plate: PlateReading) -> bool:
    """Whether it is rather a plate, and read right, than not."""
    return min(plate.read.confidence, plate.read.readability) > 0.5


def _weight(plate: PlateReading) -> float:
    """How much a plate is the one the picture is of: large, found for sure, and something that can be read."""
    return plate.detection.score * plate.detection.box.area * plate.read.readability * plate.read.confidence


def _read(reader: Reader, image: Image, detection: Detection, *, crop: bool) -> PlateRead:
    return reader.read_crop(image) if crop else reader.read(image, detection.corners)


def whole_picture(image: Image) -> Detection:
    """A detection that is the whole picture."""
    height, width = image.shape[:2]
    corners: Corners = (Point(0, 0), Point(width, 0), Point(width, height), Point(0, height))
    return Detection(Box(0, 0, width, height), corners, score=1.0)


def expand(paths: Iterable[Path]) -> list[Path]:
    """The picture files that paths of files and folders stand for. Raises UsageError for a path that is not there."""
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: no such file or folder; give pictures or folders of pictures")
        files += image_files(path) if path.is_dir() else [path]
    return files


def read_files(files: list[Path], detector: Detector | None, reader: Reader) -> Iterator[PictureReading | CakraError]:
    """Read file by file; a file that cannot be decoded yields its error and the next one follows."""
    for file in files:
        try:
            image = read_image(file)
        except CakraError as error:
            yield error
            continue
        yield read_picture(file, image, detector, reader)


def as_json(reading: PictureReading) -> dict[str, Any]:
    """The JSON line of one picture (the format is public: `docs/reference/read.md`)."""
    return {
        "file": str(reading.file),
        "plates": [_plate_json(plate) for plate in reading.plates],
        "ms": {"detect": round(reading.detect_ms, 2), "read": round(reading.read_ms, 2)},
    }


def _plate_json(plate: PlateReading) -> dict[str, Any]:
    read, detection = plate.read, plate.detection
    runner_up = read.candidates[1] if len(read.candidates) > 1 else None
    return {
        "text": read.text,
        "confidence": round(read.confidence, 4),
        "runner_up": runner_up.text if runner_up else "",
        "runner_up_confidence": round(runner_up.probability, 4) if runner_up else 0.0,
        "box": [round(value, 1) for value in detection.box],
        "corners": [[round(x, 1), round(y, 1)] for x, y in detection.corners],
        "detector_score": round(detection.score, 4),
        "colour": str(read.colour),
        "expiry": f"{read.expiry.month:02d}.{read.expiry.year}" if read.expiry else None,
    }


def print_reading(reading: PictureReading, out: TextIO, *, json_lines: bool) -> None:
    """One JSON line, or the rows of a table, for one picture."""
    if json_lines:
        print(json.dumps(as_json(reading), ensure_ascii=False), file=out)
        return
    for plate in reading.plates or (None,):
        print(_table_row(reading, plate), file=out)


TABLE_HEAD = (
    f"{'file':<40}  {'plate':<12} {'conf':>5}  {'runner-up':<12} {'conf':>5}  {'score':>5}  {'colour':<16} expiry"
)


def _table_row(reading: PictureReading, plate: PlateReading | None) -> str:
    name = reading.file.name[-40:]
    if plate is None:
        return f"{name:<40}  no plate found"
    row = _plate_json(plate)
    return (
        f"{name:<40}  {format_plate(row['text']) or '-':<12} {row['confidence']:>5.2f}  "
        f"{format_plate(row['runner_up']) or '-':<12} {row['runner_up_confidence']:>5.2f}  "
        f"{row['detector_score']:>5.2f}  {row['colour']:<16} {row['expiry'] or '-'}"
    )


def common_folder(files: list[Path]) -> Path:
    """The innermost folder that holds all the files."""
    return Path(os.path.commonpath([file.resolve().parent for file in files]))


def write_overlay(reading: PictureReading, base: Path, folder: Path) -> None:
    """Write the picture with its readings drawn on it, as JPEG, where under `folder` it lies under `base`."""
    picture = read_image(reading.file)
    for plate in reading.plates:
        picture = draw_plate(picture, plate.detection.corners, label(plate.read))
    target = folder / reading.file.resolve().relative_to(base).with_suffix(".jpg")
    target.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(target), picture):
        raise UsageError(f"{target}: cannot be written; check the folder of --overlay")


def label(read: PlateRead) -> str:
    """What an overlay says of a read: the plate and its confidence."""
    return f"{format_plate(read.text)} {read.confidence:.0%}" if read.text else "unreadable"


def progress(done: int, total: int) -> None:
    """A counter on a terminal's standard error; silent elsewhere."""
    if sys.stderr.isatty():
        print(f"\r{done}/{total} pictures", end="\n" if done == total else "", file=sys.stderr, flush=True)
