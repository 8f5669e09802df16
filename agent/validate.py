"""The machine's judgement of a candidate: accepted, for a person's review, or rejected, with every reason (pure).

A wrong accusation is worse than a miss. So a candidate is accepted only when nothing at all speaks against it; what a
person could settle by looking goes to review; what nobody could settle is rejected. Each candidate gets exactly one
outcome and can be counted by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from agent.plate import LOW_TRUST_PREFIXES, VehicleClass, edit_distance, parse, special_kind, vehicle_class
from agent.scene import Scene
from agent.types import Decision, Outcome, PlateColour, PlateRead, PlateVote, Proof, Track, Violation, ViolationKind
from agent.vehicle import PlateSize, fits, measure_plate


class Reason(StrEnum):
    """What speaks against accepting a candidate."""

    PLATE_UNREADABLE = "plate_unreadable"
    """No text, or one less likely than not."""
    TRACK_BROKEN = "track_broken"
    """The plate changed inside the track: it may be two vehicles."""
    NOT_WITNESSED = "not_witnessed"
    """What makes it a violation is in no picture: who stands past a stop line may have crossed it on green."""
    DUPLICATE = "duplicate"
    """The same plate was found doing the same a short while ago."""
    PLATE_UNCERTAIN = "plate_uncertain"
    """The text's posterior is too low to accuse by itself."""
    RUNNER_UP_CLOSE = "runner_up_close"
    """Another text is nearly as likely."""
    TOO_FEW_FRAMES = "too_few_frames"
    """Too few frames agree on the text, or the vehicle was seen too briefly."""
    READS_DISAGREE = "reads_disagree"
    """A confident frame says another plate."""
    GRAMMAR = "grammar"
    """The text is no Indonesian plate."""
    SPECIAL_PLATE = "special_plate"
    """Diplomatic, state, military, police or trial plate: no civil owner to notify."""
    LOW_TRUST_PREFIX = "low_trust_prefix"
    """A prefix that is newer than the regulation's list."""
    CLASS_MISMATCH = "class_mismatch"
    """Number range and plate colour, or number range and lane, contradict each other."""
    SIZE_MISMATCH = "size_mismatch"
    """The plate's size is not that of the class its number says: a misread, or a plate that belongs elsewhere."""
    GEOMETRY = "geometry"
    """No plate is of this size: an advertisement, a number painted on a vehicle."""
    COLOUR_UNCLEAR = "colour_unclear"
    """The plate's colour, which exempts some vehicles, is not known."""
    RULE_UNSURE = "rule_unsure"
    """The digit, class or month that the rule goes by is not read surely enough."""
    MARGIN_SMALL = "margin_small"
    """The rule was broken by too little."""
    CLOCK_UNSYNCHRONISED = "clock_unsynchronised"
    """The unit does not know the time well enough for a rule with hours."""


_REJECTING = frozenset({Reason.PLATE_UNREADABLE, Reason.TRACK_BROKEN, Reason.NOT_WITNESSED, Reason.DUPLICATE})
_TIME_BOUND = frozenset({ViolationKind.ODD_EVEN, ViolationKind.BUS_LANE, ViolationKind.STOPPING, ViolationKind.EXPIRY})
"""Rules that go by the hour or the day; the others measure durations, for which the clock need not be right."""


_READABLE = 0.5
"""Readability from which a read's confidence is worth something."""


class Thresholds(BaseModel):
    """From where on the machine decides by itself: `config/validation.yaml`, where each is explained."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    accept_confidence: float = Field(default=0.97, gt=0.5, lt=1)
    """Least posterior of the fused text."""
    review_confidence: float = Field(default=0.5, gt=0, lt=1)
    """Below it the text is more likely wrong than right, and would cost a person's time for nothing."""
    max_runner_up: float = Field(default=0.02, ge=0, lt=1)
    """Highest posterior of any other text."""
    min_support_frames: int = Field(default=2, ge=1)
    """Frames whose own best text is the fused one."""
    min_points: int = Field(default=4, ge=1)
    """Points of the track."""
    disagreeing_confidence: float = Field(default=0.9, gt=0, lt=1)
    """Posterior from which one frame that says another plate calls for a person."""
    min_margin: float = Field(default=0.1, ge=0)
    """Share by which a measured quantity has to pass its limit."""
    min_margin_of: dict[ViolationKind, Annotated[float, Field(ge=0)]] = {
        ViolationKind.ODD_EVEN: 0.005,
        ViolationKind.SPEED: 0.0,
        ViolationKind.EXPIRY: 0.0,
    }
    """The same for rules that differ."""
    duplicate_window_s: float = Field(default=900, ge=0)
    """Same plate, same rule within so long: one act."""
    duplicate_window_of_s: dict[ViolationKind, Annotated[float, Field(ge=0)]] = {
        ViolationKind.STOPPING: 14400,
        ViolationKind.EXPIRY: 86400,
    }
    """The same for rules that differ."""

    def margin(self, kind: ViolationKind) -> float:
        return self.min_margin_of.get(kind, self.min_margin)

    def window_s(self, kind: ViolationKind) -> float:
        return self.duplicate_window_of_s.get(kind, self.duplicate_window_s)


