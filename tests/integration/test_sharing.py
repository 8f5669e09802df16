"""Dispatchers that divide the units' messages among themselves at a real broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from threading import Event, Thread

import paho.mqtt.client as paho
import pytest
from brokers import Broker, eventually
from dispatcher_world import NOW, UNIT
from paho.mqtt.enums import CallbackAPIVersion

from dispatcher.intake import Incoming
from dispatcher.mqtt import MqttService
from dispatcher.settings import MqttSettings
from wire.messages import Ack
from wire.topics import Up, up


class Member:
    """One dispatcher of a group, which notes what it is given."""

    def __init__(self, name: str, port: int) -> None:
        self.taken: list[bytes] = []
        self._stop = Event()
        settings = MqttSettings(port=port, client_id=name, share="dispatch", protocol="5")
        self.service = MqttService(settings, self, lambda: NOW, lambda: None)  # type: ignore[arg-type]
        self._thread = Thread(target=self.service.run, args=(self._stop,))
        self._thread.start()

    def take_all(self, messages: Sequence[Incoming], now: datetime) -> Sequence[Ack | None]:
        self.taken.extend(message.payload for message in messages)
        return [None for _ in messages]

    def is_connected(self) -> bool:
        return self.service.connected

    def end(self) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def member(mosquitto: Broker) -> Iterator[Callable[[str], Member]]:
    made: list[Member] = []

    def make(name: str) -> Member:
        made.append(Member(name, mosquitto.port))
        eventually(made[-1].is_connected, f"{name} at the broker")
        return made[-1]

    yield make
    for one in made:
        one.end()


def test_a_group_divides_the_load_and_leaves_nothing_with_one_that_is_gone(
    mosquitto: Broker, member: Callable[[str], Member]
) -> None:
    """Messages kept for a dispatcher that is switched off would wait for its return, and their cases with them."""
    one, two = member("one"), member("two")
    unit = paho.Client(CallbackAPIVersion.VERSION2, client_id=UNIT)
    unit.connect("127.0.0.1", mosquitto.port)
    unit.loop_start()

    def say(number: int) -> None:
        unit.publish(up(UNIT, Up.STATUS), str(number).encode(), qos=1).wait_for_publish(10)

    for number in range(20):
        say(number)
    eventually(lambda: len(one.taken) + len(two.taken) == 20, "all messages taken")
    assert one.taken
    assert two.taken
    assert not set(one.taken) & set(two.taken)
    one.end()
    before = len(two.taken)
    for number in range(20, 30):
        say(number)
    eventually(lambda: len(two.taken) == before + 10, "the one that is left takes them all")
    unit.disconnect()
    unit.loop_stop()
