"""Crops of simulated roads for the reader: they are what their labels say."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from agent.ocr import PlateReader, exact_places
from agent.plate import INDONESIAN, parse
from agent.tflite import Network
from training.reader_footage import CUTS, samples
from training.reader_render import COLOURS, HEIGHT, WIDTH, Sample

MODEL = Path(__file__).parents[2] / "models/plate_reader.tflite"
ROAD = 9


def test_a_crop_shows_what_its_label_says() -> None:
    """A label that does not belong to its crop teaches the network to misread and to look elsewhere."""
    reader = PlateReader(Network.load(MODEL), INDONESIAN, dated=False)
    crops = list(islice(samples(ROAD), 6 * CUTS))
    reads = [reader.read_crop(straightened(crop)) for crop in crops]
    assert all(parse(crop.text) for crop in crops)
    assert len({crop.text for crop in crops}) > 1
    assert (
        np.mean([read.text == crop.text for read, crop in zip(reads, crops, strict=True)]) > 0.5
    )  # from 44 px wide on
    assert np.mean([read.colour == COLOURS[crop.colour] for read, crop in zip(reads, crops, strict=True)]) > 0.9


def straightened(sample: Sample) -> np.ndarray:
    """The crop cut once more, at the corners that its label gives."""
    assert sample.corners is not None
    target = exact_places() * np.float32([WIDTH, HEIGHT])
    matrix = cv2.getPerspectiveTransform(np.float32(sample.corners), target)
    return cv2.warpPerspective(sample.crop, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
