"""`cakra-simulate footage`: a scenario as files.

DIR/clip.mp4        the frames; H.264 where an ffmpeg with libx264 is on the PATH, else MPEG-4 part 2 by OpenCV
DIR/clip.json       {start, fps, width, height, frames, scenario, seed}; start is the moment of the first frame
DIR/scenario.yaml   the scenario itself
DIR/site.yaml       lanes, lines, zones, lamps and calibration for the agent, by the camera's own geometry
DIR/law/            the law the truth goes by, and DIR/calendars/ its days off: copies of `config/`
DIR/truth.jsonl     one vehicle a line: who it is, where its plate is in each frame, what it violates and why

A traced clip has `recording.jsonl`, what good networks would see, in place of the frames.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import yaml

from agent.config import HOME
from agent.errors import StoreError, UsageError
from agent.types import Corners
from simulation.footage import film
from simulation.footage_clip import Clip
from simulation.footage_law import LawInputs
from simulation.footage_scenario import Scenario, load_scenario, names
from simulation.footage_site import site_file
from simulation.footage_trace import trace
from simulation.footage_traffic import Trip, trips
from simulation.footage_truth import Sightings, truth_lines

LAW = HOME / "config" / "law"
CALENDARS = HOME / "config" / "calendars"
_PROGRESS_FRAMES = 25

Progress = Callable[[int, int], None]
"""Takes frames done and frames in all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scenario", required=True, metavar="NAME", help=f"{', '.join(names())}, or a YAML file")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--out", type=Path, metavar="DIR", help="folder for clip, site and truth")
    target.add_argument("--trace", type=Path, metavar="FILE", help="draw nothing: record what good networks would see")
    parser.add_argument("--seed", type=int, default=1, help="what is left open by the scenario (default: 1)")
    parser.add_argument("--frames", type=Path, metavar="DIR", help="also write the frames as PNG files and truth.json")


def run(args: argparse.Namespace) -> int:
    if args.seed < 0:
        raise UsageError(f"--seed: {args.seed} is negative; give 0 or more")
    scenario = load_scenario(args.scenario)
    if args.trace:
        trace(scenario, trips(scenario, args.seed), args.seed)[0].save(args.trace)
        print(f"cakra-agent replay {args.trace}")
        return 0
    render(scenario, args.scenario, args.seed, args.out, args.frames, show)
    command = f"cakra-agent replay {args.out / 'clip.mp4'} --site {args.out / 'site.yaml'}"
    print(f"{command} --start {scenario.start.isoformat()}")
    return 0


def render(
    scenario: Scenario,
    name: str,
    seed: int,
    folder: Path,
    pictures: Path | None = None,
    progress: Progress = lambda done, total: None,
) -> None:
    """Write clip, site, law and truth under `folder`. Raises ConfigError or StoreError."""
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
            progress(frame + 1, scenario.frame_count)
    if pictures:
        (pictures / "truth.json").write_text(json.dumps(dict(_corner_lists(seen, scenario.frame_count))))
    _write_beside(scenario, name, seed, folder, cast, seen)


def record(scenario: Scenario, name: str, seed: int, folder: Path) -> None:
    """The same as `render`, with a recording in place of the clip, and no pictures."""
    cast = trips(scenario, seed)
    _make(folder)
    recording, seen = trace(scenario, cast, seed)
    recording.save(folder / "recording.jsonl")
    _write_beside(scenario, name, seed, folder, cast, seen)


def _write_beside(
    scenario: Scenario, name: str, seed: int, folder: Path, cast: Sequence[Trip], seen: Mapping[int, Sightings]
) -> None:
    """All of a clip's folder but its frames."""
    header = {
        "start": scenario.start.isoformat(), "fps": scenario.fps, "width": scenario.camera.width,
        "height": scenario.camera.height, "frames": scenario.frame_count, "scenario": name, "seed": seed,
    }  # fmt: skip
    (folder / "clip.json").write_text(json.dumps(header, indent=2) + "\n", encoding="utf-8")
    _write_yaml(folder / "scenario.yaml", scenario.model_dump(mode="json", exclude_defaults=True))
    _write_yaml(folder / "site.yaml", site_file(scenario, seed))
    shutil.copytree(LAW, folder / "law", dirs_exist_ok=True)
    shutil.copytree(CALENDARS, folder / "calendars", dirs_exist_ok=True)
    lines = truth_lines(scenario, cast, seen, LawInputs.load(LAW, CALENDARS))
    # last: who finds it finds all the rest
    (folder / "truth.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")


def _write_yaml(path: Path, content: object) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _corner_lists(seen: dict[int, dict[int, Corners]], count: int) -> Iterator[tuple[str, list[list[float]]]]:
    for frame in range(count):
        plates = (by_frame[frame] for by_frame in seen.values() if frame in by_frame)
        yield f"{frame:05d}.png", [[round(v, 2) for point in each for v in point] for each in plates]


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be made ({error.strerror}); give a folder that can be written") from None


def show(done: int, total: int) -> None:
    """Progress on standard error."""
    if done % _PROGRESS_FRAMES == 0 or done == total:
        end = "\n" if done == total else ""
        print(f"\rrendering {done}/{total} frames", end=end, file=sys.stderr, flush=True)
