"""The MQTT shell around `delivery`: does what it says, on MQTT 5 where the broker has it, else on 3.1.1.

One thread does everything in turn: connect, handle what comes in, publish what is due. The session is paho's and lives
in memory only; the outbox is the truth. A broker that is away is tried again for ever, ever more slowly.
"""

from __future__ import annotations

import itertools
import logging
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from threading import Event
from typing import Literal, Self
from uuid import UUID, uuid4

import paho.mqtt.client as paho
from paho.mqtt import MQTTException
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode
from pydantic import BaseModel, ConfigDict, Field

from agent.delivery import Dead, Done, GiveUp, Kind, Policy, Publish, Row, next_task, on_ack, patience
from agent.errors import ConfigError, StoreError
from agent.evidence import EvidenceStore
from agent.outbox import Outbox
from wire.codec import DecodeError, decode, encode, encode_evidence
from wire.messages import Ack, EvidenceHeader, EvidenceRef, UnitStatus
from wire.topics import Down, Up, down, up

log = logging.getLogger(__name__)

_KEEPALIVE_S = 30
"""A dead line is noticed, and the last will published, after one and a half of these."""
_POLL_S = 0.1
"""How soon a new row of the outbox is seen."""
_CONNACK_S = 10.0
_LONGEST_WAIT_S = 120.0
_UNSUPPORTED = {"Unsupported protocol version"}
_VERSIONS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}


class TlsSettings(BaseModel):
    """Mutual TLS: the certificate's CN is the unit's name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ca: Path
    cert: Path
    key: Path


class UplinkSettings(BaseModel):
    """The broker and how to speak to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(min_length=1)
    port: int = Field(default=8883, ge=1, le=65535)
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    """`auto` takes MQTT 5 and falls back to 3.1.1 for brokers that refuse it."""
    username: str | None = None
    password_file: Path | None = None
    tls: TlsSettings | None = None
    status_every_s: float = Field(default=60.0, ge=1)
    """Between two status messages."""

    def relative_to(self, base: Path) -> Self:
        """With its paths made absolute from a folder."""
        tls = self.tls and TlsSettings(ca=base / self.tls.ca, cert=base / self.tls.cert, key=base / self.tls.key)
        password_file = self.password_file and base / self.password_file
        return self.model_copy(update={"tls": tls, "password_file": password_file})


