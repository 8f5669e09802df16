"""`cakra-agent bench`: what this machine does with a clip on one core, from the start of the process.

Measured in the process itself, so that the figures are those of `run`: pictures decoded, detected, followed and read.
"""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agent.errors import UsageError
from agent.pipeline import Pipeline
from agent.types import Frame

FRAMES_PER_S_BAR = 25.0
PEAK_MB_BAR = 300.0
START_S_BAR = 3.0


@dataclass(frozen=True, slots=True)
class Figures:
    """One measurement."""

    clip: str
    frames: int
    frames_per_s: float
    """From the first processed frame to the last, one core."""
    start_s: float
    """From the start of the process to the first processed frame."""
    peak_mb: float
    """Largest resident memory of the process."""


def on_one_core() -> None:
    """Keep this process, and the threads its libraries start, on one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def measure(clip: Path, frames: Iterator[Frame], pipeline: Pipeline) -> Figures:
    """Run a clip through a pipeline. Raises UsageError for one too short to say anything."""
    first = next(frames, None)
    if first is None:
        raise UsageError(f"{clip}: no frames; give a clip of some seconds")
    pipeline.step(first)
    start_s = _process_age_s()
    started = time.perf_counter()
    for _ in pipeline.run(frames):
        pass
    seconds = time.perf_counter() - started
    counted = pipeline.counters["frames"]
    return Figures(
        clip=clip.name,
        frames=counted,
        frames_per_s=(counted - 1) / seconds,
        start_s=start_s,
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def _process_age_s() -> float:
    """Seconds since the kernel started this process (Linux: field 22 of /proc/self/stat, in clock ticks)."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")


def table(figures: Figures) -> str:
    """The figures beside their bars."""
    rows: list[tuple[str, float, str, float, Callable[[float, float], bool]]] = [
        ("replay on one core", figures.frames_per_s, "frames/s, at least", FRAMES_PER_S_BAR, float.__ge__),
        ("peak memory", figures.peak_mb, "MB, at most", PEAK_MB_BAR, float.__le__),
        ("start to first frame", figures.start_s, "s, at most", START_S_BAR, float.__le__),
    ]
    lines = [f"{figures.clip}: {figures.frames} frames"]
    for name, value, unit, bar, holds in rows:
        lines.append(f"  {name:<22} {value:>7.1f} {unit} {bar:g}  {'ok' if holds(value, bar) else 'MISSED'}")
    return "\n".join(lines)


HEAD = """# Benchmarks

Made by `cakra-agent bench CLIP --site SITE --record docs/benchmarks.md`, a row a run. Bars: at least 25 frames/s of
1280x720 on one core, at most 300 MB, at most 3 s from the start of the process to the first processed frame.

| date | commit | machine | clip | frames | frames/s | peak MB | start s |
|---|---|---|---|---|---|---|---|
"""


def record(figures: Figures, path: Path) -> None:
    """Append the figures, with the machine and the commit they are of, to a Markdown table."""
    row = (
        f"{datetime.now(UTC):%Y-%m-%d}",
        commit(),
        machine(),
        figures.clip,
        str(figures.frames),
        f"{figures.frames_per_s:.1f}",
        f"{figures.peak_mb:.0f}",
        f"{figures.start_s:.2f}",
    )
    if not path.exists():
        path.write_text(HEAD)
    with path.open("a") as file:
        file.write(f"| {' | '.join(row)} |\n")


def commit() -> str:
    """The commit of the working directory; `-` where there is none."""
    try:
        asked = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "-"
    return asked.stdout.strip() or "-"


def machine() -> str:
    """The name of this machine: the board, or its processor."""
    model = Path("/proc/device-tree/model")
    if model.exists():
        return model.read_text().strip("\0\n")
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
