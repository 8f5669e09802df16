"""`cakra-simulate suite`: many short clips with truth for each rule, from a seed of the caller's choice.

DIR/suite.json           {seed, vehicles, rules}
DIR/RULE/NNN-SKY/        a clip as `cakra-simulate footage` writes it

The same seed gives the same clips. A clip that is whole is kept, so a suite that was broken off goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from agent.errors import UsageError
from agent.types import ViolationKind
from simulation.footage_files import render
from simulation.footage_scenario import Scenario
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


def run(args: argparse.Namespace) -> int:
    if args.seed < 0 or args.vehicles < 1:
        raise UsageError("--seed takes 0 or more, --vehicles 1 or more")
    kinds = [ViolationKind(args.rule)] if args.rule else list(RULES)
    clips = [Clip(kind, number, size) for kind in kinds for number, size in enumerate(clip_sizes(args.vehicles))]
    _claim(args.out, args.seed, args.vehicles)
    started = time.monotonic()
    for done, clip in enumerate(clips):
        scenario = clip.scenario(args.seed)
        folder = args.out / clip.kind.value / f"{clip.number:03d}-{scenario.sky.value}"
        _say(f"[{done + 1}/{len(clips)}] {folder}  {_left(started, done, len(clips))}")
        if not is_whole(folder, scenario):
            (folder / "truth.jsonl").unlink(missing_ok=True)
            render(scenario, clip.kind.value, args.seed, folder)
            (folder / ".whole").write_text(digest(scenario), encoding="utf-8")
    print(f"scripts/replay --all --suite {args.out}")
    return 0


def is_whole(folder: Path, scenario: Scenario) -> bool:
    """Whether the folder holds this very clip."""
    mark = folder / ".whole"
    return (folder / "truth.jsonl").exists() and mark.exists() and mark.read_text() == digest(scenario)


def digest(scenario: Scenario) -> str:
    return hashlib.sha256(scenario.model_dump_json().encode()).hexdigest()


def _claim(folder: Path, seed: int, vehicles: int) -> None:
    """A folder holds one suite. Raises UsageError where it holds another."""
    folder.mkdir(parents=True, exist_ok=True)
    path, content = folder / "suite.json", {"seed": seed, "vehicles": vehicles}
    if path.exists() and json.loads(path.read_text()) != content:
        raise UsageError(f"{folder}: holds another suite ({path.read_text().strip()}); give another --out")
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")


def _left(started: float, done: int, total: int) -> str:
    """How long the rest will take, by how long it took so far."""
    if not done:
        return ""
    left_s = (time.monotonic() - started) / done * (total - done)
    return f"{left_s / 60:.0f} min left"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
