"""The calls WhatsApp makes to the business: what they say and how they are signed (pure)."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from simulation.whatsapp.book import Message, SentButton
from simulation.whatsapp.faults import status_error_json
from simulation.whatsapp.outcomes import Status
from simulation.whatsapp.settings import DAY_S, Settings


def signature(app_secret: str, content: bytes) -> str:
    """The value of `X-Hub-Signature-256` for these raw bytes."""
    return "sha256=" + hmac.new(app_secret.encode(), content, hashlib.sha256).hexdigest()


def status_call(settings: Settings, message: Message, status: Status, at_s: float) -> bytes:
    """The body that reports one status of a message."""
    draft = message.draft
    report: dict[str, Any] = {
        "id": message.id,
        "status": status.value,
        "timestamp": str(int(at_s)),
        "recipient_id": draft.to,
    }
    if draft.callback is not None:
        report["biz_opaque_callback_data"] = draft.callback
    if status is Status.FAILED:
        report["errors"] = [status_error_json(message.outcome.fails_with or 131000)]
    else:
        report |= _billing(message, status)
    return _envelope(settings, {"statuses": [report]})


def _billing(message: Message, status: Status) -> dict[str, Any]:
    category = message.draft.template.category.lower()
    conversation: dict[str, Any] = {
        "id": hashlib.md5(message.id.encode(), usedforsecurity=False).hexdigest(),
        "origin": {"type": category},
    }
    if status is Status.SENT:
        conversation["expiration_timestamp"] = str(int(message.accepted_s + DAY_S))
    pricing = {"billable": True, "pricing_model": "PMP", "category": category, "type": "regular"}
    return {"conversation": conversation, "pricing": pricing}


def reply_call(settings: Settings, message: Message, button: SentButton, reply_id: str, at_s: float) -> bytes:
    """The body that brings the owner's tap on a quick reply."""
    recipient = message.draft.to
    reply = {
        "context": {"from": settings.display_phone_number, "id": message.id},
        "from": recipient,
        "id": reply_id,
        "timestamp": str(int(at_s)),
        "type": "button",
        "button": {"payload": button.value, "text": button.text},
    }
    contact = {"profile": {"name": "Pemilik kendaraan"}, "wa_id": recipient}
    return _envelope(settings, {"contacts": [contact], "messages": [reply]})


def _envelope(settings: Settings, news: dict[str, Any]) -> bytes:
    value = {
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": settings.display_phone_number,
            "phone_number_id": settings.phone_number_id,
        },
    }
    change = {"value": value | news, "field": "messages"}
    entry = {"id": settings.account_id, "changes": [change]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
