"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real photos; they are never part of the project, so their tests skip elsewhere."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real photos (../shared/data) are not on this machine")
    return SHARED_DATA
