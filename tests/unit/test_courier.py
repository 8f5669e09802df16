"""Webhooks of the simulated WhatsApp on their way to a business."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from simulation.whatsapp.book import Webhook
from simulation.whatsapp.courier import AT_ONCE, Courier


class SlowBusiness(httpx.AsyncBaseTransport):
    """Takes a moment for each webhook, and knows how many came together."""

    def __init__(self) -> None:
        self.here = self.most = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, text=request.url.params["hub.challenge"])
        self.here += 1
        self.most = max(self.most, self.here)
        await asyncio.sleep(0.001)
        self.here -= 1
        return httpx.Response(200)


class DyingBusiness(httpx.AsyncBaseTransport):
    """Is gone when it is called for the first time, and back for the second."""

    def __init__(self, fault: Exception) -> None:
        self._faults = [fault]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, text=request.url.params["hub.challenge"])
        if self._faults:
            raise self._faults.pop()
        return httpx.Response(200)


@pytest.mark.parametrize(
    "fault", [httpx.ConnectError("refused"), AttributeError("getpeername"), RuntimeError("the handler is closed")]
)
def test_a_webhook_is_brought_again_however_its_line_broke(fault: Exception) -> None:
    """A dispatcher that was killed while it was called would never have heard of the delivery."""

    async def bring() -> bool:
        courier = Courier("secret", 10.0, lambda _: asyncio.sleep(0), DyingBusiness(fault))
        await courier.subscribe("http://business/webhook", "token")
        webhook = Webhook(about="delivered", content=b"{}")
        await courier.deliver([webhook])
        await courier.close()
        return webhook.delivered

    assert asyncio.run(bring())


def test_a_business_that_is_behind_is_not_stormed() -> None:
    """With thousands of webhooks under way together the simulator answered nobody, and sends became unclear."""

    async def bring() -> tuple[int, bool]:
        business = SlowBusiness()
        courier = Courier("secret", 10.0, asyncio.sleep, business)
        await courier.subscribe("http://business/webhook", "token")
        webhooks = [Webhook(about="sent", content=b"{}") for _ in range(5 * AT_ONCE)]
        await asyncio.gather(*(courier.deliver([webhook]) for webhook in webhooks))
        await courier.close()
        return business.most, all(webhook.delivered for webhook in webhooks)

    assert asyncio.run(bring()) == (AT_ONCE, True)
