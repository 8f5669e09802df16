"""`cakra-evaluate`: the figures a release is judged by are exactly what they say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from agent.errors import UsageError
from agent.types import Box, Candidate, Corners, Detection, Expiry, Image, PlateColour, PlateRead, Point
from agent.validate import Thresholds
from simulation.plates import PlateSpec, draw_plate
from training.evaluation import cards, charts
from training.evaluation.cli import main, run_folder
from training.evaluation.document import Document, Model, load, to_json
from training.evaluation.errors_page import write_errors
from training.evaluation.figures import Answer, bins, calibration_error, risk_coverage, scores, spread
from training.evaluation.opencv import HaarTesseract, Rival, comparison
from training.evaluation.results import FolderResult
from training.evaluation.truth import Choice, load_lines, load_pictures
from training.labels import held_back, load_expiries

HEAD = "file,plate_text,x,y,w,h,unsure,plate_colour"
ROWS = (
    "a.png,B1234XYZ,10,10,60,20,,white_on_black",  # found, read right
    "b.png,AD55BC,10,10,60,20,,white_on_black",  # missed; another plate is read with confidence
    "c.png,L7TU,,,,,,black_on_white",  # found, one character wrong
    "d.png,D1A,10,10,60,20,,",  # two plates, each found
    "d.png,D2B,10,60,60,20,,",
    "e.png,F9Z,10,10,60,20,1,",  # unsure, missed
    "f.png,,,,,,,",  # no plate, one detection
)
SHADES = {"a.png": 10, "b.png": 20, "c.png": 30, "d.png": 40, "e.png": 50, "f.png": 60}


def detection(x: float, y: float) -> Detection:
    corners: Corners = (Point(x, y), Point(x + 60, y), Point(x + 60, y + 20), Point(x, y + 20))
    return Detection(Box(x, y, x + 60, y + 20), corners, score=0.9)


def plate_read(text: str, confidence: float, *others: str, runner_up: float = 0.0) -> PlateRead:
    candidates = (Candidate(text, confidence), *(Candidate(other, runner_up) for other in others))
    return PlateRead(candidates, (), PlateColour.BLACK, 0.9, Expiry(5, 2028, 0.9), 0.9)


DETECTIONS = {
    10: (detection(25, 10),),  # shares 45 of 75 columns: IoU 0.6
    20: (detection(100, 60),),
    30: (detection(10, 10),),
    40: (detection(10, 60), detection(10, 10)),
    60: (detection(0, 0),),
}
READS = {
    (10, 25, 10): plate_read("B1234XYZ", 0.98, "B1234XYV", runner_up=0.01),
    (10, 10, 10): plate_read("B1234XYZ", 0.96),
    (20, 100, 60): plate_read("H1Q", 0.99),
    (20, 10, 10): plate_read("AD55BG", 0.5, "AD55BC", runner_up=0.4),
    (30, 10, 10): plate_read("L1TU", 0.7, "L7TU", runner_up=0.2),
    (40, 10, 10): plate_read("D1A", 0.9),
    (40, 10, 60): plate_read("D2B", 0.9),
}


class Scripted:
    """Detector and reader that know each picture by its shade."""

    def detect(self, image: Image) -> tuple[Detection, ...]:
        return DETECTIONS.get(int(image[0, 0, 0]), ())

    def read(self, image: Image, corners: Corners) -> PlateRead:
        place = (int(image[0, 0, 0]), round(corners[0].x), round(corners[0].y))
        return READS.get(place, PlateRead((), (), PlateColour.UNKNOWN, 0.0, None, 0.1))

    def read_crop(self, crop: Image) -> PlateRead:
        return plate_read("WHOLE", 0.8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "set" / "images").mkdir(parents=True)
    (tmp_path / "set" / "labels.csv").write_text("\n".join([HEAD, *ROWS]) + "\n")
    for name, shade in SHADES.items():
        cv2.imwrite(str(tmp_path / "set" / "images" / name), np.full((100, 200, 3), shade, np.uint8))
    return tmp_path / "set"


def evaluated(folder: Path, choice: Choice | None = None, *, crop: bool = False) -> FolderResult:
    scripted = Scripted()
    run = run_folder("set", load_pictures(folder, choice or Choice()), None if crop else scripted, scripted)
    return run.result(Thresholds())


def answer(confidence: float, truth: str, text: str, runner_up: float = 0.0) -> Answer:
    return Answer(truth, text, confidence, runner_up, text == truth, None, None, elsewhere=False)


FOUR = (
    answer(0.9, "B1234XY", "B1234XY"),
    answer(0.8, "B1234XY", "B1234XV"),
    answer(0.6, "B1234XY", "B1234XY"),
    answer(0.0, "B1234XY", ""),
)


# --- Figures, against values worked out by hand --------------------------------------------------------------------


def test_risk_and_coverage_of_four_readings() -> None:
    """The curve tells an operator what a lower threshold would cost; a wrong curve costs wrong accusations."""
    assert risk_coverage(FOUR) == [(0.25, 0.0), (0.5, 0.5), (0.75, 1 / 3), (1.0, 0.5)]
    assert scores(FOUR, Thresholds()).aurc == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)


def test_equal_confidence_never_flatters() -> None:
    """Many readings say 1.00; their order in the file must not decide how good the curve looks."""
    right, wrong = answer(1.0, "B1A", "B1A"), answer(1.0, "B1A", "B1B")
    assert risk_coverage([right, wrong]) == risk_coverage([wrong, right]) == [(0.5, 1.0), (1.0, 0.5)]


def test_calibration_of_three_readings() -> None:
    """What was not found claims nothing, so it does not count for what confidence is worth."""
    figures = scores(FOUR, Thresholds())
    assert figures.calibration_error == pytest.approx((0.1 + 0.8 + 0.4) / 3)
    assert figures.brier == pytest.approx((0.01 + 0.64 + 0.16) / 3)


def test_readings_of_like_confidence_are_taken_together() -> None:
    """Two readings of about 0.85 of which one is right are off by 0.35, not by 0.5."""
    both = [answer(0.84, "B1A", "B1A"), answer(0.86, "B1A", "B1B")]
    assert [(each.count, each.right) for each in bins(both)] == [(2, 0.5)]
    assert calibration_error(both) == pytest.approx(0.35)
    assert [each.count for each in bins([answer(1.0, "B1A", "B1A")])] == [1]


def test_exact_and_character_errors() -> None:
    """A plate that was missed is wrong in every character; one letter off is one in seven."""
    figures = scores(FOUR, Thresholds())
    assert figures.exact == 0.5
    assert figures.character_error_rate == pytest.approx((1 + 7) / 28)


def test_acceptance_asks_posterior_and_runner_up() -> None:
    """A reading with a strong rival is not accepted, however probable; the shipped thresholds decide."""
    some = [
        answer(0.97, "B1A", "B1A"),
        answer(0.98, "B1A", "B1B", runner_up=0.02),
        answer(0.98, "B1A", "B1A", runner_up=0.021),
        answer(0.96, "B1A", "B1A"),
    ]
    figures = scores(some, Thresholds(accept_confidence=0.97, max_runner_up=0.02))
    assert (figures.coverage, figures.accepted_wrong) == (0.5, 1)


def test_no_plates_give_no_figures() -> None:
    """A set without texts shows dashes, not zeros that look like failures."""
    figures = scores([], Thresholds())
    assert figures.exact is figures.aurc is figures.brier is figures.coverage is None


def test_times_are_median_and_95th_percentile() -> None:
    """The slowest picture in twenty is what holds a camera up."""
    times = spread([float(n) for n in range(1, 21)])
    assert times is not None
    assert (times.median, times.p95) == (10.5, 19.0)
    assert spread([]) is None


# --- A folder ------------------------------------------------------------------------------------------------------


def test_what_was_found(folder: Path) -> None:
    """Recall counts sure boxes only; a detection is a stray only where all plates of its picture are known."""
    finding = evaluated(folder).finding
    assert (finding.pictures, finding.boxes) == (6, 4)
    assert finding.recall == pytest.approx(3 / 4)
    assert finding.mean_iou == pytest.approx((0.6 + 1 + 1) / 3)
    assert finding.strays == pytest.approx((0 + 1 + 0 + 0 + 1) / 5)


def test_what_was_read_end_to_end(folder: Path) -> None:
    """The first detection stands for a picture's only plate; of several plates each has its own."""
    result = evaluated(folder)
    lines = {line.truth: (line.end_to_end.text if line.end_to_end else None) for line in result.plates}
    assert lines == {"B1234XYZ": "B1234XYZ", "AD55BC": "H1Q", "L7TU": "L1TU", "D1A": "D1A", "D2B": "D2B"}
    figures = result.end_to_end
    assert figures.exact == result.exact_any_detection == pytest.approx(3 / 5)
    assert figures.in_candidates == pytest.approx(4 / 5)
    assert figures.character_error_rate == pytest.approx((0 + 6 + 1) / (8 + 6 + 4 + 3 + 3))
    assert (figures.colours, figures.colour_right) == (3, pytest.approx(2 / 3))
    assert (figures.coverage, figures.accepted_wrong, figures.accepted_elsewhere) == (pytest.approx(2 / 5), 1, 1)


