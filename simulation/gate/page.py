"""The report as one HTML page with pictures beside it; it needs no network and no script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from simulation.gate.changes import Change
from simulation.gate.run import CaseResult
from simulation.gate.score import Judged
from simulation.gate.summary import figure_rows

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #1c2430;
  background: #f6f7f9 }
h2 { margin-top: 2rem; border-top: 2px solid #d4d9e0; padding-top: 1rem }
table { border-collapse: collapse; background: #fff; margin: .6rem 0 1.4rem }
td, th { padding: .3rem .7rem; border-bottom: 1px solid #e3e6eb; text-align: left }
figure { display: inline-block; width: 21rem; margin: .3rem; vertical-align: top; background: #fff;
  border: 1px solid #e3e6eb }
figure img { width: 100%; display: block }
figcaption { padding: .4rem .6rem; font-size: 13px }
.accepted { color: #0a6b3d } .review { color: #8a5a00 } .rejected, .quiet { color: #68707c }
.bad { background: #ffe9e6 }
"""


def write_page(out: Path, results: Sequence[CaseResult]) -> Path:
    """`report.html` under `out`, where the clips' replays lie."""
    path = out / "report.html"
    body = "\n".join(_body(out, results))
    page = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Replay</title><style>{_STYLE}</style>{body}</html>\n"
    )
    path.write_text(page, encoding="utf-8")
    return path


def _body(out: Path, results: Sequence[CaseResult]) -> Iterator[str]:
    yield "<h1>Replay</h1>"
    yield _table(figure_rows(results))
    worst_first = sorted(results, key=lambda each: (not each.score.false, not each.changes, not each.score.missed))
    for result in worst_first:
        yield from _clip(out, result)


def _clip(out: Path, result: CaseResult) -> Iterator[str]:
    yield f"<h2 id={escape(result.case.name)}>{escape(result.case.name)}</h2>"
    if result.reference is None:
        yield "<p class=quiet>No reference yet; <code>--accept</code> writes one.</p>"
    elif result.changes:
        yield _table([("rule", "plate", "against the reference"), *map(_change_row, result.changes)])
    else:
        yield "<p class=quiet>As in the reference.</p>"
    for kind, vehicle in result.score.missed:
        yield f"<p class=bad>missed: {escape(kind)} by {escape(vehicle.plate)}, {vehicle.width_px:.0f} px</p>"
    for judged in sorted(result.score.judged, key=lambda each: each.is_right):
        yield _figure(out, result, judged)


def _change_row(change: Change) -> tuple[str, str, str]:
    return change.kind, change.plate, change.what


def _figure(out: Path, result: CaseResult, judged: Judged) -> str:
    decision = judged.decision
    picture = result.out / "overlays" / f"{decision.kind}-{decision.track:04d}.jpg"
    truth = judged.vehicle
    said = f"{decision.kind} {decision.plate} <b class={decision.outcome}>{decision.outcome}</b>"
    knows = (
        f"truth: {truth.plate} {', '.join(sorted(truth.violations)) or 'innocent'}" if truth else "truth: nobody there"
    )
    why = f"<br>{escape(', '.join(decision.reasons))}" if decision.reasons else ""
    wrong = " class=bad" if decision.outcome == "accepted" and not judged.is_right else ""
    image = f"<img loading=lazy src='{escape(str(picture.relative_to(out)))}'>" if picture.exists() else ""
    return f"<figure{wrong}>{image}<figcaption>{said}<br>{escape(knows)}{why}</figcaption></figure>"


def _table(rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows[1:])
    return f"<table><tr>{head}</tr>{body}</table>"
