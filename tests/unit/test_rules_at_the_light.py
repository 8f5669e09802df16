"""Red light and stop line: who crossed when, and what the light showed then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from random import Random

import pytest
from roads import ODD, TUESDAY_24TH, follow, judge, scene, vote

from agent.rules.path import crossed
from agent.scene import Scene
from agent.signal import LightHistory, Signals
from agent.types import LightState, Point, Proof, Track, Violation, ViolationKind

RED, YELLOW, GREEN = LightState.RED, LightState.YELLOW, LightState.GREEN
LINE_Y = 300.0
"""The stop line lies 30 m down the road, 10 pixels to the metre."""


def junction(**changes: object) -> Scene:
    lamps = {"red": [[600, 10], [610, 10], [610, 20]], "green": [[600, 30], [610, 30], [610, 40]]}
    content = {
        "rules": ["red_light", "stop_line"],
        "lines": [{"id": "stop", "points": [[90, LINE_Y], [210, LINE_Y]]}],
        "signals": [{"id": "S1", "stop_line": "stop", "lanes": ["L1"], "lamps": lamps}],
    }
    return scene(**content | changes)


def light(*changes: tuple[float, LightState], until_s: float = 40.0) -> Signals:
    """A light that shows each state from its moment on, looked at 25 times a second."""
    history, states = LightHistory(fresh_s=1.0), list(changes)
    for n in range(round(until_s * 25)):
        now = n / 25
        shown = [state for begin_s, state in states if begin_s <= now]
        history = history.seen(shown[-1], round(now * 1e9)) if shown else history
    return {"S1": history}


def through(crosses_at_s: float, speed_mps: float = 10.0, seconds: float | None = None) -> Track:
    """Drives down the lane at constant speed; in the frame of that moment it is just over the line."""
    seconds = seconds or crosses_at_s + 2
    return follow(TUESDAY_24TH, lambda s: Point(150, LINE_Y + 10 * speed_mps * (s - crosses_at_s + 0.01)), seconds)


def halts(stands_at_m: float, arrives_at_s: float, seconds: float, goes_at_s: float = 99.0) -> Track:
    """Drives at 5 m/s up to a place (metres past the line), stands there, and may go on."""

    def place(s: float) -> Point:
        past_m = stands_at_m - 5 * max(0.0, arrives_at_s - s) + 5 * max(0.0, s - goes_at_s)
        return Point(150, LINE_Y + 10 * past_m)

    return follow(TUESDAY_24TH, place, seconds)


def red_light(track: Track, signals: Signals, site: Scene | None = None) -> Violation | None:
    return judge(ViolationKind.RED_LIGHT, track, vote(ODD), site or junction(), signals)


def stop_line(track: Track, signals: Signals) -> Violation | None:
    return judge(ViolationKind.STOP_LINE, track, vote(ODD), junction(), signals)


def test_red_light_finding() -> None:
    """The notice can say how long it had been red, and which frames show it before, at and after the line."""
    found = red_light(through(5.0), light((0, GREEN), (2, YELLOW), (3, RED)))
    assert found is not None
    assert found.article.startswith("Pasal 287 ayat (2)")
    facts = dict(found.facts)
    assert facts["red_for"] == "1.96 s"  # at the last frame before the line
    assert facts["signal"] == "S1"
    assert found.margin == pytest.approx(1.96 / 0.5 - 1)
    assert dict(found.frames) == {"before": 124, "at": 125, "after": 135}
    assert found.frame_index == 125


@pytest.mark.parametrize(
    ("red_from_s", "guilty"),
    [
        (3.0, True),
        (4.4, True),
        (4.44, True),  # red for 0.52 s at the last frame before the line
        (4.48, False),  # 0.48 s: within the grace
        (4.9, False),
        (5.0, False),  # a light that turns red as the car crosses
        (5.1, False),
    ],
)
def test_red_light_grace(red_from_s: float, guilty: bool) -> None:
    """Who crosses within half a second of the change is free."""
    found = red_light(through(5.0), light((0, YELLOW), (red_from_s, RED)))
    assert (found is not None) == guilty


@pytest.mark.parametrize(
    ("track", "signals"),
    [
        (through(5.0), light((0, GREEN))),
        (through(5.0), light((0, YELLOW))),
        (through(5.0), light((0, RED), (4.9, GREEN))),
        (through(5.0), light((0, RED), (5.2, GREEN))),  # green before it has left the line behind
        (through(5.0), light((0, RED), until_s=3.5)),  # stale
        (through(5.0), {}),
        (halts(-1.0, 5, 20), light((0, RED))),  # waits before the line
        (halts(2.0, 5, 20), light((0, RED))),  # runs over the line and stands: stop_line
        (halts(2.0, 5, 20, goes_at_s=15), light((0, RED), (14, GREEN))),
        (through(-1.0, seconds=2), light((0, RED))),  # was past the line from the start
        (follow(TUESDAY_24TH, lambda s: Point(150, 480 - 60 * s), 5), light((0, RED))),  # the other way
        (follow(TUESDAY_24TH, lambda s: Point(300, 120 + 60 * s), 5), light((0, RED))),  # another lane
    ],
    ids=[
        "green", "yellow", "turned green", "turns green", "stale", "no light", "waits", "stands", "goes on green",
        "past it", "other way", "other lane",
    ],
)  # fmt: skip
def test_red_light_spares(track: Track, signals: Signals) -> None:
    """Who crosses on green, waits, stops on the line, or is under a light nobody knows is free."""
    assert red_light(track, signals) is None


def test_red_light_spares_lanes_the_light_does_not_govern() -> None:
    """Where left turns may go on red, the turning lane is not named."""
    lane = scene().lanes[0].model_dump() | {"rules": ["stop_line"]}
    other = lane | {"id": "L2", "polygon": [[300, 100], [400, 100], [400, 500]], "rules": ["red_light"]}
    other["direction"] = [[350, 110], [380, 400]]
    lines = [{"id": "stop", "points": [[90, LINE_Y], [450, LINE_Y]]}]
    signals = [junction().signals[0].model_dump() | {"lanes": ["L2", "L1"]}]
    site = junction(lanes=[lane, other], lines=lines, signals=signals)
    assert red_light(through(5.0), light((0, RED)), site) is None


def test_an_occlusion_at_the_line_counts_for_the_driver() -> None:
    """A bus that hides the crossing: red is counted up to the last frame in which the car was before the line."""
    seen = through(5.0)
    points = tuple(p for p in seen.points if not 4.3 < p.mono_ns / 1e9 < 5.0)
    hidden = follow(TUESDAY_24TH, lambda s: Point(150, 0), 0).__class__(1, points, 0, closed=True, broken=False)
    assert red_light(seen, light((0, YELLOW), (4.0, RED))) is not None
    assert red_light(hidden, light((0, YELLOW), (4.0, RED))) is None
    assert red_light(hidden, light((0, YELLOW), (3.5, RED))) is not None


@pytest.mark.parametrize(("green_from_s", "guilty"), [(4.6, False), (30, True)])
def test_who_may_have_crossed_on_green_behind_a_bus_is_free(green_from_s: float, guilty: bool) -> None:
    """Red when it was last seen before the line, green when it is seen again: nobody knows when it crossed."""
    signals = light((0, RED), (green_from_s, GREEN), (green_from_s + 3, YELLOW), (green_from_s + 4, RED))
    seen = halts(2.0, 5, 20)
    hidden = replace(seen, points=tuple(p for p in seen.points if not 4.4 < p.mono_ns / 1e9 < 5.5))
    assert (stop_line(hidden, signals) is not None) == guilty


def test_stop_line_finding() -> None:
    """A car that stands two metres past the line while it is red is found, with the time it stood."""
    found = stop_line(halts(2.0, 5, 20), light((0, YELLOW), (3, RED)))
    assert found is not None
    assert found.article.startswith("Pasal 287 ayat (1)")
    facts = dict(found.facts)
    assert float(facts["stood_on_red"].removesuffix(" s")) == pytest.approx(15, abs=0.2)
    assert facts["past_line"] == "2.0 m"
    assert [name for name, _ in found.frames] == ["before", "at", "after"]


@pytest.mark.parametrize(
    ("track", "signals"),
    [
        (halts(-0.2, 5, 20), light((0, RED))),
        (halts(0.2, 5, 20), light((0, RED))),  # on the line, within its jitter
        (halts(2.0, 5, 20), light((0, GREEN), (8, RED))),  # held up by the traffic ahead
        (halts(2.0, 5, 20), light((0, RED), (6, GREEN))),  # stands on green
        (halts(2.0, 5, 6.7), light((0, RED))),  # for less than two seconds
        (halts(2.0, 5, 20), {}),
        (through(5.0), light((0, RED))),  # red_light, not both
        (halts(2.0, 5, 20, goes_at_s=15), light((0, RED))),  # goes on red: red_light
        (halts(8.0, 5, 20), light((0, RED))),  # stands beyond the junction
    ],
    ids=["before", "on it", "crossed on green", "green", "short", "no light", "through", "goes on red", "beyond"],
)
def test_stop_line_spares(track: Track, signals: Signals) -> None:
    """Who waits before or on the line, is held up past it, or goes on is not accused of standing past it."""
    assert stop_line(track, signals) is None


@pytest.mark.parametrize("shows", [RED, YELLOW, GREEN])
def test_who_was_not_seen_before_the_line_is_named_as_such(shows: LightState) -> None:
    """A car that a bus hid until it stood past the line may have crossed on green: no picture tells."""
    seen = halts(2.0, 5, 20)
    late = replace(seen, points=tuple(p for p in seen.points if p.mono_ns / 1e9 > 5.5))
    found = stop_line(late, light((0, shows), (6, RED)))
    assert (found is None) == (shows is GREEN)
    assert found is None or found.proof is Proof.HIDDEN
    beyond = halts(8.0, 5, 20)
    late = replace(beyond, points=tuple(p for p in beyond.points if p.mono_ns / 1e9 > 5.5))
    assert stop_line(late, light((0, RED))) is None


def test_who_stands_hardly_past_the_line_is_looked_at_by_a_person() -> None:
    """A plate that hangs lower than usual looks nearer, and one well past the line would be lost without a word."""
    found = stop_line(halts(0.2, 5, 30, goes_at_s=25), light((0, RED), (24, GREEN)))
    assert found is not None
    assert found.margin == 0


def test_creeping_over_the_line_and_going_on_red_is_one_case() -> None:
    """One act, one notice: the graver one."""
    track, signals = halts(2.0, 5, 20, goes_at_s=15), light((0, RED))
    assert red_light(track, signals) is not None
    assert stop_line(track, signals) is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ([-2, -1, 1, 2], (1, 2)),
        ([-2, -0.1, 0.1, -0.1, 0.1, 2], (1, 2)),
        ([-2, 0.1, -0.1, 2], (0, 1)),
        ([-2, -1, 2, -1], None),  # rolls back
        ([-2, -1, 2, -1, 2], (3, 4)),
        ([1, 2, 3], None),
        ([-0.3, 0.3, 1], None),  # begins on the line
        ([-2, -1, 0.3], None),  # ends on it
        ([], None),
    ],
)
def test_a_line_is_crossed_once(path: list[float], expected: tuple[int, int] | None) -> None:
    """Jitter on the line is one crossing, and who rolls back has not crossed."""
    assert crossed(path, 0.4) == expected


def test_jitter_never_crosses() -> None:
    """A car that waits on the line for a minute never runs the light."""
    rng = Random(3)
    waiting: Callable[[float], Point] = lambda s: Point(150, min(LINE_Y, 200 + 50 * s) + rng.gauss(0, 1))  # noqa: E731
    assert red_light(follow(TUESDAY_24TH, waiting, 30), light((0, RED))) is None


def test_the_law_of_the_day_counts() -> None:
    """Nobody is accused by a law that was not yet in force."""
    before: datetime = TUESDAY_24TH.replace(year=2009, month=6, day=21)
    track = follow(before, lambda s: Point(150, LINE_Y + 100 * (s - 5)), 7)
    assert red_light(track, light((0, RED))) is None
