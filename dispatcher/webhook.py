"""WhatsApp's calls: the handshake, and news that is verified, kept and answered at once, and processed later."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse

from dispatcher import sends
from dispatcher.errors import StoreError
from dispatcher.metrics import WEBHOOKS
from dispatcher.news import is_signed
from dispatcher.store import Store, count

_LARGEST_BYTES = 3 * 1024 * 1024
"""Meta's own limit for a webhook's payload."""
_STATUS = {"kept": 200, "repeated": 200, "bad_signature": 403, "too_large": 413, "store": 503}
"""What becomes of a call, and how it is answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """The receiving end of one business number."""

    store: Store
    app_secret: bytes
    verify_token: str
    clock: Callable[[], datetime]
    kept: Callable[[], None]
    """Called when there is something new to process."""

    def router(self) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/webhook", self.handshake, methods=["GET"])
        router.add_api_route("/webhook", self.receive, methods=["POST"])
        return router

    async def handshake(self, request: Request) -> Response:
        """Prove to WhatsApp that this is the address it was given."""
        asked = request.query_params
        token = asked.get("hub.verify_token", "")
        is_ours = hmac.compare_digest(token.encode(), self.verify_token.encode())
        if asked.get("hub.mode") != "subscribe" or not is_ours:
            return PlainTextResponse("forbidden", status_code=403)
        return PlainTextResponse(asked.get("hub.challenge", ""))

    async def receive(self, request: Request) -> Response:
        """Keep a call; 200 means that it is on the disk, anything else makes WhatsApp call again."""
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LARGEST_BYTES:
                return _answer("too_large")
        header = request.headers.get("X-Hub-Signature-256")
        return _answer(await run_in_threadpool(self._keep, bytes(body), header))

    def _keep(self, body: bytes, header: str | None) -> str:
        try:
            with self.store.writing() as connection:
                if not is_signed(self.app_secret, body, header):
                    count(connection, "webhook.bad_signature")
                    return "bad_signature"
                is_new = sends.keep_call(connection, body, self.clock())
        except StoreError:
            return "store"
        self.kept()
        return "kept" if is_new else "repeated"


def _answer(outcome: str) -> Response:
    WEBHOOKS.labels(outcome).inc()
    return Response(status_code=_STATUS[outcome])
