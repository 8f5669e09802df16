"""The test's and the demo's side: what was sent, and what shall happen next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException
from pydantic import BaseModel, ConfigDict

from simulation.whatsapp.book import Book, Message
from simulation.whatsapp.carrier import Carrier
from simulation.whatsapp.courier import Courier
from simulation.whatsapp.outcomes import Outcome, Script
from simulation.whatsapp.settings import Settings


class Subscription(BaseModel):
    """Where the webhooks go; left out fields keep what the simulator was started with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str | None = None
    verify_token: str | None = None


class Tap(BaseModel):
    """The owner taps a quick reply: by its place among the buttons, or by its answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    message: str
    button: int | None = None
    answer: str | None = None

    def index(self, message: Message) -> int:
        if self.button is not None:
            return self.button
        answers = [button.answer for button in message.draft.buttons]
        return answers.index(self.answer) if self.answer in answers else -1


def admin_routes(settings: Settings, book: Book, script: Script, carrier: Carrier, courier: Courier) -> APIRouter:
    """Routes under `/sim/` and `/health`."""
    routes = APIRouter()

    def find(message_id: str) -> Message:
        if message_id not in book.messages:
            raise HTTPException(404, "no such message")
        return book.messages[message_id]

    @routes.get("/health")
    async def health() -> dict[str, Any]:
        messages = list(book.messages.values())
        waiting = sum(not webhook.delivered for message in messages for webhook in message.webhooks)
        return {
            "ok": True,
            "version": settings.version,
            "phone_number_id": settings.phone_number_id,
            "templates": [f"{template.name} ({template.language})" for template in settings.templates],
            "subscribed": courier.subscribed,
            "last_handshake": courier.last_handshake,
            "messages": len(messages),
            "webhooks_waiting": waiting,
        }

    @routes.get("/sim/messages")
    async def messages(to: str | None = None) -> list[dict[str, Any]]:
        return [message.as_json() for message in book.messages.values() if to in (None, message.draft.to)]

    @routes.get("/sim/outcomes")
    async def outcomes() -> dict[str, Outcome]:
        return script.outcomes

    @routes.post("/sim/outcomes")
    async def set_outcomes(new: Annotated[Mapping[str, Outcome], Body()]) -> dict[str, Outcome]:
        script.outcomes |= new
        return script.outcomes

    @routes.delete("/sim/outcomes")
    async def clear_outcomes() -> dict[str, Outcome]:
        script.outcomes.clear()
        return script.outcomes

    @routes.post("/sim/subscribe")
    async def subscribe(wanted: Subscription) -> dict[str, Any]:
        url = wanted.url or courier.url or settings.webhook_url
        if url is None:
            raise HTTPException(422, "no webhook address; give url")
        if not await courier.subscribe(url, wanted.verify_token or settings.verify_token):
            raise HTTPException(502, f"the handshake failed: {courier.last_handshake}")
        return {"subscribed": True, "url": url}

    @routes.post("/sim/read")
    async def read(message: Annotated[str, Body(embed=True)]) -> dict[str, Any]:
        found = find(message)
        carrier.read(found)
        return found.as_json()

    @routes.post("/sim/reply")
    async def reply(tap: Tap) -> dict[str, Any]:
        found = find(tap.message)
        if carrier.reply(found, tap.index(found)) is None:
            raise HTTPException(422, "the message is not on the phone, or has no such quick reply")
        return found.as_json()

    return routes
