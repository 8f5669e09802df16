"""Writes the figures of evaluations into the model cards, between two marks, with two pictures beside them.

`python -m training.evaluation.cards FILE... --models DIR`, each FILE an `evaluation.json`; `scripts/evaluate-models`
makes them all. Nothing of a single plate goes into a card.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.errors import CakraError, UsageError
from agent.validate import Thresholds
from training.evaluation import charts
from training.evaluation.document import Document, load
from training.evaluation.figures import Answer, Scores, scores
from training.evaluation.results import FolderResult
from training.evaluation.tables import FOUND, READ, found, read, share, sizes

BEGIN, END = "<!-- evaluation:begin -->", "<!-- evaluation:end -->"
DEV = "dev sets together"


@dataclass(frozen=True, slots=True)
class Row:
    """One folder of one evaluation."""

    name: str
    document: Document
    folder: FolderResult

    @property
    def end_to_end(self) -> list[Answer]:
        return [line.end_to_end for line in self.folder.plates if line.end_to_end]

    @property
    def truth_crops(self) -> list[Answer]:
        return [line.truth_crop for line in self.folder.plates if line.truth_crop]


def rows_of(documents: Sequence[Document]) -> list[Row]:
    """Every folder, named with how it was asked."""
    return [
        Row(folder.folder + _asked(document), document, folder) for document in documents for folder in document.folders
    ]


def _asked(document: Document) -> str:
    notes = ("held back", document.held_back), ("single-line", document.single_line)
    names = [name for name, holds in notes if holds] + (["any Latin plate"] if document.grammar == "none" else [])
    return f" ({', '.join(names)})" if names else ""


def detector_section(rows: Sequence[Row]) -> str:
    return _markdown(("set", *FOUND), [(row.name, *found(row.folder)) for row in rows])


def reader_section(rows: Sequence[Row]) -> str:
    """Both ways of reading, the comparison, and the pictures."""
    parts = [
        _scored("End to end, as `cakra-agent read` takes a picture's plate:", rows, lambda row: row.end_to_end),
        _scored("At the true corners:", rows, lambda row: row.truth_crops),
        f"Expiry lines, of the sets where they are labelled:\n\n{expiry_section(rows)}",
        *_compared(rows),
        "![How many of the readings of a confidence are right](reliability.png)",
        "![Share of wrong ones among the accepted, as more is accepted](risk_coverage.png)",
    ]
    return "\n\n".join(parts)


def expiry_section(rows: Sequence[Row]) -> str:
    """Only of the sets whose expiry lines were labelled."""
    labelled = [row for row in rows if row.folder.end_to_end.expiries]
    cells = [
        (row.name, str(own.expiries), share(own.expiry_exact), share(crops.expiry_exact))
        for row in labelled
        for own, crops in [(row.folder.end_to_end, row.folder.truth_crops)]
    ]
    return _markdown(("set", "expiry lines", "exact end to end", "exact at the true corners"), cells)


SECTIONS: dict[str, Callable[[Sequence[Row]], str]] = {
    "plate_detector": detector_section,
    "plate_reader": reader_section,
}


def _scored(title: str, rows: Sequence[Row], answers: Callable[[Row], list[Answer]]) -> str:
    own: list[tuple[str, Scores]] = [(row.name, scores(answers(row), Thresholds())) for row in rows]
    pooled = [answer for row in rows if not row.document.held_back for answer in answers(row)]
    own.append((f"**{DEV}**", scores(pooled, Thresholds())))
    return f"{title}\n\n" + _markdown(("set", *READ), [(name, *read(each)) for name, each in own])


def _compared(rows: Sequence[Row]) -> list[str]:
    """One line a set: the same pictures by OpenCV's own means."""
    lines = [
        f"- {row.name}: {both.ours_ms:.1f} ms a frame against {both.theirs_ms:.1f} ms ({both.ratio:.1f} times;"
        f" {both.ratio_without_start:.1f} with Tesseract already started); exact {share(both.ours_exact)} against"
        f" {share(both.theirs_exact)}"
        for row in rows
        if (both := row.folder.against_opencv)
    ]
    if not lines:
        return []
    asked = "one plate found and read in a 1280x720 frame, one thread each:"
    return [f"Against OpenCV's own plate cascade with Tesseract 5, {asked}", "\n".join(lines)]


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def with_section(card: str, section: str) -> str:
    """The card with the section between its marks; at its end where it has none yet."""
    before, begin, rest = card.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin:
        before, after = f"{card.rstrip()}\n\n## Evaluation\n", "\n"
    elif not end:
        raise UsageError(f"there is {BEGIN} but no {END}; put it after the figures")
    return f"{before}{BEGIN}\n{section}\n{END}{after}"


def _threads(count: int) -> str:
    return "one thread" if count == 1 else f"{count} threads"


def write_cards(documents: Sequence[Document], models: Path) -> None:
    """Cards and pictures of the networks in a folder. Raises UsageError."""
    rows = rows_of(documents)
    intro = (
        "Made by `scripts/evaluate-models`; [what each figure counts](../docs/reference/evaluate.md). "
        f"{sizes(documents[0])}. Times, median / 95th percentile: {_threads(documents[0].threads)} of "
        f"{documents[0].machine}."
    )
    for name, section in SECTIONS.items():
        card = models / f"{name}.md"
        if card.exists():
            try:
                text = with_section(card.read_text(encoding="utf-8"), f"{intro}\n\n{section(rows)}")
            except UsageError as error:
                raise UsageError(f"{card}: {error}") from None
            card.write_text(text, encoding="utf-8")
    dev = [answer for row in rows if not row.document.held_back for answer in row.end_to_end]
    held = {row.name: row.end_to_end for row in rows if row.document.held_back}
    charts.reliability({DEV: dev, **held}, models / "reliability.png")
    charts.risk_coverage_chart({row.name: row.end_to_end for row in rows}, Thresholds(), models / "risk_coverage.png")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="write the figures of evaluations into the model cards")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="an evaluation.json")
    parser.add_argument("--models", type=Path, default=Path("models"), metavar="DIR", help="folder of the cards")
    args = parser.parse_args(argv)
    try:
        charts.need_matplotlib()
        documents = [load(file) for file in args.files]
        if len({document.models for document in documents}) > 1:
            raise UsageError("the files are of different networks; evaluate all of them again")
        write_cards(documents, args.models)
    except CakraError as error:
        print(f"cards: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
