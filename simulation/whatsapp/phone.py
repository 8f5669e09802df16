"""The owner's phone: the chat as WhatsApp would draw it, with working buttons."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from markupsafe import Markup

from simulation.whatsapp.book import RANK, Book, Message, Reply
from simulation.whatsapp.carrier import Carrier, Clock
from simulation.whatsapp.markup import to_html
from simulation.whatsapp.outcomes import Status
from simulation.whatsapp.settings import Settings

ROOT = Path(__file__).parent.parent
STATIC = StaticFiles(directory=ROOT / "static")
PAGES = Jinja2Templates(directory=ROOT / "templates")
WIB = ZoneInfo("Asia/Jakarta")
MONTHS = (
    *("Januari", "Februari", "Maret", "April", "Mei", "Juni"),
    *("Juli", "Agustus", "September", "Oktober", "November", "Desember"),
)
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
STATUS_WORDS = {
    Status.SENT: "terkirim",
    Status.DELIVERED: "sampai di telepon",
    Status.READ: "dibaca",
    Status.FAILED: "gagal",
}


@dataclass(frozen=True, slots=True)
class Bubble:
    """One message as the chat shows it."""

    message: Message
    day: str | None
    """The date chip above it, when the day changes."""
    body: Markup

    @property
    def answered(self) -> bool:
        return bool(self.message.replies)

    @property
    def folds(self) -> bool:
        """WhatsApp shows up to three buttons; of more it shows two and a list of all."""
        return len(self.message.draft.buttons) > 3


@dataclass(frozen=True, slots=True)
class Step:
    """One line of what the business knows about a message."""

    ticks: str
    text: str
    at_s: float | None


def phone_routes(settings: Settings, book: Book, carrier: Carrier, clock: Clock) -> APIRouter:
    """Routes under `/phone`."""
    routes = APIRouter(prefix="/phone")

    def page(request: Request, name: str, **content: object) -> Response:
        shared = {
            "business": settings.business_name,
            "business_number": show_number(settings.display_phone_number),
            "now": _clock_text(clock()),
            "time": _clock_text,
            "seconds": lambda at_s: _moment(at_s).strftime("%H.%M.%S"),
            "number": show_number,
        }
        response = PAGES.TemplateResponse(request, name, shared | content, headers=HEADERS)
        tag = f'"{hashlib.sha256(bytes(response.body)).hexdigest()[:24]}"'
        if request.headers.get("If-None-Match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        response.headers["ETag"] = tag
        return response

    @routes.get("")
    async def phones(request: Request) -> Response:
        return page(request, "phones.html", phones=book.phones())

    @routes.get("/pictures/{media_id}")
    async def picture(media_id: str) -> Response:
        media = book.picture(media_id)
        if media is None:
            raise HTTPException(404, "no such picture")
        headers = HEADERS | {"Cache-Control": "private, max-age=3600"}
        return Response(media.content, media_type=media.mime_type, headers=headers)

    @routes.get("/{owner}")
    async def chat(request: Request, owner: str) -> Response:
        """Looking at the chat is reading it."""
        if not owner.isascii() or not owner.isdigit():
            raise HTTPException(404, "a phone is digits with country code: /phone/6281234567890")
        messages = book.chat(owner)
        for message in messages:
            carrier.read(message)
        today = _moment(clock()).date()
        sent = [(message, steps(message)) for message in messages]
        return page(request, "phone.html", owner=owner, bubbles=bubbles(messages, today), sent=sent)

    @routes.post("/{owner}/reply")
    async def reply(owner: str, message: Annotated[str, Form()], button: Annotated[int, Form()]) -> Response:
        """A tap on a quick reply; WhatsApp takes one for each message."""
        found = book.messages.get(message)
        if found is None or found.draft.to != owner:
            raise HTTPException(404, "no such message on this phone")
        if not found.replies and carrier.reply(found, button) is None:
            raise HTTPException(422, "no such button")
        return RedirectResponse(f"/phone/{owner}", status_code=303)

    return routes


def bubbles(messages: Sequence[Message], today: date) -> list[Bubble]:
    """The chat from top to bottom, with a date chip where the day changes."""
    shown: list[Bubble] = []
    previous: date | None = None
    for message in messages:
        day = _moment(message.statuses[Status.DELIVERED]).date()
        chip = show_day(day, today) if day != previous else None
        shown.append(Bubble(message, chip, to_html(message.draft.body)))
        previous = day
    return shown


def steps(message: Message) -> list[Step]:
    """What the business has been told of a message, in the order it became true."""
    lines = [Step("", "diterima server", message.accepted_s)]
    for status, at_s in sorted(message.statuses.items(), key=lambda item: RANK[item[0]]):
        lines.append(Step(status.value, STATUS_WORDS[status], at_s))
    lines += [_reply_step(reply) for reply in message.replies]
    calls = message.webhooks
    lines.append(Step("", f"webhook diterima: {sum(call.delivered for call in calls)} dari {len(calls)}", None))
    return lines


def _reply_step(reply: Reply) -> Step:
    return Step("reply", f"jawaban: {reply.button.text}", reply.at_s)


def show_number(digits: str) -> str:
    """`6281234567890` as `+62 812-3456-7890`."""
    if not digits.startswith("62"):
        return f"+{digits}"
    local = digits[2:]
    groups = [local[:3], local[3:7], local[7:]]
    return "+62 " + "-".join(group for group in groups if group)


def show_day(day: date, today: date) -> str:
    """The date chip: today, yesterday, or the date in Indonesian."""
    if day == today:
        return "Hari ini"
    if day == today - timedelta(days=1):
        return "Kemarin"
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _moment(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, WIB)


def _clock_text(at_s: float) -> str:
    return _moment(at_s).strftime("%H.%M")
