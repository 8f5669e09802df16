"""The pages of those who run the service: units, users, audit trail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.background import BackgroundTask

from dispatcher import cases
from dispatcher.access import accounts, audit
from dispatcher.access.accounts import Refused
from dispatcher.access.audit import Actor, Audit, What
from dispatcher.access.office import Office
from dispatcher.access.roles import Role
from dispatcher.access.unit_book import UnitBook
from dispatcher.console import words
from dispatcher.console.guard import actor
from dispatcher.console.render import Renderer
from dispatcher.console.views import Views
from dispatcher.privacy.erasure import Eraser
from dispatcher.schema import cases as table
from dispatcher.store import Store
from dispatcher.units import UnitState
from dispatcher.workflow import State

Reason = Annotated[str, Form(max_length=500)]
Name = Annotated[str, Form(max_length=32)]
_AUDIT_ROWS = 100
_DISCARDED = 1000
"""Held cases that one form erases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficePages:
    """Units, users and audit trail of one dispatcher."""

    store: Store
    book: UnitBook
    audit: Audit
    office: Office
    views: Views
    eraser: Eraser
    renderer: Renderer

    def router(self) -> APIRouter:
        router = APIRouter()
        self._add_units(router)
        self._add_users(router)
        self._add_audit(router)
        return router

    def _add_units(self, router: APIRouter) -> None:
        book, now = self.book, self.renderer.clock

        def done(request: Request, unit_id: str, do: Callable[[], None]) -> Response:
            if unit_id not in book:
                raise HTTPException(404)
            try:
                do()
            except Refused as refused:
                raise HTTPException(409, words.SAID[str(refused)]) from None
            return RedirectResponse("/units", status_code=303)

        @router.get("/units")
        def units(request: Request) -> Response:
            lines, standing = self.views.units_now(), book.standing()
            return self.renderer.page(request, "units.html", lines=lines, standing=standing, needed=book.approvals)

        @router.post("/units/{unit_id}/approve")
        def approve(request: Request, unit_id: str, key: Annotated[str, Form(max_length=64)]) -> Response:
            return done(request, unit_id, lambda: book.approve(actor(request), unit_id, key, now()))

        @router.post("/units/{unit_id}/hold")
        def hold(request: Request, unit_id: str, why: Reason) -> Response:
            return done(request, unit_id, lambda: book.hold(actor(request), unit_id, " ".join(why.split()), now()))

        @router.post("/units/{unit_id}/discard")
        def discard(request: Request, unit_id: str, why: Reason) -> Response:
            answer = done(request, unit_id, lambda: self._discard(actor(request), unit_id, " ".join(why.split())))
            answer.background = BackgroundTask(self.eraser.sweep)  # the storage may be slow, and nobody waits for it
            return answer

        @router.post("/units/{unit_id}/release")
        def release(request: Request, unit_id: str, why: Reason) -> Response:
            return done(request, unit_id, lambda: book.release(actor(request), unit_id, " ".join(why.split()), now()))

    def _discard(self, actor: Actor, unit_id: str, why: str) -> None:
        """Erase what a quarantined unit said and nobody has judged. Raises Refused for a unit that is believed."""
        if self.book[unit_id].state is UnitState.APPROVED:
            raise Refused("unit_believed")
        with self.store.reading() as connection:
            held = cases.where(connection, (table.c.unit_id == unit_id) & (table.c.state == State.HELD), _DISCARDED)
        now, said = self.renderer.clock(), f"{len(held)} cases: {why}"
        with self.store.writing() as connection:  # first: what is erased half-way was ordered by somebody
            self.audit.append(connection, now, actor, What.UNIT_DISCARDED, unit_id, said)
        for case in held:
            self.eraser.drop_case(case)

    def _add_users(self, router: APIRouter) -> None:
        office, now = self.office, self.renderer.clock

        def page(request: Request, **values: Any) -> Response:
            with self.store.reading() as connection:
                users = accounts.listed(connection)
            known = {"given": None, "name": "", **values}
            return self.renderer.page(request, "users.html", users=users, roles=tuple(Role), **known)

        def done(request: Request, name: str, do: Callable[[], str | None]) -> Response:
            """A password that was made up is shown once, on the answer itself; all else leads back to the list."""
            try:
                given = do()
            except Refused as refused:
                return page(request, status=409, fault=str(refused), name=name)
            return page(request, given=given, name=name) if given else RedirectResponse("/users", status_code=303)

        @router.get("/users")
        def users(request: Request) -> Response:
            return page(request)

        @router.post("/users")
        def add(request: Request, name: Name, role: Annotated[Role, Form()]) -> Response:
            return done(request, name, lambda: office.add(actor(request), name, role, now()))

        @router.post("/users/{name}/role")
        def change_role(request: Request, name: str, role: Annotated[Role, Form()]) -> Response:
            return done(request, name, lambda: office.change_role(actor(request), name, role, now()))

        @router.post("/users/{name}/reset")
        def reset(request: Request, name: str) -> Response:
            return done(request, name, lambda: office.reset(actor(request), name, now()))

        @router.post("/users/{name}/disable")
        def disable(request: Request, name: str) -> Response:
            return done(request, name, lambda: office.disable(actor(request), name, now()))

    def _add_audit(self, router: APIRouter) -> None:
        def page(request: Request, number: int = 0, **values: Any) -> Response:
            with self.store.reading() as connection:
                entries = audit.latest(connection, _AUDIT_ROWS + 1, number * _AUDIT_ROWS)
            known = {"page": number, "has_more": len(entries) > _AUDIT_ROWS, "examined": None, **values}
            return self.renderer.page(request, "audit.html", entries=entries[:_AUDIT_ROWS], **known)

        @router.get("/audit")
        def show(request: Request, number: Annotated[int, Query(alias="page", ge=0, le=1_000_000)] = 0) -> Response:
            return page(request, number)

        @router.post("/audit/verify")
        def verify(request: Request) -> Response:
            with self.store.reading() as connection:
                examined = self.audit.verify(connection)
            return page(request, examined=examined)
