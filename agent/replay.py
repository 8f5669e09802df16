"""`cakra-agent replay`: recorded footage through the pipeline of `run`, the clock taken from the footage.

The same footage, site, law and models give byte-identical decisions: `decisions.jsonl` holds nothing of the machine
it was made on and nothing of the time it took.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import cv2

from agent.bundle import Link, reading
from agent.overlay import draw_path, draw_plate
from agent.pipeline import Finding, Followed, Pipeline
from agent.plate import format_plate
from agent.report import Reporter
from agent.types import Frame, Image
from wire.canonical import sha256_hex
from wire.signing import SigningKey

UNIT = "replay"
"""The unit whose bundles a replay writes."""
KEY = SigningKey.from_seed(bytes.fromhex(sha256_hex(b"cakra-agent replay")))
"""Its key: anybody has it, so that a replay's bundles are the same everywhere and prove nothing about their origin."""


def decision_line(finding: Finding) -> dict[str, Any]:
    """What was decided about one violation, as it is compared between replays."""
    violation, decision = finding.violation, finding.decision
    vote = violation.vote
    return {
        "kind": violation.kind.value,
        "article": violation.article,
        "at": violation.at.isoformat(),
        "frame": violation.frame_index,
        "track": violation.track_id,
        "lane": violation.lane_id,
        "plate": vote.text,
        "reading": reading(vote).model_dump(),
        "outcome": decision.outcome.value,
        "reasons": list(decision.reasons),
        "margin": round(violation.margin, 4),
        "facts": dict(violation.facts),
        "frames": dict(violation.frames),
    }


def track_line(followed: Followed) -> dict[str, Any]:
    """One vehicle as it was followed: its fused plate and its way through the picture."""
    track, vote = followed.track, followed.vote
    return {
        "track": track.track_id,
        "plate": vote.text,
        "confidence": round(vote.confidence, 4),
        "colour": vote.colour.value,
        "reads": vote.reads,
        "broken": track.broken,
        "path": [
            {"frame": point.frame_index, "box": [round(value, 1) for value in point.detection.box]}
            for point in track.points
        ],
    }


class ReplayFolder:
    """Where a replay is kept: `decisions.jsonl`, `tracks.jsonl`, and of pictures `evidence/` and `overlays/`."""

    def __init__(self, folder: Path, reporter: Reporter | None) -> None:
        """`reporter` None: there are no pictures."""
        self._folder = folder
        self._reporter = reporter
        self._stack = ExitStack()
        self._link = Link(1, None)

    def __enter__(self) -> ReplayFolder:
        (self._folder / "overlays" if self._reporter else self._folder).mkdir(parents=True, exist_ok=True)
        self._decisions = self._open("decisions.jsonl")
        self._tracks = self._open("tracks.jsonl")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, followed: Followed) -> None:
        _write(self._tracks, track_line(followed))
        for finding in followed.findings:
            pieces = self._sealed(finding)
            _write(self._decisions, decision_line(finding) | ({"evidence": pieces} if pieces else {}))
            if self._reporter:
                cv2.imwrite(str(self._folder / "overlays" / overlay_name(finding)), overlay(finding))

    def _sealed(self, finding: Finding) -> dict[str, str]:
        """Role to SHA-256 of the bundle that was written; nothing of a recording, which has no pictures."""
        if self._reporter is None:
            return {}
        evidence = self._reporter.seal(finding, self._reporter.save_pieces(finding), self._link)
        self._link = Link(self._link.sequence + 1, evidence[-1].sha256)
        return {piece.role.value: piece.sha256 for piece in evidence}

    def _open(self, name: str) -> IO[str]:
        return self._stack.enter_context((self._folder / name).open("w", encoding="utf-8"))


def overlay_name(finding: Finding) -> str:
    return f"{finding.violation.kind}-{finding.violation.track_id:04d}.jpg"


def overlay(finding: Finding) -> Image:
    """The context picture with the vehicle's path, its plate and what was decided drawn on it."""
    path = [each.detection.box.centre for each in finding.track.points]
    vote = finding.violation.vote
    text = f"{format_plate(vote.text) or '?'}  {finding.violation.kind}  {finding.decision.outcome}"
    return draw_plate(draw_path(finding.context.image, path), finding.point.detection.corners, text)


def _write(file: IO[str], line: dict[str, Any]) -> None:
    file.write(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n")


def summary(pipeline: Pipeline, seconds: float) -> dict[str, Any]:
    """Counts of one replay and its speed."""
    counters = pipeline.counters
    frames = counters["frames"]
    return {
        "frames": frames,
        "frames_per_s": round(frames / seconds, 1) if seconds > 0 else None,
        "plates": counters["plates"],
        "reads": counters["reads"],
        "vehicles": counters["vehicles"],
        **{name: counters[f"outcome.{name}"] for name in ("accepted", "review", "rejected")},
        "reasons": {
            name.removeprefix("reason."): number
            for name, number in sorted(counters.items())
            if name.startswith("reason.")
        },
    }


def finding_text(finding: Finding, *, json_lines: bool) -> str:
    """A finding as a JSON line or as a line to read."""
    line = decision_line(finding)
    if json_lines:
        return json.dumps(line, ensure_ascii=False, sort_keys=True)
    why = f" ({', '.join(line['reasons'])})" if line["reasons"] else ""
    return f"{line['at']}  {line['kind']:<10} {format_plate(line['plate']):<12} {line['outcome']}{why}"


def summary_text(counts: dict[str, Any], *, json_lines: bool) -> str:
    """The summary as a JSON line or as a table."""
    if json_lines:
        return json.dumps({"summary": counts})
    rows = [(name, value) for name, value in counts.items() if name != "reasons"]
    rows += [(f"  {name}", value) for name, value in counts["reasons"].items()]
    return "\n".join(["", *(f"{name:<24} {value:>10}" for name, value in rows)])


def progressing(frames: Iterator[Frame]) -> Iterator[Frame]:
    """The frames, with a counter on a terminal's standard error once a second of footage."""
    shown = sys.stderr.isatty()
    for frame in frames:
        if shown and frame.index % 25 == 0:
            print(
                f"\rframe {frame.index}  {frame.at.isoformat(timespec='seconds')}", end="", file=sys.stderr, flush=True
            )
        yield frame
    if shown:
        print(file=sys.stderr)
