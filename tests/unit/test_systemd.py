"""The systemd units, as systemd itself sees them."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = sorted((Path(__file__).resolve().parents[2] / "systemd").glob("*.service"))


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_accepts_the_unit(unit: Path, tmp_path: Path) -> None:
    """A technician copies the file as it is; systemd must not find a word to complain about."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not on this machine")
    # The program is installed on a unit, not here.
    copy = tmp_path / unit.name
    copy.write_text(re.sub(r"/opt/cakra/\.venv/bin/cakra-\w+", "/bin/true", unit.read_text()))
    done = subprocess.run([analyze, "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_wrong_configuration_is_not_restarted_for_ever(unit: Path) -> None:
    """Exit 78 needs a person; restarting would only fill the log."""
    parser = configparser.ConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(unit)
    assert "78" in parser["Service"]["RestartPreventExitStatus"].split()
    assert parser["Service"]["Restart"] in ("always", "on-failure")
