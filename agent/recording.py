"""What the networks saw in footage, kept as text, so that the same footage can be judged again without them.

A recording is a file of JSON lines (docs/reference/replay.md): a header with the site and the moment of the first
frame; a line a frame with its plates, what each says, and what the lights show; then, where it serves as a test, the
decisions that are expected of it. Numbers are rounded when they are recorded, and the pipeline that records goes on
with the rounded ones: so a recording that is played gives what was decided when it was made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from agent.errors import ConfigError, UsageError
from agent.scene import Scene
from agent.settings import explain
from agent.types import (
    Box,
    Candidate,
    Corners,
    Cuts,
    Detection,
    Detector,
    Expiry,
    Frame,
    Image,
    Lights,
    LightSample,
    LightState,
    PlateColour,
    PlateRead,
    Point,
    Reader,
)

SUFFIX = ".jsonl"
_LEAST_WIDTH_PX = 30.0
"""Plates are read in every frame from this width on: a little below what the tracker asks for, so that a tracker that
asks for other frames, or for smaller plates, finds them read."""
_PX_DIGITS, _SHARE_DIGITS = 2, 6
_MICROSECOND = timedelta(microseconds=1)


class Header(BaseModel):
    """The first line of a recording."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recording: int
    """Version of the format, 1."""
    start: AwareDatetime
    """Moment of the first frame."""
    site: Scene


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """What was seen in one frame."""

    index: int
    after: timedelta
    """Since the start."""
    mono_ns: int
    plates: tuple[tuple[Detection, PlateRead | None], ...]
    lights: tuple[LightSample, ...]
    cut: bool = False
    """Whether new footage begins with it."""


