"""Two dispatchers, a broker and a database that are killed, and a WhatsApp that makes it hard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from simulation import broker
from simulation.postgres import binaries
from simulation.storm.run import storm

pytestmark = pytest.mark.acceptance


@pytest.fixture(autouse=True)
def servers() -> None:
    if broker.mosquitto() is None or binaries() is None:
        pytest.skip("mosquitto or PostgreSQL is not on this machine")


def test_nobody_is_told_twice_and_nothing_is_lost_in_a_storm(tmp_path: Path) -> None:
    """Every power cut at the centre would otherwise cost a case, or an owner's trust."""
    outcome = storm(tmp_path, violations=100, strikes=5, seed=20261123)
    assert outcome.faults == ()


def test_a_storm_that_is_interrupted_leaves_no_process_behind(tmp_path: Path) -> None:
    """Whoever stops a long run would otherwise find brokers and databases that nobody owns, run after run."""
    command = [sys.executable, "-um", "simulation.storm.run", "--violations", "50", "--keep", str(tmp_path)]
    mark = f"STORM_OF_TEST={tmp_path}"
    environment = {**os.environ, **dict([mark.split("=", 1)])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert "killing" in process.stdout.readline()
        assert len(_marked(mark)) > 4
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 130
    assert _marked(mark) == []


def _marked(mark: str) -> list[str]:
    """Processes that have this in their environment, which each inherits from whoever started it (Linux)."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile, or is somebody else's
            if mark.encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_text())
    return found
