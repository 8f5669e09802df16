"""The values that pass between the agent's stages.

Everything here is frozen. Pictures are BGR `uint8` arrays of shape (height, width, 3). Coordinates are pixels of
the frame they came from, x to the right and y down. Moments are aware UTC; `mono_ns` is the frame's monotonic
time and is what durations are computed from.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]


class Point(NamedTuple):
    """A place in the picture, pixels."""

    x: float
    y: float


class Box(NamedTuple):
    """An upright rectangle in the picture, pixels; (x1, y1) top left, (x2, y2) bottom right."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def width(self) -> float:
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        return self.y2 - self.y1

    @property
    def area(self) -> float:
        return max(0.0, self.width) * max(0.0, self.height)

    @property
    def centre(self) -> Point:
        return Point((self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2)

    def iou(self, other: Box) -> float:
        """Intersection over union with another box, 0 to 1."""
        shared = self.overlap(other)
        return shared / (self.area + other.area - shared) if shared else 0.0

    def overlap(self, other: Box) -> float:
        """The area that lies in both."""
        width = min(self.x2, other.x2) - max(self.x1, other.x1)
        height = min(self.y2, other.y2) - max(self.y1, other.y1)
        return max(0.0, width) * max(0.0, height)


Corners: TypeAlias = tuple[Point, Point, Point, Point]
"""A plate's corners in reading order: top left, top right, bottom right, bottom left."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture with its moment."""

    image: Image
    index: int
    """Number of the frame in its source, from 0; gaps are frames that were dropped."""
    at: datetime
    mono_ns: int


@dataclass(frozen=True, slots=True)
class Detection:
    """A plate found in one frame."""

    box: Box
    corners: Corners
    score: float
    """Detector's score, 0 to 1."""
    faint: bool = False
    """Less than the detector's threshold: a plate only if it can be read."""


class PlateColour(StrEnum):
    """Plate colour classes: base colour, then text colour (Perpol 7/2021 Pasal 45)."""

    WHITE = "black_on_white"
    BLACK = "white_on_black"
    YELLOW = "black_on_yellow"
    RED = "white_on_red"
    GREEN = "black_on_green"
    BLUE = "blue_on_white"
    DEALER = "red_on_white"
    """Trial plates of dealers and workshops."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One possible text of a plate and its probability."""

    text: str
    """Characters only, no blanks: `B1234XYZ`."""
    probability: float


@dataclass(frozen=True, slots=True)
class Expiry:
    """Month and year to which the registration is valid, from the plate's second line."""

    month: int
    year: int
    probability: float


@dataclass(frozen=True, slots=True)
class PlateRead:
    """What the reader saw in one crop.

    `candidates` are the most probable texts under the grammar, best first; their probabilities are posteriors that
    sum to at most 1, and what is missing belongs to texts outside the list. An empty tuple is an unreadable crop.
    """

    candidates: tuple[Candidate, ...]
    char_probs: tuple[float, ...]
    """Confidence of each character of the best candidate, same length as its text."""
    colour: PlateColour
    colour_probability: float
    expiry: Expiry | None
    readability: float
    """0 to 1: how sure the network is that this crop can be read at all."""

    @property
    def text(self) -> str:
        return self.candidates[0].text if self.candidates else ""

    @property
    def confidence(self) -> float:
        return self.candidates[0].probability if self.candidates else 0.0


@dataclass(frozen=True, slots=True)
class PlateVote:
    """The evidence of a track's reads, taken together."""

    text: str
    confidence: float
    runner_up: str
    runner_up_confidence: float
    support: int
    """Number of frames whose own best text is the fused text."""
    reads: int
    """Number of frames that were read."""
    candidates: tuple[Candidate, ...]
    colour: PlateColour
    expiry: Expiry | None


@dataclass(frozen=True, slots=True)
class TrackPoint:
    """Where a track's plate was in one frame."""

    frame_index: int
    at: datetime
    mono_ns: int
    detection: Detection
    read: PlateRead | None


@dataclass(frozen=True, slots=True)
class Track:
    """One plate followed through frames. Immutable: an update makes a new one."""

    track_id: int
    points: tuple[TrackPoint, ...]
    """In time order; bounded, the first point and the best reads are never dropped."""
    missed: int
    """Frames since the plate was last seen."""
    closed: bool
    broken: bool
    """The plate's text changed inside the track: it can never accuse."""


class LightState(StrEnum):
    """What a traffic light shows."""

    RED = "red"
    YELLOW = "yellow"
    GREEN = "green"
    UNKNOWN = "unknown"
    """No lamp lit, several, or nothing heard: it accuses nobody."""


@dataclass(frozen=True, slots=True)
class LightSample:
    """What one light was seen to show at a moment."""

    signal_id: str
    state: LightState
    mono_ns: int


class ViolationKind(StrEnum):
    """The rules cakra knows; the values go over the wire."""

    ODD_EVEN = "odd_even"
    WRONG_WAY = "wrong_way"
    RED_LIGHT = "red_light"
    STOP_LINE = "stop_line"
    BUS_LANE = "bus_lane"
    SPEED = "speed"
    STOPPING = "stopping"
    EXPIRY = "expiry"


class Proof(StrEnum):
    """How much was seen of what a rule goes by."""

    WHOLE = "whole"
    DOUBTFUL = "doubtful"
    """A digit, class or month was not read surely: a person can."""
    HIDDEN = "hidden"
    """No picture shows it."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule's finding about one track: a candidate, not yet judged."""

    kind: ViolationKind
    article: str
    """The law's article as printed in the notice, from `config/law`."""
    track_id: int
    lane_id: str
    at: datetime
    """The moment that counts in law."""
    frame_index: int
    """The frame of that moment: its picture is the context frame."""
    vote: PlateVote
    margin: float
    """How far the measured quantity is past the rule's threshold, as a share of the threshold; >= 0."""
    facts: tuple[tuple[str, str], ...]
    """What was measured and the rule's inputs, name and printed value with unit, in a fixed order."""
    frames: tuple[tuple[str, int], ...] = ()
    """The frames that show it, in time order: `before`, `at`, `after`, and their numbers."""
    proof: Proof = Proof.WHOLE


class Outcome(StrEnum):
    ACCEPTED = "accepted"
    REVIEW = "review"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Decision:
    """The machine's judgement of one violation: an outcome and the reasons that were counted for it."""

    outcome: Outcome
    reasons: tuple[str, ...]
    """Typed reason codes (`agent.validate.Reason`); empty when accepted."""


class Detector(Protocol):
    """Finds plates in a picture."""

    def detect(self, image: Image) -> tuple[Detection, ...]:
        """The plates of a picture, largest score times area first."""
        ...


class Reader(Protocol):
    """Reads one plate."""

    def read(self, image: Image, corners: Corners) -> PlateRead:
        """The plate with these corners."""
        ...

    def read_crop(self, crop: Image) -> PlateRead:
        """The plate that fills this picture."""
        ...


class Lights(Protocol):
    """Tells the state of traffic lights."""

    def look(self, frame: Frame) -> tuple[LightSample, ...]:
        """What lights were seen to show since the last frame."""
        ...


class Cuts(Protocol):
    """Tells where footage does not go on from the frame before."""

    def is_cut(self, image: Image) -> bool:
        """Whether new footage begins with this picture."""
        ...