class Recent:
    """Plates accused a short while ago, so that nobody is accused twice for one thing."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self._moments: dict[tuple[ViolationKind, str], datetime] = {}

    def holds(self, kind: ViolationKind, plate: str, at: datetime) -> bool:
        moment = self._moments.get((kind, plate))
        return moment is not None and abs(at - moment) <= self._window(kind)

    def add(self, kind: ViolationKind, plate: str, at: datetime) -> None:
        """Remember an accusation, and forget those that are out of their window."""
        self._moments = {key: moment for key, moment in self._moments.items() if at - moment <= self._window(key[0])}
        self._moments[kind, plate] = at

    def _window(self, kind: ViolationKind) -> timedelta:
        return timedelta(seconds=self._thresholds.window_s(kind))


def validate(
    violation: Violation, track: Track, scene: Scene, thresholds: Thresholds, clock_synchronised: bool, recent: Recent
) -> Decision:
    """The decision on one candidate, with all reasons against it; `recent` learns of what was not rejected."""
    found = (
        *_about_track(violation, track, thresholds, recent),
        *_about_reading(violation.vote, track, thresholds),
        *_about_plate(violation.vote),
        *_about_vehicle(violation, track, scene),
        *_about_rule(violation, thresholds, clock_synchronised),
    )
    reasons = tuple(dict.fromkeys(found))
    if _REJECTING.intersection(reasons):
        return Decision(Outcome.REJECTED, reasons)
    recent.add(violation.kind, violation.vote.text, violation.at)
    return Decision(Outcome.REVIEW if reasons else Outcome.ACCEPTED, reasons)


def _about_track(violation: Violation, track: Track, thresholds: Thresholds, recent: Recent) -> Iterator[Reason]:
    """What nobody could settle by looking."""
    vote = violation.vote
    if not vote.text or vote.confidence < thresholds.review_confidence:
        yield Reason.PLATE_UNREADABLE
    if track.broken:
        yield Reason.TRACK_BROKEN
    if violation.proof is Proof.HIDDEN:
        yield Reason.NOT_WITNESSED
    if recent.holds(violation.kind, vote.text, violation.at):
        yield Reason.DUPLICATE


def _about_reading(vote: PlateVote, track: Track, thresholds: Thresholds) -> Iterator[Reason]:
    """How well the plate was read."""
    if vote.confidence < thresholds.accept_confidence:
        yield Reason.PLATE_UNCERTAIN
    if vote.runner_up_confidence > thresholds.max_runner_up:
        yield Reason.RUNNER_UP_CLOSE
    if vote.support < thresholds.min_support_frames or len(track.points) < thresholds.min_points:
        yield Reason.TOO_FEW_FRAMES
    reads = (point.read for point in track.points if point.read)
    if any(_contradicts(read, vote, thresholds) for read in reads):
        yield Reason.READS_DISAGREE


def _contradicts(read: PlateRead, vote: PlateVote, thresholds: Thresholds) -> bool:
    sure = read.confidence >= thresholds.disagreeing_confidence and read.readability >= _READABLE
    return sure and edit_distance(read.text, vote.text) > 1


def _about_plate(vote: PlateVote) -> Iterator[Reason]:
    """What kind of plate it is, and whether it agrees with itself."""
    plate = parse(vote.text)
    if special_kind(vote.text) or vote.colour is PlateColour.DEALER:
        yield Reason.SPECIAL_PLATE
    elif plate is None:
        yield Reason.GRAMMAR
    if plate and plate.prefix in LOW_TRUST_PREFIXES:
        yield Reason.LOW_TRUST_PREFIX
    if plate and vote.colour is PlateColour.YELLOW and vehicle_class(plate) is VehicleClass.MOTORCYCLE:
        yield Reason.CLASS_MISMATCH
    if vote.colour is PlateColour.UNKNOWN:
        yield Reason.COLOUR_UNCLEAR


def _about_vehicle(violation: Violation, track: Track, scene: Scene) -> Iterator[Reason]:
    """Whether the class that the number says is the one that was seen, and may be where it was."""
    plate = parse(violation.vote.text)
    seen = measure_plate(track.points, scene.calibration)
    if seen and seen.size is PlateSize.NO_PLATE:
        yield Reason.GEOMETRY
    elif seen and plate and not fits(seen.size, vehicle_class(plate)):
        yield Reason.SIZE_MISMATCH
    lane = next((lane for lane in scene.lanes if lane.id == violation.lane_id), None)
    expected = lane.vehicle_classes if lane else None
    if plate and expected and vehicle_class(plate) not in expected:
        yield Reason.CLASS_MISMATCH


def _about_rule(violation: Violation, thresholds: Thresholds, clock_synchronised: bool) -> Iterator[Reason]:
    """How clearly the rule was broken, and whether the unit knows when."""
    if violation.proof is Proof.DOUBTFUL:
        yield Reason.RULE_UNSURE
    if violation.margin < thresholds.margin(violation.kind):
        yield Reason.MARGIN_SMALL
    if not clock_synchronised and violation.kind in _TIME_BOUND:
        yield Reason.CLOCK_UNSYNCHRONISED
