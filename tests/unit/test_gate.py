"""Replay as a gate: who is right, who was missed, what changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.errors import ConfigError, UsageError
from simulation.gate.changes import compare
from simulation.gate.clips import Case, find
from simulation.gate.command import main
from simulation.gate.lines import Decision, Vehicle, truth
from simulation.gate.page import write_page
from simulation.gate.run import CaseResult
from simulation.gate.score import Score, score
from simulation.gate.speeds import Reading, figures
from simulation.gate.summary import figure_rows, shortfalls

PATHS = {1: {10: (100.0, 50.0)}, 2: {10: (500.0, 50.0)}}


def decision(**changes: Any) -> Decision:
    line = {"kind": "speed", "plate": "B1234XYZ", "outcome": "accepted", "reasons": [], "frame": 10, "track": 1}
    return Decision(line | changes)


def vehicle(**changes: Any) -> Vehicle:
    given = {
        "id": 1, "plate": "B1234XYZ", "violations": frozenset({"speed"}), "hidden": frozenset(), "width_px": 90.0,
        "readable": True, "speed_kmh": 80.0, "places": {10: (104.0, 52.0)},
    }  # fmt: skip
    return Vehicle(**(given | changes))


def scored(decided: list[Decision], vehicles: list[Vehicle]) -> Score:
    return score(["speed"], decided, PATHS, vehicles)


def test_the_right_vehicle_with_the_right_plate_is_right() -> None:
    """Figures would be worse than the unit is."""
    result = scored([decision()], [vehicle()])
    assert (result.tallies["speed"].precision, result.tallies["speed"].recall) == (1.0, 1.0)
    assert not result.missed
    assert not result.false


@pytest.mark.parametrize(
    ("decided", "true"),
    [
        (decision(plate="B1234XYV"), vehicle()),
        (decision(), vehicle(violations=frozenset())),
        (decision(track=2), vehicle()),
        (decision(), vehicle(plate="B1999XYZ")),
    ],
    ids=["misread", "innocent", "nobody there", "another's plate"],
)
def test_a_wrong_accusation_is_counted(decided: Decision, true: Vehicle) -> None:
    """A person accused wrongly would be hidden in a good figure."""
    result = scored([decided], [true])
    assert result.tallies["speed"].precision == 0.0
    assert len(result.false) == 1


def test_a_plate_at_the_rim_is_its_vehicle_s() -> None:
    """At 80 km/h a plate is 70 pixels on in the next frame: who is found in the last one would be nobody."""
    paths = {1: {9: (100.0, 600.0), 10: (60.0, 675.0)}}
    result = score(["speed"], [decision()], paths, [vehicle(places={9: (102.0, 601.0)})])
    assert not result.false


def test_small_and_dirty_plates_are_not_held_against_the_unit() -> None:
    """Nobody can read them, so a recall with them would say nothing of the unit."""
    result = scored([], [vehicle(width_px=69.0), vehicle(id=2, readable=False)])
    assert result.tallies["speed"].recall is None
    assert result.tallies["speed"].offenders == 2


def test_what_is_not_shown_is_not_held_against_the_unit() -> None:
    """A stand behind a bus would count as a miss; an accusation of it still has to be right."""
    hidden = vehicle(hidden=frozenset({"speed"}))
    assert scored([], [hidden]).tallies["speed"].recall is None
    assert scored([decision()], [hidden]).tallies["speed"].precision == 1.0


def test_a_review_is_no_accusation_and_no_find() -> None:
    """A person's work would be taken for the machine's."""
    tally = scored([decision(outcome="review", reasons=["plate_uncertain"])], [vehicle()]).tallies["speed"]
    assert (tally.precision, tally.recall, tally.review, tally.unexplained) == (None, 0.0, 1, 0)


def test_one_vehicle_accused_twice_is_found_once() -> None:
    """Recall would exceed one."""
    assert scored([decision(), decision()], [vehicle()]).tallies["speed"].recall == 1.0


def test_what_changed_is_named() -> None:
    """A maintainer would see that something changed and not what."""
    before = [decision(plate="A1AA"), decision(plate="B2BB", outcome="review"), decision(plate="C3CC")]
    now = [decision(plate="B2BB"), decision(plate="C3CC", track=9), decision(plate="D4DD")]
    changes = {change.plate: (change.sort, change.what) for change in compare(before, now)}
    assert changes == {
        "A1AA": ("lost", "lost"),
        "B2BB": ("changed", "outcome review -> accepted"),
        "D4DD": ("added", "added"),
    }


def test_speed_figures() -> None:
    """A speed's error or its interval would be told wrongly."""
    found = figures([Reading(100.0, 100.0 + error, 2.0) for error in (-3.0, -1.0, 0.0, 1.0, 1.0)])
    assert found is not None
    assert found.median_error == pytest.approx(0.01)
    assert found.coverage == pytest.approx(0.8)


