"""How well the shipped networks find and read the plates of a labelled folder.

`python -m training.evaluate DIR [--crop] [--grammar id|none] [--json]`: DIR holds `images/` and `labels.csv`.
Always reads the crops at their true corners; without `--crop` also end to end, as `cakra-agent read` does it. Rows
marked unsure are left out. The errors' texts are printed: they are plates, so keep them off the record.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from agent.detect import PlateDetector
from agent.ocr import PlateReader
from agent.plate import ANY_LATIN, INDONESIAN
from agent.tflite import Network
from agent.types import Box, Corners, Detection, Detector, Image, PlateRead, Point, Reader
from training.labels import LabelledPlate, load_labels

FOUND_IOU = 0.5


@dataclass(frozen=True, slots=True)
class Result:
    """One labelled plate and what became of it."""

    plate: LabelledPlate
    on_crop: PlateRead
    detection: Detection | None
    """The detection that lies on the plate, if any."""
    end_to_end: PlateRead | None
    """The reading of that detection."""
    main: PlateRead | None
    """The reading of the picture's first detection, which is what a user of `read` takes."""


def evaluate(plates: Sequence[LabelledPlate], reader: Reader, detector: Detector | None) -> list[Result]:
    by_file: dict[Path, list[LabelledPlate]] = defaultdict(list)
    for plate in plates:
        by_file[plate.file].append(plate)
    results = []
    for file, mine in by_file.items():
        image = np.asarray(cv2.imread(str(file)), np.uint8)
        detections = detector.detect(image) if detector else ()
        reads = [reader.read(image, d.corners) for d in detections]
        for plate in mine:
            corners = as_corners(plate)
            match = _matching(plate, detections)
            results.append(
                Result(
                    plate,
                    reader.read(image, corners),
                    None if match is None else detections[match],
                    None if match is None else reads[match],
                    reads[0] if reads else None,
                )
            )
    return results


def as_corners(plate: LabelledPlate) -> Corners:
    tl, tr, br, bl = (Point(float(x), float(y)) for x, y in plate.corners)
    return tl, tr, br, bl


def truth_box(plate: LabelledPlate) -> Box:
    return Box(*plate.corners.min(0).tolist(), *plate.corners.max(0).tolist())


def _matching(plate: LabelledPlate, detections: Sequence[Detection]) -> int | None:
    overlaps = [truth_box(plate).iou(d.box) for d in detections]
    best = int(np.argmax(overlaps)) if overlaps else None
    return best if best is not None and overlaps[best] >= FOUND_IOU else None


def distance(a: str, b: str) -> int:
    """Edits between two texts."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row, last = [i, *[0] * len(b)], row
        for j, y in enumerate(b, 1):
            row[j] = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y))
    return row[-1]


def summary(results: Sequence[Result], with_detector: bool) -> dict[str, float]:
    """Shares of all plates, 0 to 1; the character error rate is edits over characters of the truth."""
    count = len(results)
    texts = [(r.plate.text, r.on_crop.text) for r in results]
    figures = {
        "plates": float(count),
        "exact_on_truth_crops": sum(t == g for t, g in texts) / count,
        "in_candidates_on_truth_crops": sum(any(c.text == r.plate.text for c in r.on_crop.candidates) for r in results)
        / count,
        "cer_on_truth_crops": sum(distance(t, g) for t, g in texts) / sum(len(t) for t, _ in texts),
        "colour_right": sum(r.on_crop.colour == r.plate.colour for r in results) / count,
        "mean_confidence": sum(r.on_crop.confidence for r in results) / count,
    }
    if with_detector:
        figures["recall_iou_50"] = sum(r.detection is not None for r in results) / count
        figures["exact_end_to_end"] = sum(r.main is not None and r.main.text == r.plate.text for r in results) / count
        figures["exact_any_detection"] = (
            sum(r.end_to_end is not None and r.end_to_end.text == r.plate.text for r in results) / count
        )
    return {name: round(value, 4) for name, value in figures.items()}


def errors(results: Sequence[Result]) -> list[str]:
    """One line a wrong reading: file, truth, on the true crop, end to end."""
    lines = []
    for r in results:
        main = r.main.text if r.main else "-"
        if r.on_crop.text != r.plate.text or (r.main is not None and main != r.plate.text):
            sure = f"{r.on_crop.confidence:.2f}"
            lines.append(f"{r.plate.file.name:40} {r.plate.text:10} crop {r.on_crop.text:10} {sure} end {main}")
    return lines


def mosaic(results: Sequence[Result], path: Path, columns: int = 5) -> None:
    """A picture of the plates that were misread, each with what was read; for the eyes of who trains."""
    tiles = []
    for r in results:
        if r.on_crop.text == r.plate.text:
            continue
        image: Image = np.asarray(cv2.imread(str(r.plate.file)), np.uint8)
        box = truth_box(r.plate)
        x1, y1 = max(0, int(box.x1 - 0.1 * box.width)), max(0, int(box.y1 - 0.15 * box.height))
        part = image[y1 : int(box.y2 + 0.15 * box.height), x1 : int(box.x2 + 0.1 * box.width)]
        tile = cv2.copyMakeBorder(cv2.resize(part, (240, 72)), 0, 20, 0, 2, cv2.BORDER_CONSTANT)
        label = f"{r.plate.text} > {r.on_crop.text} {r.on_crop.confidence:.2f}"
        cv2.putText(tile, label, (2, 87), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (80, 255, 80), 1, cv2.LINE_AA)
        tiles.append(tile)
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns) if tiles else []
    if tiles:
        cv2.imwrite(str(path), np.vstack([np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--crop", action="store_true", help="read at the true corners only, without the detector")
    parser.add_argument("--grammar", choices=("id", "none"), default="id")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--mosaic", type=Path, help="picture of the misread plates; never commit it")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    grammar = INDONESIAN if args.grammar == "id" else ANY_LATIN
    reader = PlateReader(Network.load(args.models / "plate_reader.tflite", args.threads), grammar)
    detector = None
    if not args.crop:
        detector = PlateDetector(Network.load(args.models / "plate_detector.tflite", args.threads))
    plates = [p for p in load_labels(args.folder) if not p.unsure]
    began = time.process_time()
    results = evaluate(plates, reader, detector)
    figures = summary(results, detector is not None)
    figures["cpu_ms_per_plate"] = round((time.process_time() - began) / len(plates) * 1e3, 1)
    if args.mosaic:
        mosaic(results, args.mosaic)
    if args.json:
        print(json.dumps({"folder": args.folder.name, **figures, "errors": errors(results)}, indent=1))
        return
    print("\n".join(errors(results)))
    print("\n".join(f"{name:32} {value:g}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
