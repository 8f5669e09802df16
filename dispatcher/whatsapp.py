"""A thin client of the WhatsApp Business Cloud API: upload a picture, send a template message.

There is no idempotency key for sends. So a request that never left is `Retry`, and one that left and was not answered
is `Unknown`: WhatsApp's own status, which carries `biz_opaque_callback_data`, tells later what became of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from dispatcher.answers import Accepted, Answer, Failure, Retry, Unknown, by_code, by_http_status
from dispatcher.metrics import asked
from dispatcher.settings import WhatsAppSettings

_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateMessage:
    """One message as WhatsApp wants it: who, which template, and what varies."""

    to: str
    """E.164 digits without the plus sign."""
    callback: str
    """The attempt's id, which WhatsApp's statuses carry back."""
    template: str
    language: str
    media_id: str
    body: tuple[str, ...]
    url_suffix: str
    payloads: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The request's body."""
        header = {"type": "header", "parameters": [{"type": "image", "image": {"id": self.media_id}}]}
        body = {"type": "body", "parameters": [{"type": "text", "text": text} for text in self.body]}
        url = _button("url", 0, {"type": "text", "text": self.url_suffix})
        replies = [
            _button("quick_reply", index, {"type": "payload", "payload": payload})
            for index, payload in enumerate(self.payloads, start=1)
        ]
        return {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": self.to,
            "biz_opaque_callback_data": self.callback,
            "type": "template",
            "template": {
                "name": self.template,
                "language": {"code": self.language},
                "components": [header, body, url, *replies],
            },
        }


def _button(sub_type: str, index: int, parameter: dict[str, str]) -> dict[str, Any]:
    return {"type": "button", "sub_type": sub_type, "index": str(index), "parameters": [parameter]}


@dataclass(frozen=True, slots=True)
class Uploaded:
    """WhatsApp keeps the picture for 30 days under this id."""

    media_id: str


class WhatsAppClient:
    """One business number."""

    def __init__(self, settings: WhatsAppSettings, token: str, transport: httpx.BaseTransport | None = None) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=settings.at_once)
        self._transport = transport or httpx.HTTPTransport(trust_env=False, limits=limits)
        self._base = f"{settings.base_url}/{settings.version}/{settings.phone_number_id}"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._timeout = {"timeout": httpx.Timeout(settings.timeout_s, connect=_CONNECT_TIMEOUT_S).as_dict()}

    def close(self) -> None:
        self._transport.close()

    def _post(self, where: str, **what: Any) -> httpx.Response:
        """The answer to one request. Without httpx's client: what it does for others costs as much as the request."""
        request = httpx.Request(
            "POST", f"{self._base}/{where}", headers=self._headers, extensions=self._timeout, **what
        )
        response = self._transport.handle_request(request)
        response.read()
        return response

    def upload(self, jpeg: bytes) -> Uploaded | Failure:
        """Hand a picture over. A picture uploaded twice does no harm, so here a lost answer is a `Retry`."""
        answer = self._upload(jpeg)
        asked("upload", answer)
        return answer

    def _upload(self, jpeg: bytes) -> Uploaded | Failure:
        try:
            response = self._post(
                "media",
                data={"messaging_product": "whatsapp", "type": "image/jpeg"},
                files={"file": ("bukti.jpg", jpeg, "image/jpeg")},
            )
        except httpx.RequestError:
            return Retry(0)
        content = _json(response)
        if response.is_success and isinstance(content.get("id"), str):
            return Uploaded(content["id"])
        failure = _failure(response.status_code, content)
        return Retry(response.status_code) if isinstance(failure, Unknown) else failure

    def send(self, message: TemplateMessage) -> Answer:
        """Send one message, once."""
        answer = self._send(message)
        asked("send", answer)
        return answer

    def _send(self, message: TemplateMessage) -> Answer:
        try:
            response = self._post("messages", json=message.as_json())
        except _NEVER_LEFT:
            return Retry(0)
        except httpx.RequestError as error:
            return Unknown(type(error).__name__)
        content = _json(response)
        if not response.is_success:
            return _failure(response.status_code, content)
        wamid = _wamid(content.get("messages"))
        return Accepted(wamid) if wamid else Unknown("answer_without_id")


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        content = response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def _failure(status: int, content: dict[str, Any]) -> Failure | Unknown:
    error = content.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return by_code(code) if isinstance(code, int) else by_http_status(status)


def _wamid(messages: Any) -> str | None:
    match messages:
        case [{"id": str(wamid)}, *_] if isinstance(messages, Sequence):
            return wamid
    return None
