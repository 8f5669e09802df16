"""A thin client of the WhatsApp Business Cloud API: upload a picture, send a template message.

There is no idempotency key for sends. So a request that never left is `Retry`, and one that left and was not answered
is `Unknown`: WhatsApp's own status, which carries `biz_opaque_callback_data`, tells later what became of it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from dispatcher.answers import Accepted, Answer, Failure, Retry, Unknown, by_code, by_http_status
from dispatcher.line import KeptLines, Line, Lost, NeverLeft
from dispatcher.metrics import asked
from dispatcher.settings import WhatsAppSettings

T = TypeVar("T")


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

    def __init__(self, settings: WhatsAppSettings, token: str, line: Line | None = None) -> None:
        self._line = line or KeptLines(settings.base_url, settings.timeout_s)
        self._path = f"/{settings.version}/{settings.phone_number_id}"
        self._headers = {"Authorization": f"Bearer {token}", "User-Agent": "cakra-dispatcher"}

    def close(self) -> None:
        self._line.close()

    def _post(self, where: str, content_type: str, body: bytes) -> Callable[[], tuple[int, dict[str, Any]]]:
        """The status and the JSON object of an answer, empty when it holds none, as `Line.post` gives them."""
        answer = self._line.post(f"{self._path}/{where}", {**self._headers, "Content-Type": content_type}, body)
        return lambda: _read(*answer())

    def upload(self, jpeg: bytes) -> Callable[[], Uploaded | Failure]:
        """Hand a picture over; what is returned waits for what came of it.

        A picture uploaded twice does no harm, so here a lost answer is a `Retry`.
        """
        boundary = secrets.token_hex(16)
        answer = self._post("media", f"multipart/form-data; boundary={boundary}", _form(jpeg, boundary))
        return lambda: _counted("upload", _uploaded(answer))

    def send(self, message: TemplateMessage) -> Callable[[], Answer]:
        """Send one message, once; what is returned waits for what came of it."""
        answer = self._post("messages", "application/json", json.dumps(message.as_json()).encode())
        return lambda: _counted("send", _sent(answer))


def _counted(request: str, answer: T) -> T:
    asked(request, answer)
    return answer


def _read(status: int, content: bytes) -> tuple[int, dict[str, Any]]:
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):  # not JSON, not text, or nested without end
        said = {}
    return status, said if isinstance(said, dict) else {}


def _uploaded(answer: Callable[[], tuple[int, dict[str, Any]]]) -> Uploaded | Failure:
    try:
        status, content = answer()
    except (NeverLeft, Lost):
        return Retry(0)
    if _is_success(status) and isinstance(content.get("id"), str):
        return Uploaded(content["id"])
    failure = _failure(status, content)
    return Retry(status) if isinstance(failure, Unknown) else failure


def _sent(answer: Callable[[], tuple[int, dict[str, Any]]]) -> Answer:
    try:
        status, content = answer()
    except NeverLeft:
        return Retry(0)
    except Lost as lost:
        return Unknown(lost.why)
    if not _is_success(status):
        return _failure(status, content)
    wamid = _wamid(content.get("messages"))
    return Accepted(wamid) if wamid else Unknown("answer_without_id")


def _form(jpeg: bytes, boundary: str) -> bytes:
    """The upload of a picture, as a browser would send a form."""
    said = {"messaging_product": "whatsapp", "type": "image/jpeg"}
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{said[name]}\r\n' for name in said]
    parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="bukti.jpg"\r\n')
    parts.append("Content-Type: image/jpeg\r\n\r\n")
    return b"".join(("".join(parts).encode(), jpeg, f"\r\n--{boundary}--\r\n".encode()))


def _is_success(status: int) -> bool:
    return 200 <= status < 300


def _failure(status: int, content: dict[str, Any]) -> Failure | Unknown:
    error = content.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return by_code(code) if isinstance(code, int) else by_http_status(status)


def _wamid(messages: Any) -> str | None:
    match messages:
        case [{"id": str(wamid)}, *_] if isinstance(messages, Sequence):
            return wamid
    return None
