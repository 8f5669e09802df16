"""Recordings judged again: the same, exactly, and following the law when the clock is moved."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from agent.config import HOME
from agent.recording import Recording
from agent.types import LightState, ViolationKind
from simulation.footage_scenario import Scenario, load_scenario
from simulation.footage_trace import trace
from simulation.footage_traffic import trips
from simulation.gate.borders import cross_all
from simulation.gate.play import decided, play
from simulation.gate.recordings import changes_of
from simulation.suite_clips import clip_scenario

LAW, CALENDARS = HOME / "config" / "law", HOME / "config" / "calendars"
RECORDINGS = sorted((Path(__file__).parent / "decisions").glob("*.jsonl"))


def accepted(recording: Recording, start: datetime | None = None) -> set[tuple[str, str]]:
    """Rule and plate of what is accepted when the recording begins at `start`."""
    lines = decided(play(recording, LAW, CALENDARS, start))
    return {(line["kind"], line["plate"]) for line in lines if line["outcome"] == "accepted"}


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_recorded_footage_is_judged_as_before(path: Path) -> None:
    """A change of rule, tracker or law that decides otherwise would go unseen; `scripts/replay --all --accept` says it
    is meant."""
    assert list(changes_of(path)) == []


def test_every_rule_has_a_recording() -> None:
    """A rule could change what it decides, and no recording would tell."""
    kinds = {line["kind"] for path in RECORDINGS for line in Recording.load(path).decisions}
    assert kinds == {kind.value for kind in ViolationKind}


@pytest.mark.parametrize(
    "scenario",
    [
        clip_scenario(ViolationKind.ODD_EVEN, 5, 0, 6),
        clip_scenario(ViolationKind.WRONG_WAY, 5, 0, 6),
        *map(load_scenario, ("busway", "gantry", "kerb", "junction", "highway")),
    ],
    ids=["odd_even", "wrong_way", "bus_lane", "expiry", "stopping", "at the light", "speed"],
)
def test_decisions_follow_the_law_over_its_borders(scenario: Scenario) -> None:
    """A vehicle that passes a minute before or after an hour, a day, a holiday or a grace would be judged by the wrong
    law."""
    cast = trips(scenario, 5)
    recording, seen = trace(scenario, cast, 5)
    crossings = cross_all(recording, scenario, cast, seen, LAW, CALENDARS)
    timed = {ViolationKind.ODD_EVEN, ViolationKind.BUS_LANE, ViolationKind.EXPIRY}.intersection(scenario.rules)
    assert len(crossings) >= (8 if timed else 2)
    assert sum(crossing.judged for crossing in crossings) > 0
    assert [crossing for crossing in crossings if crossing.astray] == []


def test_a_shuffled_recording_is_judged_as_before(tmp_path: Path) -> None:
    """Lines that were gathered from several files would be judged in the order in which they came."""
    for path in RECORDINGS:
        first, *lines = path.read_text(encoding="utf-8").splitlines()
        frames = [line for line in lines if line.startswith('{"frame"')]
        Random(7).shuffle(frames)
        shuffled = tmp_path / path.name
        shuffled.write_text("\n".join([first, *frames]), encoding="utf-8")
        assert decided(play(Recording.load(shuffled), LAW, CALENDARS)) == list(Recording.load(path).decisions)


def test_the_grace_of_a_red_light_is_kept() -> None:
    """One who crosses as the light changes would be accused."""
    recording = Recording.load(Path(__file__).parent / "decisions" / "junction.jsonl")
    red = [frame.mono_ns for frame in recording.frames if frame.lights[0].state is LightState.RED]
    assert {kind for kind, _ in accepted(recording)} == {"red_light", "stop_line"}
    # the light goes red later by so much: one who crossed 2.2 s into red crosses within the grace of half a second
    later = _later_red(recording, red[0] + 1_900_000_000)
    assert sum(kind == "red_light" for kind, _ in accepted(later)) == 1
    earlier = _later_red(recording, red[0] + 1_500_000_000)
    assert sum(kind == "red_light" for kind, _ in accepted(earlier)) == 2


def _later_red(recording: Recording, from_ns: int) -> Recording:
    """The recording with its light yellow until then."""
    frames = []
    for frame in recording.frames:
        shown = frame.lights[0]
        if shown.state is LightState.RED and frame.mono_ns < from_ns:
            shown = replace(shown, state=LightState.YELLOW)
        frames.append(replace(frame, lights=(shown,)))
    return replace(recording, frames=tuple(frames))


def test_a_holiday_frees_and_the_next_day_binds() -> None:
    """The busway's recording on a Sunday, a holiday, at noon and on a working morning."""
    recording = Recording.load(Path(__file__).parent / "decisions" / "busway.jsonl")
    morning = recording.header.start
    assert len(accepted(recording)) == 2
    sunday, noon = morning + timedelta(days=5), morning + timedelta(hours=4)
    christmas = datetime.fromisoformat("2026-12-25T08:10:00+07:00")
    for free in (sunday, noon, christmas):
        assert accepted(recording, free) == set()
    assert accepted(recording, morning + timedelta(days=1)) == accepted(recording)
