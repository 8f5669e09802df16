"""The uplink against real brokers and a dispatcher that answers as each test wants."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid5

import paho.mqtt.client as paho
import pytest
from brokers import Broker, eventually
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from agent.errors import ConfigError
from agent.evidence import EvidenceStore
from agent.outbox import Outbox
from agent.uplink import Uplink, UplinkSettings
from simulation.certificates import Authority
from wire.canonical import sha256_hex
from wire.codec import decode, decode_evidence, encode
from wire.messages import (
    Ack,
    AckResult,
    EvidenceRef,
    EvidenceRole,
    Plate,
    Provenance,
    SignedReport,
    UnitStatus,
    Verdict,
    ViolationReport,
)
from wire.signing import SigningKey
from wire.topics import Down, Up, all_up, down, parse_up

UNIT = "unit-01"
KEY = SigningKey.generate()
MOMENT = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)


def event(number: int) -> UUID:
    return uuid5(UUID(int=1), str(number))


def signed(number: int, sequence: int, evidence: tuple[EvidenceRef, ...]) -> SignedReport:
    plate = Plate(
        text="B1234XYZ", confidence=0.99, runner_up="", runner_up_confidence=0, support=5, reads=5,
        colour="white_on_black", vehicle_class="passenger", expiry=None,
    )  # fmt: skip
    report = ViolationReport(
        event_id=event(number), unit_id=UNIT, sequence=sequence, site_id="s", lane_id="l", location="Jalan Contoh",
        kind="odd_even", article="Pasal 287", occurred_at=MOMENT, reported_at=MOMENT, verdict=Verdict.ACCEPTED,
        reasons=(), margin=1, facts=(), plate=plate, evidence=evidence,
        provenance=Provenance(software="0", models={}, config="0" * 64, clock_synchronised=True),
    )  # fmt: skip
    return KEY.sign(report)


class Unit:
    """A unit's outbox and evidence, and its uplink as a thread."""

    def __init__(self, folder: Path, port: int) -> None:
        self.path = folder / "outbox.sqlite"
        self.evidence = EvidenceStore(folder / "evidence")
        self.settings = UplinkSettings(host="127.0.0.1", port=port, ack_timeout_s=0.5, status_every_s=0.2)
        self.uplink: Uplink | None = None

    def owe(self, *numbers: int) -> None:
        with Outbox(self.path) as outbox:
            for number in numbers:
                pieces = tuple(self.save(number, b"%d %d" % (number, piece)) for piece in range(3))
                outbox.add(event(number), lambda sequence, _, n=number, p=pieces: signed(n, sequence, p))

    def save(self, number: int, content: bytes) -> EvidenceRef:
        return self.evidence.save(event(number), content, EvidenceRole.CONTEXT, "image/jpeg")

    def files(self) -> list[Path]:
        return [path for folder in self.evidence.bundles() for path in folder.iterdir()]

    def backlog(self) -> int:
        with Outbox(self.path) as outbox:
            return outbox.backlog()

    def dead(self) -> list[dict[str, object]]:
        with Outbox(self.path) as outbox:
            return outbox.dead()

    @property
    def counters(self) -> dict[str, int]:
        return dict(self.uplink.counters) if self.uplink else {}

    @contextmanager
    def sending(self) -> Iterator[None]:
        """The uplink runs inside; it must end within seconds of being told to."""
        stop = threading.Event()
        faults: list[BaseException] = []

        def serve() -> None:
            try:
                with Outbox(self.path) as outbox:
                    self.uplink = Uplink(self.settings, UNIT, outbox, self.evidence, reconnect_first_s=0.05)
                    self.uplink.run(stop)
            except BaseException as error:  # noqa: BLE001 - shown by the assertion below
                faults.append(error)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(timeout=15)
        assert not thread.is_alive()
        assert not faults


Answer = Callable[[Up, UUID, str], AckResult | None]


