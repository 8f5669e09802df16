"""The two pictures of a confidence: does it mean what it says, and what does it cost to accept less."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import UsageError
from training.evaluation.figures import BINS, Answer, bins, is_accepted, risk_coverage

if TYPE_CHECKING:
    from agent.validate import Thresholds

Series = Mapping[str, Sequence[Answer]]
"""Readings by the name that stands in the legend."""
_Z = 1.96
"""Normal quantile of a 95 % interval."""


def need_matplotlib() -> None:
    """Raises UsageError, before hours of work, where the pictures cannot be drawn."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise UsageError("--out: the pictures need matplotlib; pip install 'matplotlib>=3.8'") from None


def reliability(series: Series, target: Path) -> None:
    """How many of the readings of a confidence are right, with 95 % intervals, over how many there are."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 6.4), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    above.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--", label="means what it says")
    for number, (name, answers) in enumerate(series.items()):
        read = [answer for answer in answers if answer.text]
        points = bins(read)
        xs = [each.confidence for each in points]
        ranges = [interval(each.right, each.count) for each in points]
        spans = [
            [max(0.0, each.right - low) for each, (low, _) in zip(points, ranges, strict=True)],
            [max(0.0, high - each.right) for each, (_, high) in zip(points, ranges, strict=True)],
        ]
        above.errorbar(xs, [each.right for each in points], spans, fmt="o-", capsize=3, label=f"{name} ({len(read)})")
        width = 0.8 / BINS / len(series)
        counted = _counts(read)
        lefts = [(index + 0.1) / BINS + number * width for index in range(BINS)]
        below.bar(lefts, counted, width, align="edge", label=name)
    above.set(xlim=(0, 1.01), ylim=(0, 1.02), ylabel="share that is right", title="Reliability of the confidence")
    below.set(xlabel="confidence of the reading", ylabel="readings", yscale="symlog")
    below.margins(y=0.1)
    for axes in (above, below):
        axes.grid(alpha=0.3)
    above.legend(loc="upper left")
    figure.savefig(target, dpi=110, metadata={"Software": None})


def risk_coverage_chart(series: Series, thresholds: Thresholds, target: Path) -> None:
    """The share that is wrong of what is accepted, as more is accepted; where the shipped thresholds stand."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.subplots()
    for name, answers in series.items():
        if not answers:
            continue
        (line,) = axes.plot(*zip(*risk_coverage(answers), strict=True), label=f"{name} ({len(answers)})")
        taken = [answer for answer in answers if is_accepted(answer, thresholds)]
        if taken:
            wrong = sum(not answer.right for answer in taken) / len(taken)
            axes.plot(len(taken) / len(answers), wrong, "o", color=line.get_color())
    axes.plot([], [], "o", color="0.4", label=f"accepted as shipped (from {thresholds.accept_confidence:g})")
    axes.set(
        xlim=(0, 1.01),
        ylim=(-0.005, None),
        xlabel="coverage: share of plates accepted, most confident first",
        ylabel="risk: share of the accepted that is wrong",
        title="Risk and coverage",
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left")
    figure.savefig(target, dpi=110, metadata={"Software": None})


def interval(share: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of `count`."""
    spread = 1 + _Z**2 / count
    centre = (share + _Z**2 / (2 * count)) / spread
    reach = _Z / spread * (share * (1 - share) / count + _Z**2 / (4 * count**2)) ** 0.5
    return max(0.0, centre - reach), min(1.0, centre + reach)


def _counts(answers: Sequence[Answer]) -> list[int]:
    counts = [0] * BINS
    for answer in answers:
        counts[min(int(answer.confidence * BINS), BINS - 1)] += 1
    return counts