class Recorder:
    """Stands between the pipeline and its stages and writes down what they say."""

    def __init__(
        self, detector: Detector, reader: Reader, lights: Lights, cuts: Cuts, start: datetime, file: IO[str]
    ) -> None:
        self._detector = detector
        self._reader = reader
        self._lights = lights
        self._cuts = cuts
        self._start = start
        self._file = file
        self._reads: dict[Corners, PlateRead] = {}
        self._frame: RecordedFrame | None = None

    def head(self, scene: Scene) -> None:
        """Write the header."""
        self._write(Header(recording=1, start=self._start, site=scene).model_dump(mode="json", exclude_defaults=True))

    def look(self, frame: Frame) -> tuple[LightSample, ...]:
        """The first that is asked about a frame."""
        samples = self._lights.look(frame)
        self._frame = RecordedFrame(frame.index, frame.at - self._start, frame.mono_ns, (), samples)
        return samples

    def detect(self, image: Image) -> tuple[Detection, ...]:
        assert self._frame is not None
        found = tuple(map(rounded, self._detector.detect(image)))
        self._reads = {
            each.corners: read_of(read_line(self._reader.read(image, each.corners)))
            for each in found
            if each.box.width >= _LEAST_WIDTH_PX
        }
        plates = tuple((each, self._reads.get(each.corners)) for each in found)
        self._frame = replace(self._frame, plates=plates)
        return found

    def is_cut(self, image: Image) -> bool:
        """The last that is asked about a frame before plates are read."""
        assert self._frame is not None
        cut = self._cuts.is_cut(image)
        self._write(frame_line(replace(self._frame, cut=cut)))
        return cut

    def read(self, image: Image, corners: Corners) -> PlateRead:
        return self._reads[corners]

    def read_crop(self, crop: Image) -> PlateRead:
        return self._reader.read_crop(crop)

    def _write(self, line: Mapping[str, Any]) -> None:
        self._file.write(_as_text(line))


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A recording as it is read."""

    header: Header
    frames: tuple[RecordedFrame, ...]
    decisions: tuple[dict[str, Any], ...]
    """Those expected of it, as `agent.replay.decision_line` gives them."""

    @classmethod
    def load(cls, path: Path) -> Recording:
        """Raises UsageError or ConfigError."""
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}; give the path of a recording") from None
        try:
            header = Header.model_validate_json(lines[0] if lines else "")
            content = [json.loads(line) for line in lines[1:]]
            frames = tuple(sorted((_frame_of(line) for line in content if "frame" in line), key=lambda f: f.index))
        except ValidationError as error:
            raise ConfigError(f"{path}: line 1: {explain(error, Header)}") from None
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{path}: not a recording ({error}); record it again") from None
        return cls(header, frames, tuple(line["decision"] for line in content if "decision" in line))

    def save(self, path: Path) -> None:
        """Write it, its decisions last."""
        lines = [
            self.header.model_dump(mode="json", exclude_defaults=True),
            *map(frame_line, self.frames),
            *({"decision": each} for each in self.decisions),
        ]
        path.write_text("".join(map(_as_text, lines)), encoding="utf-8")


class Player:
    """Stands where the stages do and says what was recorded; its frames are black."""

    def __init__(self, recording: Recording, start: datetime | None = None) -> None:
        """`start`: another moment of the first frame."""
        self._recording = recording
        self._start = start or recording.header.start
        self._now: RecordedFrame | None = None

    def frames(self) -> Iterator[Frame]:
        picture = self._recording.header.site.picture
        black = np.broadcast_to(np.uint8(0), (picture.height, picture.width, 3))
        for frame in self._recording.frames:
            self._now = frame
            yield Frame(black, frame.index, self._start + frame.after, frame.mono_ns)

    def look(self, frame: Frame) -> tuple[LightSample, ...]:
        return self._current.lights

    def detect(self, image: Image) -> tuple[Detection, ...]:
        return tuple(detection for detection, _ in self._current.plates)

    def is_cut(self, image: Image) -> bool:
        return self._current.cut

    def read(self, image: Image, corners: Corners) -> PlateRead:
        reads = (read for detection, read in self._current.plates if detection.corners == corners)
        return next(reads, None) or UNREAD

    def read_crop(self, crop: Image) -> PlateRead:
        return UNREAD

    @property
    def _current(self) -> RecordedFrame:
        assert self._now is not None
        return self._now


UNREAD = PlateRead((), (), PlateColour.UNKNOWN, 0.0, None, 0.0)
"""What a plate says that was not read when it was recorded."""


# --- Values as JSON ---------------------------------------------------------------------------------------------------


def frame_line(frame: RecordedFrame) -> dict[str, Any]:
    """A frame as `Recorder` writes it."""
    line: dict[str, Any] = {
        "frame": frame.index, "after_us": frame.after // _MICROSECOND, "mono_ns": frame.mono_ns,
    }  # fmt: skip
    if frame.cut:
        line["cut"] = True
    if frame.lights:
        line["lights"] = [[each.signal_id, each.state.value, each.mono_ns] for each in frame.lights]
    if frame.plates:
        line["plates"] = [plate_line(detection, read) for detection, read in frame.plates]
    return line


def _as_text(line: Mapping[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"


def plate_line(detection: Detection, read: PlateRead | None) -> dict[str, Any]:
    line: dict[str, Any] = {
        "box": list(detection.box), "corners": [list(corner) for corner in detection.corners],
        "score": detection.score,
    }  # fmt: skip
    return line | ({"read": read_line(read)} if read else {})


def read_line(read: PlateRead) -> dict[str, Any]:
    expiry = read.expiry
    return {
        "texts": [[each.text, _share(each.probability)] for each in read.candidates],
        "characters": [_share(each) for each in read.char_probs],
        "colour": [read.colour.value, _share(read.colour_probability)],
        "expiry": [expiry.month, expiry.year, _share(expiry.probability)] if expiry else None,
        "readability": _share(read.readability),
    }


def read_of(line: Mapping[str, Any]) -> PlateRead:
    return PlateRead(
        candidates=tuple(Candidate(text, probability) for text, probability in line["texts"]),
        char_probs=tuple(line["characters"]),
        colour=PlateColour(line["colour"][0]),
        colour_probability=line["colour"][1],
        expiry=Expiry(*line["expiry"]) if line["expiry"] else None,
        readability=line["readability"],
    )


def _frame_of(line: Mapping[str, Any]) -> RecordedFrame:
    lights = (LightSample(name, LightState(state), mono_ns) for name, state, mono_ns in line.get("lights", ()))
    return RecordedFrame(
        index=line["frame"],
        after=timedelta(microseconds=line["after_us"]),
        mono_ns=line["mono_ns"],
        plates=tuple(map(_plate_of, line.get("plates", ()))),
        lights=tuple(lights),
        cut=line.get("cut", False),
    )


def _plate_of(line: Mapping[str, Any]) -> tuple[Detection, PlateRead | None]:
    detection = Detection(Box(*line["box"]), _corners(line["corners"]), line["score"])
    return detection, read_of(line["read"]) if "read" in line else None


def _corners(points: Sequence[Sequence[float]]) -> Corners:
    first, second, third, fourth = (Point(x, y) for x, y in points)
    return first, second, third, fourth


def rounded(detection: Detection) -> Detection:
    box = Box(*(round(value, _PX_DIGITS) for value in detection.box))
    corners = _corners([[round(x, _PX_DIGITS), round(y, _PX_DIGITS)] for x, y in detection.corners])
    return Detection(box, corners, _share(detection.score))


def _share(value: float) -> float:
    return round(float(value), _SHARE_DIGITS)
