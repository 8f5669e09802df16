"""The broker's shell around the intake: receive, store, answer on `down/ack`, and only then acknowledge to the broker.

The session persists (the broker keeps what comes while the dispatcher is away), messages are acknowledged by hand
after the commit, and everything happens in one thread, in order. While the database is away the messages in hand wait
for it, and the broker keeps the others back. MQTT 5 where the broker has it, else 3.1.1.
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

from dispatcher.errors import AwayError
from dispatcher.intake import Incoming, Intake
from dispatcher.metrics import MESSAGES
from dispatcher.patience import Patience
from dispatcher.settings import MqttSettings
from dispatcher.tls import ClientTls
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
_LEAVE_S = 2.0
_AT_ONCE = 100
"""Messages of one transaction: as many as `config/mosquitto` lets be under way, 50 MB at most."""
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
        self._tls = ClientTls(settings.tls, "mqtt.tls") if settings.tls else None
        self._known_version: str | None = None if settings.protocol == "auto" else settings.protocol
        self._refusal = ""
        self._waiting: list[paho.MQTTMessage] = []
        """What came and is not acknowledged yet."""
        self._patience = Patience("intake")
        self._again_s = 0.0
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
        self._waiting.clear()  # of the connection before; the broker brings it again
        try:
            self._connect(client, version)
        except (OSError, ValueError) as error:
            place = self._settings
            log.warning(
                "the broker is away; trying again", extra={"host": place.host, "port": place.port, "reason": str(error)}
            )
            return False
        give_up = time.monotonic() + _CONNACK_S
        heard = 0
        while not stop.is_set() and not self._refusal and _loop(client, self._pause_s()):
            is_all = len(self._waiting) == heard  # the broker brings no more just now
            if self._waiting and (is_all or len(self._waiting) >= _AT_ONCE):
                self._take_in(client)
            heard = len(self._waiting)
            if not self.connected and time.monotonic() > give_up:
                break
        served = self.connected
        if served and stop.is_set() and self._group:
            self._leave_group(client)
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

    def _leave_group(self, client: paho.Client) -> None:
        """Take no more, and store what came: what the broker gives to one that is going would wait for the unit to say
        it again."""
        has_left = Event()
        client.on_unsubscribe = lambda *_: has_left.set()
        client.unsubscribe(all_up(self._group))
        give_up = time.monotonic() + _LEAVE_S
        while not has_left.is_set() and time.monotonic() < give_up and _loop(client, _POLL_S):
            pass
        if self._waiting:
            self._take_in(client)

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
            client.tls_set_context(self._tls.current())
        client.on_connect = lambda who, _data, _flags, reason, _props: self._on_connect(who, version, reason)
        client.on_disconnect = lambda *_: None
        client.on_message = lambda _who, _data, message: self._waiting.append(message)
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
        client.subscribe(all_up(self._group), qos=1)

    @property
    def _group(self) -> str | None:
        """Among whom this broker divides the units' messages; None where there is no group, or no MQTT 5."""
        return self._settings.share if self.protocol == "5" else None

    def _on_subscribe(self, codes: list[ReasonCode]) -> None:
        if any(code.is_failure for code in codes):
            self._refusal = "the broker refuses the subscription; check its access list"
            return
        self.connected = True
        log.info("connected to the broker", extra={"protocol": self.protocol})

    def _pause_s(self) -> float:
        """How long to wait for the broker: not at all while there is something to take in."""
        return min(max(self._again_s - time.monotonic(), 0.0), _POLL_S) if self._waiting else _POLL_S

    def _take_in(self, client: paho.Client) -> None:
        """Store and acknowledge what came; what the database is not there for stays waiting."""
        if time.monotonic() < self._again_s:
            return
        came = [(message, _topic(message)) for message in self._waiting[:_AT_ONCE]]
        said = [Incoming(topic, bytes(message.payload)) for message, topic in came if topic]
        try:
            acks = self._intake.take_all(said, self._clock())
        except AwayError as fault:
            self._again_s = time.monotonic() + self._patience.wait_s(fault)
            return
        self._patience.back()
        for each, ack in zip(said, acks, strict=True):
            if ack:
                client.publish(down(each.topic.unit_id, Down.ACK), encode(ack), qos=1)
        for message, topic in came:
            if topic is None:
                MESSAGES.labels("", "rejected", "topic").inc()
            client.ack(message.mid, message.qos)
        del self._waiting[: len(came)]
        self._stored()


def _topic(message: paho.MQTTMessage) -> UpTopic | None:
    try:
        return parse_up(message.topic)
    except UnicodeDecodeError:  # a lenient broker passes on what is no UTF-8
        return None


def _loop(client: paho.Client, pause_s: float) -> bool:
    """Handle what comes within that time; False when the connection is over."""
    try:
        return client.loop(pause_s) == MQTTErrorCode.MQTT_ERR_SUCCESS
    except MQTTException:  # an answer that is not of this protocol version
        return False
