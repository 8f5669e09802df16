"""What an evaluation found: the figures of each folder and of all, and a line for every plate.

The form of `evaluation.json` (`docs/reference/evaluate.md`) is these dataclasses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.plate import edit_distance
from agent.types import PlateRead
from agent.validate import Thresholds
from training.evaluation.figures import Answer, Finding, Scores, Spread, mean, scores, spread
from training.evaluation.opencv import Comparison, Rival, comparison
from training.evaluation.run import PictureOutcome, PlateOutcome
from training.evaluation.truth import Truth


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds a picture, as `read` counts them."""

    detect: Spread | None
    read: Spread | None
    """All plates of the picture."""
    read_one: Spread | None
    """One plate."""


@dataclass(frozen=True, slots=True)
class PlateLine:
    """One scored plate whose text is known."""

    file: str
    truth: str
    end_to_end: Answer | None
    truth_crop: Answer | None
    iou: float | None
    why: str
    """What went wrong; empty where nothing did."""


@dataclass(frozen=True, slots=True)
class FolderResult:
    """The figures of one folder, or of all together."""

    folder: str
    undecodable: tuple[str, ...]
    finding: Finding
    end_to_end: Scores
    exact_any_detection: float | None
    truth_crops: Scores
    ms: Times
    against_opencv: Comparison | None
    plates: tuple[PlateLine, ...] = ()


def folder_result(
    folder: str,
    outcomes: Sequence[PictureOutcome],
    undecodable: Sequence[str],
    rivals: Sequence[Rival],
    thresholds: Thresholds,
) -> FolderResult:
    texts = [plate for outcome in outcomes for plate in outcome.plates if plate.truth.scored and plate.truth.text]
    searched = any(outcome.reading for outcome in outcomes)
    lines = tuple(plate_line(plate, searched=searched) for plate in texts)
    return FolderResult(
        folder=folder,
        undecodable=tuple(undecodable),
        finding=_finding(outcomes),
        end_to_end=scores([line.end_to_end for line in lines if line.end_to_end], thresholds),
        exact_any_detection=mean(plate.said_anywhere for plate in texts) if searched else None,
        truth_crops=scores([line.truth_crop for line in lines if line.truth_crop], thresholds),
        ms=_times(outcomes),
        against_opencv=comparison(rivals),
        plates=lines,
    )


def plate_line(plate: PlateOutcome, *, searched: bool) -> PlateLine:
    taken = plate.taken.read if plate.taken else None
    return PlateLine(
        file=plate.truth.label.file.name,
        truth=plate.truth.text,
        end_to_end=answer(plate.truth, taken, elsewhere=_elsewhere(plate)) if searched else None,
        truth_crop=answer(plate.truth, plate.on_truth) if plate.on_truth else None,
        iou=round(plate.iou, 4) if searched and plate.truth.box else None,
        why=_why(plate) if searched else _misread(plate.truth.text, plate.on_truth),
    )


def answer(truth: Truth, read: PlateRead | None, *, elsewhere: bool = False) -> Answer:
    """A reading beside the truth; no reading is an empty one."""
    expiry = (read.expiry.month, read.expiry.year) if read and read.expiry else None
    candidates = read.candidates if read else ()
    return Answer(
        truth=truth.text,
        text=read.text if read else "",
        confidence=read.confidence if read else 0.0,
        runner_up=candidates[1].probability if len(candidates) > 1 else 0.0,
        among_candidates=any(candidate.text == truth.text for candidate in candidates),
        colour_right=read.colour == truth.label.colour if read and truth.label.colour else None,
        expiry_right=expiry == truth.expiry if truth.expiry else None,
        elsewhere=elsewhere,
    )


def _elsewhere(plate: PlateOutcome) -> bool:
    return plate.taken is not None and plate.truth.box is not None and plate.taken is not plate.found


def _why(plate: PlateOutcome) -> str:
    """The first thing that went wrong on the way from the picture to the text."""
    if plate.taken is None:
        return "not found"
    if plate.taken.read.text == plate.truth.text:
        return ""
    if _elsewhere(plate):
        return "another place is taken; the plate itself is " + ("found" if plate.found else "not found")
    return _misread(plate.truth.text, plate.taken.read)


def _misread(truth: str, read: PlateRead | None) -> str:
    if read is None or not read.text:
        return "cannot be read"
    if read.text == truth:
        return ""
    rank = next((i for i, c in enumerate(read.candidates, start=1) if c.text == truth), None)
    among = f"the truth is candidate {rank}" if rank else "the truth is no candidate"
    return f"misread by {edit_distance(truth, read.text)}; {among}"


def _finding(outcomes: Sequence[PictureOutcome]) -> Finding:
    searched = [outcome for outcome in outcomes if outcome.reading]
    boxed = [plate for outcome in searched for plate in outcome.plates if plate.truth.scored and plate.truth.box]
    strays = [outcome.strays for outcome in searched if outcome.strays is not None]
    return Finding(
        pictures=len(outcomes),
        boxes=len(boxed),
        recall=mean(plate.found is not None for plate in boxed),
        mean_iou=mean(plate.iou for plate in boxed if plate.found),
        strays=mean(strays),
    )


def _times(outcomes: Iterable[PictureOutcome]) -> Times:
    readings = [outcome.reading for outcome in outcomes if outcome.reading]
    return Times(
        detect=spread([reading.detect_ms for reading in readings]),
        read=spread([reading.read_ms for reading in readings]),
        read_one=spread([reading.read_ms / len(reading.plates) for reading in readings if reading.plates]),
    )
