"""Frames of simulated roads with exact truth: rendered once to a folder, mixed with the photos in training.

`python -m training.detector_footage --out DIR --roads 30` draws that many roads, each with another camera, other lanes
and other traffic, and keeps one frame a second of each.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np

from simulation.footage import film
from simulation.footage_parts import LanePlan, Pole, RandomTraffic
from simulation.footage_scenario import Scenario
from simulation.footage_traffic import trips
from simulation.progress import Progress

START = datetime(2026, 1, 1, tzinfo=UTC)
SECONDS = 12


def random_road(rng: np.random.Generator) -> Scenario:
    """A road as a unit may see it: long or short lens, low or high pole, one way or two."""
    height_m = rng.uniform(3.6, 7.0)
    looks_at_m = rng.uniform(12, 30)
    camera = Pole(
        focal_px=rng.uniform(1300, 3000),
        height_m=height_m,
        pitch_deg=float(np.degrees(np.arctan(height_m / looks_at_m))),
        x_m=rng.uniform(-4, 4),
        yaw_deg=rng.uniform(-8, 8),
    )
    away = rng.random() < 0.4
    count = int(rng.integers(2, 5))
    lanes = tuple(
        LanePlan(id=f"L{i}", permitted="away" if away and i >= count / 2 else "towards") for i in range(count)
    )
    traffic = RandomTraffic(vehicles=int(rng.integers(8, 20)), against=rng.uniform(0, 0.3))
    return Scenario(start=START, duration_s=SECONDS, fps=1, camera=camera, lanes=lanes, random=traffic)


def render(folder: Path, roads: int, seed: int) -> None:
    """Write frames and `truth.json` to the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    truth: dict[str, list[list[float]]] = {}
    progress = Progress(roads)
    for road in range(seed, seed + roads):
        scenario = random_road(np.random.default_rng(road))
        for number, (image, plates) in enumerate(film(scenario, trips(scenario, road), road)):
            if not plates and number % 4:
                continue
            name = f"{road:05d}_{number:03d}.png"
            cv2.imwrite(str(folder / name), image)
            truth[name] = [[float(v) for corner in plate.corners for v in corner] for plate in plates]
        progress.step(f"road {road}")
    (folder / "truth.json").write_text(json.dumps(truth), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="render roads to train the detector on")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--roads", type=int, default=30)
    parser.add_argument("--seed", type=int, default=10_000)
    options = parser.parse_args()
    render(options.out, options.roads, options.seed)


if __name__ == "__main__":
    main()