def own_clip(folder: Path, **leave: bool) -> Path:
    """A maintainer's folder with as little as is needed, but for what is left out."""
    folder.mkdir(parents=True)
    (folder / "gate.mkv").write_bytes(b"")
    if not leave.get("no_start"):
        (folder / "clip.json").write_text('{"start": "2026-11-23T07:30:00+07:00"}')
    if not leave.get("no_site"):
        (folder / "site.yaml").write_text("id: x")
    (folder / "truth.jsonl").write_text('{"plate": "B 1234 XYZ", "violations": [{"kind": "speed"}]}\n')
    return folder


def test_a_maintainers_own_footage_is_a_clip(tmp_path: Path) -> None:
    """Only simulated clips could be replayed."""
    folder = own_clip(tmp_path / "mine" / "gate")
    (case,) = find(tmp_path, ())
    assert (case.name, case.video.name, case.law.name) == ("mine/gate", "gate.mkv", "law")
    (line,) = truth(folder / "truth.jsonl")
    assert (line.plate, line.violations, line.counts("speed")) == ("B1234XYZ", frozenset({"speed"}), True)


@pytest.mark.parametrize(("left_out", "said"), [("no_start", "has no start"), ("no_site", "draw the site")])
def test_a_clip_that_is_not_whole_is_told(tmp_path: Path, left_out: str, said: str) -> None:
    """A maintainer would get a traceback instead of the name of what is missing."""
    own_clip(tmp_path / "mine", **{left_out: True})
    with pytest.raises(ConfigError, match=said):
        find(tmp_path, ())


def test_names_choose_clips(tmp_path: Path) -> None:
    """One clip could not be looked at without all the others."""
    for name in ("speed/000", "speed/001", "expiry/000"):
        own_clip(tmp_path / name)
    assert [case.name for case in find(tmp_path, ("speed/",))] == ["speed/000", "speed/001"]
    with pytest.raises(UsageError, match="no clips"):
        find(tmp_path, ("stopping",))


def test_bad_truth_names_its_line(tmp_path: Path) -> None:
    """A maintainer would search his truth for the mistake."""
    path = tmp_path / "truth.jsonl"
    path.write_text('{"plate": "B1", "violations": []}\n{"violations": []}\n')
    with pytest.raises(ConfigError, match="line 2: 'plate'"):
        truth(path)


def test_called_without_clips_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody who calls it for the first time would not know what to give."""
    assert main([]) == 2
    assert "--all" in capsys.readouterr().err


def result(decided: list[Decision], vehicles: list[Vehicle], out: Path) -> CaseResult:
    case = Case("speed/000", out, out / "clip.mp4", "2026-11-23T07:30:00+07:00")
    return CaseResult(case, out / "speed/000", decided, [], compare([], decided), scored(decided, vehicles), (), ())


def test_what_falls_short_is_said(tmp_path: Path) -> None:
    """A version that accuses wrongly, misses many, or cannot say why it misses one, would pass."""
    wrong = result([decision(plate="B1234XYV")], [vehicle()], tmp_path)
    lines = list(shortfalls([wrong]))
    assert len(lines) == 2
    assert "1 wrongly accused" in lines[0]
    assert "1 of 1 not accepted" in lines[1]
    assert list(shortfalls([result([], [vehicle()], tmp_path)]))[1] == "speed: 1 offenders without any finding"
    assert figure_rows([wrong])[1][:8] == ("speed", "1", "1", "1", "0", "1", "0", "0.000")
    assert list(shortfalls([result([decision()], [vehicle()], tmp_path)])) == []


def test_the_page_shows_the_picture_and_the_truth(tmp_path: Path) -> None:
    """Who looks into a difference would have to search the footage for it."""
    picture = tmp_path / "speed/000/overlays/speed-0001.jpg"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"jpeg")
    page = write_page(tmp_path, [result([decision()], [vehicle(violations=frozenset())], tmp_path)]).read_text()
    assert "src='speed/000/overlays/speed-0001.jpg'" in page
    assert "truth: B1234XYZ innocent" in page


def test_truth_of_simulated_clips_is_read(tmp_path: Path) -> None:
    """The frames of a plate's places would be counted from the wrong one."""
    line = {
        "id": 4,
        "plate": "B1",
        "violations": [],
        "frames": [5, 7],
        "corners": [None, [[0, 0], [4, 0], [4, 2], [0, 2]], None],
    }
    path = tmp_path / "truth.jsonl"
    path.write_text(json.dumps(line) + "\n")
    assert truth(path)[0].places == {6: (2.0, 1.0)}
