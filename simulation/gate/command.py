"""`scripts/replay`: clips and recordings through the unit, against references and truth.

Exit codes: 0 as before and good enough, 1 something changed or falls short, 2 called wrongly, 78 a clip that is not
whole.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from agent.config import HOME
from agent.errors import UsageError, exit_code
from simulation.gate.clips import find
from simulation.gate.page import write_page
from simulation.gate.recordings import check_recordings
from simulation.gate.run import CaseResult, accept, run
from simulation.gate.summary import figure_rows, shortfalls, speed_figures
from simulation.progress import Progress

RECORDINGS = HOME / "tests" / "replay" / "decisions"


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; a fault is told in one line."""
    args = _parser().parse_args(argv)
    return exit_code("replay", lambda: _replay(args))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "scripts/replay", description="Replay clips and recordings; show what changed and how right it is."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="clips whose path under --suite begins so")
    parser.add_argument("--all", action="store_true", help="the project's own recordings, and all clips of --suite")
    parser.add_argument("--suite", type=Path, metavar="DIR", help="folder of clips with truth.jsonl, made or your own")
    parser.add_argument("--out", type=Path, metavar="DIR", help="report and replays (default: runs/replay)")
    parser.add_argument("--accept", action="store_true", help="make what is decided now the reference")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="clips at once (default 1)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of each network (default 1)")
    parser.add_argument("--no-borders", action="store_true", help="do not shift clips over the borders of the law")
    return parser


def _replay(args: argparse.Namespace) -> int:
    if not args.all and not args.names:
        raise UsageError("name clips of --suite, or give --all")
    if args.jobs < 1:
        raise UsageError("--jobs takes 1 or more")
    changed = check_recordings(RECORDINGS, accept=args.accept) if args.all else 0
    if args.suite is None:
        return 1 if changed and not args.accept else 0
    out = args.out or HOME / "runs" / "replay"
    results = list(_run_all(args, out))
    for result in results:
        _print_clip(result)
        if args.accept:
            accept(result)
    _print_figures(results)
    print(f"\n{write_page(out, results)}")
    short = list(shortfalls(results))
    for line in short:
        print(f"short: {line}")
    changed += sum(len(result.changes) for result in results)
    return 1 if short or (changed and not args.accept) else 0


def _run_all(args: argparse.Namespace, out: Path) -> Iterator[CaseResult]:
    cases = find(args.suite, () if args.all else args.names)
    one = partial(run, out=out, threads=args.threads, over_borders=not args.no_borders)
    progress = Progress(len(cases))
    with ThreadPoolExecutor(args.jobs) as pool:
        for result in pool.map(one, cases):
            progress.step(result.case.name)
            yield result


def _print_clip(result: CaseResult) -> None:
    """What changed in a clip, and what is wrong with it; nothing where all is well."""
    if result.reference is None:
        print(f"{result.case.name}: no reference, {len(result.decided)} decisions; --accept takes them")
    for change in result.changes:
        print(f"{result.case.name}: {change}")
    for judged in result.score.false:
        print(f"{result.case.name}: WRONG: {judged.decision.kind} {judged.decision.plate}")
    for kind, vehicle in result.score.missed:
        said = [each.decision for each in result.score.judged if each.vehicle is vehicle and each.decision.kind == kind]
        what = "; ".join(f"{each.outcome} {', '.join(each.reasons)}" for each in said) or "no finding"
        print(f"{result.case.name}: missed: {kind} {vehicle.plate} ({vehicle.width_px:.0f} px): {what}")


def _print_figures(results: Sequence[CaseResult]) -> None:
    rows = figure_rows(results)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    print()
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if speed := speed_figures(results):
        print(
            f"\nspeeds: {speed.count}, median error {speed.median_error:.2%}, 95 % within {speed.p95_error:.2%}, "
            f"truth in the stated interval {speed.coverage:.1%}"
        )
    crossings = [crossing for result in results for crossing in result.crossings]
    if crossings:
        astray = sum(len(crossing.astray) for crossing in crossings)
        judged = sum(crossing.judged for crossing in crossings)
        print(f"borders: {len(crossings)} plays, {judged} decisions, {astray} that do not follow the law")


if __name__ == "__main__":
    sys.exit(main())