def test_what_was_read_at_the_true_corners(folder: Path) -> None:
    """The reader alone: plates without a place are left out, missed plates are not its fault."""
    figures = evaluated(folder).truth_crops
    assert (figures.plates, figures.exact) == (4, pytest.approx(3 / 4))
    assert figures.character_error_rate == pytest.approx(1 / (8 + 6 + 3 + 3))


def test_with_crops_nothing_is_searched(folder: Path) -> None:
    """--crop measures the reader alone; a plate without a place fills its picture."""
    result = evaluated(folder, crop=True)
    assert result.finding.recall is result.end_to_end.exact is result.exact_any_detection is result.ms.detect is None
    assert result.truth_crops.plates == 5
    assert [line.truth_crop.text for line in result.plates if line.truth_crop][2] == "WHOLE"


def test_every_error_has_a_reason(folder: Path) -> None:
    """Whoever mends recognition sees at once whether to look at the detector or at the reader."""
    whys = {line.truth: line.why for line in evaluated(folder).plates}
    assert whys == {
        "B1234XYZ": "",
        "AD55BC": "another place is taken; the plate itself is not found",
        "L7TU": "misread by 1; the truth is candidate 2",
        "D1A": "",
        "D2B": "",
    }


def test_expiry_lines_are_checked_where_they_are_known(folder: Path, tmp_path: Path) -> None:
    """A date read off another plate, or none, is not right."""
    path = tmp_path / "expiry.csv"
    path.write_text("file,expiry\na.png,05.28\nc.png,06.28\n")
    figures = evaluated(folder, Choice(expiries=load_expiries(path))).end_to_end
    assert (figures.expiries, figures.expiry_exact) == (2, 0.5)
    path.write_text("file,expiry\na.png,13.28\n")
    with pytest.raises(UsageError, match=r"a\.png: expiry: '13\.28' is not MM\.YY"):
        load_expiries(path)


