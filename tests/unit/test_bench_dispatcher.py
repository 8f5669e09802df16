"""`scripts/bench-dispatcher`: rows that stand where they belong, with what was measured."""

from __future__ import annotations

from pathlib import Path

import pytest
from dispatcher_world import ROOT

from agent.errors import CakraError
from simulation.storm.bench import HEAD, PAGES_HEAD, Figures, Page, record

SENT = Figures(
    what="work to send", violations=100, stored=10_000, wall_s=1.0, ours_s=0.15, database_s=0.05, whatsapp_s=0.6, load=1
)
SHOWN = Page(what="counts", stored=1_000_000, first_s=0.4, again_s=0.004, load=1)


def test_a_row_is_appended_to_its_own_table(tmp_path: Path) -> None:
    """Figures written down by hand are written down wrong."""
    path = tmp_path / "benchmarks.md"
    path.write_text(f"# All\n\n{HEAD}\n|---|\n| old |\n\nText.\n\n{PAGES_HEAD}\n|---|\n")
    for _ in range(2):
        record(HEAD, SENT.row(), path)
    record(PAGES_HEAD, SHOWN.row(), path)
    lines = path.read_text().splitlines()
    assert lines[4] == "| old |"
    for line in lines[5:7]:
        assert line.endswith("| work to send | 10,000 | 100 | 100 | 1.5 | 0.5 | 500 | 6.0 | 1 |")
    assert lines[7:9] == ["", "Text."]
    assert lines[-1].endswith("| counts | 1,000,000 | 400 | 4 | 1 |")


def test_a_file_without_the_table_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A wrong path must not spoil another page."""
    path = tmp_path / "other.md"
    path.write_text("# Other\n")
    with pytest.raises(CakraError, match="no table begins with"):
        record(HEAD, SENT.row(), path)
    assert path.read_text() == "# Other\n"


def test_the_page_of_benchmarks_has_both_tables() -> None:
    """An hour's measurement must not fail at its last step."""
    lines = (ROOT / "docs" / "benchmarks.md").read_text().splitlines()
    assert {HEAD, PAGES_HEAD} <= set(lines)
