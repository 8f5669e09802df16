"""The uplink: carries the outbox to the dispatcher over MQTT, for as long as it takes.

`agent.delivery` says what to do; this shell does it, in one thread. Each connection is a new clean session: what
counts is in the outbox, and after a reconnect all that has no answer is sent again. MQTT 5 where the broker has it,
else 3.1.1. A broker that is away, refuses or dies costs time, never anything that is owed.
"""

from __future__ import annotations

import logging
import random
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal, TypeAlias
from uuid import uuid4

import paho.mqtt.client as paho
from paho.mqtt import MQTTException
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from pydantic import BaseModel, ConfigDict, Field, model_validator

from agent.delivery import NO_ACK, Change, Policy, Publish, Row, State, Wait, buried, next_task, on_ack, postponed
from agent.errors import ConfigError, StoreError
from agent.evidence import EvidenceLostError, EvidenceStore
from agent.outbox import Outbox
from wire.codec import DecodeError, decode, encode, encode_evidence
from wire.messages import Ack, EvidenceHeader, UnitStatus
from wire.topics import Down, Up, down, up

log = logging.getLogger("cakra.uplink")

CONNACK_S = 10.0
"""A broker that has not answered by then is not one; mobile networks need about 2 s."""
RECONNECT_LONGEST_S = 120.0
"""A thousand units that lost their broker come back at about 8 a second."""
POLL_S = 0.25
"""How often the outbox is asked for new rows: one query of under a millisecond."""
GOODBYE_S = 2.0

PACKET_BYTES = 256
"""Room for the topic and MQTT's own header when a broker says how large a packet may be."""

_VERSION_REFUSALS = {"Unsupported protocol version", "Malformed packet", "Protocol error", "Unspecified error"}
_VERSIONS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}


class TlsSettings(BaseModel):
    """Mutual TLS: the certificate's CN is the unit's name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ca: Path
    """Certificate of the authority that signed the broker's."""
    cert: Path
    key: Path