def test_two_line_plates_can_be_left_out(folder: Path, tmp_path: Path) -> None:
    """The reader does not read them, so the others judge a set that has some; a table knows better than shape."""
    (folder / "labels.csv").write_text(f"{HEAD}\na.png,B1A,0,0,40,10,,\nb.png,B2A,0,0,19,10,,\nc.png,B3A,,,,,,\n")
    path = tmp_path / "lines.csv"
    path.write_text("file,lines\na.png,2\nb.png,1\n")
    names = [picture.file.name for picture in load_pictures(folder, Choice(single_line=True))]
    assert names == ["a.png", "c.png"]
    names = [picture.file.name for picture in load_pictures(folder, Choice(single_line=True, lines=load_lines(path)))]
    assert names == ["b.png", "c.png"]


def test_only_plates_held_back_from_training(folder: Path) -> None:
    """A figure on plates that were trained on says nothing; the split is the trainer's own."""
    (folder / "labels.csv").write_text(f"{HEAD}\n" + "".join(f"{n}.png,B{n}A,,,,,,\n" for n in range(1, 30)))
    pictures = load_pictures(folder, Choice(held_back=True))
    assert [picture.plates[0].text for picture in pictures] == [f"B{n}A" for n in range(1, 30) if held_back(f"B{n}A")]
    (folder / "labels.csv").write_text(f"{HEAD}\na.png,,,,,,,\n")
    with pytest.raises(UsageError, match="no row is left"):
        load_pictures(folder, Choice(held_back=True))


