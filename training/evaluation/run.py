"""Runs the networks over pictures with known plates, as `cakra-agent read` does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.reading import PictureReading, PlateReading, read_picture
from agent.types import Detector, Image, PlateRead, Reader
from training.evaluation.truth import Picture, Truth

FOUND_IOU = 0.5
"""Overlap from which a detection is the labelled plate."""


@dataclass(frozen=True, slots=True)
class PlateOutcome:
    """One known plate and what became of it."""

    truth: Truth
    found: PlateReading | None
    """The detection that lies on the plate."""
    iou: float
    """Its overlap with the plate's box; 0 where there is none."""
    taken: PlateReading | None
    """What stands for the plate end to end: see `_taken`."""
    said_anywhere: bool
    """Whether any detection of the picture reads as the plate."""
    on_truth: PlateRead | None
    """The reading at the true corners; None where the plate's place is not known."""


@dataclass(frozen=True, slots=True)
class PictureOutcome:
    """One picture and what became of its plates."""

    picture: Picture
    reading: PictureReading | None
    """None with crops: nothing is searched for."""
    plates: tuple[PlateOutcome, ...]

    @property
    def strays(self) -> int | None:
        """Detections that lie on no known plate; None where the place of a plate is not known."""
        boxes = [plate.box for plate in self.picture.plates]
        if self.reading is None or None in boxes:
            return None
        found = [detected.detection.box for detected in self.reading.plates]
        return sum(all(box is None or each.iou(box) < FOUND_IOU for box in boxes) for each in found)


def run_picture(picture: Picture, image: Image, detector: Detector, reader: Reader) -> PictureOutcome:
    """Search and read the whole picture, then read it again where the plates truly are."""
    reading = read_picture(picture.file, image, detector, reader)
    matches = [_match(plate, reading.plates) for plate in picture.plates]
    outcomes = []
    for plate, match in zip(picture.plates, matches, strict=True):
        found = None if match is None else reading.plates[match]
        outcomes.append(
            PlateOutcome(
                plate,
                found,
                plate.box.iou(found.detection.box) if plate.box and found else 0.0,
                _taken(plate, found, reading.plates, matches),
                any(plate.text and each.read.text == plate.text for each in reading.plates),
                reader.read(image, plate.label.corners) if plate.label.corners else None,
            )
        )
    return PictureOutcome(picture, reading, tuple(outcomes))


def run_crops(picture: Picture, image: Image, reader: Reader) -> PictureOutcome:
    """Read at the true corners, or the whole picture as a crop for a plate whose place is not known."""
    reads = [
        reader.read(image, plate.label.corners) if plate.label.corners else reader.read_crop(image)
        for plate in picture.plates
    ]
    outcomes = [
        PlateOutcome(plate, None, 0.0, None, False, read) for plate, read in zip(picture.plates, reads, strict=True)
    ]
    return PictureOutcome(picture, None, tuple(outcomes))


def _match(plate: Truth, detections: Sequence[PlateReading]) -> int | None:
    """The detection that overlaps the plate most, if by enough."""
    if plate.box is None or not detections:
        return None
    overlaps = [plate.box.iou(each.detection.box) for each in detections]
    best = max(range(len(overlaps)), key=overlaps.__getitem__)
    return best if overlaps[best] >= FOUND_IOU else None


def _taken(
    plate: Truth, found: PlateReading | None, detections: Sequence[PlateReading], matches: Sequence[int | None]
) -> PlateReading | None:
    """What a user of `read` takes for the plate.

    The picture's first detection where the plate is the only known one. Of several each has its own: the detection
    on its box, or for a plate without a box the first that lies on no other plate.
    """
    if len(matches) == 1:
        return detections[0] if detections else None
    if plate.box is not None:
        return found
    return next((each for index, each in enumerate(detections) if index not in matches), None)
