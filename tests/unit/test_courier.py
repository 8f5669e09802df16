"""Webhooks of the simulated WhatsApp on their way to a business."""

from __future__ import annotations

import asyncio

import httpx

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
