"""Crops of simulated roads for the reader: they are what their labels say."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np

from agent.ocr import PlateReader
from agent.plate import INDONESIAN, parse
from agent.tflite import Network
from agent.types import Corners, Point
from training.reader_footage import CUTS, samples
from training.reader_render import COLOURS, Sample

MODEL = Path(__file__).parents[2] / "models/plate_reader.tflite"
ROAD = 9


def test_a_crop_shows_what_its_label_says() -> None:
    """A label that does not belong to its crop teaches the network to misread and to look elsewhere."""
    reader = PlateReader(Network.load(MODEL), INDONESIAN, dated=False)
    crops = list(islice(samples(ROAD), 6 * CUTS))
    reads = [reader.read(crop.crop, corners_of(crop)) for crop in crops]
    assert all(parse(crop.text) for crop in crops)
    assert len({crop.text for crop in crops}) > 1
    # from 44 px of width on not all can be read
    assert np.mean([read.text == crop.text for read, crop in zip(reads, crops, strict=True)]) > 0.5
    assert np.mean([read.colour == COLOURS[crop.colour] for read, crop in zip(reads, crops, strict=True)]) > 0.9


def corners_of(sample: Sample) -> Corners:
    """Where the plate is in the crop, as its label says."""
    assert sample.corners is not None
    top_left, top_right, bottom_right, bottom_left = (Point(float(x), float(y)) for x, y in sample.corners)
    return top_left, top_right, bottom_right, bottom_left
