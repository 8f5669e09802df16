"""Traffic lights: what they showed when, and that what is not known accuses nobody."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from agent.errors import ConfigError
from agent.lamps import LampsInPicture, Level, classify
from agent.lights import GpioLights, MqttLights, decode, open_gpio, open_lights
from agent.markings import GpioLamps, SignalHead
from agent.signal import LightHistory, with_samples
from agent.types import Frame, Image, LightSample, LightState

AT = datetime(2026, 11, 23, 0, 30, tzinfo=UTC)
RED, YELLOW, GREEN, UNKNOWN = LightState.RED, LightState.YELLOW, LightState.GREEN, LightState.UNKNOWN


def ns(seconds: float) -> int:
    return round(seconds * 1e9)


def history(*sights: tuple[float, LightState], fresh_s: float = 1.0) -> LightHistory:
    light = LightHistory(fresh_s)
    for seconds, state in sights:
        light = light.seen(state, ns(seconds))
    return light


def every(begin_s: float, end_s: float, state: LightState, step_s: float = 0.1) -> list[tuple[float, LightState]]:
    return [(begin_s + n * step_s, state) for n in range(round((end_s - begin_s) / step_s))]


def test_red_is_counted_from_its_first_sight() -> None:
    """A driver is told for how long it had been red, never longer than the camera saw it."""
    light = history(*every(0, 5, GREEN), *every(5, 10, RED))
    assert light.red_for_s(ns(7)) == pytest.approx(2)
    assert light.red_for_s(ns(4)) is None
    assert light.red_within_s(ns(3), ns(8)) == pytest.approx(3)


def test_between_two_colours_nobody_knows() -> None:
    """Who crosses between the last red and the first green is not accused."""
    light = history((0, RED), (0.5, RED), (1.0, GREEN))
    assert light.red_for_s(ns(0.5)) == pytest.approx(0.5)
    assert light.at(ns(0.7)) is None
    assert light.at(ns(-1)) is None


def test_a_stale_light_is_unknown() -> None:
    """When the camera or the controller falls silent, the last word holds for a second and no longer."""
    light = history(*every(0, 5, RED))
    assert light.red_for_s(ns(5.8)) == pytest.approx(5.8)
    assert light.red_for_s(ns(6.0)) is None


def test_red_after_a_long_silence_counts_anew() -> None:
    """It may have been green meanwhile."""
    light = history((0, RED), (1.5, RED), (1.6, RED))
    assert light.red_for_s(ns(1.6)) == pytest.approx(0.1)
    assert light.at(ns(0.9)) is None


def test_a_bus_before_the_lamps_does_not_end_red() -> None:
    """For as long as the light stays fresh, a sight that tells nothing changes nothing."""
    light = history((0, RED), (0.3, UNKNOWN), (0.9, RED))
    assert light.red_for_s(ns(0.9)) == pytest.approx(0.9)


def test_late_messages_change_nothing() -> None:
    """A message that was overtaken does not rewrite what came after it."""
    assert history((1, RED), (0.5, GREEN)) == history((1, RED))


def test_histories_are_bounded() -> None:
    """A unit that runs for a year keeps some minutes of its lights."""
    light = history(*((n, (RED, GREEN)[n % 2]) for n in range(1000)))
    assert len(light.spells) == 64


def test_samples_go_to_their_lights() -> None:
    """Two lights at one junction are not mixed up, and a third is passed over."""
    signals = {"a": LightHistory(1.0), "b": LightHistory(1.0)}
    told = with_samples(signals, [LightSample("a", RED, 1), LightSample("b", GREEN, 1), LightSample("c", RED, 1)])
    assert [told[name].spells[0].state for name in ("a", "b")] == [RED, GREEN]
    assert not signals["a"].spells


# --- Lamps in the picture -----------------------------------------------------------------------------------------

COLOURS = {RED: (60, 70, 255), YELLOW: (50, 190, 255), GREEN: (190, 255, 70)}
"""LED lamps as a camera sees them, BGR."""
PLACES = {RED: 20, YELLOW: 50, GREEN: 80}


def _box(y: int, half: int = 12) -> list[tuple[int, int]]:
    return [(30 - half, y - half), (30 + half, y - half), (30 + half, y + half), (30 - half, y + half)]


SIGNAL = SignalHead.model_validate(
    {
        "id": "S1",
        "stop_line": "stop",
        "lanes": ["L1"],
        "lamps": {state.value: _box(y) for state, y in PLACES.items()},
    }
)


def head(lit: Sequence[LightState], *, dark: int = 40, glare: int = 0, overexposed: bool = False) -> Image:
    """A light's housing with its lamps; `dark` is the grey of unlit glass, `glare` is added everywhere."""
    image = np.full((100, 60, 3), 15 + glare, np.int64)
    rows, columns = np.mgrid[:100, :60]
    for state, y in PLACES.items():
        distance = np.hypot(rows - y, columns - 30)
        tint = np.array(COLOURS[state])
        image[distance < 9] = tint if state in lit else dark + tint // 12
        if state in lit and overexposed:
            image[(distance >= 9) & (distance < 12)] = tint // 2
            image[distance < 8] = 255
    return np.clip(image, 0, 255).astype(np.uint8)


