"""The figures of a run, as rows, and whether they are good enough."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from simulation.gate.run import CaseResult
from simulation.gate.score import Tally
from simulation.gate.speeds import SpeedFigures, figures


@dataclass(frozen=True, slots=True)
class Targets:
    """What a version has to reach to be taken into service."""

    precision: float = 1.0
    """Share of accepted findings that are right: a wrong accusation is worse than a miss."""
    recall: float = 0.95
    """Share of offenders found whose plate is 70 px wide and clean."""
    unexplained: int = 0
    """Offenders of these about whom nothing was said: the rest is in review, or rejected with a reason."""
    speed_median: float = 0.02
    speed_p95: float = 0.04
    coverage: tuple[float, float] = (0.93, 0.97)
    """How often a stated 95 % interval holds the truth; too often is too wide."""
    least_speeds: int = 100
    """Vehicles from which coverage is judged: of 100, 93 to 97 are within one standard error of 95."""


TARGETS = Targets()


def tallies(results: Sequence[CaseResult]) -> dict[str, Tally]:
    """By rule, over all clips."""
    total: dict[str, Tally] = {}
    for result in results:
        for kind, tally in result.score.tallies.items():
            total.setdefault(kind, Tally()).add(tally)
    return total


def figure_rows(results: Sequence[CaseResult]) -> list[tuple[str, ...]]:
    """A head and a row a rule."""
    head = (
        "rule", "vehicles", "offenders", ">=70 px", "found", "accepted", "right", "precision", "recall", "review",
        "rejected", "unexplained",
    )  # fmt: skip
    return [head, *(_row(kind, tally) for kind, tally in tallies(results).items())]


def _row(kind: str, tally: Tally) -> tuple[str, ...]:
    counts = (tally.vehicles, tally.offenders, tally.counted, tally.found, tally.accepted, tally.right)
    rest = (tally.review, tally.rejected, tally.unexplained)
    return (kind, *map(str, counts), _share(tally.precision), _share(tally.recall), *map(str, rest))


def _share(value: float | None) -> str:
    return f"{value:.3f}" if value is not None else "-"


def speed_figures(results: Sequence[CaseResult]) -> SpeedFigures | None:
    return figures([reading for result in results for reading in result.speeds])


def shortfalls(results: Sequence[CaseResult], targets: Targets = TARGETS) -> Iterator[str]:
    """What is not good enough, a line each."""
    for kind, tally in tallies(results).items():
        if tally.precision is not None and tally.precision < targets.precision:
            yield f"{kind}: precision {tally.precision:.3f}, {tally.accepted - tally.right} wrongly accused"
        if tally.recall is not None and tally.recall < targets.recall:
            yield f"{kind}: recall {tally.recall:.3f}, {tally.counted - tally.found} of {tally.counted} not accepted"
        if tally.unexplained > targets.unexplained:
            yield f"{kind}: {tally.unexplained} offenders without any finding"
    speed = speed_figures(results)
    if speed:
        yield from _speed_shortfalls(speed, targets)
    for result in results:
        for crossing in result.crossings:
            for each in crossing.astray:
                yield f"{result.case.name}: {crossing.side} {crossing.border.name}: {each} does not follow the law"


def _speed_shortfalls(speed: SpeedFigures, targets: Targets) -> Iterator[str]:
    if speed.median_error > targets.speed_median:
        yield f"speed: median error {speed.median_error:.1%}"
    if speed.p95_error > targets.speed_p95:
        yield f"speed: 95 % of the errors are within {speed.p95_error:.1%} only"
    low, high = targets.coverage
    if speed.count >= targets.least_speeds and not low <= speed.coverage <= high:
        yield f"speed: the stated interval holds the truth in {speed.coverage:.1%} of {speed.count}"
