"""The broker's shell around the intake: receive, store, answer on `down/ack`, and only then acknowledge to the broker.

The session persists (the broker keeps what comes while the dispatcher is away), messages are acknowledged by hand
after the commit, and everything happens in one thread, in order. MQTT 5 where the broker has it, else 3.1.1.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from threading import Event

import paho.mqtt.client as paho
from paho.mqtt import MQTTException
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from dispatcher.intake import Intake
from dispatcher.metrics import MESSAGES
from dispatcher.settings import MqttSettings
from dispatcher.tls import client_context
from wire.codec import encode
from wire.topics import Down, UpTopic, all_up, down, parse_up

log = logging.getLogger(__name__)

_KEEPALIVE_S = 30
_SESSION_S = 14 * 24 * 3600
"""How long the broker keeps the session of a dispatcher that is alone: longer than any holiday.

One of a group leaves no session behind, for the broker would go on putting the group's messages into it.
"""
_POLL_S = 0.5
_CONNACK_S = 10.0
_LONGEST_WAIT_S = 30.0
_UNSUPPORTED = {"Unsupported protocol version"}
_VERSIONS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}


class MqttService:
    """The dispatcher's connection to the units."""

    def __init__(
        self,
        settings: MqttSettings,
        intake: Intake,
        clock: Callable[[], datetime],
        stored: Callable[[], None],
        password: str | None = None,
    ) -> None:
        self._settings = settings
        self._intake = intake
        self._clock = clock
        self._stored = stored
        self._password = password
        self._tls = client_context(settings.tls, "mqtt.tls") if settings.tls else None
        self._known_version: str | None = None if settings.protocol == "auto" else settings.protocol
        self._refusal = ""
        self.connected = False
        self.protocol = ""

    def run(self, stop: Event) -> None:
        """Serve until told to stop; a broker that is away is tried again, ever more slowly."""
        failures = 0
        for version in self._versions():
            if stop.is_set():
                return
            served = self._serve(version, stop)
            failures = 0 if served else failures + 1
            if failures:
                stop.wait(min(2.0 ** min(failures - 2, 10), _LONGEST_WAIT_S))

    def _versions(self) -> Iterator[str]:
        """The protocol of each next try: the known one, or both in turn until one is taken."""
        for index in itertools.count():
            yield self._known_version or ("5", "3.1.1")[index % 2]

    def _serve(self, version: str, stop: Event) -> bool:
        """One connection, from its beginning to its end; whether the broker took it."""
        client = self._client(version)
        self._refusal = ""
        try:
            self._connect(client, version)
        except (OSError, ValueError) as error:
            place = self._settings
            log.warning(
                "the broker is away; trying again", extra={"host": place.host, "port": place.port, "reason": str(error)}
            )
            return False
        give_up = time.monotonic() + _CONNACK_S
        while not stop.is_set() and not self._refusal and _loop(client):
            if not self.connected and time.monotonic() > give_up:
                break
        served = self.connected
        self._close(client)
        if not stop.is_set():
            what = self._refusal or ("the connection broke off" if served else "no answer")
            log.warning("connecting to the broker again", extra={"protocol": version, "reason": what})
        return served

    def _connect(self, client: paho.Client, version: str) -> None:
        where = (self._settings.host, self._settings.port, _KEEPALIVE_S)
        if version != "5":
            client.connect(*where)
            return
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 0 if self._settings.share else _SESSION_S
        client.connect(*where, clean_start=False, properties=properties)

    def _close(self, client: paho.Client) -> None:
        self.connected = False
        client.disconnect()
        client.loop(0.1)

    def _client(self, version: str) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._settings.client_id,
            clean_session=None if version == "5" else False,
            protocol=_VERSIONS[version],
            manual_ack=True,
            reconnect_on_failure=False,
        )
        if self._settings.username is not None:
            client.username_pw_set(self._settings.username, self._password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        client.on_connect = lambda who, _data, _flags, reason, _props: self._on_connect(who, version, reason)
        client.on_disconnect = lambda *_: None
        client.on_message = lambda who, _data, message: self._on_message(who, message)
        client.on_subscribe = lambda _who, _data, _mid, codes, _props: self._on_subscribe(codes)
        return client

    def _on_connect(self, client: paho.Client, version: str, reason: ReasonCode) -> None:
        if reason.is_failure:
            self._refusal = f"refused: {reason}"
            if self._settings.protocol != "auto" or str(reason) not in _UNSUPPORTED:
                log.error("the broker refuses us; check username, password and tls", extra={"reason": str(reason)})
            return
        self._known_version = version
        self.protocol = version
        share = self._settings.share if version == "5" else None
        client.subscribe(all_up(share), qos=1)

    def _on_subscribe(self, codes: list[ReasonCode]) -> None:
        if any(code.is_failure for code in codes):
            self._refusal = "the broker refuses the subscription; check its access list"
            return
        self.connected = True
        log.info("connected to the broker", extra={"protocol": self.protocol})

    def _on_message(self, client: paho.Client, message: paho.MQTTMessage) -> None:
        topic = _topic(message)
        ack = self._intake.take(topic, bytes(message.payload), self._clock()) if topic else None
        if topic is None:
            MESSAGES.labels("", "rejected", "topic").inc()
        elif ack:
            client.publish(down(topic.unit_id, Down.ACK), encode(ack), qos=1)
        client.ack(message.mid, message.qos)
        self._stored()


def _topic(message: paho.MQTTMessage) -> UpTopic | None:
    try:
        return parse_up(message.topic)
    except UnicodeDecodeError:  # a lenient broker passes on what is no UTF-8
        return None


def _loop(client: paho.Client) -> bool:
    """Handle what comes in the next half second; False when the connection is over."""
    try:
        return client.loop(_POLL_S) == MQTTErrorCode.MQTT_ERR_SUCCESS
    except MQTTException:  # an answer that is not of this protocol version
        return False
