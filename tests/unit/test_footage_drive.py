"""How vehicles of a scenario drive, and what is true of it."""

from __future__ import annotations

import numpy as np
import pytest

from agent.errors import ConfigError
from agent.lamps import LampsInPicture
from agent.scene import Scene
from agent.types import Frame, LightState, ViolationKind
from simulation.footage import frames
from simulation.footage_drive import Halt, drive
from simulation.footage_files import CALENDARS, LAW
from simulation.footage_law import WIB, LawInputs, violations
from simulation.footage_lights import red_since_s, red_within_s, state_at
from simulation.footage_parts import SignalPlan
from simulation.footage_scenario import Scenario, load_scenario
from simulation.footage_site import site_file
from simulation.footage_traffic import Trip, trips
from simulation.footage_truth import passage_of, truth_lines
from simulation.road.dirt import soil
from simulation.road.light import Sky

INPUTS = LawInputs.load(LAW, CALENDARS)
SIGNAL = SignalPlan.model_validate({"lanes": ["L1"], "phases": [["green", 4], ["yellow", 2], ["red", 10]]})


def test_a_halt_is_reached_and_left_without_a_jump() -> None:
    """A vehicle that jumps is two tracks to the unit, and a speed that nobody drove."""
    way = drive(1.0, 10.0, [Halt(40.0, 5.0, None)])
    moments = np.arange(0, 30, 0.01)
    driven = np.array([way.driven(float(t)) for t in moments])
    assert np.abs(np.diff(driven, n=2)).max() < 0.001
    ((begin, end),) = way.rests()
    assert end - begin == pytest.approx(5.0)
    assert way.driven((begin + end) / 2) == pytest.approx(40.0)
    assert way.speed(29.0) == pytest.approx(10.0)


def test_a_halt_until_a_moment_ends_then() -> None:
    """A vehicle that waits for green would drive off on red."""
    ((_, end),) = drive(0.0, 10.0, [Halt(40.0, None, 12.5)]).rests()
    assert end == 12.5


def test_a_halt_too_near_is_told() -> None:
    """A scenario in which nobody can brake in time would be rendered all the same."""
    vehicle = {"kind": "sedan", "lane": "L1", "enters_at_s": 0, "speed_kmh": 120, "stops": [{"at_m": 70, "for_s": 3}]}
    with pytest.raises(ConfigError, match=r"vehicles\[0\]\.stops\[0\]: is too near to brake for"):
        trips(road(vehicles=[vehicle]), 1)


def test_a_light_goes_through_its_phases_and_begins_again() -> None:
    """Truth would take green for red after the first round."""
    assert [state_at(SIGNAL, t) for t in (0, 4, 6, 15.9, 16, 22.5)] == [
        LightState.GREEN, LightState.YELLOW, LightState.RED, LightState.RED, LightState.GREEN, LightState.RED,
    ]  # fmt: skip
    assert (red_since_s(SIGNAL, 25.0), red_since_s(SIGNAL, 17.0)) == (22.0, None)
    assert red_within_s(SIGNAL, 14.0, 24.0) == pytest.approx(4.0)


def road(**changes: object) -> Scenario:
    """A junction seen from behind: green to 4 s, yellow to 6 s, red to 16 s; the line at 20 m."""
    plan = {
        "start": "2026-11-24T12:00:00+07:00",
        "duration_s": 30,
        "rules": ["red_light", "stop_line"],
        "lanes": [{"id": "L1", "permitted": "away", "speed_limit_kmh": 50}],
        "signals": [SIGNAL.model_dump()],
    }
    return Scenario.model_validate(plan | changes)


def found(**changes: object) -> list[ViolationKind]:
    """What one sedan violates whose front is at 6 m at `enters_at_s`; its rear plate crosses after 18.6 m more."""
    scenario = road(vehicles=[{"kind": "sedan", "lane": "L1", "speed_kmh": 36} | changes])
    (trip,) = trips(scenario, 1)
    seen = passage_of(trip, scenario, _sighted(trip, scenario), INPUTS, scenario.start)
    return [each.kind for each in violations(seen)]


