"""The shipped broker configuration, in a real mosquitto, with the certificates that its page makes."""

from __future__ import annotations

import re
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

import paho.mqtt.client as paho
import pytest
from brokers import Broker, eventually
from console_world import World
from dispatcher_world import ROOT, UNIT, evidence, report, signed
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from agent.evidence import EvidenceStore
from agent.outbox import Outbox
from agent.uplink import Uplink, UplinkSettings
from wire.codec import decode
from wire.messages import Ack, AckResult, EvidenceRole
from wire.topics import Down, Up, down, up

SHIPPED = ROOT / "config" / "mosquitto"
PAGE = ROOT / "docs" / "reference" / "broker.md"
INTRUDER = "unit-02"
TAKEN = ("Success", "No matching subscribers")
"""What the broker says of a message it takes."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the page's own commands have made all certificates, and one of another authority."""
    folder = tmp_path_factory.mktemp("authority")
    commands = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)[0].replace("broker.example.id", "localhost")
    commands += f"issue {INTRUDER} 1 clientAuth\nissue dispatcher-2 1 clientAuth\n"
    foreign = folder / "foreign"
    foreign.mkdir()
    for place in (folder, foreign):
        subprocess.run(["sh", "-euc", commands], cwd=place, check=True, capture_output=True)
    return folder


@pytest.fixture
def broker(make_mosquitto: Callable[[str], Broker], authority: Path, tmp_path: Path) -> Broker:
    """mosquitto with the shipped files: only the places and the port are the test's."""
    place = tmp_path / "cakra"
    place.mkdir()
    for name, source in (("ca.crt", "ca.crt"), ("server.crt", "localhost.crt"), ("server.key", "localhost.key")):
        (place / name).write_bytes((authority / source).read_bytes())
    (place / "acl").write_bytes((SHIPPED / "acl").read_bytes())
    settings = (SHIPPED / "mosquitto.conf").read_text().replace("/etc/mosquitto/cakra", str(place))
    return make_mosquitto(
        settings.replace("listener 8883", "listener {port} 127.0.0.1").replace("/var/lib/mosquitto", str(tmp_path))
    )


