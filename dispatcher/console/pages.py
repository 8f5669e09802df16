"""The console's routes."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from dispatcher import cases, decisions, sends
from dispatcher.console import words
from dispatcher.console.views import Views, case_json
from dispatcher.evidence import EvidenceFolder
from dispatcher.plate import format_plate
from dispatcher.reference import is_reference
from dispatcher.store import Store
from dispatcher.workflow import IllegalMove, State
from wire.messages import SUFFIX

_COOKIE = "cakra_form"
_OPERATOR = "operator"
_API_ROWS = 10_000
_MEDIA = {suffix: media_type for media_type, suffix in SUFFIX.items()}


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
    made.globals["words"] = words
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """The operators' pages of one dispatcher."""

    store: Store
    folder: EvidenceFolder
    views: Views
    zone: ZoneInfo
    clock: Callable[[], datetime]
    decided: Callable[[], None]
    """Called when a person has moved a case."""

    def router(self) -> APIRouter:
        router = APIRouter()
        templates = environment(self.zone)

        def page(request: Request, name: str, **values: Any) -> Response:
            token = request.cookies.get(_COOKIE) or secrets.token_urlsafe(32)
            html = templates.get_template(name).render(now=self.clock(), token=token, **values)
            response = HTMLResponse(html)
            response.set_cookie(_COOKIE, token, httponly=True, samesite="strict")
            return response

        @router.get("/")
        def case_list(request: Request, state: str = "", number: Annotated[int, Query(alias="page")] = 0) -> Response:
            states = tuple(one for one in State if one == state)
            view = self.views.listed(states, max(number, 0))
            return page(request, "cases.html", view=view, chosen=states[0] if states else None)

        @router.get("/cases/{reference}")
        def one_case(request: Request, reference: str) -> Response:
            view = self.views.case(reference, self.clock()) if is_reference(reference) else None
            if view is None:
                raise HTTPException(404)
            return page(request, "case.html", view=view)

        @router.get("/cases/{reference}/evidence/{role}")
        def picture(reference: str, role: str) -> Response:
            place = self.views.picture(reference, role) if is_reference(reference) else None
            file = self.folder.find(place) if place else None
            if file is None:
                raise HTTPException(404)
            cache = {"Cache-Control": "private, max-age=3600"}
            return FileResponse(file, media_type=_MEDIA[file.suffix], headers=cache)

        @router.get("/cases/{reference}/{decision}")
        def ask(request: Request, reference: str, decision: str) -> Response:
            view = self.views.case(reference, self.clock()) if is_reference(reference) else None
            if view is None or decision not in view.possible:
                raise HTTPException(404)
            return page(request, "decide.html", view=view, decision=decision)

        @router.post("/cases/{reference}/{decision}")
        def decide(
            request: Request,
            reference: str,
            decision: str,
            token: Annotated[str, Form()],
            why: Annotated[str, Form(max_length=500)] = "",
        ) -> Response:
            _check_form(request, token)
            case = self.views.find(reference) if is_reference(reference) else None
            if case is None or decision not in decisions.DECISIONS:
                raise HTTPException(404)
            try:
                decisions.decide(self.store, case, decision, _OPERATOR, " ".join(why.split()), self.clock())
            except IllegalMove as refused:
                raise HTTPException(409, f"{refused}; look at it again") from None
            self.decided()
            return RedirectResponse(f"/cases/{reference}", status_code=303)

        @router.post("/sending/resume")
        def resume(request: Request, token: Annotated[str, Form()], scope: Annotated[str, Form()]) -> Response:
            _check_form(request, token)
            with self.store.writing() as connection:
                sends.resume(connection, scope)
            self.decided()
            return RedirectResponse("/", status_code=303)

        @router.get("/api/cases.json")
        def api_cases(limit: int = _API_ROWS) -> Response:
            with self.store.reading() as connection:
                found = cases.listed(connection, limit=min(max(limit, 1), _API_ROWS))
                times = cases.reached(connection, [case.case_id for case in found])
            return JSONResponse([case_json(case, times[case.case_id]) for case in found])

        @router.get("/static/{name}")
        def static(name: str) -> Response:
            folder = Path(__file__).parent / "static"
            known = {file.name: file for file in folder.iterdir()}
            if name not in known:
                raise HTTPException(404)
            return FileResponse(known[name], headers={"Cache-Control": "max-age=300"})

        return router


def _check_form(request: Request, token: str) -> None:
    """A form must come from one of our own pages: its token is the cookie's, and the browser does not say otherwise."""
    cookie = request.cookies.get(_COOKIE, "")
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise HTTPException(403, "this form does not come from the console; open the case again")
    if not cookie or not hmac.compare_digest(cookie.encode(), token.encode()):
        raise HTTPException(403, "this page is too old; open the case again")
