"""Real brokers on loopback, each a process of its own."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from brokers import Broker

from simulation.broker import mosquitto as mosquitto_path

_ANYONE = """\
listener {port} 127.0.0.1
allow_anonymous true
"""


@pytest.fixture
def make_mosquitto(tmp_path: Path) -> Iterator[Callable[[str], Broker]]:
    """Starts mosquitto with a configuration in which `{port}` is its port."""
    binary = mosquitto_path()
    if binary is None:
        pytest.skip("mosquitto is not installed")
    started: list[Broker] = []

    def make(settings: str = _ANYONE) -> Broker:
        path = tmp_path / f"mosquitto-{len(started)}.conf"

        def command(port: int) -> list[str]:
            # As root it would become another user, who may not read the test's folder.
            path.write_text("user root\n" + settings.format(port=port))
            return [binary, "-c", str(path)]

        broker = Broker(command, tmp_path / "mosquitto.log")
        started.append(broker)
        broker.start()
        return broker

    yield make
    for broker in started:
        broker.kill()


@pytest.fixture
def mosquitto(make_mosquitto: Callable[..., Broker]) -> Broker:
    return make_mosquitto()


@pytest.fixture
def amqtt(tmp_path: Path) -> Iterator[Broker]:
    """The embedded broker of the demo: MQTT 3.1.1 only."""
    if importlib.util.find_spec("amqtt") is None:
        pytest.skip("amqtt is not installed")
    broker = Broker(lambda port: [sys.executable, "-m", "simulation.broker", str(port)], tmp_path / "amqtt.log")
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture(params=["mosquitto", "amqtt"])
def broker(request: pytest.FixtureRequest) -> Broker:
    """Each broker in turn."""
    found: Broker = request.getfixturevalue(request.param)
    return found