class Client:
    """Somebody at the broker with a certificate."""

    def __init__(self, broker: Broker, folder: Path, name: str, client_id: str = "") -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.codes: list[str] = []
        self.dropped = 0
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id or name, protocol=MQTTProtocolVersion.MQTTv5
        )
        context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
        context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
        self._client.tls_set_context(context)
        self._client.on_message = lambda _client, _data, said: self.heard.append((said.topic, said.payload))
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = lambda _client, _data, _mid, code, _props: self.codes.append(str(code))
        self._client.connect("localhost", broker.port)
        self._client.loop_start()
        eventually(self._client.is_connected, f"{name} is connected")

    def _on_disconnect(self, *_: object) -> None:
        self.dropped += 1

    def listen(self, topic: str) -> None:
        self._client.subscribe(topic, qos=1)

    def say(self, topic: str, payload: bytes) -> str:
        """Publish, and what the broker says to that."""
        before = len(self.codes)
        self._client.publish(topic, payload, qos=1)
        eventually(lambda: len(self.codes) > before, "the broker answers")
        return self.codes[-1]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def handshake(broker: Broker, ca: Path, pair: Path | None) -> None:
    """Speak TLS with the broker, and wait for its answer to a CONNECT. Raises OSError."""
    context = ssl.create_default_context(cafile=str(ca))
    if pair is not None:
        context.load_cert_chain(f"{pair}.crt", f"{pair}.key")
    with (
        socket.create_connection(("localhost", broker.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as sealed,
    ):
        sealed.sendall(bytes.fromhex("100c00044d5154540402003c0000"))  # MQTT 3.1.1, no client id
        if not sealed.recv(4):
            raise ConnectionError("hung up")


@pytest.fixture
def connect(broker: Broker, authority: Path) -> Iterator[Callable[..., Client]]:
    made: list[Client] = []

    def make(name: str, folder: Path = authority, **options: str) -> Client:
        made.append(Client(broker, folder, name, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def dispatcher(tmp_path: Path, broker: Broker, authority: Path) -> Iterator[World]:
    """A dispatcher of a group, as the page configures it."""
    tls = {name: str(authority / file) for name, file in (("ca", "ca.crt"), ("cert", "dispatcher-1.crt"))}
    tls["key"] = str(authority / "dispatcher-1.key")
    place = {"host": "localhost", "port": broker.port, "client_id": "dispatcher-1", "share": "dispatch", "tls": tls}
    world, stop = World(tmp_path, mqtt=place), Event()
    serving = Thread(target=world.dispatcher.mqtt.run, args=(stop,))
    serving.start()
    eventually(lambda: world.dispatcher.mqtt.connected, "the dispatcher is connected")
    yield world
    stop.set()
    serving.join()
    world.close()


class Own:
    """A folder with a certificate, at first one that the broker refuses."""

    def __init__(self, folder: Path, authority: Path, name: str) -> None:
        self._folder, self._authority, self._name = folder, authority, name
        folder.mkdir()
        self._put(authority / "foreign")
        self.tls = {"ca": str(authority / "ca.crt"), "cert": str(folder / "own.crt"), "key": str(folder / "own.key")}

    def renew(self) -> None:
        self._put(self._authority)

    def _put(self, source: Path) -> None:
        for suffix in ("key", "crt"):
            (self._folder / f"own.{suffix}").write_bytes((source / f"{self._name}.{suffix}").read_bytes())


def test_a_dispatchers_renewed_certificate_needs_no_restart(
    tmp_path: Path, broker: Broker, authority: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A dispatcher that has to be started again for it is one that somebody forgets to start again."""
    own = Own(tmp_path / "own", authority, "dispatcher-1")
    place = {"host": "localhost", "port": broker.port, "client_id": "dispatcher-1", "tls": own.tls}
    world, stop = World(tmp_path, mqtt=place), Event()
    serving = Thread(target=world.dispatcher.mqtt.run, args=(stop,))
    serving.start()
    eventually(lambda: "broker" in caplog.text, "the broker has refused the old certificate")
    assert not world.dispatcher.mqtt.connected
    own.renew()
    eventually(lambda: world.dispatcher.mqtt.connected, "the renewed certificate is taken")
    stop.set()
    serving.join()
    world.close()


def test_a_units_renewed_certificate_needs_no_restart(tmp_path: Path, broker: Broker, authority: Path) -> None:
    """Nobody logs in to a thousand units to start them again."""
    own, stop = Own(tmp_path / "own", authority, UNIT), Event()
    settings = UplinkSettings.model_validate({"host": "localhost", "port": broker.port, "tls": own.tls})
    carried: list[Uplink] = []

    def carry() -> None:
        with Outbox(tmp_path / "outbox.sqlite") as outbox:
            kept = EvidenceStore(tmp_path / "evidence")
            carried.append(Uplink(settings, UNIT, outbox, kept, reconnect_first_s=0.05))
            carried[0].run(stop)

    def counted() -> set[str]:
        return {name for uplink in carried for name in list(uplink.counters)}

    serving = Thread(target=carry)
    serving.start()
    eventually(lambda: any(name.startswith("ended.") for name in counted()), "the broker has refused")
    assert "connections" not in counted()
    own.renew()
    eventually(lambda: "connections" in counted(), "the renewed certificate is taken")
    stop.set()
    serving.join()


def acks(client: Client) -> list[tuple[str, AckResult]]:
    return [(topic, decode(Ack, payload).result) for topic, payload in client.heard]


def test_a_unit_speaks_and_listens_under_its_own_name_alone(dispatcher: World, connect: Callable[..., Client]) -> None:
    """One stolen unit must not report, answer or listen for the other thousand."""
    unit, intruder = connect(UNIT), connect(INTRUDER)
    unit.listen(down(UNIT, Down.ACK))
    for topic in (down(UNIT, Down.ACK), "etle/v1/#"):
        intruder.listen(topic)
    said = signed(report(at=datetime.now(UTC)))
    assert intruder.say(up(UNIT, Up.VIOLATION), said) == "Not authorized"
    assert intruder.say(down(UNIT, Down.ACK), b"{}") == "Not authorized"
    assert dispatcher.cases() == []
    assert unit.say(up(UNIT, Up.VIOLATION), said) == "Success"
    assert unit.say(up(UNIT, Up.EVIDENCE), evidence(EvidenceRole.PLATE)) == "Success"
    eventually(lambda: len(unit.heard) == 2, "the unit's own messages are acknowledged")
    assert acks(unit) == [(down(UNIT, Down.ACK), AckResult.STORED)] * 2
    assert intruder.say(up(INTRUDER, Up.VIOLATION), said) == "Success"
    eventually(lambda: len(intruder.heard) > 0, "the intruder is answered")
    assert acks(intruder) == [(down(INTRUDER, Down.ACK), AckResult.REJECTED)]


def test_a_client_id_is_the_certificates_whatever_a_client_says(connect: Callable[..., Client]) -> None:
    """Who could take another's client id would throw it off the broker again and again."""
    unit = connect(UNIT)
    other = connect(INTRUDER, client_id=UNIT)
    assert other.say(up(INTRUDER, Up.STATUS), b"x") in TAKEN
    assert unit.say(up(UNIT, Up.STATUS), b"x") in TAKEN
    assert (unit.dropped, other.dropped) == (0, 0)


def test_a_stranger_does_not_get_in(broker: Broker, authority: Path) -> None:
    """The broker's port is open to the world's mobile networks."""
    with pytest.raises((ssl.SSLError, OSError)):
        handshake(broker, authority / "ca.crt", None)
    with pytest.raises((ssl.SSLError, OSError)):
        handshake(broker, authority / "ca.crt", authority / "foreign" / UNIT)
    handshake(broker, authority / "ca.crt", authority / UNIT)


def test_a_stolen_unit_is_kept_out_by_a_line_in_the_list(
    broker: Broker, connect: Callable[..., Client], tmp_path: Path
) -> None:
    """Its certificate is good for years; the page's two lines must end it at once."""
    block = re.findall(r"```\n(user .*?)```", PAGE.read_text(), re.DOTALL)[0].replace("unit-07", UNIT)
    unit = connect(UNIT)
    assert unit.say(up(UNIT, Up.STATUS), b"x") in TAKEN
    with (tmp_path / "cakra" / "acl").open("a") as acl:
        acl.write("\n" + block)
    broker.send(signal.SIGHUP)
    eventually(lambda: unit.say(up(UNIT, Up.STATUS), b"x") == "Not authorized", "the list is read again")


def test_a_reload_shows_the_brokers_renewed_certificate(broker: Broker, authority: Path, tmp_path: Path) -> None:
    """Whoever had to stop the broker for it would wait for a night, and the certificate would end before."""
    new, place = authority / "foreign", tmp_path / "cakra"
    address, renewed = ("127.0.0.1", broker.port), (new / "localhost.crt").read_text().strip()
    assert ssl.get_server_certificate(address).strip() != renewed
    for suffix in ("key", "crt"):
        (place / f"server.{suffix}").write_bytes((new / f"localhost.{suffix}").read_bytes())
    broker.send(signal.SIGHUP)
    eventually(lambda: ssl.get_server_certificate(address).strip() == renewed, "the certificate is read again")
