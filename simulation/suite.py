"""`cakra-simulate suite`: many short clips with truth for each rule, from a seed of the caller's choice.

DIR/suite.json           {seed, vehicles}; traced, if it is
DIR/RULE/NNN-SKY/        a clip as `cakra-simulate footage` writes it

The same seed gives the same clips. A clip that is whole is kept, so a suite that was broken off goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agent.errors import UsageError
from agent.types import ViolationKind
from simulation.footage_files import record, render
from simulation.footage_scenario import Scenario
from simulation.progress import Progress
from simulation.suite_clips import RULES, clip_scenario, clip_sizes


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip of a suite."""

    kind: ViolationKind
    number: int
    vehicles: int

    def scenario(self, seed: int) -> Scenario:
        return clip_scenario(self.kind, seed, self.number, self.vehicles)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, required=True, metavar="N", help="another seed, another suite")
    parser.add_argument("--vehicles", type=int, required=True, metavar="M", help="vehicles for each rule")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the suite")
    parser.add_argument("--rule", choices=[kind.value for kind in RULES], help="one rule only (default: all eight)")
    parser.add_argument("--traced", action="store_true", help="draw nothing: record what good networks would see")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="clips at once (default 1)")


def run(args: argparse.Namespace) -> int:
    if args.seed < 0 or args.vehicles < 1 or args.jobs < 1:
        raise UsageError("--seed takes 0 or more, --vehicles and --jobs 1 or more")
    kinds = [ViolationKind(args.rule)] if args.rule else list(RULES)
    clips = [Clip(kind, number, size) for kind in kinds for number, size in enumerate(clip_sizes(args.vehicles))]
    _claim(args.out, {"seed": args.seed, "vehicles": args.vehicles} | ({"traced": True} if args.traced else {}))
    progress = Progress(len(clips))
    for folder in _make_all(clips, partial(_make, seed=args.seed, out=args.out, traced=args.traced), args.jobs):
        progress.step(str(folder))
    print(f"scripts/replay --all --suite {args.out}")
    return 0


def _make_all(clips: Sequence[Clip], make: partial[Path], jobs: int) -> Iterator[Path]:
    """Each clip's folder, in order; processes, because drawing holds Python's lock."""
    if jobs == 1:
        yield from map(make, clips)
        return
    # an interrupt is for the one that waits for them
    with ProcessPoolExecutor(jobs, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)) as pool:
        yield from pool.map(make, clips)


def _make(clip: Clip, *, seed: int, out: Path, traced: bool) -> Path:
    scenario = clip.scenario(seed)
    folder = out / clip.kind.value / f"{clip.number:03d}-{scenario.sky.value}"
    if not is_whole(folder, scenario):
        (folder / "truth.jsonl").unlink(missing_ok=True)
        (record if traced else render)(scenario, clip.kind.value, seed, folder)
        (folder / ".whole").write_text(digest(scenario), encoding="utf-8")
    return folder


def is_whole(folder: Path, scenario: Scenario) -> bool:
    """Whether the folder holds this very clip."""
    mark = folder / ".whole"
    return (folder / "truth.jsonl").exists() and mark.exists() and mark.read_text() == digest(scenario)


def digest(scenario: Scenario) -> str:
    return hashlib.sha256(scenario.model_dump_json().encode()).hexdigest()


def _claim(folder: Path, content: dict[str, int]) -> None:
    """A folder holds one suite. Raises UsageError where it holds another."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "suite.json"
    if path.exists() and json.loads(path.read_text()) != content:
        raise UsageError(f"{folder}: holds another suite ({path.read_text().strip()}); give another --out")
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")
