"""Suites: the same seed gives the same clips, each with offenders and innocents, and none is rendered twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.scene import Scene
from agent.types import ViolationKind
from simulation import suite
from simulation.cli import main
from simulation.footage_files import CALENDARS, LAW
from simulation.footage_law import LawInputs, violations
from simulation.footage_scenario import Scenario, load_scenario
from simulation.footage_site import site_file
from simulation.footage_traffic import trips
from simulation.footage_truth import passage_of
from simulation.gate.clips import find
from simulation.gate.run import run
from simulation.suite_clips import clip_scenario, clip_sizes

INPUTS = LawInputs.load(LAW, CALENDARS)


@pytest.mark.parametrize("kind", list(ViolationKind))
def test_each_rule_has_offenders_and_innocents(kind: ViolationKind) -> None:
    """A suite of innocents only would show a perfect unit."""
    guilty: list[bool] = []
    for number in range(6):  # a clip may lie outside the rule's hours
        scenario = clip_scenario(kind, seed=4, number=number, vehicles=6)
        cast = trips(scenario, 4)
        assert len(cast) == 6
        guilty += [bool(violations(passage_of(trip, scenario, {}, INPUTS, scenario.start))) for trip in cast]
        assert Scene.model_validate(site_file(scenario, 4)).rules == (kind,)
        if 0 < sum(guilty) < len(guilty):
            return
    pytest.fail("all are guilty, or none")


def test_a_stand_counts_whole_where_its_end_is_hidden() -> None:
    """Who is accused rightly, of a stand that a bus hides the rest of, would be one accused wrongly."""
    scenario = load_scenario("kerb")
    passages = [passage_of(trip, scenario, {}, INPUTS, scenario.start) for trip in trips(scenario, 1)]
    stood = [(each, next(each.rests())) for each in passages if violations(each)]
    assert stood
    for passage, (begin_s, _) in stood:
        assert violations(replace(passage, end_s=begin_s + 1)) == violations(passage)


def test_same_seed_same_suite() -> None:
    """A figure could not be had again."""
    one, again, other = (clip_scenario(ViolationKind.SPEED, seed, 1, 3) for seed in (9, 9, 10))
    assert one == again
    assert one != other


def test_each_place_was_surveyed_by_itself() -> None:
    """One error of the tape would be in all clips, and how often a speed's interval is right would be chance."""
    scenarios = [clip_scenario(ViolationKind.SPEED, 9, number, 1) for number in range(3)]
    measured_m = [site_file(each, 9)["calibration"]["camera_height_m"] for each in scenarios]
    off_m = {round(m - each.camera.height_m, 2) for m, each in zip(measured_m, scenarios, strict=True)}
    assert len(off_m) == 3


def test_clips_share_the_vehicles_evenly() -> None:
    """Fewer vehicles than asked for would be rendered, or one clip with a single car."""
    assert sum(clip_sizes(204)) == 204
    assert max(clip_sizes(204)) - min(clip_sizes(204)) <= 1
    assert clip_sizes(3) == [3]


def test_a_suite_goes_on_where_it_was_broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours of rendering would begin anew."""
    rendered: list[str] = []

    def render(scenario: Scenario, name: str, seed: int, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "truth.jsonl").write_text("")
        rendered.append(folder.name)

    monkeypatch.setattr(suite, "render", render)
    command = ["suite", "--seed", "3", "--vehicles", "11", "--rule", "wrong_way", "--out", str(tmp_path)]
    assert main(command) == 0
    assert len(rendered) == 2
    (tmp_path / "wrong_way" / rendered[1] / "truth.jsonl").unlink()
    assert main(command) == 0
    assert rendered[2:] == [rendered[1]]


def test_a_traced_suite_is_replayed_like_a_drawn_one(tmp_path: Path) -> None:
    """Tracks, rules and validation could only be tried on hours of footage."""
    suites = tmp_path / "one", tmp_path / "two"
    for folder, jobs in zip(suites, ("1", "2"), strict=True):
        command = ["suite", "--seed", "3", "--vehicles", "11", "--rule", "wrong_way", "--traced", "--jobs", jobs]
        assert main([*command, "--out", str(folder)]) == 0
    cases, others = (find(folder, ()) for folder in suites)
    assert [case.video.name for case in cases] == ["recording.jsonl"] * 2
    for case, other in zip(cases, others, strict=True):
        assert case.video.read_bytes() == other.video.read_bytes()
    result = run(cases[0], tmp_path / "out", threads=1, over_borders=False)
    assert result.score.tallies["wrong_way"].precision == 1.0


def test_a_folder_holds_one_suite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Clips of two seeds would be mixed, and counted as one suite."""
    (tmp_path / "suite.json").write_text('{"seed": 1, "vehicles": 5}')
    assert main(["suite", "--seed", "2", "--vehicles", "5", "--out", str(tmp_path)]) == 2
    assert "holds another suite" in capsys.readouterr().err
