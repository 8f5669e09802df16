"""Plate crops from simulated roads, for the reader: how a camera on a pole shows them, frame by frame as they near.

`python -m training.reader_footage --out DIR` writes shards beside those of `training.reader_render`. The roads are the
detector's (`training.detector_footage`) under every sky, through a lens that sees plates from near; a third through a
longer one yet, with which expiry lines can be read.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from agent.ocr import expiry_places, rectify, widened
from agent.types import Image
from simulation.footage import PlateTruth, film, plate_face
from simulation.footage_scenario import Scenario
from simulation.footage_traffic import Trip, trips
from simulation.footage_truth import MOST_HIDDEN
from simulation.road.light import Sky
from training.augment import compress
from training.detector_footage import random_road
from training.reader_render import (
    COLOURS,
    HEIGHT,
    MARGIN,
    UNKNOWN,
    WIDTH,
    Sample,
    indonesian_text,
    misplaced,
    to_crop,
    write_shard,
)

FPS = 5
CUTS = 3
"""Crops of one plate in one frame: drawing the frame costs far more."""
NARROWEST_PX = 44.0
"""A character is less than five pixels wide on a narrower plate, and only sharp ones can be read."""
DATED_PX = {"car": 110.0, "motorcycle": 66.0}
"""Width of a plate from which its second line is five pixels high."""
OFF, OFF_TOGETHER, SCALE = 0.03, 0.05, 0.04
"""Standard errors of a detector's corners in plate heights, one by one and together, and of the plate's size."""


def road_for_reading(seed: int) -> Scenario:
    """A road of the detector's under a sky by chance, at FPS, whose picture begins 9 to 13 m from the camera."""
    rng = np.random.default_rng(seed)
    scenario = random_road(rng)
    sky = tuple(Sky)[int(rng.integers(len(Sky)))]
    focal_px = float(rng.uniform(2300, 3000)) * (float(rng.uniform(1.4, 2.2)) if rng.random() < 1 / 3 else 1.0)
    camera = scenario.camera
    lower_deg = np.degrees(np.arctan(camera.height_m / rng.uniform(9, 13)))
    pitch_deg = float(lower_deg - np.degrees(np.arctan(camera.height / 2 / focal_px)))
    camera = camera.model_copy(update={"focal_px": focal_px, "pitch_deg": pitch_deg})
    return scenario.model_copy(update={"fps": float(FPS), "sky": sky, "camera": camera})


def samples(first_road: int) -> Iterator[Sample]:
    """Crops of one road after the other, without end."""
    seed = first_road
    while True:
        rng, scenario = np.random.default_rng([seed, 1]), road_for_reading(seed)
        cast = [_renumbered(trip, rng) for trip in trips(scenario, seed)]
        by_id = {trip.id: trip for trip in cast}
        for image, plates in film(scenario, cast, seed):
            shot = np.clip(compress(image.astype(np.float32), rng), 0, 255).astype(np.uint8)
            for plate in plates:
                trip = by_id[plate.vehicle_id]
                if plate.width_px >= NARROWEST_PX and plate_face(trip)[1] <= MOST_HIDDEN:
                    for _ in range(CUTS):
                        yield from _crops(shot, plate, trip, rng)
        seed += 1


def _renumbered(trip: Trip, rng: np.random.Generator) -> Trip:
    """With any number a plate may have: those of a road are all from one town, and the network would learn that."""
    return replace(trip, spec=replace(trip.spec, text=indonesian_text(rng)))


def _crops(image: Image, plate: PlateTruth, trip: Trip, rng: np.random.Generator) -> Iterator[Sample]:
    """The plate as a detector cuts it, and its second line where it is large enough."""
    true = np.array(plate.corners, np.float32)
    quad = widened(_careless(true, rng), MARGIN)
    placed = cv2.perspectiveTransform(true[None], to_crop(quad))[0]
    crop = rectify(image, quad, WIDTH, HEIGHT)
    yield Sample(crop, plate.text, COLOURS.index(trip.spec.colour), 1, np.asarray(placed))
    vehicle = trip.spec.vehicle
    if trip.spec.expiry and plate.width_px >= DATED_PX[vehicle]:
        month, year = trip.spec.expiry
        place = expiry_places(_careless(true, rng))[0 if vehicle == "car" else 1]
        yield Sample(rectify(image, place, WIDTH, HEIGHT), f"{month:02d}{year % 100:02d}", UNKNOWN, 1, None)


def _careless(corners: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Corners (4, 2) as a detector finds them."""
    tall = float(np.linalg.norm(corners[3] - corners[0]))
    return misplaced(corners, rng, OFF * tall, OFF_TOGETHER * tall, SCALE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the shards, outside the repository")
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--first", type=int, default=5000, help="number of the first shard, and seed")
    parser.add_argument("--size", type=int, default=8192)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for number in range(args.first, args.first + args.shards):
        path = args.out / f"{number:04d}"
        if not path.with_suffix(".pictures.npy").exists():
            write_shard(samples(1000 * number).__next__, path, args.size)
            print(path, flush=True)


if __name__ == "__main__":
    main()
