"""The whole of cakra on a rendered road, as the demo runs it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulation import broker
from simulation.demo import ROOT, owners, read_truth, rendered
from simulation.stack import Footage, Stack


@pytest.fixture(scope="session")
def road() -> Footage:
    """The demo's footage; rendered once for a state of the renderer."""
    return rendered("demo", ROOT / ".cache" / "footage")


@pytest.fixture
def stack(road: Footage, tmp_path: Path) -> Iterator[Stack]:
    """Services in a folder of their own, not started yet, stopped at the end."""
    if broker.mosquitto() is None:
        pytest.skip("mosquitto is not on this machine")
    built = Stack(tmp_path / "stack", road, owners(read_truth(road.clip.parent)))
    yield built
    built.stop()
