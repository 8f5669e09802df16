"""An evaluation as people read it on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from training.evaluation.document import Document
from training.evaluation.figures import Scores, Spread
from training.evaluation.opencv import Comparison
from training.evaluation.results import FolderResult, PlateLine

Cells = tuple[str, ...]


def report(document: Document) -> str:
    """All tables, then every error in a line."""
    rows = [*document.folders, *([document.all] if len(document.folders) > 1 else [])]
    parts = []
    if document.mode == "end_to_end":
        parts.append(_table(("found", *FOUND), [(row.folder, *found(row)) for row in rows]))
        parts.append(_table(("read end to end", *READ), [(row.folder, *read(row.end_to_end)) for row in rows]))
    parts.append(_table(("read at the true corners", *READ), [(row.folder, *read(row.truth_crops)) for row in rows]))
    compared = [(row.folder, *_compared(row.against_opencv)) for row in rows if row.against_opencv]
    if compared:
        parts.append(_table(("against OpenCV and Tesseract", *_COMPARED), compared))
    parts.append(sizes(document) + "\n")
    parts += [_error(folder.folder, line) for folder in document.folders for line in folder.plates if line.why]
    return "\n".join(parts)


FOUND: Cells = ("pictures", "boxes", "recall", "IoU", "strays", "any text", "detect ms", "read ms", "one plate ms")
READ: Cells = (
    *("plates", "exact", "candidate", "CER", "colour", "expiry"),
    *("accepted", "wrong", "elsewhere", "AURC", "ECE", "Brier"),
)
_COMPARED: Cells = (
    *("pictures", "they found", "our exact", "their exact"),
    *("our ms", "their ms", "ratio", "ratio without start"),
)


def found(row: FolderResult) -> Cells:
    """The cells under `FOUND`."""
    finding, ms = row.finding, row.ms
    return (
        *(str(finding.pictures), str(finding.boxes)),
        *(share(finding.recall), share(finding.mean_iou), share(finding.strays), share(row.exact_any_detection)),
        *(_spread(ms.detect), _spread(ms.read), _spread(ms.read_one)),
    )


def read(scores: Scores) -> Cells:
    """The cells under `READ`."""
    return (
        *(str(scores.plates), share(scores.exact), share(scores.in_candidates), share(scores.character_error_rate)),
        *(share(scores.colour_right), share(scores.expiry_exact)),
        *(share(scores.coverage), str(scores.accepted_wrong), str(scores.accepted_elsewhere)),
        *(share(scores.aurc), share(scores.calibration_error), share(scores.brier)),
    )


def sizes(document: Document) -> str:
    """How large the networks are."""
    each = ", ".join(f"{model.name} {model.bytes / 1e6:.2f} MB" for model in document.models)
    return f"Networks: {each}; together {sum(model.bytes for model in document.models) / 1e6:.2f} MB"


def share(value: float | None) -> str:
    """A figure with three digits, or a dash where nothing was counted."""
    return "-" if value is None else f"{value:.3f}"


def _spread(ms: Spread | None) -> str:
    """Median and 95th percentile."""
    return "-" if ms is None else f"{ms.median:.1f} / {ms.p95:.1f}"


def _compared(both: Comparison) -> Cells:
    return (
        *(str(both.pictures), str(both.found), share(both.ours_exact), share(both.theirs_exact)),
        *(f"{both.ours_ms:.1f}", f"{both.theirs_ms:.1f}", f"{both.ratio:.1f}", f"{both.ratio_without_start:.1f}"),
    )


def _table(head: Cells, rows: Sequence[Cells]) -> str:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join(_line(cells, widths) for cells in (head, *rows)) + "\n"


def _line(cells: Cells, widths: Sequence[int]) -> str:
    first, *others = cells
    return "  ".join([first.ljust(widths[0]), *map(str.rjust, others, widths[1:])])


def _error(folder: str, line: PlateLine) -> str:
    """A plate that was not read right: where, what it is, what was read and why."""
    parts = [f"{folder}/{line.file[-40:]:40}", f"{line.truth:10}"]
    if line.end_to_end:
        parts.append(f"{line.end_to_end.text or '-':10} {line.end_to_end.confidence:.2f}")
    if line.truth_crop:
        parts.append(f"at the true corners {line.truth_crop.text or '-':10} {line.truth_crop.confidence:.2f}")
    return "  ".join([*parts, line.why])