# --- Against OpenCV ------------------------------------------------------------------------------------------------


def test_the_comparison_is_over_the_same_pictures(folder: Path) -> None:
    """A ratio of times holds only where both saw the same, and starting Tesseract is told apart from reading."""
    scripted = Scripted()
    run = run_folder("set", load_pictures(folder, Choice())[:2], scripted, scripted)
    first, second = run.outcomes
    both = comparison([Rival(first, "B1234XYZ", 6.0, 10.0, 150.0, 100.0), Rival(second, "", 12.0, 20.0, 0.0, 0.0)])
    assert both is not None
    assert (both.pictures, both.found, both.plates) == (2, 1, 2)
    assert (both.theirs_ms, both.theirs_without_start_ms) == (90.0, 40.0)
    assert both.ratio == pytest.approx(90 / 9)
    assert (both.ours_exact, both.theirs_exact) == (0.5, 0.5)


def test_without_tesseract_the_mend_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most machines have no Tesseract; that is one line, before hours of work."""
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(UsageError, match="apt install tesseract-ocr"):
        HaarTesseract(Scripted(), Scripted())


# --- What is written -----------------------------------------------------------------------------------------------


@pytest.fixture
def document(folder: Path) -> Document:
    thresholds = Thresholds()
    result = evaluated(folder)
    return Document(
        software="0",
        machine="a machine",
        mode="end_to_end",
        grammar="id",
        threads=1,
        held_back=False,
        single_line=False,
        accept_confidence=thresholds.accept_confidence,
        max_runner_up=thresholds.max_runner_up,
        models=(Model("plate_detector", 600_000, "0" * 64), Model("plate_reader", 700_000, "1" * 64)),
        folders=(result,),
        all=result,
    )


def test_the_errors_page_needs_no_other_file(folder: Path, tmp_path: Path) -> None:
    """The page is mailed and opened anywhere, and warns whoever opens it that it holds real plates."""
    scripted = Scripted()
    run = run_folder("set", load_pictures(folder, Choice()), scripted, scripted)
    write_errors([("<set>", run.outcomes)], tmp_path / "errors.html")
    page = (tmp_path / "errors.html").read_text()
    assert page.count("<section>") == 2
    assert "never commit it" in page
    assert "&lt;set&gt;" in page
    assert page.count("data:image/jpeg;base64,") == page.count("<img") > 2


def test_the_charts_are_drawn(tmp_path: Path) -> None:
    """Both pictures come out, also of a set of which nothing was read."""
    series = {"some": FOUR, "none": ()}
    charts.reliability(series, tmp_path / "reliability.png")
    charts.risk_coverage_chart(series, Thresholds(), tmp_path / "risk_coverage.png")
    for name in ("reliability.png", "risk_coverage.png"):
        picture = cv2.imread(str(tmp_path / name))
        assert picture is not None
        assert np.ptp(picture) > 200


def test_an_interval_covers_its_share() -> None:
    """Three of three right proves little, and the diagram shows it: Wilson's interval starts at 0.44."""
    assert charts.interval(1.0, 3) == (pytest.approx(0.4385, abs=1e-4), 1.0)
    assert charts.interval(0.5, 100) == (pytest.approx(0.4038, abs=1e-4), pytest.approx(0.5962, abs=1e-4))


def test_the_document_comes_back(document: Document, tmp_path: Path) -> None:
    """Cards are made from the files of earlier runs, maybe on another machine."""
    path = tmp_path / "evaluation.json"
    path.write_text(to_json(document))
    back = load(path)
    assert back.models == document.models
    assert [line.truth for line in back.folders[0].plates] == [line.truth for line in document.folders[0].plates]
    path.write_text("{}")
    with pytest.raises(UsageError, match=r"evaluation\.json: software: .*make the file again"):
        load(path)