class UplinkSettings(BaseModel):
    """The broker and how to talk to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(min_length=1)
    port: int = Field(default=8883, ge=1, le=65535)
    username: str | None = None
    password_file: Path | None = None
    """File that holds the password and nothing else."""
    tls: TlsSettings | None = None
    """Leave out only for a broker on loopback."""
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    keepalive_s: int = Field(default=30, ge=5, le=3600)
    """Mobile networks drop connections that are silent for about a minute."""
    ack_timeout_s: float = Field(default=30.0, gt=0, le=3600)
    window: int = Field(default=8, ge=1, le=16)
    """Messages sent and not yet answered; paho keeps at most 20 in flight."""
    status_every_s: float = Field(default=60.0, gt=0)

    @model_validator(mode="after")
    def _password_has_user(self) -> UplinkSettings:
        if self.password_file is not None and self.username is None:
            raise ValueError("password_file is given without username; add username")
        return self

    def relative_to(self, base: Path) -> UplinkSettings:
        """These settings with their paths taken from a folder."""
        tls = self.tls and TlsSettings(ca=base / self.tls.ca, cert=base / self.tls.cert, key=base / self.tls.key)
        password_file = self.password_file and base / self.password_file
        return self.model_copy(update={"tls": tls, "password_file": password_file})


class Uplink:
    """The service between a unit's outbox and its broker."""

    def __init__(
        self,
        settings: UplinkSettings,
        unit_id: str,
        outbox: Outbox,
        evidence: EvidenceStore,
        *,
        reconnect_first_s: float = 1.0,
        on_alive: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_alive` is called some times a second. Raises ConfigError when a file the settings name is no good."""
        self._settings = settings
        self._unit_id = unit_id
        self._outbox = outbox
        self._evidence = evidence
        self._reconnect_first_s = reconnect_first_s
        self._on_alive = on_alive
        self._password = _password(settings)
        self._tls = _tls_context(settings)
        self._boot_id = uuid4()
        self._protocol = "5" if settings.protocol == "auto" else settings.protocol
        self._policy = Policy(window=settings.window, ack_timeout_s=settings.ack_timeout_s)
        self._silent = False
        self._published: dict[int, Row] = {}
        """Rows whose publish the broker has not answered, by message id."""
        self.counters: Counter[str] = Counter()
        """Connections, publishes, answers and faults since the service began."""

    def _renewed_tls(self) -> ssl.SSLContext | None:
        """The certificate as it lies there now; the one before it while a renewal has not put all files in place."""
        try:
            self._tls = _tls_context(self._settings)
        except ConfigError as error:
            log.error("the certificate is no good; the one before it stays in use", extra={"reason": str(error)})
        return self._tls

    def run(self, stop: threading.Event, *, until_idle: bool = False) -> None:
        """Carry until `stop` or, with `until_idle`, until nothing is owed that can be sent. Raises StoreError."""
        failures = 0
        while not stop.is_set():
            link = _Link(self._settings, self._unit_id, self._protocol, self._password, self._renewed_tls())
            was_up = link.open(stop, self._status(online=False))
            if was_up:
                self._carry(link, stop, until_idle)
            done = not link.ended
            link.close(self._status(online=False))
            if done:
                return
            self.counters[f"ended.{link.code}"] += 1
            log.warning("connecting again", extra={"protocol": self._protocol, "reason": link.ended})
            failures = 0 if was_up else failures + 1
            if link.wrong_version and self._settings.protocol == "auto":
                self._protocol = "3.1.1" if self._protocol == "5" else "5"
                if failures == 1:
                    continue  # the other version deserves a try at once
            self._pause(stop, failures)

    def _pause(self, stop: threading.Event, failures: int) -> None:
        longest_s = min(self._reconnect_first_s * 2.0 ** min(failures, 16), RECONNECT_LONGEST_S)
        until_s = time.monotonic() + longest_s * random.uniform(0.5, 1.0)
        while not stop.is_set() and (left_s := until_s - time.monotonic()) > 0:
            self._on_alive()
            stop.wait(min(left_s, 1.0))

    def _carry(self, link: _Link, stop: threading.Event, until_idle: bool) -> None:
        """Use a connection until it ends, or there is a reason to end."""
        self._begin(link)
        status_due_s = 0.0
        while not stop.is_set() and not link.ended:
            now_s = time.monotonic()
            if now_s >= status_due_s:
                link.publish(Up.STATUS, self._status(online=True), retain=True)
                status_due_s = now_s + self._settings.status_every_s
            wait_s = self._work(link, now_s)
            if until_idle and self._outbox.backlog() == 0:
                return
            for event in link.turn(wait_s):
                self._take(event, time.monotonic())
            self._on_alive()

    def _begin(self, link: _Link) -> None:
        place = {"host": self._settings.host, "port": self._settings.port}
        log.info("connected to the broker", extra={"protocol": self._protocol, **place})
        self.counters["connections"] += 1
        self._silent = False
        self._published.clear()
        self._outbox.release()
        longest = Policy().message_bytes
        if link.message_bytes is not None:
            longest = min(longest, link.message_bytes - PACKET_BYTES)
        self._policy = replace(self._policy, message_bytes=longest)

    def _work(self, link: _Link, now_s: float) -> float:
        """Do all there is to do now; returns how long there is to wait for answers, seconds."""
        rows = {row.row_id: row for row in self._outbox.rows(now_s)}
        while not link.ended:
            match next_task(tuple(rows.values()), now_s, self._policy, silent=self._silent):
                case Publish(row):
                    row = self._publish(link, row, now_s)
                case Change(row):
                    self._silent = self._silent or row.reason == NO_ACK
                    self._store(row)
                case Wait(until_s):
                    return min(POLL_S, until_s - now_s)
                case _:
                    return POLL_S
            rows[row.row_id] = row
        return 0.0

    def _publish(self, link: _Link, row: Row, now_s: float) -> Row:
        """Send one row, written down as sent before it is; returns it as it is now."""
        try:
            kind, payload = self._message(row)
        except StoreError as error:
            log.error("a row cannot be sent", extra={"event_id": row.event_id, "reason": str(error)})
            is_lost = isinstance(error, EvidenceLostError)
            row = buried(row, "evidence_lost") if is_lost else postponed(row, "unreadable", now_s, self._policy)
            self._store(row)
            return row
        self._store(row)
        mid = link.publish(kind, payload)
        if mid is not None:
            self._published[mid] = row
            self.counters["published"] += 1
        return row

    def _message(self, row: Row) -> tuple[Up, bytes]:
        """A row's bytes on the wire. Raises StoreError when they cannot be read, EvidenceLostError when never again."""
        if row.evidence is None:
            return Up.VIOLATION, self._outbox.report(row.event_id)
        header = EvidenceHeader(event_id=row.event_id, unit_id=self._unit_id, **row.evidence.model_dump())
        return Up.EVIDENCE, encode_evidence(header, self._evidence.read(row.event_id, row.evidence))

    def _take(self, event: _Event, now_s: float) -> None:
        match event:
            case Ack() as ack:
                self._hear(ack, now_s)
            case _Accepted(mid):
                self._published.pop(mid, None)
            case _Refused(mid, code):
                row = self._published.pop(mid, None)
                current = row and self._outbox.find(row.event_id, row.sha256)
                if current and current.state is State.SENT:
                    self._store(postponed(current, f"broker:{code}", now_s, self._policy))

    def _hear(self, ack: Ack, now_s: float) -> None:
        """Take the dispatcher's word on a row."""
        self._silent = False
        self.counters[f"ack.{ack.result}"] += 1
        row = self._outbox.find(ack.event_id, ack.sha256)
        if row is None:
            self.counters["ack.unknown"] += 1
            said = {"event_id": ack.event_id, "outcome": ack.result, "reason": ack.reason}
            log.warning("the dispatcher answers of something unknown", extra=said)
            return
        changed = on_ack(row, ack, now_s, self._policy)
        if changed != row:
            self._store(changed)

    def _store(self, row: Row) -> None:
        if row.reason and row.state is not State.SENT:
            what = row.evidence.role if row.evidence else "report"
            self.counters[f"{row.state}.{_counted(row.reason)}"] += 1
            said = {"event_id": row.event_id, "kind": what, "reason": row.reason, "state": row.state}
            log.warning("not delivered", extra=said)
        self._outbox.store(row, datetime.now(UTC))

    def _status(self, *, online: bool) -> bytes:
        """The birth message, the heartbeat and, not online, the last will."""
        status = UnitStatus(
            unit_id=self._unit_id,
            boot_id=self._boot_id,
            online=online,
            at=datetime.now(UTC),
            software=version("cakra"),
            backlog=self._outbox.backlog(),
            dead=len({each["event_id"] for each in self._outbox.dead()}),
            counters=self._outbox.counters() | {f"uplink.{name}": n for name, n in self.counters.items()},
        )
        return encode(status)


def _counted(reason: str) -> str:
    """A reason's kind, without its figures: few counters, not one a message."""
    return reason if reason.startswith("broker:") else reason.partition(":")[0]


@dataclass(frozen=True, slots=True)
class _Accepted:
    """The broker has a message."""

    mid: int


@dataclass(frozen=True, slots=True)
class _Refused:
    """The broker (MQTT 5) does not take a message."""

    mid: int
    code: str


_Event: TypeAlias = Ack | _Accepted | _Refused


class _Link:
    """One MQTT connection: what comes in is kept for the next `turn`."""

    def __init__(
        self,
        settings: UplinkSettings,
        unit_id: str,
        protocol: str,
        password: str | None,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._settings = settings
        self._unit_id = unit_id
        self._events: list[_Event] = []
        self._up = False
        self.ended = ""
        """Why the connection is over; empty while it is not."""
        self.code = ""
        """The same as a word that can be counted."""
        self.wrong_version = False
        """Whether the broker may know another version of MQTT: it took the TCP connection, but not ours."""
        self.message_bytes: int | None = None
        """The largest packet the broker takes, where it says so."""
        self._client = client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=unit_id,
            clean_session=None if protocol == "5" else True,
            protocol=_VERSIONS[protocol],
            reconnect_on_failure=False,
        )
        if settings.username is not None:
            client.username_pw_set(settings.username, password)
        if tls is not None:
            client.tls_set_context(tls)
        client.on_connect = lambda _c, _u, _f, reason, properties: self._on_connect(reason, properties)
        client.on_subscribe = lambda _c, _u, _m, codes, _p: self._on_subscribe(codes)
        client.on_publish = lambda _c, _u, mid, reason, _p: self._on_publish(mid, reason)
        client.on_message = lambda _c, _u, message: self._on_message(message.payload)
        client.on_disconnect = lambda _c, _u, _f, reason, _p: self._end("lost", f"connection lost: {reason}")

    def open(self, stop: threading.Event, will: bytes) -> bool:
        """Connect, and subscribe to the dispatcher's answers; whether both were granted."""
        settings = self._settings
        self._client.will_set(up(self._unit_id, Up.STATUS), will, qos=1, retain=True)
        try:
            self._client.connect(settings.host, settings.port, keepalive=settings.keepalive_s)
        except (OSError, ValueError) as error:
            self._end("unreachable", f"{settings.host}:{settings.port}: {error}")
            return False
        self.wrong_version = True
        give_up_s = time.monotonic() + CONNACK_S
        while not (self._up or self.ended or stop.is_set()):
            self.turn(POLL_S)
            if time.monotonic() > give_up_s:
                self._end("no_answer", f"{settings.host}:{settings.port}: no MQTT broker answers")
        return self._up and not self.ended

    def publish(self, kind: Up, payload: bytes, *, retain: bool = False) -> int | None:
        """Hand a message to the broker; its id, or None when the connection is over."""
        sent = self._client.publish(up(self._unit_id, kind), payload, qos=1, retain=retain)
        if sent.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
            return sent.mid
        self._end("lost", paho.error_string(sent.rc))
        return None

    def turn(self, wait_s: float) -> list[_Event]:
        """Serve the connection for at most so long; what came in."""
        try:
            result = self._client.loop(max(0.0, wait_s))
        except MQTTException as error:  # an answer that is not of this protocol version
            self._end("malformed", f"the broker's answer cannot be read: {error}")
            result = MQTTErrorCode.MQTT_ERR_SUCCESS
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._end("lost", f"connection lost: {paho.error_string(result)}")
        events, self._events = self._events, []
        return events

    def close(self, goodbye: bytes) -> None:
        """Say goodbye where someone listens, and let go of the socket."""
        if self._up and not self.ended:
            mid = self.publish(Up.STATUS, goodbye, retain=True)
            give_up_s = time.monotonic() + GOODBYE_S
            while not self.ended and time.monotonic() < give_up_s:
                if _Accepted(mid or 0) in self.turn(POLL_S):
                    break
        self._client.on_disconnect = None
        self._client.disconnect()
        self._client.loop(0.0)

    def _end(self, code: str, why: str) -> None:
        if not self.ended:
            self.code, self.ended = code, why

    def _on_connect(self, reason: ReasonCode, properties: Properties | None) -> None:
        if reason.is_failure:
            # Only "unsupported version" and its kin leave the version in doubt; a password is wrong in both.
            self.wrong_version = str(reason) in _VERSION_REFUSALS
            self._end("refused", f"the broker refuses this unit: {reason}; check username, password_file and tls")
            return
        self.wrong_version = False
        self.message_bytes = getattr(properties, "MaximumPacketSize", None)
        self._client.subscribe(down(self._unit_id, Down.ACK), qos=1)

    def _on_subscribe(self, codes: list[ReasonCode]) -> None:
        if any(code.is_failure for code in codes):
            self._end("subscription_refused", f"may not hear down/ack: {codes[0]}; check the broker's access list")
        else:
            self._up = True

    def _on_publish(self, mid: int, reason: ReasonCode) -> None:
        self._events.append(
            _Refused(mid, str(reason).lower().replace(" ", "_")) if reason.is_failure else _Accepted(mid)
        )

    def _on_message(self, payload: bytes | bytearray) -> None:
        try:
            self._events.append(decode(Ack, bytes(payload)))
        except DecodeError as error:
            log.warning("an ack cannot be read", extra={"reason": str(error)})


def check_files(settings: UplinkSettings) -> None:
    """Read the files that the settings name. Raises ConfigError."""
    _password(settings)
    _tls_context(settings)


def _password(settings: UplinkSettings) -> str | None:
    if settings.password_file is None:
        return None
    try:
        return settings.password_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise ConfigError(f"{settings.password_file}: mqtt.password_file: {why}; write the password into it") from None


def _tls_context(settings: UplinkSettings) -> ssl.SSLContext | None:
    if settings.tls is None:
        return None
    for name, path in (("ca", settings.tls.ca), ("cert", settings.tls.cert), ("key", settings.tls.key)):
        if not path.is_file():
            raise ConfigError(f"{path}: mqtt.tls.{name}: there is no such file; check the path")
    try:
        context = ssl.create_default_context(cafile=str(settings.tls.ca))
        # Without a password OpenSSL would ask for one on the terminal, and the uplink would wait for it.
        context.load_cert_chain(str(settings.tls.cert), str(settings.tls.key), password="")
    except (OSError, ssl.SSLError) as error:
        why = error.strerror or error
        raise ConfigError(
            f"{settings.tls.cert}: mqtt.tls: {why}; check that ca, cert and key are PEM, match and have no password"
        ) from None
    return context
