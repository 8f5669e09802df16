"""Real brokers on loopback, each a process that a test may kill."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simulation.broker import mosquitto as mosquitto_path

DEADLINE_S = 30.0

_ANYONE = """\
listener {port} 127.0.0.1
allow_anonymous true
"""


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Poll until something holds; fails the test when it does not in time."""
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S:.0f} s: {what}"
        time.sleep(0.01)


class Broker:
    """A broker's process on a loopback port of its own."""

    def __init__(self, command: Callable[[int], list[str]], log: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._command = command(self.port)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        eventually(self._listens, f"the broker listens; it says: {self._log.read_text()}")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


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
            path.write_text(settings.format(port=port))
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
