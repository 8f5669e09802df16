"""The Cloud API's side that the dispatcher calls: media and messages, in Meta's shapes."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.datastructures import Headers, UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from simulation.whatsapp.book import Book, Media, Message
from simulation.whatsapp.carrier import Carrier, Clock
from simulation.whatsapp.faults import Refusal
from simulation.whatsapp.limits import Gate
from simulation.whatsapp.outcomes import Answer, Outcome, Script
from simulation.whatsapp.sending import read_request
from simulation.whatsapp.server import hang_up
from simulation.whatsapp.settings import Settings

PICTURES = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n"}
"""What the first bytes of each accepted type are."""


def graph_api(settings: Settings, book: Book, script: Script, carrier: Carrier, clock: Clock) -> ASGIApp:
    """What answers under `/{version}`. Plain Starlette, a seventh cheaper than FastAPI."""
    media, number = _Media(settings, book, carrier, clock), settings.phone_number_id
    routes = [
        Route(f"/{number}/messages", _messages(settings, book, script, carrier, clock), methods=["POST"]),
        Route(f"/{number}/media", media.upload, methods=["POST"]),
        Route("/{media_id:int}", media.describe, methods=["GET"]),
        Route("/{media_id:int}", media.drop, methods=["DELETE"]),
        Route("/{media_id:int}/content", media.download, methods=["GET"]),
        Route("/{rest:path}", _elsewhere, methods=["GET", "POST", "DELETE"]),
    ]
    return _authorised(Router(routes), settings.token)


def _authorised(app: ASGIApp, token: str) -> ASGIApp:
    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        given = Headers(scope=scope).get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise Refusal(190)
        await app(scope, receive, send)

    return checked


async def _elsewhere(request: Request) -> Response:
    raise Refusal(100, f"Unsupported request: '{request.path_params['rest']}' does not exist or cannot be loaded")


class _Media:
    """Uploaded pictures."""

    def __init__(self, settings: Settings, book: Book, carrier: Carrier, clock: Clock) -> None:
        self._settings = settings
        self._book = book
        self._carrier = carrier
        self._clock = clock

    async def upload(self, request: Request) -> Response:
        content, mime_type = await _uploaded(request, self._settings.limits.media_bytes)
        digest = hashlib.sha256(content).hexdigest()
        media_id, now_s = self._carrier.new_media_id(), self._clock()
        self._book.keep_media(Media(id=media_id, content=content, mime_type=mime_type, sha256=digest, uploaded_s=now_s))
        return JSONResponse({"id": media_id})

    async def describe(self, request: Request) -> Response:
        media = self._found(request)
        return JSONResponse(
            {
                "messaging_product": "whatsapp",
                "url": f"{request.url.replace(query='')}/content",
                "mime_type": media.mime_type,
                "sha256": media.sha256,
                "file_size": len(media.content),
                "id": media.id,
            }
        )

    async def download(self, request: Request) -> Response:
        media = self._found(request)
        return Response(media.content, media_type=media.mime_type)

    async def drop(self, request: Request) -> Response:
        return JSONResponse({"success": self._book.drop_media(self._found(request).id)})

    def _found(self, request: Request) -> Media:
        media_id = str(request.path_params["media_id"])
        media = self._book.media(media_id, self._clock())
        if media is None:
            raise Refusal(100, f"Object with ID '{media_id}' does not exist or has expired")
        return media


async def _uploaded(request: Request, most_bytes: int) -> tuple[bytes, str]:
    """The picture of a multipart upload and its type; raises `Refusal`."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise Refusal(100, "The upload must be multipart/form-data")
    async with request.form() as form:
        if form.get("messaging_product") != "whatsapp":
            raise Refusal(100, "The parameter messaging_product is required.")
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Refusal(100, "The parameter file is required.")
        content, mime_type = await file.read(), str(form.get("type") or file.content_type)
    if mime_type not in PICTURES:
        raise Refusal(100, f"Param file must be image/jpeg or image/png. Received file of type '{mime_type}'.")
    if len(content) > most_bytes:
        raise Refusal(100, f"Media file size too big. Max file size we currently support: {most_bytes} bytes.")
    if not content.startswith(PICTURES[mime_type]):
        raise Refusal(131053, f"The file is not of the type {mime_type} that was declared")
    return content, mime_type


def _messages(
    settings: Settings, book: Book, script: Script, carrier: Carrier, clock: Clock
) -> Callable[[Request], Awaitable[Response]]:
    gate = Gate(settings.limits)

    async def send(request: Request) -> Response:
        content = _json(await request.body())
        if content.get("status") == "read":
            return _mark_read(book, content)
        draft = read_request(content, settings.templates, settings.display_phone_number, _has(book, clock))
        gate.admit(draft.to, clock())
        outcome = script.meet(draft.to)
        if outcome.answer not in (Answer.ACCEPT, Answer.ACCEPT_THEN_HANG_UP):
            return await _turn_away(request, outcome)
        answered = outcome.answer is Answer.ACCEPT
        message = carrier.accept(draft, outcome, answered)
        return _accepted(message) if answered else await hang_up(request)

    return send


def _json(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError as error:
        raise Refusal(100, "The request body is not JSON") from error
    if not isinstance(content, dict):
        raise Refusal(100, "The request body is not a JSON object")
    return content


def _has(book: Book, clock: Clock) -> Callable[[str], bool]:
    return lambda media_id: book.media(media_id, clock()) is not None


def _mark_read(book: Book, content: dict[str, Any]) -> Response:
    """The business has read an owner's reply: its ticks turn blue."""
    reply = book.reply(str(content.get("message_id")))
    if reply is None:
        raise Refusal(131009, "message_id: no such message was received")
    reply.seen_by_business = True
    return JSONResponse({"success": True})


async def _turn_away(request: Request, outcome: Outcome) -> Response:
    if outcome.answer is Answer.REFUSE:
        raise Refusal(outcome.code)
    if outcome.answer is Answer.BAD_GATEWAY:
        return HTMLResponse("<html><body><h1>502 Bad Gateway</h1></body></html>", status_code=502)
    return await hang_up(request)


def _accepted(message: Message) -> Response:
    draft = message.draft
    return JSONResponse(
        {
            "messaging_product": "whatsapp",
            "contacts": [{"input": draft.given_to, "wa_id": draft.to}],
            "messages": [{"id": message.id, "message_status": "accepted"}],
        }
    )
