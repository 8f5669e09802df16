"""Pixels to decisions, within declared tolerances, and the same bytes whatever the machine does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from simulation.footage_files import render
from simulation.footage_scenario import load_scenario
from simulation.gate.clips import find, replay
from simulation.gate.lines import decisions

CLIPS = sorted((Path(__file__).parent / "clips").glob("*.yaml"))
TOLERANCES = {"frame": 3, "margin": 0.15}
"""How far a decision may be from its reference: other networks find a plate a frame earlier."""
EXACT = ("kind", "plate", "outcome")


@pytest.fixture(scope="module", params=CLIPS, ids=lambda path: path.stem)
def clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip's folder, rendered now, with its reference beside it."""
    path: Path = request.param
    folder = tmp_path_factory.mktemp(path.stem)
    render(load_scenario(str(path)), path.stem, 1, folder)
    (folder / "reference.jsonl").write_text(path.with_suffix(".jsonl").read_text())
    return folder


def test_pixels_are_judged_as_before(clip: Path, tmp_path: Path) -> None:
    """A change of a network, the tracker or a rule that decides otherwise would go unseen."""
    (case,) = find(clip, ())
    replay(case, tmp_path / "one")
    got = sorted((dict(each.line) for each in decisions(tmp_path / "one" / "decisions.jsonl")), key=_key)
    wanted = sorted((json.loads(line) for line in (clip / "reference.jsonl").read_text().splitlines()), key=_key)
    assert [_key(line) for line in got] == [_key(line) for line in wanted]
    for line, reference in zip(got, wanted, strict=True):
        for name, tolerance in TOLERANCES.items():
            assert abs(line[name] - reference[name]) <= tolerance, (name, line, reference)


def _key(line: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(line[name]) for name in EXACT)


def test_threads_do_not_change_a_byte(clip: Path, tmp_path: Path) -> None:
    """Whoever replays footage on another machine would hold other decisions in his hands."""
    (case,) = find(clip, ())
    for threads in (1, 2):
        replay(case, tmp_path / str(threads), threads)
    for name in ("decisions.jsonl", "tracks.jsonl", "recording.jsonl"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name


def test_a_recording_says_what_its_clip_said(clip: Path, tmp_path: Path) -> None:
    """A recording that is judged otherwise than its clip would prove nothing about it."""
    (case,) = find(clip, ())
    replay(case, tmp_path / "film")
    program = Path(sys.executable).parent / "cakra-agent"
    command = [program, "replay", tmp_path / "film" / "recording.jsonl", "--out", tmp_path / "played"]
    subprocess.run(command, check=True, capture_output=True)
    film, played = (decisions(tmp_path / name / "decisions.jsonl") for name in ("film", "played"))
    assert [each.line for each in film] == [each.line for each in played]
    assert (tmp_path / "film" / "tracks.jsonl").read_bytes() == (tmp_path / "played" / "tracks.jsonl").read_bytes()
