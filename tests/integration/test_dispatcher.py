"""The real dispatcher between a real broker and the WhatsApp simulator."""

from __future__ import annotations

import hashlib
import hmac
import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from brokers import Broker, eventually
from dispatcher_world import PASSWORD, PHONE, PICTURES, ROOT, UNIT, event_id, evidence, report, signed, write_config
from paho.mqtt.enums import CallbackAPIVersion

from simulation.postgres import Postgres
from simulation.visitor import Visitor
from simulation.whatsapp.app import create_app
from simulation.whatsapp.registry import load_templates
from simulation.whatsapp.server import running
from simulation.whatsapp.settings import Settings
from wire.codec import decode
from wire.messages import Ack, AckResult, EvidenceRole
from wire.topics import Down, Up, down, up


def ask(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


class Unit:
    """A unit at the broker: says things and collects the answers."""

    def __init__(self, port: int) -> None:
        self.acks: list[Ack] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=UNIT)
        self._client.on_message = lambda _client, _data, message: self.acks.append(decode(Ack, bytes(message.payload)))
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe(down(UNIT, Down.ACK), qos=1)

    def say(self, kind: Up, payload: bytes) -> None:
        self._client.publish(up(UNIT, kind), payload, qos=1)

    def answered(self, number: int) -> Callable[[], bool]:
        return lambda: len(self.acks) >= number

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Dispatcher:
    """`cakra-dispatcher run` as a process that can be killed and started again."""

    def __init__(self, folder: Path, port: int, broker_port: int, whatsapp_url: str, **settings: Any) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._folder = folder
        self._config = write_config(
            folder,
            web={"port": port},
            mqtt={"port": broker_port},
            whatsapp={"base_url": whatsapp_url},
            **settings,
        )
        self.command("migrate")
        self.command("owners", "import", str(folder / "owners.csv"))
        self.command("users", "add", "ana", "--role", "operator", "--password-stdin", stdin=PASSWORD)
        self._visitor = Visitor(self.url, "ana", PASSWORD)
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str, stdin: str = "") -> str:
        verbs = [word for word in arguments if not word.startswith("/")]
        rest = [word for word in arguments if word.startswith("/")]
        call = [sys.executable, "-m", "dispatcher.cli", *verbs, "--config", str(self._config), *rest]
        return subprocess.run(call, input=stdin, capture_output=True, text=True, check=True).stdout

    def start(self) -> None:
        with (self._folder / "dispatcher.log").open("ab") as log:
            call = [sys.executable, "-m", "dispatcher.cli", "run", "--config", str(self._config)]
            self.process = subprocess.Popen(call, stdout=log, stderr=log)
        eventually(self.is_connected, f"dispatcher up; it says {(self._folder / 'dispatcher.log').read_text()}")

    def is_connected(self) -> bool:
        try:
            return bool(ask(f"{self.url}/health")["mqtt"]["connected"])
        except urllib.error.URLError:
            return False

    def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout=30)

    def cases(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._visitor.get_json("/api/cases.json")
        return found

    def is_in(self, state: str) -> Callable[[], bool]:
        return lambda: [case["state"] for case in self.cases()] == [state]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def simulator() -> Iterator[tuple[str, int]]:
    """The simulator's address, and the port on which it looks for the dispatcher."""
    port = free_port()
    settings = Settings(
        templates=load_templates(ROOT / "config" / "templates"),
        webhook_url=f"http://127.0.0.1:{port}/webhook",
        status_gap_s=0.0,
    )
    with running(create_app(settings)) as url:
        yield url, port


@pytest.fixture
def make_dispatcher(tmp_path: Path, simulator: tuple[str, int]) -> Iterator[Callable[..., Dispatcher]]:
    url, port = simulator
    made: list[Dispatcher] = []

    def make(broker: Broker, **settings: Any) -> Dispatcher:
        made.append(Dispatcher(tmp_path, port, broker.port, url, **settings))
        return made[-1]

    yield make
    for dispatcher in made:
        if dispatcher.process is not None and dispatcher.process.poll() is None:
            dispatcher.end(signal.SIGKILL)


@pytest.fixture
def make_unit() -> Iterator[Callable[[Broker], Unit]]:
    made: list[Unit] = []

    def make(broker: Broker) -> Unit:
        made.append(Unit(broker.port))
        return made[-1]

    yield make
    for unit in made:
        unit.close()


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_log_and_no_metric_names_an_owner(
    form: str,
    mosquitto: Broker,
    simulator: tuple[str, int],
    make_dispatcher: Callable[..., Dispatcher],
    make_unit: Callable[[Broker], Unit],
    tmp_path: Path,
) -> None:
    """Logs and metrics are copied to machines that nobody erases anything from."""
    dispatcher = make_dispatcher(mosquitto, log=form)
    dispatcher.start()
    unit = make_unit(mosquitto)
    unit.say(Up.VIOLATION, b'{"plate": "B1234XYZ"}')
    unit.say(Up.VIOLATION, signed(report(at=datetime.now(UTC) - timedelta(seconds=5))))
    for role in PICTURES:
        unit.say(Up.EVIDENCE, evidence(role))
    eventually(dispatcher.is_in("delivered"), "delivered")
    signature = hmac.new(b"sim-app-secret", PHONE.encode(), hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={signature}"}
    urllib.request.urlopen(urllib.request.Request(f"{dispatcher.url}/webhook", PHONE.encode(), headers), timeout=10)
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{dispatcher.url}/k", b"reference=ABCD&plate=B+1234+XYZ", timeout=10)
    (message,) = ask(f"{simulator[0]}/sim/messages")
    ask(f"{simulator[0]}/sim/reply", {"message": message["id"], "answer": "own"})
    eventually(dispatcher.is_in("confirmed"), "the owner's answer arrives")
    with urllib.request.urlopen(f"{dispatcher.url}/metrics", timeout=10) as answer:
        metrics = answer.read().decode()
    dispatcher.end(signal.SIGTERM)
    log = (tmp_path / "dispatcher.log").read_text()

    assert 'cakra_cases{state="confirmed"} 1.0' in metrics
    assert ('"event": "case moved"' if form == "json" else "INFO case moved") in log
    assert "a message is refused" in log
    personal = ("B1234XYZ", "B 1234 XYZ", PHONE, "81234567890", "3456-7890", "Budi", "Santoso", "3171000000000001")
    assert [word for word in personal if word in log or word in metrics] == []


def test_a_violation_becomes_one_message_and_an_answer(
    broker: Broker,
    simulator: tuple[str, int],
    make_dispatcher: Callable[[Broker], Dispatcher],
    make_unit: Callable[[Broker], Unit],
) -> None:
    """Without this, nothing that happens at a road ever reaches an owner, and no answer comes back."""
    whatsapp, _ = simulator
    dispatcher = make_dispatcher(broker)
    dispatcher.start()
    unit = make_unit(broker)
    unit.say(Up.EVIDENCE, evidence(EvidenceRole.PLATE))
    unit.say(Up.VIOLATION, signed(report(at=datetime.now(UTC) - timedelta(seconds=5))))
    for role in (EvidenceRole.CONTEXT, EvidenceRole.VEILED):
        unit.say(Up.EVIDENCE, evidence(role))
    eventually(unit.answered(4), "the unit gets its acks")
    assert {ack.result for ack in unit.acks} == {AckResult.STORED}
    eventually(dispatcher.is_in("delivered"), f"delivered; now {dispatcher.cases()}")

    (message,) = ask(f"{whatsapp}/sim/messages")
    assert PHONE in json.dumps(message)
    with urllib.request.urlopen(f"{whatsapp}/phone/pictures/{message['media_id']}", timeout=10) as picture:
        assert picture.read() == PICTURES[EvidenceRole.VEILED]
    ask(f"{whatsapp}/sim/reply", {"message": message["id"], "answer": "own"})
    eventually(dispatcher.is_in("confirmed"), "the owner's answer arrives")
    (case,) = dispatcher.cases()
    assert case["event_id"] == str(event_id())
    assert 0 < case["seconds_to_message"] < 60
    assert dispatcher.end(signal.SIGTERM) == 0


def test_a_killed_dispatcher_forgets_and_doubles_nothing(
    mosquitto: Broker,
    database: str,
    simulator: tuple[str, int],
    make_dispatcher: Callable[..., Dispatcher],
    make_unit: Callable[[Broker], Unit],
) -> None:
    """A power cut must not lose a violation, nor send an owner the same notice twice; on either database."""
    whatsapp, _ = simulator
    dispatcher = make_dispatcher(mosquitto, database=database)
    dispatcher.start()
    unit = make_unit(mosquitto)
    body = signed(report(at=datetime.now(UTC) - timedelta(seconds=5)))
    unit.say(Up.VIOLATION, body)
    eventually(unit.answered(1), "the report is stored")
    dispatcher.end(signal.SIGKILL)
    for role in PICTURES:  # the broker keeps them for the dispatcher's session
        unit.say(Up.EVIDENCE, evidence(role))
    dispatcher.start()
    eventually(dispatcher.is_in("delivered"), "delivered after the restart")
    dispatcher.end(signal.SIGKILL)
    dispatcher.start()
    # What a killed dispatcher had not confirmed to the broker comes again and is answered again.
    before = len(unit.acks)
    unit.say(Up.VIOLATION, body)
    eventually(unit.answered(before + 1), "the report said again is answered")
    assert unit.acks[-1].result is AckResult.DUPLICATE
    assert dispatcher.is_in("delivered")()
    assert len(ask(f"{whatsapp}/sim/messages")) == 1


def test_a_database_that_breaks_is_waited_for(
    mosquitto: Broker,
    mortal_server: Postgres,
    simulator: tuple[str, int],
    tmp_path: Path,
    make_dispatcher: Callable[..., Dispatcher],
    make_unit: Callable[[Broker], Unit],
) -> None:
    """An update of the server must cost neither a restart nor a violation, and must not flood the log."""
    whatsapp, _ = simulator
    log = tmp_path / "dispatcher.log"
    dispatcher = make_dispatcher(mosquitto, database=mortal_server.create())
    dispatcher.start()
    unit = make_unit(mosquitto)
    mortal_server.kill()
    unit.say(Up.VIOLATION, signed(report(at=datetime.now(UTC) - timedelta(seconds=5))))
    for role in PICTURES:
        unit.say(Up.EVIDENCE, evidence(role))
    eventually(lambda: log.read_text().count("part=intake") == 1, "the intake waits")
    eventually(lambda: log.read_text().count("part=worker") == 2, "both workers wait")
    assert unit.acks == []
    mortal_server.start()
    eventually(unit.answered(1 + len(PICTURES)), "the unit gets its acks")
    assert {ack.result for ack in unit.acks} == {AckResult.STORED}
    eventually(dispatcher.is_in("delivered"), "delivered")
    assert len(ask(f"{whatsapp}/sim/messages")) == 1
    assert dispatcher.process is not None
    assert dispatcher.process.poll() is None
    assert log.read_text().count(" ERROR ") == 3, "once by the intake, once by each worker"
