"""A small suite through the gate: made, replayed, taken as the reference, and the same again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@pytest.mark.acceptance
def test_a_suite_is_its_own_reference(tmp_path: Path) -> None:
    """A maintainer could not tell what his change did, if a replay differed by itself."""
    suite, out = tmp_path / "suite", tmp_path / "out"
    make = [BIN / "cakra-simulate", "suite", "--seed", "3", "--vehicles", "3", "--rule", "wrong_way", "--out", suite]
    subprocess.run(make, check=True, capture_output=True)
    first = gate(suite, out, "--accept")
    assert "no reference" in first.stdout
    assert "WRONG" not in first.stdout
    again = gate(suite, out)
    assert not any(word in again.stdout for word in ("no reference", "added:", "lost:", "changed:"))
    assert (out / "report.html").exists()


def gate(suite: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """`scripts/replay` on a suite; a recall too low for three vehicles is no fault here."""
    command = [ROOT / "scripts" / "replay", "wrong_way", "--suite", suite, "--out", out, *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done
