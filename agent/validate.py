"""The machine's judgement of a candidate: accepted, for a person's review, or rejected, with every reason (pure).

A wrong accusation is worse than a miss. So a candidate is accepted only when nothing at all speaks against it; what a
person could settle by looking goes to review; what nobody could settle is rejected. Each candidate gets exactly one
outcome and can be counted by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from agent.plate import LOW_TRUST_PREFIXES, VehicleClass, edit_distance, parse, special_kind, vehicle_class
from agent.types import Decision, Outcome, PlateColour, PlateRead, PlateVote, Track, Violation, ViolationKind


class Reason(StrEnum):
    """What speaks against accepting a candidate."""

    PLATE_UNREADABLE = "plate_unreadable"
    """No text, or one less likely than not."""
    TRACK_BROKEN = "track_broken"
    """The plate changed inside the track: it may be two vehicles."""
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
    """Number range and plate colour contradict each other."""
    COLOUR_UNCLEAR = "colour_unclear"
    """The plate's colour, which exempts some vehicles, is not known."""
    MARGIN_SMALL = "margin_small"
    """The rule was broken by too little."""
    CLOCK_UNSYNCHRONISED = "clock_unsynchronised"
    """The unit does not know the time well enough for a rule with hours."""


_REJECTING = frozenset({Reason.PLATE_UNREADABLE, Reason.TRACK_BROKEN, Reason.DUPLICATE})
_TIME_BOUND = frozenset({ViolationKind.ODD_EVEN, ViolationKind.BUS_LANE, ViolationKind.EXPIRY})


class Thresholds(BaseModel):
    """From where on the machine decides by itself. The defaults are meant for less than one wrong plate in a
    thousand accepted; they hold as far as the reader's posteriors are calibrated."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    accept_confidence: float = Field(default=0.97, gt=0.5, lt=1)
    """Least posterior of the fused text. One read of 0.97 reaches it, or two of 0.9; four of 0.5 do not, because
    the frames of one track err together."""
    review_confidence: float = Field(default=0.5, gt=0, lt=1)
    """Below it the text is more likely wrong than right, and would cost a person's time for nothing."""
    max_runner_up: float = Field(default=0.02, ge=0, lt=1)
    """Highest posterior of any other text. Apart from `accept_confidence`, because one strong rival (B and 8, O and
    Q) is worse than many weak ones."""
    min_support_frames: int = Field(default=2, ge=1)
    """Frames whose own best text is the fused one: a single frame can be a compression artefact."""
    min_points: int = Field(default=4, ge=1)
    """Points of the track: what flashes up for less is not a vehicle that was followed."""
    disagreeing_confidence: float = Field(default=0.9, gt=0, lt=1)
    """Posterior from which one frame that says another plate (more than one character off) calls for a person."""
    min_margin_odd_even: float = Field(default=0.005, ge=0)
    """Share by which the parity's posterior has to pass the site's threshold; a parity is right or wrong, so little."""
    min_margin: float = Field(default=0.1, ge=0)
    """Share by which any measured quantity has to pass its limit: the plate's height above the road alone makes
    distances a tenth too long."""
    duplicate_window_s: float = Field(default=900, ge=0)
    """Same plate, same rule: a vehicle that waits, turns or loses its track is not accused twice in a quarter hour."""


class Recent:
    """Plates accused a short while ago, so that nobody is accused twice for one thing."""

    def __init__(self, window_s: float) -> None:
        self._window = timedelta(seconds=window_s)
        self._moments: dict[tuple[ViolationKind, str], datetime] = {}

    def holds(self, kind: ViolationKind, plate: str, at: datetime) -> bool:
        moment = self._moments.get((kind, plate))
        return moment is not None and abs(at - moment) <= self._window

    def add(self, kind: ViolationKind, plate: str, at: datetime) -> None:
        """Remember an accusation, and forget those that are out of the window."""
        self._moments = {key: moment for key, moment in self._moments.items() if at - moment <= self._window}
        self._moments[kind, plate] = at


def validate(
    violation: Violation, track: Track, thresholds: Thresholds, clock_synchronised: bool, recent: Recent
) -> Decision:
    """The decision on one candidate, with all reasons against it; `recent` learns of what was not rejected."""
    reasons = tuple(_reasons(violation, track, thresholds, clock_synchronised, recent))
    if _REJECTING.intersection(reasons):
        return Decision(Outcome.REJECTED, reasons)
    recent.add(violation.kind, violation.vote.text, violation.at)
    return Decision(Outcome.REVIEW if reasons else Outcome.ACCEPTED, reasons)


def _reasons(
    violation: Violation, track: Track, thresholds: Thresholds, clock_synchronised: bool, recent: Recent
) -> Iterator[Reason]:
    vote = violation.vote
    if not vote.text or vote.confidence < thresholds.review_confidence:
        yield Reason.PLATE_UNREADABLE
    if track.broken:
        yield Reason.TRACK_BROKEN
    if recent.holds(violation.kind, vote.text, violation.at):
        yield Reason.DUPLICATE
    yield from _about_reading(vote, track, thresholds)
    yield from _about_plate(vote)
    if violation.margin < _least_margin(violation.kind, thresholds):
        yield Reason.MARGIN_SMALL
    if not clock_synchronised and violation.kind in _TIME_BOUND:
        yield Reason.CLOCK_UNSYNCHRONISED


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
    sure = read.confidence * read.readability >= thresholds.disagreeing_confidence
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


def _least_margin(kind: ViolationKind, thresholds: Thresholds) -> float:
    return thresholds.min_margin_odd_even if kind is ViolationKind.ODD_EVEN else thresholds.min_margin
