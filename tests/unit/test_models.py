"""The shipped networks as goods: small enough, as good in int8 as in float, and honest about their doubt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from agent.detect import PlateDetector
from agent.lattice import search, softmax
from agent.ocr import PlateReader
from agent.plate import INDONESIAN
from agent.tflite import Network
from agent.types import Image, Point
from training.labels import LabelledPlate, held_back, load_labels

ROOT = Path(__file__).resolve().parents[2]
MODELS, GOLDEN = ROOT / "models", ROOT / "tests" / "golden"
DATA = ROOT.parent / "shared" / "data"
NAMES = ("plate_detector", "plate_reader")
LARGEST_BYTES = 2_500_000
LOST_BY_INT8 = 0.005

needs_photos = pytest.mark.skipif(not (DATA / "train/id_white").exists(), reason="the labelled photos are not here")


def manifest(name: str) -> dict[str, Any]:
    return dict(json.loads((MODELS / f"{name}.json").read_text(encoding="utf-8")))


def test_all_networks_together_fit_a_slow_link() -> None:
    """A unit on a mobile link gets its models over the air."""
    assert sum((MODELS / f"{name}.tflite").stat().st_size for name in NAMES) <= LARGEST_BYTES


def test_int8_reads_what_float_reads() -> None:
    """Quantisation that costs accuracy would be found on the street only."""
    network, grammar = Network.load(MODELS / "plate_reader.tflite"), INDONESIAN
    golden = np.load(GOLDEN / "plate_reader.npz")
    same = total = 0
    for place, crop in enumerate(golden["crops"]):
        floats = golden["text"][place]
        found = search(floats, grammar, 1)
        if not found or found[0].probability < 0.5:
            continue
        outputs = network.run(np.ascontiguousarray(crop[..., ::-1]))
        total += 1
        same += [c.text for c in search(outputs["text"], grammar, 1)] == [found[0].text]
        assert np.abs(outputs["corners"] - golden["corners"][place]).mean() < 0.02
        colours = softmax(golden["colour"][place])
        assert colours.max() < 0.5 or outputs["colour"].argmax() == colours.argmax()
    assert total >= 10
    assert same >= total - 1


def test_int8_loses_nothing_on_photographed_plates() -> None:
    """Half a point is what may be lost; the figures are of the very file that ships."""
    floats, ints = manifest("plate_reader")["metrics_float"], manifest("plate_reader")["metrics_int8"]
    exact = [key for key in floats if key.startswith("held_back") and key.endswith("_exact")]
    assert len(exact) == 4
    assert all(ints[key] >= floats[key] - LOST_BY_INT8 for key in exact)


@needs_photos
def test_the_detector_finds_held_back_plates() -> None:
    """An export or a decoder that lost its accuracy would pass every other test."""
    detector = PlateDetector(Network.load(MODELS / "plate_detector.tflite"))
    found = 0
    plates = _held_back()
    for plate in plates:
        low, high = plate.corners.min(0), plate.corners.max(0)
        centre = Point(*((low + high) / 2).tolist())
        boxes = [d.box for d in detector.detect(_picture(plate))]
        found += any(b.x1 < centre.x < b.x2 and b.y1 < centre.y < b.y2 for b in boxes)
    assert found >= 0.95 * len(plates)


@needs_photos
def test_confidence_is_a_probability_on_plates_not_trained_on() -> None:
    """Thresholds are chosen for an error rate; they mean nothing if 0.9 is not right nine times in ten."""
    reader = PlateReader(Network.load(MODELS / "plate_reader.tflite"), INDONESIAN)
    sure, right = [], []
    for plate in _held_back():
        for width_px in (300, 110, 70, 50, 40):
            image, corners = _from_afar(plate, width_px)
            read = reader.read(image, corners)
            sure.append(read.confidence)
            right.append(read.text == plate.text)
    bins = np.minimum((np.array(sure) * 5).astype(int), 4)
    gaps = [abs(np.array(sure)[bins == b].sum() - np.array(right)[bins == b].sum()) for b in range(5)]
    assert sum(gaps) / len(sure) < 0.08


def _held_back() -> list[LabelledPlate]:
    return [p for p in load_labels(DATA / "train/id_white") if held_back(p.text) and not p.unsure]


def _picture(plate: LabelledPlate) -> Image:
    return np.asarray(cv2.imread(str(plate.file)), np.uint8)


def _from_afar(plate: LabelledPlate, width_px: float) -> tuple[Image, tuple[Point, Point, Point, Point]]:
    """The photo shrunk until the plate is `width_px` wide, and the plate's corners there."""
    share = min(1.0, width_px / float(np.ptp(plate.corners[:, 0])))
    image = cv2.resize(_picture(plate), None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    tl, tr, br, bl = (Point(float(x), float(y)) for x, y in plate.corners * share)
    return np.asarray(image, np.uint8), (tl, tr, br, bl)
