"""`cakra-evaluate`: the networks against labelled folders. Exit codes as `cakra-agent`'s."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import cv2

from agent.app import GRAMMARS, load_networks, model_settings
from agent.bench import machine
from agent.capture import read_image
from agent.config import MAX_THREADS, ModelSettings
from agent.errors import CakraError, exit_code
from agent.reading import progress
from agent.types import Detector, Image, Reader
from agent.validate import Thresholds
from training.evaluation import charts
from training.evaluation.document import Document, Model, to_json
from training.evaluation.errors_page import write_errors
from training.evaluation.opencv import HaarTesseract, Rival
from training.evaluation.results import FolderResult, folder_result
from training.evaluation.run import PictureOutcome, run_crops, run_picture
from training.evaluation.tables import report
from training.evaluation.truth import Choice, Picture, load_lines, load_pictures
from training.labels import load_expiries

Compare = Callable[[PictureOutcome, Image], Rival]


@dataclass(frozen=True, slots=True)
class Run:
    """What became of one folder's pictures."""

    folder: str
    outcomes: tuple[PictureOutcome, ...]
    undecodable: tuple[str, ...]
    rivals: tuple[Rival, ...]

    def result(self, thresholds: Thresholds) -> FolderResult:
        return folder_result(self.folder, self.outcomes, self.undecodable, self.rivals, thresholds)


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate; a fault is told in one line."""
    args = _parser().parse_args(argv)
    return exit_code("cakra-evaluate", lambda: evaluate(args))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("cakra-evaluate", description=__doc__.splitlines()[0].partition(": ")[2])
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="a folder with images/ and labels.csv")
    parser.add_argument("--crop", action="store_true", help="read at the true corners only, without detection")
    parser.add_argument("--grammar", choices=tuple(GRAMMARS), default="id", help="Indonesian plates, or any Latin ones")
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder of the networks (default: the shipped ones)")
    parser.add_argument("--threads", type=int, choices=range(1, MAX_THREADS + 1), default=1, metavar="N")
    parser.add_argument("--expiry", type=Path, metavar="FILE", help="CSV of file, expiry (MM.YY) to check the dates by")
    parser.add_argument("--lines", type=Path, metavar="FILE", help="CSV of file, lines for --single-line")
    parser.add_argument("--single-line", action="store_true", help="leave out plates whose number has two lines")
    parser.add_argument("--held-back", action="store_true", help="only plates that no training of the reader sees")
    parser.add_argument("--against-opencv", action="store_true", help="also read with OpenCV's cascade and Tesseract")
    parser.add_argument("--json", action="store_true", help="everything as JSON instead of tables")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write evaluation.json, errors.html and charts there")
    return parser


def evaluate(args: argparse.Namespace) -> int:
    """One evaluation from its arguments; returns the exit code."""
    if args.out:
        charts.need_matplotlib()
        args.out.mkdir(parents=True, exist_ok=True)
    choice = Choice(args.held_back, args.single_line, load_lines(args.lines), load_expiries(args.expiry))
    pictures = [load_pictures(folder, choice) for folder in args.folders]
    settings = model_settings(args.models, args.threads)
    networks = load_networks(settings, args.grammar)
    cv2.setNumThreads(args.threads)
    detector = None if args.crop else networks.detector
    compare = HaarTesseract(detector, networks.reader).compare if args.against_opencv and detector else None
    runs = [
        run_folder(name, its, detector, networks.reader, compare)
        for name, its in zip(_names(args.folders), pictures, strict=True)
    ]
    document = _document(args, runs, _models(settings, networks.digests))
    print(to_json(document) if args.json else report(document))
    if args.out:
        write(args.out, document, runs)
    return 1 if any(run.undecodable for run in runs) else 0


def _names(folders: Sequence[Path]) -> list[str]:
    """What the folders are called in tables: their last part, the whole path where two share it."""
    names = [folder.resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def run_folder(
    name: str, pictures: Sequence[Picture], detector: Detector | None, reader: Reader, compare: Compare | None = None
) -> Run:
    """Every picture of a folder; one that cannot be decoded is named and left out."""
    outcomes, undecodable, rivals = [], [], []
    for done, picture in enumerate(pictures, start=1):
        progress(done, len(pictures))
        try:
            image = read_image(picture.file)
        except CakraError as error:
            print(f"cakra-evaluate: {error}", file=sys.stderr)
            undecodable.append(picture.file.name)
            continue
        outcome = run_picture(picture, image, detector, reader) if detector else run_crops(picture, image, reader)
        outcomes.append(outcome)
        if compare:
            rivals.append(compare(outcome, image))
    return Run(name, tuple(outcomes), tuple(undecodable), tuple(rivals))


def _document(args: argparse.Namespace, runs: Sequence[Run], models: tuple[Model, ...]) -> Document:
    thresholds = Thresholds()
    together = Run(
        "all",
        tuple(outcome for run in runs for outcome in run.outcomes),
        tuple(name for run in runs for name in run.undecodable),
        tuple(rival for run in runs for rival in run.rivals),
    )
    return Document(
        software=version("cakra"),
        machine=machine(),
        mode="crop" if args.crop else "end_to_end",
        grammar=args.grammar,
        threads=args.threads,
        held_back=args.held_back,
        single_line=args.single_line,
        accept_confidence=thresholds.accept_confidence,
        max_runner_up=thresholds.max_runner_up,
        models=models,
        folders=tuple(run.result(thresholds) for run in runs),
        all=together.result(thresholds),
    )


def _models(settings: ModelSettings, digests: dict[str, str]) -> tuple[Model, ...]:
    folder = settings.reader.parent
    return tuple(Model(name, (folder / f"{name}.tflite").stat().st_size, sha) for name, sha in digests.items())


def write(out: Path, document: Document, runs: Sequence[Run]) -> None:
    """The files of `--out`."""
    (out / "evaluation.json").write_text(to_json(document) + "\n", encoding="utf-8")
    write_errors([(run.folder, run.outcomes) for run in runs], out / "errors.html")
    series = {
        folder.folder: [answer for line in folder.plates if (answer := line.end_to_end or line.truth_crop)]
        for folder in document.folders
    }
    charts.reliability(series, out / "reliability.png")
    charts.risk_coverage_chart(series, Thresholds(), out / "risk_coverage.png")


if __name__ == "__main__":
    raise SystemExit(main())
