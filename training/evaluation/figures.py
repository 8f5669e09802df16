"""Figures of readings that were compared with the truth (pure). All shares are 0 to 1; None: nothing to count."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from agent.plate import edit_distance
from agent.validate import Thresholds

BINS = 10
"""Equally wide bins of confidence: a few hundred plates fill no more."""


class Claim(Protocol):
    """Something that was said, and whether it is so."""

    @property
    def confidence(self) -> float: ...

    @property
    def right(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """One reading beside the truth. A plate that was not found has an empty text and confidence 0."""

    truth: str
    text: str
    confidence: float
    runner_up: float
    """Probability of the second text."""
    among_candidates: bool
    colour_right: bool | None
    """None where the plate's colour is not known, or the plate was not found."""
    expiry_right: bool | None
    """None where the plate's expiry is not known."""
    elsewhere: bool
    """The reading is of another place than the plate's: often another plate, which has no label."""

    @property
    def right(self) -> bool:
        return self.text == self.truth


@dataclass(frozen=True, slots=True)
class Scores:
    """How well plates were read."""

    plates: int
    exact: float | None
    in_candidates: float | None
    character_error_rate: float | None
    """Edits over characters of the truth; a plate that was not found is all its characters."""
    colours: int
    colour_right: float | None
    expiries: int
    expiry_exact: float | None
    coverage: float | None
    """Share of plates whose reading alone would be accepted: posterior and runner-up within the thresholds."""
    accepted_wrong: int
    accepted_elsewhere: int
    """Of these, readings of another place than the labelled plate's."""
    aurc: float | None
    """Area under the risk-coverage curve."""
    calibration_error: float | None
    """Expected calibration error over `BINS` bins, of the plates that were read."""
    brier: float | None
    """Mean square of confidence minus being right, of the plates that were read."""


@dataclass(frozen=True, slots=True)
class Bin:
    """The readings of like confidence."""

    count: int
    confidence: float
    """Their mean."""
    right: float


def scores(answers: Sequence[Answer], thresholds: Thresholds) -> Scores:
    taken = [answer for answer in answers if is_accepted(answer, thresholds)]
    read = [answer for answer in answers if answer.text]
    colours = [answer.colour_right for answer in answers if answer.colour_right is not None]
    expiries = [answer.expiry_right for answer in answers if answer.expiry_right is not None]
    edits = sum(edit_distance(answer.truth, answer.text) for answer in answers)
    return Scores(
        plates=len(answers),
        exact=mean(answer.right for answer in answers),
        in_candidates=mean(answer.among_candidates for answer in answers),
        character_error_rate=edits / sum(len(answer.truth) for answer in answers) if answers else None,
        colours=len(colours),
        colour_right=mean(colours),
        expiries=len(expiries),
        expiry_exact=mean(expiries),
        coverage=len(taken) / len(answers) if answers else None,
        accepted_wrong=sum(not answer.right for answer in taken),
        accepted_elsewhere=sum(answer.elsewhere and not answer.right for answer in taken),
        aurc=mean(risk for _, risk in risk_coverage(answers)),
        calibration_error=calibration_error(read),
        brier=brier(read),
    )


def is_accepted(answer: Answer, thresholds: Thresholds) -> bool:
    """Whether one reading alone passes what the agent asks of a track's text; its other conditions need a track."""
    return (
        answer.text != ""
        and answer.confidence >= thresholds.accept_confidence
        and answer.runner_up <= thresholds.max_runner_up
    )


def risk_coverage(answers: Sequence[Answer]) -> list[tuple[float, float]]:
    """(coverage, risk) as ever less confident readings are taken: share of plates taken, share wrong of these.

    Among equals the wrong ones come first, so that ties never flatter.
    """
    points, wrong = [], 0
    for taken, answer in enumerate(sorted(answers, key=lambda a: (-a.confidence, a.right)), start=1):
        wrong += not answer.right
        points.append((taken / len(answers), wrong / taken))
    return points


def bins(claims: Iterable[Claim]) -> list[Bin]:
    """The claims by confidence, empty bins left out."""
    by_bin: dict[int, list[Claim]] = {}
    for claim in claims:
        by_bin.setdefault(min(int(claim.confidence * BINS), BINS - 1), []).append(claim)
    return [
        Bin(len(some), math.fsum(a.confidence for a in some) / len(some), sum(a.right for a in some) / len(some))
        for _, some in sorted(by_bin.items())
    ]


def calibration_error(claims: Sequence[Claim]) -> float | None:
    """Mean distance between how sure the bins' claims are and how many are right, weighted by their number."""
    if not claims:
        return None
    return sum(each.count * abs(each.confidence - each.right) for each in bins(claims)) / len(claims)


def brier(claims: Iterable[Claim]) -> float | None:
    """Mean square of confidence minus being right."""
    return mean((claim.confidence - claim.right) ** 2 for claim in claims)


@dataclass(frozen=True, slots=True)
class Finding:
    """How well plates were found."""

    pictures: int
    boxes: int
    recall: float | None
    """Share of labelled boxes met with an IoU of at least 0.5."""
    mean_iou: float | None
    """Of the boxes that were met."""
    strays: float | None
    """Detections a picture that lie on no label, of pictures whose every plate is boxed."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A time, milliseconds."""

    median: float
    p95: float


def spread(values_ms: Sequence[float]) -> Spread | None:
    """Median and 95th percentile (nearest rank)."""
    if not values_ms:
        return None
    return Spread(median(values_ms), sorted(values_ms)[math.ceil(0.95 * len(values_ms)) - 1])


def mean(values: Iterable[float]) -> float | None:
    listed = list(values)
    return math.fsum(listed) / len(listed) if listed else None
