"""The console's routes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse

from dispatcher import cases, decisions, pictures, sends
from dispatcher.access.accounts import Refused
from dispatcher.access.audit import Audit, What
from dispatcher.access.reveals import Reveals
from dispatcher.access.sights import LIST, Sights
from dispatcher.cases import Case
from dispatcher.console import words
from dispatcher.console.guard import actor, session_of
from dispatcher.console.render import Renderer
from dispatcher.console.views import CaseView, Views, case_json
from dispatcher.evidence import EvidenceStore
from dispatcher.plate import normalise
from dispatcher.reference import is_reference
from dispatcher.store import Store
from dispatcher.workflow import IllegalMove, State
from wire.messages import EvidenceRole

_API_ROWS = 10_000
Reason = Annotated[str, Form(max_length=500)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """The operators' pages about cases."""

    store: Store
    evidence: EvidenceStore
    views: Views
    audit: Audit
    reveals: Reveals
    sights: Sights
    renderer: Renderer
    decided: Callable[[], None]
    """Called when a person has moved a case."""

    def router(self) -> APIRouter:
        router = APIRouter()
        self._add_cases(router)
        self._add_decisions(router)
        self._add_reveal(router)
        return router

    def _view(self, request: Request, reference: str) -> CaseView:
        """A case as this visitor may see and decide it. Raises HTTPException when there is none."""
        user, now = session_of(request).user, self.renderer.clock()
        view = self.views.case(reference, user.name, now) if is_reference(reference) else None
        if view is None:
            raise HTTPException(404)
        self.sights.saw(actor(request), reference, now)
        return replace(view, possible=tuple(each for each in view.possible if user.may(decisions.RIGHTS[each])))

    def _case(self, reference: str) -> Case:
        case = self.views.find(reference) if is_reference(reference) else None
        if case is None:
            raise HTTPException(404)
        return case

    def _add_cases(self, router: APIRouter) -> None:
        page = self.renderer.page

        @router.get("/")
        def case_list(
            request: Request,
            state: str = "",
            reason: Annotated[str, Query(max_length=80)] = "",
            number: Annotated[int, Query(alias="page")] = 0,
        ) -> Response:
            self.sights.saw(actor(request), LIST, self.renderer.clock())
            chosen = next((one for one in State if one == state), None)
            reason = reason if chosen else ""
            view = self.views.listed(chosen, reason, max(number, 0))
            return page(request, "cases.html", view=view, chosen=chosen, reason=reason)

        @router.get("/cases/{reference}")
        def one_case(request: Request, reference: str) -> Response:
            return page(request, "case.html", view=self._view(request, reference))

        @router.get("/cases/{reference}/evidence/{role}")
        def picture(request: Request, reference: str, role: str) -> Response:
            place = self.views.picture(reference, role) if is_reference(reference) else None
            if place is None:
                raise HTTPException(404)
            if role != EvidenceRole.PLATE:  # plates alone stand in lists
                self.sights.saw(actor(request), reference, self.renderer.clock())
            return pictures.picture(self.evidence, place, 3600, words.NO_PICTURE)

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

    def _add_decisions(self, router: APIRouter) -> None:
        clock = self.renderer.clock

        def ask(decision: str, request: Request, reference: str) -> Response:
            view = self._view(request, reference)
            if decision not in view.possible:
                raise HTTPException(404)
            return self.renderer.page(request, "decide.html", view=view, decision=decision)

        def decide(
            decision: str,
            request: Request,
            reference: str,
            why: Reason = "",
            plate: Reason = "",
            proposal: Annotated[str, Form(max_length=64)] = "",
        ) -> Response:
            case, said = self._case(reference), " ".join(why.split())
            seen = normalise(plate) if decision == "correct" else ""
            fault = decisions.plate_fault(case, seen) if decision == "correct" else ""
            if decision == decisions.DISAGREE and not said:
                fault = "objection_missing"
            if fault:
                view = self._view(request, reference)
                if decision not in view.possible:
                    raise HTTPException(404)
                return self.renderer.page(request, "decide.html", status=400, view=view, decision=decision, fault=fault)
            try:
                decisions.decide(
                    self.store,
                    self.audit,
                    case,
                    decision,
                    actor(request),
                    said,
                    clock(),
                    plate=seen,
                    mark=proposal,
                    two=self.views.two,
                )
            except Refused as refused:
                raise HTTPException(409, words.SAID[str(refused)]) from None
            except IllegalMove as refused:
                raise HTTPException(409, f"{refused}; look at it again") from None
            self.decided()
            return RedirectResponse(f"/cases/{reference}", status_code=303)

        for decision in decisions.RIGHTS:
            path = f"/cases/{{reference}}/{decision}"
            router.add_api_route(path, partial(ask, decision), methods=["GET"], response_model=None)
            router.add_api_route(path, partial(decide, decision), methods=["POST"], response_model=None)

        def again(request: Request, reason: str, **values: Any) -> Response:
            with self.store.reading() as connection:
                number = len(decisions.failed(connection, reason))
            known = {"most": decisions.MOST_AT_ONCE, **values}
            return self.renderer.page(request, "resend.html", reason=reason, number=number, **known)

        @router.get("/resend")
        def count_failed(request: Request, reason: Annotated[str, Query(max_length=80)] = "") -> Response:
            return again(request, reason)

        @router.post("/resend")
        def resend_failed(
            request: Request,
            number: Annotated[int, Form()],
            why: Reason,
            reason: Annotated[str, Form(max_length=80)] = "",
        ) -> Response:
            with self.store.reading() as connection:
                is_as_shown = len(decisions.failed(connection, reason)) == number
            if not is_as_shown:
                return again(request, reason, status=409, fault="number_changed")
            said = " ".join(why.split())
            decisions.resend_failed(self.store, self.audit, reason, actor(request), said, clock())
            self.decided()
            return RedirectResponse("/?state=queued", status_code=303)

        @router.post("/sending/resume")
        def resume(request: Request, scope: Annotated[str, Form(max_length=80)]) -> Response:
            with self.store.writing() as connection:
                if sends.resume(connection, scope):
                    self.audit.append(connection, clock(), actor(request), What.SENDING_RESUMED, scope)
            self.decided()
            return RedirectResponse("/", status_code=303)

    def _add_reveal(self, router: APIRouter) -> None:
        page = self.renderer.page

        @router.get("/cases/{reference}/owner")
        def ask_owner(request: Request, reference: str) -> Response:
            return page(request, "owner.html", case=self._case(reference), found=None)

        @router.post("/cases/{reference}/owner")
        def show_owner(request: Request, reference: str, why: Reason = "") -> Response:
            case, said = self._case(reference), " ".join(why.split())
            try:
                found = self.reveals.owner(actor(request), case, said, self.renderer.clock())
            except Refused as refused:
                status = 429 if str(refused) == "reveals_spent" else 400
                return page(request, "owner.html", status=status, case=case, found=None, fault=str(refused))
            return page(request, "owner.html", case=case, found=found)
