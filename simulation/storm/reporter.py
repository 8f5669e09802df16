"""The units' side of the storm: each says its violations until the dispatchers themselves have acknowledged them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Event, Lock, Thread

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from simulation.storm.town import Incident, Said
from wire.codec import decode
from wire.messages import Ack, AckResult
from wire.topics import Down, down, up

WINDOW = 30
"""Messages said and not acknowledged yet: ten violations."""
_AGAIN_S = 5.0
"""An ack that takes longer was lost with whoever owed it."""
_LOOK_S = 0.1


class Reporter:
    """One unit at the broker, in a thread of its own."""

    def __init__(self, unit_id: str, port: int, incidents: Sequence[Incident]) -> None:
        self.refused: list[str] = []
        """Why the dispatchers refused for good what they should have taken."""
        self._unit_id = unit_id
        self._port = port
        self._owed = {piece.sha256: piece for incident in incidents for piece in incident.said}
        self._again_s: dict[str, float] = {}
        self._lock = Lock()
        self._stop = Event()
        self._thread = Thread(target=self._run, name=unit_id)

    @property
    def owed(self) -> int:
        """How many messages are still to be acknowledged."""
        return len(self._owed)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=self._unit_id)
        client.reconnect_delay_set(min_delay=1, max_delay=1)
        client.on_connect = lambda who, *_: who.subscribe(down(self._unit_id, Down.ACK), qos=1)
        client.on_message = lambda _who, _data, message: self._hear(decode(Ack, bytes(message.payload)))
        client.connect_async("127.0.0.1", self._port)
        client.loop_start()
        while not self._stop.wait(_LOOK_S) and self._owed:
            if client.is_connected():
                for piece in self._due(time.monotonic()):
                    client.publish(up(self._unit_id, piece.kind), piece.payload, qos=1)
        client.disconnect()
        client.loop_stop()

    def _due(self, now_s: float) -> list[Said]:
        with self._lock:
            window = list(self._owed.values())[:WINDOW]
            due = [piece for piece in window if self._again_s.get(piece.sha256, 0.0) <= now_s]
            self._again_s.update({piece.sha256: now_s + _AGAIN_S for piece in due})
        return due

    def _hear(self, ack: Ack) -> None:
        with self._lock:
            if ack.result is AckResult.REJECTED and ack.retryable:
                return
            if ack.result is AckResult.REJECTED:
                self.refused.append(ack.reason)
            self._owed.pop(ack.sha256, None)
            self._again_s.pop(ack.sha256, None)
