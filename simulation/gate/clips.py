"""The clips of a folder and their way through `cakra-agent replay`.

A clip is a folder with `truth.jsonl`, `site.yaml`, `clip.json` (`start`) and a video, pictures or a recording; `law/`
and `calendars/` where they are not the shipped ones. `cakra-simulate` makes such folders, and so can anybody for
footage of his own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.capture import IMAGE_SUFFIXES
from agent.config import HOME
from agent.errors import CakraError, ConfigError, UsageError

VIDEO_SUFFIXES = (".mp4", ".mkv", ".avi", ".mov", ".webm")
REFERENCE = "reference.jsonl"
RECORDING = "recording.jsonl"


class ReplayError(CakraError):
    """The unit's command failed on a clip: its own words."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Case:
    """One clip."""

    name: str
    folder: Path
    video: Path
    start: str
    """Moment of the first frame, ISO 8601 with zone."""

    @property
    def site(self) -> Path:
        return self.folder / "site.yaml"

    @property
    def law(self) -> Path:
        return _own_or_shipped(self.folder, "law")

    @property
    def calendars(self) -> Path:
        return _own_or_shipped(self.folder, "calendars")


def _own_or_shipped(folder: Path, name: str) -> Path:
    own = folder / name
    return own if own.is_dir() else HOME / "config" / name


def find(root: Path, names: Sequence[str]) -> list[Case]:
    """The clips under a folder by their paths, or those whose path begins with one of the names.

    Raises UsageError where there is none, ConfigError where one is not whole.
    """
    folders = sorted(path.parent for path in root.rglob("truth.jsonl"))
    cases = [_case(root, folder) for folder in folders]
    chosen = [case for case in cases if not names or any(case.name.startswith(name) for name in names)]
    if not chosen:
        wanted = f" whose name begins with {' or '.join(names)}" if names else ""
        raise UsageError(f"{root}: no clips (folders with truth.jsonl){wanted}; make some with `cakra-simulate suite`")
    return chosen


def _case(root: Path, folder: Path) -> Case:
    videos = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in VIDEO_SUFFIXES]
    pictures = folder / "pictures"
    if not videos and pictures.is_dir() and any(p.suffix.lower() in IMAGE_SUFFIXES for p in pictures.iterdir()):
        videos = [pictures]
    if not videos and (folder / RECORDING).is_file():
        videos = [folder / RECORDING]
    if len(videos) != 1:
        raise ConfigError(f"{folder}: holds {len(videos)} videos; keep one beside its truth.jsonl")
    try:
        start = str(json.loads((folder / "clip.json").read_text(encoding="utf-8"))["start"])
    except (OSError, ValueError, KeyError):
        message = f'{folder / "clip.json"}: is missing or has no start; write {{"start": "2026-11-23T07:30:00+07:00"}}'
        raise ConfigError(message) from None
    if not (folder / "site.yaml").is_file():
        raise ConfigError(f"{folder / 'site.yaml'}: is missing; draw the site of this clip")
    name = str(folder.relative_to(root)) if folder != root else folder.resolve().name
    return Case(name, folder, videos[0], start)


def replay(case: Case, out: Path, threads: int = 1) -> Path:
    """The clip through the unit's own command; decisions, tracks, overlays and a recording under `out`.

    Returns the recording: of a clip that is one, itself. Raises ReplayError.
    """
    out.mkdir(parents=True, exist_ok=True)
    program = str(Path(sys.executable).parent / "cakra-agent")
    command = [
        program, "replay", str(case.video), "--site", str(case.site), "--start", case.start,
        "--law", str(case.law), "--calendars", str(case.calendars), "--threads", str(threads),
        "--out", str(out), "--json",
    ]  # fmt: skip
    recording = case.video
    if recording.name != RECORDING:
        recording = out / RECORDING
        command += ["--record", str(recording)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise ReplayError(f"{case.name}: {last}")
    return recording
