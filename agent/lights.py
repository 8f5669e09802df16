"""Where the state of a site's traffic lights comes from: its picture, GPIO lines of the controller, MQTT.

Nothing here decides: a source hands out samples, `agent.signal` makes histories of them, and a source that falls
silent makes its lights stale, which accuses nobody.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from agent.errors import ConfigError
from agent.lamps import LampsInPicture, lit_alone
from agent.markings import GpioLamps, SignalHead
from agent.signal import NS
from agent.types import Frame, Lights, LightSample, LightState

log = logging.getLogger("cakra.lights")

_EARLY_S = 0.5
"""A message from the future by more than this comes from another clock, and tells nothing."""


_MOST_HEARD = 1000
"""Messages kept between two frames; a controller that floods loses its oldest."""


class LightsBroker(BaseModel):
    """The broker to which a junction's controller publishes; on the unit or in its cabinet, never across a network
    that others can write to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=1883, ge=1, le=65535)


class AllLights:
    """All sources of a site."""

    def __init__(self, sources: Sequence[Lights]) -> None:
        self._sources = tuple(sources)

    def look(self, frame: Frame) -> tuple[LightSample, ...]:
        return tuple(sample for source in self._sources for sample in source.look(frame))


def open_lights(signals: Sequence[SignalHead], broker: LightsBroker | None) -> AllLights:
    """The sources of a site's lights. `broker` None: recorded footage, of which only the picture tells. Raises
    ConfigError."""
    sources: list[Lights] = [LampsInPicture(signals)]
    if broker is not None:
        sources += [GpioLights(signal.id, open_gpio(signal.gpio)) for signal in signals if signal.gpio]
        topics = {signal.mqtt_topic: signal.id for signal in signals if signal.mqtt_topic}
        if topics:
            sources.append(by_mqtt := MqttLights(topics))
            by_mqtt.listen(broker)
    return AllLights(sources)


# --- GPIO ---------------------------------------------------------------------------------------------------------

Lit = Callable[[], Sequence[LightState]]
"""Asks the controller's lines which lamps are on. Raises OSError."""


class GpioLights:
    """A light whose lamps are lines of its controller; read at each frame, stamped when read."""

    def __init__(self, signal_id: str, lit: Lit, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._signal_id = signal_id
        self._lit = lit
        self._clock_ns = clock_ns

    def look(self, frame: Frame) -> tuple[LightSample, ...]:
        try:
            state = lit_alone(self._lit())
        except OSError as error:
            said = {"signal": self._signal_id, "reason": error.strerror}
            log.warning("the lines of a light cannot be read", extra=said)
            state = LightState.UNKNOWN
        return (LightSample(self._signal_id, state, self._clock_ns()),)


def open_gpio(lamps: GpioLamps) -> Lit:
    """Take a controller's lines as inputs. Raises ConfigError."""
    try:
        import gpiod  # only units with a wired controller have it
        from gpiod.line import Direction, Value
    except ImportError:
        raise ConfigError("signals: gpio needs the package `gpiod`; install it, or name another source") from None
    given = {LightState.RED: lamps.red, LightState.YELLOW: lamps.yellow, LightState.GREEN: lamps.green}
    lines = {state: line for state, line in given.items() if line is not None}
    settings = gpiod.LineSettings(direction=Direction.INPUT, active_low=lamps.active_low)
    try:
        request: Any = gpiod.request_lines(lamps.chip, consumer="cakra-agent", config={tuple(lines.values()): settings})
    except (OSError, ValueError) as error:
        raise ConfigError(f"signals: gpio: {lamps.chip}: {error}; check chip, lines and rights") from None

    def lit() -> list[LightState]:
        values = request.get_values(list(lines.values()))
        return [state for state, value in zip(lines, values, strict=True) if value is Value.ACTIVE]

    return lit


# --- MQTT ---------------------------------------------------------------------------------------------------------


class _StateMessage(BaseModel):
    """What a controller publishes."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: LightState
    at: AwareDatetime
    """When it was so, by the controller's clock."""


def decode(payload: bytes, received: datetime, received_ns: int) -> tuple[LightState, int] | None:
    """A message's state and its monotonic moment; None for one that cannot be read or is from the future.

    received, received_ns: when it came, by the wall clock (aware) and the monotonic one.
    """
    try:
        message = _StateMessage.model_validate_json(payload)
        age_s = (received - message.at).total_seconds()
    except (ValidationError, OverflowError):
        return None
    if age_s < -_EARLY_S:
        return None
    return message.state, received_ns - round(max(age_s, 0.0) * NS)


class MqttLights:
    """Lights whose controller publishes their state; paho's own thread listens and reconnects."""

    def __init__(self, topics: Mapping[str, str]) -> None:
        """`topics`: topic -> signal id."""
        self._topics = dict(topics)
        self._heard: deque[LightSample] = deque(maxlen=_MOST_HEARD)
        self._client = paho.Client(CallbackAPIVersion.VERSION2)

    def listen(self, broker: LightsBroker) -> None:
        """Subscribe, now and after each reconnect, in a thread of paho's."""
        self._client.on_connect = lambda _client, _user, _flags, _reason, _properties: self._subscribe()
        self._client.on_message = lambda _client, _user, message: self.hear(
            message.topic, bytes(message.payload), datetime.now(UTC), time.monotonic_ns()
        )
        self._client.connect_async(broker.host, broker.port)
        self._client.loop_start()

    def _subscribe(self) -> None:
        self._client.subscribe([(topic, 1) for topic in self._topics])

    def hear(self, topic: str, payload: bytes, received: datetime, received_ns: int) -> None:
        """Take a message in."""
        said = decode(payload, received, received_ns)
        if said and topic in self._topics:
            self._heard.append(LightSample(self._topics[topic], *said))
        else:
            log.warning("a message says no state of a light", extra={"topic": topic})

    def look(self, frame: Frame) -> tuple[LightSample, ...]:
        """What was heard since the last frame."""
        return tuple(self._heard.popleft() for _ in range(len(self._heard)))