class Dispatcher:
    """Stores each thing once and answers; `answer` may keep silent or refuse."""

    def __init__(self, port: int, answer: Answer | None = None, reason: str = "") -> None:
        self.answer: Answer = answer or (lambda *_: AckResult.STORED)
        self.retryable = False
        self.names_nobody = False
        self.heard: list[tuple[Up, UUID, str]] = []
        self.statuses: list[UnitStatus] = []
        self._ready = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "dispatcher", protocol=MQTTProtocolVersion.MQTTv311)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(all_up(), qos=1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = lambda _c, _u, message: self._take(message.topic, bytes(message.payload))
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._ready.wait(15)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _take(self, topic: str, payload: bytes) -> None:
        parsed = parse_up(topic)
        assert parsed is not None
        if parsed.kind is Up.STATUS:
            self.statuses.append(decode(UnitStatus, payload))
            return
        if parsed.kind is Up.VIOLATION:
            event_id, sha256 = decode(SignedReport, payload).body.event_id, sha256_hex(payload)
        else:
            header, _ = decode_evidence(payload)
            event_id, sha256 = header.event_id, header.sha256
        self.heard.append((parsed.kind, event_id, sha256))
        result = self.answer(parsed.kind, event_id, sha256)
        if result is not None:
            named = UUID(int=0) if self.names_nobody else event_id
            ack = Ack(event_id=named, sha256=sha256, result=result, retryable=self.retryable, reason="because")
            self._client.publish(down(UNIT, Down.ACK), encode(ack), qos=1)


@pytest.fixture
def dispatcher(broker: Broker) -> Iterator[Dispatcher]:
    found = Dispatcher(broker.port)
    yield found
    found.close()


@pytest.fixture
def with_mosquitto(mosquitto: Broker, tmp_path: Path) -> Iterator[tuple[Unit, Dispatcher]]:
    found = Dispatcher(mosquitto.port)
    yield Unit(tmp_path, mosquitto.port), found
    found.close()


def test_delivers_everything(broker: Broker, dispatcher: Dispatcher, tmp_path: Path) -> None:
    """Without it nothing a unit finds would reach the centre, on a modern broker or on one that knows 3.1.1 only."""
    unit = Unit(tmp_path, broker.port)
    unit.owe(1, 2, 3)
    with unit.sending():
        eventually(lambda: unit.backlog() == 0, "all is acknowledged")
    assert len(dispatcher.heard) == len(set(dispatcher.heard)) == 12
    kinds = [kind for kind, event_id, _ in dispatcher.heard if event_id == event(1)]
    assert kinds == [Up.VIOLATION, Up.EVIDENCE, Up.EVIDENCE, Up.EVIDENCE]


def test_says_that_it_is_there_and_that_it_goes(broker: Broker, dispatcher: Dispatcher, tmp_path: Path) -> None:
    """The console would show a stopped unit as online."""
    unit = Unit(tmp_path, broker.port)
    with Outbox(unit.path) as outbox:
        outbox.set_counters({"outcome.accepted": 4})
    with unit.sending():
        eventually(lambda: any(status.online for status in dispatcher.statuses), "a birth message")
    eventually(lambda: not dispatcher.statuses[-1].online, "a goodbye")
    assert len({status.boot_id for status in dispatcher.statuses}) == 1
    assert dispatcher.statuses[-1].counters["outcome.accepted"] == 4


def test_broker_dies_half_way(with_mosquitto: tuple[Unit, Dispatcher], mosquitto: Broker) -> None:
    """Violations would be lost with a broker that is killed."""
    unit, dispatcher = with_mosquitto
    silent = threading.Event()

    def answer(kind: Up, event_id: UUID, sha256: str) -> AckResult | None:
        if len(dispatcher.heard) == 6:
            silent.set()
        return None if silent.is_set() else AckResult.STORED

    dispatcher.answer = answer
    unit.owe(*range(8))
    with unit.sending():
        assert silent.wait(15)
        mosquitto.kill()
        dispatcher.answer = lambda *_: AckResult.STORED
        eventually(lambda: unit.counters.get("ended.unreachable", 0) > 0, "the uplink notices")
        unit.owe(8)
        mosquitto.start()
        eventually(lambda: unit.backlog() == 0, "all is acknowledged")
    assert len(set(dispatcher.heard)) == 9 * 4


def test_sends_again_when_the_ack_is_lost(with_mosquitto: tuple[Unit, Dispatcher]) -> None:
    """One lost answer would leave a case without its picture for ever."""
    unit, dispatcher = with_mosquitto
    dispatcher.answer = lambda *what: AckResult.DUPLICATE if dispatcher.heard.count(what) > 1 else None
    unit.owe(1)
    with unit.sending():
        eventually(lambda: unit.backlog() == 0, "all is acknowledged")
    assert all(dispatcher.heard.count(what) >= 2 for what in dispatcher.heard)


def test_refused_for_good_is_dead_and_sends_no_pictures(with_mosquitto: tuple[Unit, Dispatcher]) -> None:
    """A refused report would be sent for ever, or vanish without a trace."""
    unit, dispatcher = with_mosquitto
    dispatcher.answer = lambda *_: AckResult.REJECTED
    unit.owe(1)
    with unit.sending():
        eventually(lambda: len(unit.dead()) == 1, "the report is dead")
        assert unit.dead()[0]["reason"] == "because"
        assert unit.backlog() == 0
        dispatcher.answer = lambda *_: AckResult.STORED
        with Outbox(unit.path) as outbox:
            assert outbox.retry_dead() == 1
        eventually(lambda: len(set(dispatcher.heard)) == 4 and unit.backlog() == 0, "the retry delivers it")
    assert unit.dead() == []


def test_evidence_that_is_gone_is_dead_with_its_reason(with_mosquitto: tuple[Unit, Dispatcher]) -> None:
    """One deleted picture would stop the uplink and all that waits behind it."""
    unit, _ = with_mosquitto
    unit.owe(1, 2)
    unit.files()[0].unlink()
    with unit.sending():
        eventually(lambda: unit.backlog() == 0, "the rest is acknowledged")
    assert [each["reason"] for each in unit.dead()] == ["evidence_lost"]


def test_evidence_that_cannot_be_read_for_now_is_tried_again(with_mosquitto: tuple[Unit, Dispatcher]) -> None:
    """A passing read error would bury pictures that are still on the disk."""
    unit, _ = with_mosquitto
    unit.owe(1)
    file = unit.files()[0]
    content = file.read_bytes()
    file.unlink()
    file.mkdir()  # cannot be read, by nobody and by root
    with unit.sending():
        eventually(lambda: unit.counters.get("pending.unreadable", 0) > 0, "it is put off")
        file.rmdir()
        file.write_bytes(content)
        eventually(lambda: unit.backlog() == 0, "all is acknowledged")
    assert unit.dead() == []


def test_a_report_that_the_dispatcher_cannot_read_is_dead(with_mosquitto: tuple[Unit, Dispatcher]) -> None:
    """A newer unit's report would be sent to an older centre for ever."""
    unit, dispatcher = with_mosquitto
    dispatcher.answer = lambda *_: AckResult.REJECTED
    dispatcher.names_nobody = True
    unit.owe(1)
    with unit.sending():
        eventually(lambda: unit.backlog() == 0, "the report is given up")
    assert [each["reason"] for each in unit.dead()] == ["because"]


def test_publish_that_the_broker_refuses_is_counted(make_mosquitto: Callable[[str], Broker], tmp_path: Path) -> None:
    """A wrong access list would look like a slow dispatcher."""
    acl = tmp_path / "acl"
    acl.write_text("topic read etle/v1/unit-01/down/#\ntopic write etle/v1/unit-01/up/status\n")
    acl.chmod(0o700)
    broker = make_mosquitto(f"listener {{port}} 127.0.0.1\nallow_anonymous true\nacl_file {acl}\n")
    unit = Unit(tmp_path, broker.port)
    unit.owe(1)
    with unit.sending():
        eventually(lambda: unit.counters.get("pending.broker:not_authorized", 0) > 0, "the refusal is counted")
    assert unit.backlog() == 1


def test_oversize_for_this_broker_is_dead_before_it_is_sent(
    make_mosquitto: Callable[[str], Broker], tmp_path: Path
) -> None:
    """One message above the broker's limit would end each connection, for ever, and all behind it would wait."""
    broker = make_mosquitto("listener {port} 127.0.0.1\nallow_anonymous true\nmax_packet_size 8000\n")
    dispatcher = Dispatcher(broker.port)
    unit = Unit(tmp_path, broker.port)
    large = unit.save(1, b"x" * 20_000)
    with Outbox(unit.path) as outbox:
        outbox.add(event(1), lambda sequence, _: signed(1, sequence, (large,)))
    unit.owe(2)
    with unit.sending():
        eventually(lambda: unit.backlog() == 0, "the rest is acknowledged")
    dispatcher.close()
    assert [str(each["reason"]).partition(":")[0] for each in unit.dead()] == ["oversize"]
    assert unit.counters["connections"] == 1


def test_wrong_password_is_tried_again_and_owes_on(make_mosquitto: Callable[[str], Broker], tmp_path: Path) -> None:
    """A unit with a wrong password would lose its violations or stop trying."""
    broker = make_mosquitto("listener {port} 127.0.0.1\nallow_anonymous false\n")
    unit = Unit(tmp_path, broker.port)
    unit.owe(1)
    with unit.sending():
        eventually(lambda: unit.counters.get("ended.refused", 0) > 1, "it is refused and tries again")
    assert unit.backlog() == 1


def test_ends_by_itself_when_all_is_delivered(with_mosquitto: tuple[Unit, Dispatcher]) -> None:
    """A technician who empties a unit before carrying it away would not know when it is done."""
    unit, dispatcher = with_mosquitto
    unit.owe(1)
    with Outbox(unit.path) as outbox:
        Uplink(unit.settings, UNIT, outbox, unit.evidence).run(threading.Event(), until_idle=True)
        assert outbox.backlog() == 0
    assert len(dispatcher.heard) == 4


def test_a_key_with_a_password_is_refused_at_once(tmp_path: Path) -> None:
    """OpenSSL would ask for the password on the terminal, and the uplink would wait for a person at each reconnect."""
    authority = Authority(tmp_path)
    pair = authority.issue("unit")
    key = load_pem_private_key(pair.key.read_bytes(), None)
    pair.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    tls = {"ca": authority.cert, "cert": pair.cert, "key": pair.key}
    settings = UplinkSettings.model_validate({"host": "127.0.0.1", "tls": tls})
    with Outbox(tmp_path / "outbox.sqlite") as outbox, pytest.raises(ConfigError, match="have no password"):
        Uplink(settings, UNIT, outbox, EvidenceStore(tmp_path))


def test_tls_files_that_are_no_good_are_named(tmp_path: Path) -> None:
    """A technician would read an SSL traceback and not which file is missing."""
    settings = UplinkSettings.model_validate(
        {"host": "127.0.0.1", "tls": {"ca": "ca.crt", "cert": "unit.crt", "key": "unit.key"}}
    ).relative_to(tmp_path)
    with Outbox(tmp_path / "outbox.sqlite") as outbox, pytest.raises(ConfigError, match=r"ca\.crt: mqtt\.tls\.ca: "):
        Uplink(settings, UNIT, outbox, EvidenceStore(tmp_path))
