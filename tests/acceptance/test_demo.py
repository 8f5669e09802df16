"""The demo, as the README promises it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.acceptance
def test_the_demo_confirms_violations_of_two_rules_and_accuses_nobody_wrongly(tmp_path: Path) -> None:
    """Somebody who tries cakra for the first time sees the whole way from the road to the owner's answer."""
    command = [sys.executable, "-m", "simulation.demo", "--once", "--out", str(tmp_path / "demo")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    confirmed = dict(re.findall(r"confirmed: (\w+)\s+(\d+)", done.stdout))
    assert set(confirmed) == {"odd_even", "wrong_way"}
    assert sum(map(int, confirmed.values())) >= 5
    assert re.search(r"wrongly accused\s+0\n", done.stdout)
    assert "console " in done.stdout
