"""`cakra-agent bench`: figures that can be compared."""

from __future__ import annotations

from pathlib import Path

from agent.bench import Figures, record, table

FIGURES = Figures(clip="clip.mp4", frames=700, frames_per_s=34.2, start_s=1.6, peak_mb=350.0)


def test_a_missed_bar_is_said() -> None:
    """A technician sees whether this board is fast enough without knowing the bars by heart."""
    told = table(FIGURES).splitlines()
    assert [line.split()[-1] for line in told[1:]] == ["ok", "MISSED", "ok"]


def test_rows_are_appended_below_one_head(tmp_path: Path) -> None:
    """Figures of years stand in one table, each with its machine and commit."""
    path = tmp_path / "benchmarks.md"
    record(FIGURES, path)
    record(FIGURES, path)
    rows = [line for line in path.read_text().splitlines() if line.startswith("| 20")]
    assert len(rows) == 2
    assert all("| clip.mp4 | 700 | 34.2 | 350 | 1.60 |" in row for row in rows)
    assert path.read_text().count("# Benchmarks") == 1
