"""Two dispatchers, a broker and a database that are killed, and a WhatsApp that makes it hard."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulation import broker
from simulation.postgres import binaries
from simulation.storm.run import storm


@pytest.mark.acceptance
def test_nobody_is_told_twice_and_nothing_is_lost_in_a_storm(tmp_path: Path) -> None:
    """Every power cut at the centre would otherwise cost a case, or an owner's trust."""
    if broker.mosquitto() is None or binaries() is None:
        pytest.skip("mosquitto or PostgreSQL is not on this machine")
    outcome = storm(tmp_path, violations=100, strikes=5, seed=20261123)
    assert outcome.faults == ()