def _sighted(trip: Trip, scenario: Scenario) -> dict[int, tuple[tuple[float, float], ...]]:
    """Seen wherever its plate is between 11 and 60 m."""
    corners = ((0.0, 0.0), (50.0, 0.0), (50.0, 15.0), (0.0, 15.0))
    places = {frame: trip.plate_m(frame / scenario.fps) for frame in range(scenario.frame_count)}
    return {frame: corners for frame, place in places.items() if place and 11 <= place[1] <= 60}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"enters_at_s": 1.0}, []),
        ({"enters_at_s": 4.4}, []),
        ({"enters_at_s": 4.0}, []),
        ({"enters_at_s": 6.0}, [ViolationKind.RED_LIGHT]),
        ({"enters_at_s": 3.0, "speed_kmh": 24, "stops": [{"past_line_m": -1.0, "until_s": 16.5}]}, []),
        ({"enters_at_s": 5.0, "stops": [{"past_line_m": 6.6, "until_s": 16.5}]}, [ViolationKind.STOP_LINE]),
        ({"enters_at_s": 0.5, "stops": [{"past_line_m": 6.6, "until_s": 16.5}]}, []),
    ],
    ids=["green", "as it goes red", "yellow", "red", "waits", "stands past it", "crossed on green, held up"],
)
def test_truth_at_the_light(change: dict[str, object], expected: list[ViolationKind]) -> None:
    """The gate would call a right decision wrong, or a wrong one right."""
    assert found(**change) == expected


def test_truth_says_what_the_camera_does_not_see() -> None:
    """A stand that a bus hides, or one too far off for any network to find the plate, would count as a miss."""
    stands = {"kind": "sedan", "lane": "L1", "speed_kmh": 36, "enters_at_s": 5.0}
    scenario = road(vehicles=[stands | {"stops": [{"past_line_m": 6.6, "until_s": 16.5}]}])
    (trip,) = cast = trips(scenario, 1)
    seen = _sighted(trip, scenario)
    first, last = min(seen), max(seen)
    hidden = {frame: corners for frame, corners in seen.items() if frame < first + 25 or frame > last - 25}
    far_off = dict.fromkeys(seen, ((0.0, 0.0), (27.0, 0.0), (27.0, 8.0), (0.0, 8.0)))
    for places, shown in ((seen, True), (hidden, False), (far_off, False)):
        (line,) = truth_lines(scenario, cast, {trip.id: places}, INPUTS)
        assert [(each["kind"], each["shown"]) for each in line["violations"]] == [("stop_line", shown)]


@pytest.mark.parametrize("name", ["junction", "busway", "highway", "gantry", "kerb"])
def test_shipped_scenarios_show_their_rules(name: str) -> None:
    """A scenario for a rule would hold no offender against it, or no innocent."""
    scenario = load_scenario(name)
    cast = trips(scenario, 1)
    passages = [passage_of(trip, scenario, _sighted(trip, scenario), INPUTS, scenario.start) for trip in cast]
    guilty = [each for each in map(violations, passages) if each]
    assert 0 < len(guilty) < len(cast)


@pytest.mark.parametrize("sky", [Sky.NOON, Sky.NIGHT, Sky.RAIN, Sky.BACKLIGHT])
@pytest.mark.parametrize("state", [LightState.RED, LightState.YELLOW, LightState.GREEN])
def test_the_unit_sees_the_light_that_was_drawn(sky: Sky, state: LightState) -> None:
    """Red-light clips would show a light that no camera could read."""
    signal = SIGNAL.model_dump() | {"phases": [[state.value, 5]], "y_m": 26, "height_m": 2.6}
    camera = {"width": 480, "height": 270, "focal_px": 900, "pitch_deg": 10}
    scenario = road(sky=sky, duration_s=0.04, camera=camera, signals=[signal], vehicles=[_PASSER])
    site = Scene.model_validate(site_file(scenario))
    image, _ = next(frames(scenario, 1))
    (sample,) = LampsInPicture(site.signals).look(Frame(image, 0, scenario.start.astimezone(WIB), 0))
    assert sample.state is state


_PASSER = {"kind": "mpv", "lane": "L1", "enters_at_s": -1, "speed_kmh": 40}


def test_a_light_outside_the_picture_is_told() -> None:
    """The agent would refuse the site that belongs to the clip, after it was rendered."""
    scenario = road(signals=[SIGNAL.model_dump() | {"height_m": 6}], vehicles=[_PASSER])
    with pytest.raises(ConfigError, match="its red lamp is outside the picture"):
        site_file(scenario)


def test_mud_says_how_much_it_hides() -> None:
    """A plate nobody can read would be held against the unit."""
    plate = np.full((96, 300, 3), 238, np.uint8)
    hidden = [soil(plate, amount, np.random.default_rng(3))[1] for amount in (0.0, 0.2, 0.9)]
    assert hidden[0] == 0.0
    assert hidden[0] < hidden[1] < hidden[2]
    assert hidden[2] > 0.45
