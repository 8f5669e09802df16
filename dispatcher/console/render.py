"""A page as HTML: templates, filters, and what every page knows of its visitor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from dispatcher.access import sessions
from dispatcher.console import guard, words
from dispatcher.plate import format_plate


def ago(moment: datetime, now: datetime) -> str:
    """How long ago, in the largest unit that says enough: `40 s`, `12 min`, `5 h`, `3 d`."""
    seconds = max(int((now - moment).total_seconds()), 0)
    for limit, size, unit in ((100, 1, "s"), (5400, 60, "min"), (129_600, 3600, "h")):
        if seconds < limit:
            return f"{seconds // size} {unit}"
    return f"{seconds // 86_400} d"


def as_whatsapp(text: str) -> Markup:
    """A message with `*bold*` as WhatsApp draws it; everything else is escaped."""
    parts = escape(text).split("*")
    return Markup("").join(Markup("<b>{}</b>").format(part) if index % 2 else part for index, part in enumerate(parts))


def environment(zone: ZoneInfo) -> Environment:
    """The templates with their filters; gettext with null translations until there is a catalogue."""
    made = Environment(
        loader=PackageLoader("dispatcher.console"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.install_null_translations(newstyle=True)  # type: ignore[attr-defined]
    made.filters["plate"] = format_plate
    made.filters["clock"] = lambda moment: f"{moment.astimezone(zone):%d %b %Y %H:%M:%S} {moment.astimezone(zone):%Z}"
    made.filters["hour"] = lambda moment: f"{moment.astimezone(zone):%H:%M:%S}"
    made.filters["whatsapp"] = as_whatsapp
    made.filters["ago"] = ago
    made.filters["percent"] = lambda share: f"{100 * share:.1f} %"
    made.filters["share"] = lambda share: "–" if share is None else f"{100 * share:.2f} %"
    made.filters["minutes"] = lambda seconds: "–" if seconds is None else f"{seconds / 60:.1f}"
    made.globals["words"] = words
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderer:
    """Draws pages, and keeps the browser's cookie."""

    templates: Environment
    clock: Callable[[], datetime]
    cookie: str
    secure: bool
    """The cookie goes over HTTPS alone."""

    def page(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        """A template with its values; `fault` is the code of what was refused, told on the page."""
        visitor = guard.visitor(request)
        token = visitor.token or sessions.new_token()
        known = {"now": self.clock(), "token": guard.form_token(token), "user": visitor.user, "fault": None, **values}
        response = HTMLResponse(self.templates.get_template(template).render(known), status_code=status)
        if not visitor.token:
            self.keep(response, token)
        return response

    def keep(self, response: Response, token: str) -> None:
        """Give the browser its token."""
        response.set_cookie(self.cookie, token, httponly=True, samesite="strict", secure=self.secure)
