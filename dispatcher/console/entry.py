"""Log-in, log-out, and what each user does with their own account."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from markupsafe import Markup

from dispatcher.access import passwords, sessions, totp
from dispatcher.access.accounts import Refused, User
from dispatcher.access.gate import Gate
from dispatcher.access.roles import Right
from dispatcher.console.guard import address, session_of, visitor
from dispatcher.console.render import Renderer

Text = Annotated[str, Form(max_length=passwords.MOST_CHARACTERS)]
_LOCAL = re.compile(r"/(?![/\\])[!-~]{0,150}")
_FORGET = {"Clear-Site-Data": '"cache", "cookies", "storage"'}
"""Whoever sits down next finds no picture in the browser."""


def home(user: User) -> str:
    """The first page of a user."""
    return "/" if user.may(Right.SEE_CASES) else "/users"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The pages around a log-in."""

    gate: Gate
    renderer: Renderer

    def router(self) -> APIRouter:
        router = APIRouter()
        page, now = self.renderer.page, self.renderer.clock

        def entered(token: str, where: str) -> Response:
            response = RedirectResponse(where, status_code=303)
            self.renderer.keep(response, token)
            return response

        def left() -> Response:
            response = RedirectResponse("/login", status_code=303, headers=_FORGET)
            response.delete_cookie(self.renderer.cookie, secure=self.renderer.secure, httponly=True, samesite="strict")
            return response

        def totp_page(request: Request, fault: str | None = None) -> Response:
            session = session_of(request)
            secret = self.gate.enrolment(session, now())
            picture = Markup(totp.picture(totp.address(secret, session.user.name, self.gate.issuer)))
            status = 400 if fault else 200
            return page(request, "totp.html", status=status, secret=secret, picture=picture, fault=fault)

        @router.get("/login")
        def show_login(request: Request, next: str = "") -> Response:
            return page(request, "login.html", name="", next=next if _LOCAL.fullmatch(next) else "")

        @router.post("/login")
        def log_in(request: Request, name: Text, password: Text, code: Text = "", next: Text = "") -> Response:
            where = next if _LOCAL.fullmatch(next) else ""
            said = name.strip().lower(), password, "".join(code.split())
            token = self.gate.log_in(*said, address(request), now())
            if token is None:
                return page(request, "login.html", status=401, name=name, next=where, fault="login_wrong")
            found = self.gate.find(token, now())
            assert found is not None
            return entered(token, where or home(found.user))

        @router.post("/logout")
        def log_out(request: Request) -> Response:
            self.gate.log_out(session_of(request), now())
            return left()

        @router.post("/logout/everywhere")
        def log_out_everywhere(request: Request) -> Response:
            self.gate.log_out(session_of(request), now(), everywhere=True)
            return left()

        @router.get("/account")
        def account(request: Request) -> Response:
            mine = session_of(request)
            with self.gate.store.reading() as connection:
                all_mine = sessions.of_user(connection, mine.user, self.gate.limits, now())
            return page(request, "account.html", mine=mine, sessions=all_mine)

        @router.get("/account/password")
        def show_password(request: Request) -> Response:
            return page(request, "password.html")

        @router.post("/account/password")
        def change_password(request: Request, old: Text, new: Text, again: Text) -> Response:
            try:
                if new != again:
                    raise Refused("password_differs")
                token = self.gate.change_password(session_of(request), old, new, now())
            except Refused as refused:
                return page(request, "password.html", status=400, fault=str(refused))
            return entered(token, "/account")

        @router.get("/account/totp")
        def show_totp(request: Request) -> Response:
            return totp_page(request)

        @router.post("/account/totp")
        def enrol(request: Request, password: Text, code: Text) -> Response:
            try:
                token = self.gate.enrol(session_of(request), password, "".join(code.split()), now())
            except Refused as refused:
                return totp_page(request, str(refused))
            user = visitor(request).user
            return entered(token, home(user) if user else "/")

        return router
