"""Brings webhooks to the business: after the handshake, signed, and again until it answers 2xx."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from typing import Any, TypeAlias

import httpx

from simulation.whatsapp.book import Webhook
from simulation.whatsapp.webhooks import signature

log = logging.getLogger(__name__)

Sleep: TypeAlias = Callable[[float], Awaitable[None]]

FIRST_WAIT_S = 0.5
AT_ONCE = 32
"""Webhooks under way together: the time that httpx takes for one grows with all that wait for a connection."""
_BROKEN = (httpx.HTTPError, AttributeError, RuntimeError)
"""What httpx raises of a line that breaks: under uvloop also what anyio says of a socket that is gone already."""
LONGEST_WAIT_S = 15.0
"""Shorter than Meta's, so that a dispatcher started again in the demo hears soon."""


def waits(life_s: float) -> Iterator[float]:
    """The pauses between attempts, doubling, until `life_s` is used up."""
    wait_s, left_s = FIRST_WAIT_S, life_s
    while left_s > 0:
        yield wait_s
        left_s -= wait_s
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)


class Courier:
    """Holds webhooks until a subscription's handshake succeeds, then delivers them in the background."""

    def __init__(
        self, app_secret: str, life_s: float, sleep: Sleep, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._app_secret = app_secret
        self._life_s = life_s
        self._sleep = sleep
        self._client = httpx.AsyncClient(transport=transport, timeout=10.0, trust_env=False)
        self._tasks: set[asyncio.Task[None]] = set()
        self._lines = asyncio.Semaphore(AT_ONCE)
        self._subscribed = asyncio.Event()
        self.url: str | None = None
        self.last_handshake = "none yet"

    @property
    def subscribed(self) -> bool:
        return self._subscribed.is_set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something of this simulator in the background until it ends or `close`."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    async def subscribe(self, url: str, verify_token: str) -> bool:
        """The handshake: the business must answer our challenge, and so show that it knows the token."""
        challenge = str(secrets.randbelow(10**10))
        asked = {"hub.mode": "subscribe", "hub.verify_token": verify_token, "hub.challenge": challenge}
        try:
            answer = await self._client.get(url, params=asked)
        except httpx.HTTPError as error:
            self.last_handshake = type(error).__name__
            return False
        self.last_handshake = f"HTTP {answer.status_code}"
        if answer.status_code != 200 or answer.text != challenge:
            return False
        self.url = url
        self._subscribed.set()
        return True

    async def keep_subscribing(self, url: str, verify_token: str) -> None:
        """Try the handshake until it succeeds: the business may start after us."""
        for attempt, wait_s in enumerate(waits(self._life_s)):
            if await self.subscribe(url, verify_token):
                return
            if attempt == 0:
                log.warning("webhook: %s did not pass the handshake (%s); trying on", url, self.last_handshake)
            await self._sleep(wait_s)

    async def deliver(self, webhooks: Sequence[Webhook], gap_s: float = 0.0) -> None:
        """Bring these one after another, `gap_s` apart; each is tried until it is taken or too old."""
        await self._subscribed.wait()
        for number, webhook in enumerate(webhooks):
            if number and gap_s:
                await self._sleep(gap_s)
            await self._bring(webhook)

    async def _bring(self, webhook: Webhook) -> None:
        for wait_s in waits(self._life_s):
            if await self._attempt(webhook):
                return
            await self._sleep(wait_s)
        webhook.last += "; given up"

    async def _attempt(self, webhook: Webhook) -> bool:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "facebookexternalua",
            "X-Hub-Signature-256": signature(self._app_secret, webhook.content),
        }
        webhook.attempts += 1
        try:
            async with self._lines:
                answer = await self._client.post(str(self.url), content=webhook.content, headers=headers)
        except _BROKEN as error:
            webhook.last = type(error).__name__
            return False
        webhook.last = f"HTTP {answer.status_code}"
        webhook.delivered = answer.is_success
        return webhook.delivered
