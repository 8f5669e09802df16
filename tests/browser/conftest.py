"""What the browser's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulation.browser import Page, browsing, chromium


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    program = chromium()
    if program is None:
        pytest.skip("Chromium is not on this machine (Debian: apt install chromium)")
    with browsing(program, tmp_path) as page:
        yield page
