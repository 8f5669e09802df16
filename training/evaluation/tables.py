"""An evaluation as people read it on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from training.evaluation.document import Document
from training.evaluation.figures import Scores, Spread
from training.evaluation.results import FolderResult

Column = tuple[str, Callable[[FolderResult], str]]


def report(document: Document) -> str:
    """All tables, then every error in a line."""
    rows = [*document.folders, *([document.all] if len(document.folders) > 1 else [])]
    parts = []
    if document.mode == "end_to_end":
        parts += [_table("found", rows, _FOUND), _table("read end to end", rows, _read_columns(_end_to_end))]
    parts.append(_table("read at the true corners", rows, _read_columns(_truth_crops)))
    if any(row.against_opencv for row in rows):
        parts.append(_table("against OpenCV's cascade and Tesseract", rows, _OPENCV))
    sizes = ", ".join(f"{model.name} {model.bytes / 1e6:.2f} MB" for model in document.models)
    together = sum(model.bytes for model in document.models) / 1e6
    parts.append(f"networks: {sizes}; together {together:.2f} MB\n")
    parts += _errors(document.folders)
    return "\n".join(parts)


def share(value: float | None) -> str:
    """A share, or a dash where nothing was counted."""
    return "-" if value is None else f"{value:.3f}"


def milliseconds(value: Spread | None) -> str:
    """Median and 95th percentile."""
    return "-" if value is None else f"{value.median:.1f} / {value.p95:.1f}"


def _table(title: str, rows: Sequence[FolderResult], columns: Sequence[Column]) -> str:
    cells = [[title, *(name for name, _ in columns)]]
    cells += [[row.folder, *(show(row) for _, show in columns)] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    lines = [
        "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(line, widths)))
        for line in cells
    ]
    return "\n".join(lines) + "\n"


def _end_to_end(row: FolderResult) -> Scores:
    return row.end_to_end


def _truth_crops(row: FolderResult) -> Scores:
    return row.truth_crops


_FOUND: Sequence[Column] = (
    ("pictures", lambda row: str(row.finding.pictures)),
    ("boxes", lambda row: str(row.finding.boxes)),
    ("recall", lambda row: share(row.finding.recall)),
    ("IoU", lambda row: share(row.finding.mean_iou)),
    ("strays", lambda row: share(row.finding.strays)),
    ("any text", lambda row: share(row.exact_any_detection)),
    ("detect ms", lambda row: milliseconds(row.ms.detect)),
    ("read ms", lambda row: milliseconds(row.ms.read)),
    ("one plate ms", lambda row: milliseconds(row.ms.read_one)),
)

_OPENCV: Sequence[Column] = (
    ("pictures", lambda row: str(row.against_opencv.pictures) if row.against_opencv else "-"),
    ("they found", lambda row: str(row.against_opencv.found) if row.against_opencv else "-"),
    ("our exact", lambda row: share(row.against_opencv and row.against_opencv.ours_exact)),
    ("their exact", lambda row: share(row.against_opencv and row.against_opencv.theirs_exact)),
    ("our ms", lambda row: f"{row.against_opencv.ours_ms:.1f}" if row.against_opencv else "-"),
    ("their ms", lambda row: f"{row.against_opencv.theirs_ms:.1f}" if row.against_opencv else "-"),
    ("ratio", lambda row: f"{row.against_opencv.ratio:.1f}" if row.against_opencv else "-"),
    ("ratio, started", lambda row: f"{row.against_opencv.ratio_without_start:.1f}" if row.against_opencv else "-"),
)


def _read_columns(scores: Callable[[FolderResult], Scores]) -> Sequence[Column]:
    return (
        ("plates", lambda row: str(scores(row).plates)),
        ("exact", lambda row: share(scores(row).exact)),
        ("candidate", lambda row: share(scores(row).in_candidates)),
        ("CER", lambda row: share(scores(row).character_error_rate)),
        ("colour", lambda row: share(scores(row).colour_right)),
        ("expiry", lambda row: share(scores(row).expiry_exact)),
        ("accepted", lambda row: share(scores(row).coverage)),
        ("wrong", lambda row: str(scores(row).accepted_wrong)),
        ("AURC", lambda row: share(scores(row).aurc)),
        ("ECE", lambda row: share(scores(row).calibration_error)),
        ("Brier", lambda row: share(scores(row).brier)),
    )


def _errors(folders: Sequence[FolderResult]) -> Iterator[str]:
    """Every plate that was not read right: where, what it is, what was read and why."""
    for folder in folders:
        for line in folder.plates:
            if not line.why:
                continue
            read = line.end_to_end or line.truth_crop
            said = f"{read.text or '-':10} {read.confidence:.2f}" if read else ""
            crop = f" (at the true corners {line.truth_crop.text or '-'})" if line.end_to_end and line.truth_crop else ""
            yield f"{folder.folder}/{line.file[-40:]:40}  {line.truth:10} {said}  {line.why}{crop}"
