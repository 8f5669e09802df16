"""The Cloud API's side that the dispatcher calls: media and messages, in Meta's shapes."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any, Protocol

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.datastructures import UploadFile

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


class _Authorise(Protocol):
    async def __call__(self, request: Request) -> None: ...


def graph_routes(settings: Settings, book: Book, script: Script, carrier: Carrier, clock: Clock) -> APIRouter:
    """Routes under `/{version}/`."""
    routes = APIRouter(prefix=f"/{settings.version}", dependencies=[Depends(_authorise(settings.token))])
    _add_media(routes, settings, book, carrier, clock)
    _add_messages(routes, settings, book, script, carrier, clock)

    @routes.api_route("/{rest:path}", methods=["GET", "POST", "DELETE"])
    def elsewhere(rest: str) -> Response:
        raise Refusal(100, f"Unsupported request: '{rest}' does not exist or cannot be loaded")

    return routes


def _authorise(token: str) -> _Authorise:
    async def check(request: Request) -> None:  # one that is not async would cost a thread
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise Refusal(190)

    return check


def _add_media(routes: APIRouter, settings: Settings, book: Book, carrier: Carrier, clock: Clock) -> None:
    @routes.post(f"/{settings.phone_number_id}/media")
    async def upload(request: Request) -> dict[str, str]:
        content, mime_type = await _uploaded(request, settings.limits.media_bytes)
        digest = hashlib.sha256(content).hexdigest()
        media_id = carrier.new_media_id()
        book.keep_media(Media(id=media_id, content=content, mime_type=mime_type, sha256=digest, uploaded_s=clock()))
        return {"id": media_id}

    def found(media_id: str) -> Media:
        media = book.media(media_id, clock())
        if media is None:
            raise Refusal(100, f"Object with ID '{media_id}' does not exist or has expired")
        return media

    @routes.get("/{media_id:int}")
    async def describe(media_id: int, request: Request) -> dict[str, Any]:
        media = found(str(media_id))
        return {
            "messaging_product": "whatsapp",
            "url": str(request.url_for("download", media_id=media_id)),
            "mime_type": media.mime_type,
            "sha256": media.sha256,
            "file_size": len(media.content),
            "id": media.id,
        }

    @routes.get("/{media_id:int}/content", name="download")
    async def download(media_id: int) -> Response:
        media = found(str(media_id))
        return Response(media.content, media_type=media.mime_type)

    @routes.delete("/{media_id:int}")
    async def drop(media_id: int) -> dict[str, bool]:
        return {"success": book.drop_media(found(str(media_id)).id)}


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


def _add_messages(
    routes: APIRouter, settings: Settings, book: Book, script: Script, carrier: Carrier, clock: Clock
) -> None:
    gate = Gate(settings.limits)

    @routes.post(f"/{settings.phone_number_id}/messages")
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