def look(image: Image) -> LightState:
    frame = Frame(image, 0, AT, 0)
    (sample,) = LampsInPicture([SIGNAL]).look(frame)
    assert (sample.signal_id, sample.mono_ns) == ("S1", 0)
    return sample.state


@pytest.mark.parametrize("state", PLACES)
@pytest.mark.parametrize(
    "seen", [{}, {"dark": 110}, {"glare": 60}, {"dark": 5}, {"dark": 5, "overexposed": True}], ids=str
)
def test_one_lit_lamp_is_read(state: LightState, seen: dict[str, int]) -> None:
    """Red is red at noon with the sun on the glass, at dusk, and at night when the lamp burns out the picture."""
    assert look(head([state], **seen)) is state  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "image",
    [
        head([]),  # broken, or between two colours
        head([], dark=160),  # the sun on all the glass
        head([RED, GREEN]),
        head([RED, YELLOW]),
        np.zeros((100, 60, 3), np.uint8),
        np.full((100, 60, 3), 255, np.uint8),  # blinded
        np.full((100, 60, 3), (40, 50, 210), np.uint8),  # a red bus stands before it
    ],
    ids=["dark", "sun", "two", "red-yellow", "night", "white", "bus"],
)
def test_what_is_not_one_lit_lamp_is_unknown(image: Image) -> None:
    """A broken, blinded or hidden light accuses nobody."""
    assert look(image) is UNKNOWN


def test_white_glare_on_a_lamp_is_no_light() -> None:
    """A reflex of the sky is bright, but it has no colour."""
    assert classify({RED: Level(0.9, 0.02), GREEN: Level(0.2, 0.3)}) is UNKNOWN


# --- GPIO and MQTT ------------------------------------------------------------------------------------------------


def test_gpio_lines_tell_the_state() -> None:
    """One lamp's line is on: that is the state. None or two, or a chip that is gone: unknown."""
    frame = Frame(np.zeros((1, 1, 3), np.uint8), 0, AT, 5)

    def gone() -> Sequence[LightState]:
        raise OSError(19, "No such device")

    said = [GpioLights("S1", lit, lambda: 7).look(frame)[0] for lit in (lambda: [RED], lambda: [RED, GREEN], gone)]
    assert [sample.state for sample in said] == [RED, UNKNOWN, UNKNOWN]
    assert said[0].mono_ns == 7


def test_gpio_without_its_package_or_chip_is_refused_at_the_start() -> None:
    """A technician who forgot the package learns it when the unit starts, not from missing cases."""
    with pytest.raises(ConfigError, match="signals: gpio"):
        open_gpio(GpioLamps(chip="/dev/nonexistent", red=1, green=2))


def message(state: str, at: datetime) -> bytes:
    return json.dumps({"state": state, "at": at.isoformat(), "program": 3}).encode()


def test_messages_count_from_when_they_were_true() -> None:
    """A message that took half a second on the way does not make red half a second younger."""
    sent = AT - timedelta(seconds=0.5)
    assert decode(message("red", sent), AT, ns(100)) == (RED, ns(99.5))
    assert decode(message("green", AT + timedelta(seconds=0.2)), AT, ns(100)) == (GREEN, ns(100))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"red",
        b"[]",
        b"\xff",
        b'{"state": "red"}',
        b'{"state": "blue", "at": "2026-11-23T00:30:00Z"}',
        b'{"state": "red", "at": "2026-11-23T00:30:00"}',
        b'{"state": "red", "at": "2026-11-23T00:30:02Z"}',
    ],
)
def test_messages_that_say_nothing_are_dropped(payload: bytes) -> None:
    """Garbage, a moment without zone, or one from the future by another clock: no state."""
    assert decode(payload, AT, 0) is None


def test_recorded_footage_has_only_its_picture() -> None:
    """A replay at a desk asks no controller."""
    frame = Frame(head([RED]), 0, AT, 0)
    by_mqtt = SIGNAL.model_copy(update={"id": "S2", "lamps": None, "mqtt_topic": "junction/2"})
    assert [sample.signal_id for sample in open_lights([SIGNAL, by_mqtt], None).look(frame)] == ["S1"]


def test_a_controllers_messages_reach_their_light() -> None:
    """What the junction publishes is that light's state at the next frame, once."""
    lights = MqttLights({"junction/2": "S2"})
    lights.hear("junction/2", message("red", AT), AT, 50)
    lights.hear("junction/2", b"?", AT, 60)
    lights.hear("junction/3", message("red", AT), AT, 70)
    frame = Frame(head([]), 0, AT, 0)
    assert lights.look(frame) == (LightSample("S2", RED, 50),)
    assert lights.look(frame) == ()
