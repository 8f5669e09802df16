"""The routes of the owner's page: plain forms, no script, no cookie."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dispatcher import pictures
from dispatcher.console.guard import address
from dispatcher.evidence import EvidenceStore
from dispatcher.metrics import OWNER_ENTRIES
from dispatcher.notice import LABELS
from dispatcher.owner_page import words
from dispatcher.owner_page.desk import Desk, Refusal, tidy
from dispatcher.reference import is_reference
from dispatcher.replies import MOST_REASON, Answer

_STYLE = (Path(__file__).parent / "owner.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; img-src 'self' data:; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""The style stands in the page: one request less on a slow phone, and the console's files stay off the public host."""
_STATUS = {Refusal.WRONG: 403, Refusal.BUSY: 429}
Text = Annotated[str, Form(max_length=80)]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerPages:
    """The pages under `/k`, where the notice's button leads."""

    desk: Desk
    evidence: EvidenceStore
    clock: Callable[[], datetime]
    domain: str
    """The address that owners should see in their browser."""

    def router(self) -> APIRouter:
        router = APIRouter()
        self._add_asking(router)
        self._add_evidence(router)
        return router

    def _page(self, template: str, status: int = 200, **values: Any) -> Response:
        known = {"style": Markup(_STYLE), "domain": self.domain, "words": words, "fault": None, **values}
        html = _TEMPLATES.get_template(template).render(known)
        return HTMLResponse(html, status_code=status, headers={"Content-Security-Policy": _POLICY})

    def _ask(self, reference: str = "", plate: str = "", fault: str | None = None, status: int = 200) -> Response:
        return self._page("ask.html", status, reference=reference, plate=plate, fault=fault)

    def _add_asking(self, router: APIRouter) -> None:
        @router.get("/k")
        def ask() -> Response:
            return self._ask()

        @router.get("/k/{reference}")
        def ask_about(reference: str) -> Response:
            return self._ask(reference if is_reference(reference) else "")

        @router.post("/k")
        def enter(request: Request, reference: Text = "", plate: Text = "") -> Response:
            said = self.desk.admit(reference, plate, address(request), self.clock())
            OWNER_ENTRIES.labels(said if isinstance(said, Refusal) else "admitted").inc()
            if isinstance(said, Refusal):
                return self._ask(tidy(reference), plate, said, _STATUS[said])
            return RedirectResponse(f"/k/bukti/{said}", status_code=303)

    def _add_evidence(self, router: APIRouter) -> None:
        def evidence(ticket: str, fault: str | None = None, reason: str = "") -> Response:
            shown = self.desk.show(ticket, self.clock())
            if shown is None:
                return self._ask(fault="over", status=403)
            facts = tuple(zip(LABELS, shown.notice.parameters, strict=True))
            values = {"ticket": ticket, "shown": shown, "facts": facts, "reason": reason}
            return self._page("evidence.html", 400 if fault else 200, fault=fault, most=MOST_REASON, **values)

        @router.get("/k/bukti/{ticket}")
        def show(ticket: str) -> Response:
            return evidence(ticket)

        @router.get("/k/bukti/{ticket}/{role}")
        def picture(ticket: str, role: str) -> Response:
            shown = self.desk.show(ticket, self.clock())
            if shown is None or role not in shown.pictures:
                raise HTTPException(404)
            return pictures.picture(self.evidence, shown.pictures[role], 600, words.NO_PICTURE)

        @router.post("/k/bukti/{ticket}")
        def answer(ticket: str, answer: Text = "", reason: Annotated[str, Form()] = "") -> Response:
            now, why = self.clock(), " ".join(reason.split())
            shown = self.desk.show(ticket, now)
            if shown is None:
                return self._ask(fault="over", status=403)
            said = next((each for each in shown.answers if each == answer), None)
            if len(why) > MOST_REASON:
                return evidence(ticket, "reason_long", why)
            if said is Answer.DISPUTE and not why:
                return evidence(ticket, "reason_missing")
            if said is None or not self.desk.answer(shown, said, why, now):
                return evidence(ticket, "moved_on", why)
            return RedirectResponse(f"/k/bukti/{ticket}", status_code=303)


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("dispatcher.owner_page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


_TEMPLATES = _environment()