def test_cards_get_the_figures_and_no_plate(document: Document, tmp_path: Path) -> None:
    """Cards are public: what a person wrote stays, the old figures go, and no single plate gets in."""
    reader = tmp_path / "plate_reader.md"
    reader.write_text(f"# reader\nbefore\n{cards.BEGIN}\nold figures\n{cards.END}\nafter\n")
    detector = tmp_path / "plate_detector.md"
    detector.write_text("# detector\n")
    cards.write_cards([document], tmp_path)
    once = reader.read_text(), detector.read_text()
    cards.write_cards([document], tmp_path)
    assert (reader.read_text(), detector.read_text()) == once
    assert once[0].startswith("# reader\nbefore\n")
    assert once[0].endswith("\nafter\n")
    assert "old figures" not in once[0]
    assert "| set | 5 | 0.600 | 0.800 |" in once[0]
    assert "| set | 6 | 4 | 0.750 |" in once[1]
    assert not any(row.split(",")[1] in "".join(once) for row in ROWS if row.split(",")[1])
    assert (tmp_path / "reliability.png").exists()


def test_a_card_with_half_a_mark_is_left_alone(document: Document, tmp_path: Path) -> None:
    """A lost end mark must not take the rest of the card with it."""
    card = tmp_path / "plate_reader.md"
    card.write_text(f"# reader\n{cards.BEGIN}\nfigures\nwritten by hand\n")
    with pytest.raises(UsageError, match=r"plate_reader\.md: .*no <!-- evaluation:end -->"):
        cards.write_cards([document], tmp_path)
    assert "written by hand" in card.read_text()


# --- The command ---------------------------------------------------------------------------------------------------


@pytest.fixture
def drawn(tmp_path: Path) -> Iterator[Path]:
    """A folder of one drawn plate on a grey picture, and one row whose picture is not there."""
    rng = np.random.default_rng(3)
    plate = draw_plate(PlateSpec("B 1234 XYZ", (5, 2028), PlateColour.BLACK, "old", "car"), rng, height_px=60)
    picture = np.full((360, 640, 3), 120, np.uint8)
    tall, wide = plate.shape[:2]
    picture[200 : 200 + tall, 220 : 220 + wide] = plate
    (tmp_path / "mine" / "images").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "mine" / "images" / "a.png"), picture)
    rows = f"a.png,B1234XYZ,220,200,{wide},{tall},\nmissing.png,B1A,,,,,\n"
    (tmp_path / "mine" / "labels.csv").write_text(f"file,plate_text,x,y,w,h,unsure\n{rows}")
    threads = cv2.getNumThreads()
    yield tmp_path / "mine"
    cv2.setNumThreads(threads)


def test_the_command_on_what_ships(drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One missing picture is named and costs the exit code; the rest is evaluated with the shipped networks."""
    assert main([str(drawn), "--json", "--out", str(tmp_path / "out")]) == 1
    told = capsys.readouterr()
    content = json.loads(told.out)
    assert content["folders"][0]["undecodable"] == ["missing.png"]
    assert content["folders"][0]["finding"]["pictures"] == 1
    assert content["folders"][0]["plates"][0]["truth"] == "B1234XYZ"
    assert {model["name"] for model in content["models"]} >= {"plate_detector", "plate_reader"}
    assert told.err.count("\n") == 1
    assert "missing.png: No such file" in told.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "errors.html",
        "evaluation.json",
        "reliability.png",
        "risk_coverage.png",
    ]


def test_several_folders_have_a_row_each_and_one_together(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who compares sets reads them in one table."""
    other = shutil.copytree(drawn, drawn.parent / "other")
    main([str(drawn), str(other), "--crop"])
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:5] == ["read", "at", "the", "true", "corners"]
    assert [row.split()[:2] for row in rows[:3]] == [["mine", "1"], ["other", "1"], ["all", "2"]]


def test_a_wrong_folder_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A script that calls us can tell a wrong call from a broken picture."""
    assert main([str(tmp_path)]) == 2
    (tmp_path / "labels.csv").write_text("file,plate_text\n")
    assert main([str(tmp_path)]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("cakra-evaluate: ")
    assert "x, y, w, h, unsure: no such column" in second
