"""What WhatsApp's calls say, taken apart (pure): statuses of messages and answers of owners.

Only what is needed is read and everything else is let pass: Meta adds fields without notice.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dispatcher.answers import Failure, by_code
from dispatcher.pacing import event_after
from dispatcher.workflow import Event


@dataclass(frozen=True, slots=True)
class StatusNews:
    """WhatsApp says where a message is."""

    wamid: str
    callback: str | None
    event: Event
    failure: Failure | None
    """Why it failed, when it did."""


@dataclass(frozen=True, slots=True)
class ReplyNews:
    """An owner pressed a button."""

    answered: str | None
    """Id of the message the button hangs on."""
    payload: str


_STATUSES = {"sent": Event.WAS_SENT, "delivered": Event.WAS_DELIVERED, "read": Event.WAS_READ}


def is_signed(app_secret: bytes, body: bytes, header: str | None) -> bool:
    """Whether `X-Hub-Signature-256` is the HMAC of exactly these bytes; compared in constant time."""
    expected = "sha256=" + hmac.new(app_secret, body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), (header or "").encode("utf-8", "replace"))


def read_call(body: bytes) -> tuple[StatusNews | ReplyNews, ...]:
    """All that a call says about messages; raises ValueError for bytes that are not JSON."""
    return tuple(_news(json.loads(body)))


def _news(content: Any) -> Iterator[StatusNews | ReplyNews]:
    for entry in _list(content, "entry"):
        for change in _list(entry, "changes"):
            value = change.get("value")
            yield from filter(None, map(_status, _list(value, "statuses")))
            yield from filter(None, map(_reply, _list(value, "messages")))


def _list(holder: Any, name: str) -> list[dict[str, Any]]:
    found = holder.get(name) if isinstance(holder, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _status(item: dict[str, Any]) -> StatusNews | None:
    wamid, callback = item.get("id"), item.get("biz_opaque_callback_data")
    if not isinstance(wamid, str):
        return None
    callback = callback if isinstance(callback, str) else None
    if item.get("status") == "failed":
        codes = [error.get("code") for error in _list(item, "errors")]
        failure = by_code(next((code for code in codes if isinstance(code, int)), 131000))
        return StatusNews(wamid, callback, event_after(failure), failure)
    event = _STATUSES.get(str(item.get("status")))
    return StatusNews(wamid, callback, event, None) if event else None


def _reply(item: dict[str, Any]) -> ReplyNews | None:
    context = item.get("context")
    answered = context.get("id") if isinstance(context, dict) else None
    match item:
        case {"type": "button", "button": {"payload": str(payload)}}:
            return ReplyNews(answered, payload)
        case {"type": "interactive", "interactive": {"button_reply": {"id": str(payload)}}}:
            return ReplyNews(answered, payload)
    return None