class Uplink:
    """Empties the outbox over MQTT."""

    def __init__(
        self,
        settings: UplinkSettings,
        unit_id: str,
        outbox: Outbox,
        evidence: EvidenceStore,
        *,
        policy: Policy | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        counters: Mapping[str, int] | None = None,
    ) -> None:
        self._settings = settings
        self._unit_id = unit_id
        self._outbox = outbox
        self._evidence = evidence
        self._policy = policy or Policy()
        self._clock = clock
        self._counters = counters or {}
        self._boot_id: UUID = uuid4()
        self._tls = _tls_context(settings)
        self._password = _password(settings)
        self._known_version: str | None = None if settings.protocol == "auto" else settings.protocol
        self._refusal = ""
        self._next_status = 0.0
        self.connected = False
        self.protocol = ""

    def run(self, stop: Event) -> None:
        """Send what is owed until told to stop. Raises StoreError when the outbox is broken."""
        failures = 0
        for protocol in self._protocols():
            if stop.is_set():
                return
            served = self._serve(protocol, stop)
            failures = 0 if served else failures + 1
            # `auto` tries both protocols before it waits.
            if failures:
                stop.wait(min(2.0 ** min(failures - 2, 10), _LONGEST_WAIT_S))

    def _protocols(self) -> Iterator[str]:
        """The protocol of each next try: the known one, or both in turn until one is taken."""
        for index in itertools.count():
            yield self._known_version or ("5", "3.1.1")[index % 2]

    def _serve(self, protocol: str, stop: Event) -> bool:
        """One connection, from its beginning to its end; whether the broker took it."""
        client = self._client(protocol)
        self._refusal = ""
        try:
            client.connect(self._settings.host, self._settings.port, _KEEPALIVE_S)
        except (OSError, ValueError) as error:
            log.warning("broker %s:%d: %s; trying again", self._settings.host, self._settings.port, error)
            return False
        give_up = time.monotonic() + _CONNACK_S
        while not stop.is_set() and not self._refusal and _loop(client):
            if self.connected:
                self._work(client)
            elif time.monotonic() > give_up:
                break
        served = self.connected
        self._goodbye(client)
        if not stop.is_set():
            what = self._refusal or ("the connection broke off" if served else "no answer")
            log.warning("broker, protocol %s: %s; connecting again", protocol, what)
        return served

    def _work(self, client: paho.Client) -> None:
        """Publish what is due, and a status now and then."""
        if time.monotonic() >= self._next_status:
            self._next_status = time.monotonic() + self._settings.status_every_s
            client.publish(*self._status(online=True), qos=1, retain=True)
        rows = self._outbox.owed()
        for _ in range(self._policy.window):
            match next_task(rows, self._clock(), self._policy):
                case Publish(row):
                    self._publish(client, row)
                case GiveUp(row, reason):
                    self._outbox.bury(row, reason)
                case _:
                    return
            rows = self._outbox.owed()

    def _publish(self, client: paho.Client, row: Row) -> None:
        try:
            topic, payload = self._message(row)
        except StoreError as error:
            log.error("%s %s: %s", row.event_id, row.kind, error)
            self._outbox.bury(row, "evidence_unreadable")
            return
        self._outbox.published(row, self._clock() + patience(row, self._policy))
        client.publish(topic, payload, qos=1)

    def _message(self, row: Row) -> tuple[str, bytes]:
        body = self._outbox.body(row)
        if row.kind is Kind.REPORT:
            return up(self._unit_id, Up.VIOLATION), body
        ref = EvidenceRef.model_validate_json(body)
        header = EvidenceHeader(
            event_id=UUID(row.event_id),
            unit_id=self._unit_id,
            role=ref.role,
            sha256=ref.sha256,
            media_type=ref.media_type,
            size_bytes=ref.size_bytes,
        )
        return up(self._unit_id, Up.EVIDENCE), encode_evidence(header, self._evidence.read(ref))

    def _status(self, *, online: bool) -> tuple[str, bytes]:
        status = UnitStatus(
            unit_id=self._unit_id,
            boot_id=self._boot_id,
            online=online,
            at=self._clock(),
            software=version("cakra"),
            backlog=self._outbox.backlog(),
            dead=len(self._outbox.dead()),
            counters=dict(self._counters),
        )
        return up(self._unit_id, Up.STATUS), encode(status)

    def _goodbye(self, client: paho.Client) -> None:
        """Leave in order, where there is still someone to hear it; the last will speaks where not."""
        if self.connected:
            client.publish(*self._status(online=False), qos=1, retain=True)
            _loop(client)
        self.connected = False
        client.disconnect()
        _loop(client)

    def _client(self, protocol: str) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._unit_id,
            clean_session=None if protocol == "5" else True,
            protocol=_VERSIONS[protocol],
            reconnect_on_failure=False,
        )
        client.max_inflight_messages_set(2 * self._policy.window)
        if self._settings.username is not None:
            client.username_pw_set(self._settings.username, self._password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        client.will_set(*self._status(online=False), qos=1, retain=True)
        client.on_connect = lambda who, _data, _flags, reason, _props: self._on_connect(who, protocol, reason)
        client.on_subscribe = lambda _who, _data, _mid, codes, _props: self._on_subscribe(codes)
        client.on_publish = lambda _who, _data, _mid, reason, _props: self._on_publish(reason)
        client.on_message = lambda _who, _data, message: self._on_message(message)
        return client

    def _on_connect(self, client: paho.Client, protocol: str, reason: ReasonCode) -> None:
        if reason.is_failure:
            self._refusal = f"refused: {reason}"
            if self._settings.protocol != "auto" or str(reason) not in _UNSUPPORTED:
                log.error("the broker refuses this unit: %s; check mqtt.username, password_file and tls", reason)
            return
        self._known_version = protocol
        self.protocol = protocol
        client.subscribe(down(self._unit_id, Down.ACK), qos=1)

    def _on_subscribe(self, codes: list[ReasonCode]) -> None:
        if any(code.is_failure for code in codes):
            self._refusal = "the broker refuses the subscription; check its access list"
            return
        self._outbox.connection_lost()
        self._next_status = 0.0
        self.connected = True
        log.info("connected to %s:%d, protocol %s", self._settings.host, self._settings.port, self.protocol)

    def _on_publish(self, reason: ReasonCode) -> None:
        # An access list's refusal is a PUBACK that says so; the row stays owed.
        if reason.is_failure:
            log.error("the broker refuses a message: %s; check its access list", reason)

    def _on_message(self, message: paho.MQTTMessage) -> None:
        try:
            ack = decode(Ack, message.payload)
        except DecodeError as error:
            log.error("an ack that is none: %s", error)
            return
        row = self._outbox.find(ack.event_id, ack.sha256)
        if row is None:
            return
        match on_ack(row, ack, self._clock(), self._policy):
            case Done():
                self._outbox.acknowledged(row)
            case Dead(reason):
                log.error("%s %s: refused for good: %s", row.event_id, row.kind, reason)
                self._outbox.bury(row, reason)
            case again:
                log.warning("%s %s: refused for now: %s", row.event_id, row.kind, ack.reason)
                self._outbox.put_off(row, again.at)


def _loop(client: paho.Client) -> bool:
    """Handle what comes in the next moment; False when the connection is over."""
    try:
        return client.loop(_POLL_S) == MQTTErrorCode.MQTT_ERR_SUCCESS
    except MQTTException:  # an answer that is not of this protocol version
        return False


def _password(settings: UplinkSettings) -> str | None:
    if settings.password_file is None:
        return None
    try:
        return settings.password_file.read_text().strip()
    except OSError as error:
        raise ConfigError(f"{settings.password_file}: mqtt.password_file: {error.strerror}; check the path") from None


def _tls_context(settings: UplinkSettings) -> ssl.SSLContext | None:
    if settings.tls is None:
        return None
    try:
        context = ssl.create_default_context(cafile=str(settings.tls.ca))
        context.load_cert_chain(str(settings.tls.cert), str(settings.tls.key))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"mqtt.tls: {error.strerror or error}; check ca, cert and key") from None
    return context
