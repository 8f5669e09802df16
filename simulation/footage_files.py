"""`cakra-simulate footage`: a scenario as files.

DIR/clip.mp4     the frames; H.264 where an ffmpeg with libx264 is on the PATH, else MPEG-4 part 2 by OpenCV
DIR/clip.json    {start, fps, width, height, frames, scenario, seed}; start is the moment of the first frame
DIR/site.yaml    lanes and calibration for the agent, exact by the camera's own geometry
DIR/truth.jsonl  one vehicle a line: who it is, where its plate is in each frame, what it violates and why
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import yaml

from agent.errors import StoreError, UsageError
from agent.types import Corners
from simulation.footage import film
from simulation.footage_clip import Clip
from simulation.footage_law import violations
from simulation.footage_scenario import Scenario, load_scenario, names
from simulation.footage_site import site_file
from simulation.footage_traffic import Trip, trips

READABLE_PX = 48.0
"""Plate width from which a person reads it without effort."""
_PROGRESS_FRAMES = 25


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scenario", required=True, metavar="NAME", help=f"{', '.join(names())}, or a YAML file")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for clip, site and truth")
    parser.add_argument("--seed", type=int, default=1, help="what is left open by the scenario (default: 1)")
    parser.add_argument("--frames", type=Path, metavar="DIR", help="also write the frames as PNG files and truth.json")


def run(args: argparse.Namespace) -> int:
    if args.seed < 0:
        raise UsageError(f"--seed: {args.seed} is negative; give 0 or more")
    scenario = load_scenario(args.scenario)
    render(scenario, args.scenario, args.seed, args.out, args.frames)
    clip, site = args.out / "clip.mp4", args.out / "site.yaml"
    print(f"cakra-agent replay {clip} --site {site} --start {scenario.start.isoformat()}")
    return 0


def render(scenario: Scenario, name: str, seed: int, folder: Path, pictures: Path | None = None) -> None:
    """Write clip, site and truth under `folder`. Raises ConfigError or StoreError."""
    cast = trips(scenario, seed)
    for each in filter(None, (folder, pictures)):
        _make(each)
    seen: dict[int, dict[int, Corners]] = {trip.id: {} for trip in cast}
    with Clip(folder / "clip.mp4", scenario.fps, (scenario.camera.width, scenario.camera.height)) as clip:
        for frame, (image, plates) in enumerate(film(scenario, cast, seed)):
            clip.add(image)
            for plate in plates:
                seen[plate.vehicle_id][frame] = plate.corners
            if pictures:
                cv2.imwrite(str(pictures / f"{frame:05d}.png"), image)
            _show(frame + 1, scenario.frame_count)
    header = {
        "start": scenario.start.isoformat(), "fps": scenario.fps, "width": scenario.camera.width,
        "height": scenario.camera.height, "frames": scenario.frame_count, "scenario": name, "seed": seed,
    }  # fmt: skip
    (folder / "clip.json").write_text(json.dumps(header, indent=2) + "\n", encoding="utf-8")
    (folder / "site.yaml").write_text(yaml.safe_dump(site_file(scenario), sort_keys=False), encoding="utf-8")
    if pictures:
        (pictures / "truth.json").write_text(json.dumps(dict(_corner_lists(seen, scenario.frame_count))))
    lines = (json.dumps(truth_line(trip, seen[trip.id], scenario)) for trip in cast)
    # last: who finds it finds all the rest
    (folder / "truth.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def truth_line(trip: Trip, corners: dict[int, Corners], scenario: Scenario) -> dict[str, Any]:
    """All there is to know about one vehicle; `corners` holds null for frames in which its plate is not to be seen."""
    on_road = [f for f in range(scenario.frame_count) if trip.pose(f / scenario.fps)]
    at = moment_of(corners, scenario, on_road)
    plan = trip.plan
    return {
        "id": trip.id,
        "plate": trip.spec.characters,
        "plate_colour": trip.spec.colour.value,
        "expiry": trip.spec.expiry,
        "kind": plan.kind.value,
        "paint": plan.paint,
        "lane": plan.lane,
        "direction": plan.direction,
        "away": trip.away,
        "speed_kmh": plan.speed_kmh,
        "dirt": plan.dirt,
        "frames": [on_road[0], on_road[-1]] if on_road else None,
        "frames_readable": sum(1 for each in corners.values() if each[1].x - each[0].x >= READABLE_PX),
        "at": at.isoformat(),
        "violations": [{"kind": v.kind.value, "reason": v.reason} for v in violations(trip, at)],
        "corners": [_rounded(corners.get(f)) for f in range(on_road[0], on_road[-1] + 1)] if on_road else [],
    }


def moment_of(corners: dict[int, Corners], scenario: Scenario, on_road: Sequence[int]) -> datetime:
    """When the plate is best seen, or when the vehicle is half-way where it never is."""
    best = max(corners, key=lambda f: corners[f][1].x - corners[f][0].x) if corners else None
    frame = best if best is not None else (on_road[len(on_road) // 2] if on_road else 0)
    return scenario.start + timedelta(seconds=frame / scenario.fps)


def _rounded(corners: Corners | None) -> list[list[float]] | None:
    return [[round(x, 2), round(y, 2)] for x, y in corners] if corners else None


def _corner_lists(seen: dict[int, dict[int, Corners]], count: int) -> Iterator[tuple[str, list[list[float]]]]:
    for frame in range(count):
        plates = (by_frame[frame] for by_frame in seen.values() if frame in by_frame)
        yield f"{frame:05d}.png", [[round(v, 2) for point in each for v in point] for each in plates]


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be made ({error.strerror}); give a folder that can be written") from None


def _show(done: int, total: int) -> None:
    if done % _PROGRESS_FRAMES == 0 or done == total:
        end = "\n" if done == total else ""
        print(f"\rrendering {done}/{total} frames", end=end, file=sys.stderr, flush=True)
