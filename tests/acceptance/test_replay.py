"""`cakra-agent replay`: a proof that can be repeated."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from simulation.demo import ROOT, rendered
from simulation.stack import Footage

BIN = Path(sys.executable).parent


@pytest.fixture(scope="session")
def short_road() -> Footage:
    """Three seconds of simulated road."""
    return rendered("smoke", ROOT / ".cache" / "footage")


def replay(road: Footage, out: Path) -> dict[str, object]:
    """Replay into a folder; the summary."""
    command = [BIN / "cakra-agent", "replay", road.clip, "--site", road.site, "--start", road.start]
    done = subprocess.run([*command, "--out", out, "--json"], capture_output=True, text=True, check=True)
    summary: dict[str, object] = json.loads(done.stdout.splitlines()[-1])["summary"]
    return summary


@pytest.mark.acceptance
def test_the_same_footage_gives_byte_identical_decisions(short_road: Footage, tmp_path: Path) -> None:
    """Two people who replay the same footage hold the same decisions, tracks and evidence in their hands."""
    first, second = replay(short_road, tmp_path / "a"), replay(short_road, tmp_path / "b")
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(tmp_path / "b") for path in (tmp_path / "b").rglob("*") if path.is_file())
    assert {"decisions.jsonl", "tracks.jsonl"} <= set(map(str, files))
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file
    first.pop("frames_per_s")
    second.pop("frames_per_s")
    assert first == second
    assert first["frames"] == 30
