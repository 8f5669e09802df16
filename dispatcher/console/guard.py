"""The rule of each route: who may use it. A route without a rule is closed to everybody."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from urllib.parse import quote

from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool

from dispatcher import decisions
from dispatcher.access.accounts import User
from dispatcher.access.audit import Actor
from dispatcher.access.gate import Gate
from dispatcher.access.roles import Right
from dispatcher.access.sessions import Session
from dispatcher.console import words
from dispatcher.metrics import REFUSALS


class Door(StrEnum):
    """Who may come without a log-in."""

    OPEN = "open"
    """Anybody, and nobody is asked who they are: machines, and what every page is drawn with."""
    PUBLIC = "public"
    """Anybody, from everywhere: what alone is served under the official domain. No form of another page."""
    ENTRY = "entry"
    """Anybody with a browser; its forms must be ours."""


RULES: Mapping[tuple[str, str], Door | Right] = MappingProxyType(
    {
        ("GET", "/health"): Door.OPEN,
        ("GET", "/metrics"): Door.OPEN,
        ("GET", "/webhook"): Door.PUBLIC,
        ("POST", "/webhook"): Door.PUBLIC,
        ("GET", "/k"): Door.PUBLIC,
        ("POST", "/k"): Door.PUBLIC,
        ("GET", "/k/{reference}"): Door.PUBLIC,
        ("GET", "/k/bukti/{ticket}"): Door.PUBLIC,
        ("POST", "/k/bukti/{ticket}"): Door.PUBLIC,
        ("GET", "/k/bukti/{ticket}/{role}"): Door.PUBLIC,
        ("GET", "/static/{name}"): Door.OPEN,
        ("GET", "/login"): Door.ENTRY,
        ("POST", "/login"): Door.ENTRY,
        ("GET", "/account"): Right.OWN_ACCOUNT,
        ("POST", "/logout"): Right.OWN_ACCOUNT,
        ("POST", "/logout/everywhere"): Right.OWN_ACCOUNT,
        ("GET", "/account/password"): Right.OWN_ACCOUNT,
        ("POST", "/account/password"): Right.OWN_ACCOUNT,
        ("GET", "/account/totp"): Right.OWN_ACCOUNT,
        ("POST", "/account/totp"): Right.OWN_ACCOUNT,
        ("GET", "/"): Right.SEE_CASES,
        ("GET", "/api/cases.json"): Right.SEE_CASES,
        ("GET", "/cases/{reference}"): Right.SEE_CASES,
        ("GET", "/cases/{reference}/evidence/{role}"): Right.SEE_CASES,
        ("GET", "/cases/{reference}/owner"): Right.REVEAL,
        ("POST", "/cases/{reference}/owner"): Right.REVEAL,
        **{("GET", f"/cases/{{reference}}/{name}"): right for name, right in decisions.RIGHTS.items()},
        **{("POST", f"/cases/{{reference}}/{name}"): right for name, right in decisions.RIGHTS.items()},
        ("GET", "/resend"): Right.RESEND,
        ("POST", "/resend"): Right.RESEND,
        ("POST", "/sending/resume"): Right.RESEND,
        ("GET", "/numbers"): Right.SEE_UNITS,
        ("GET", "/units"): Right.SEE_UNITS,
        ("POST", "/units/{unit_id}/approve"): Right.APPROVE_KEYS,
        ("POST", "/units/{unit_id}/hold"): Right.HOLD_UNITS,
        ("POST", "/units/{unit_id}/discard"): Right.HOLD_UNITS,
        ("POST", "/units/{unit_id}/release"): Right.HOLD_UNITS,
        ("GET", "/audit"): Right.READ_AUDIT,
        ("POST", "/audit/verify"): Right.READ_AUDIT,
        ("GET", "/users"): Right.MANAGE_USERS,
        ("POST", "/users"): Right.MANAGE_USERS,
        ("POST", "/users/{name}/role"): Right.MANAGE_USERS,
        ("POST", "/users/{name}/reset"): Right.MANAGE_USERS,
        ("POST", "/users/{name}/disable"): Right.MANAGE_USERS,
    }
)
"""Method and path of each route, and what it takes."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks: a browser's token, and the session behind it where there is one."""

    token: str
    session: Session | None

    @property
    def user(self) -> User | None:
        return self.session.user if self.session else None


@dataclass(frozen=True, slots=True)
class Guard:
    """Stands before every route of the web server."""

    gate: Gate
    clock: Callable[[], datetime]
    cookie: str
    public_host: str
    """The name under which owners come; nothing but what is theirs is served there."""

    async def __call__(self, request: Request) -> None:
        """Let a request through. Raises HTTPException: to the log-in, or refused."""
        rule = RULES.get((request.method, request.scope["route"].path))
        if rule is None:
            raise _refused(403, "no_rule")
        if rule is Door.PUBLIC:
            _check_site(request)
            return
        if request.url.hostname == self.public_host:
            raise _elsewhere("/k") if request.url.path == "/" else HTTPException(404)
        if rule is Door.OPEN:
            return
        token = request.cookies.get(self.cookie, "")
        session = await run_in_threadpool(self.gate.find, token, self.clock()) if token else None
        request.state.visitor = Visitor(token, session)
        if request.method != "GET":
            await _check_form(request, token)
        if isinstance(rule, Right):
            self._check_right(request, rule, session)

    def _check_right(self, request: Request, right: Right, session: Session | None) -> None:
        if session is None:
            if request.method != "GET" or request.url.path.startswith("/api/"):
                raise _refused(401, "logged_out")
            raise _elsewhere("/login?next=" + quote(request.url.path, safe="/"))
        owed = self.gate.owed(session.user)
        if owed and right is not Right.OWN_ACCOUNT:
            raise _elsewhere(f"/account/{owed}")
        if not session.user.may(right):
            raise _refused(403, "no_right")


def visitor(request: Request) -> Visitor:
    """Who asks, as the guard found out."""
    found: Visitor = request.state.visitor
    return found


def session_of(request: Request) -> Session:
    """The session of a request that the guard let through to a route with a right."""
    session = visitor(request).session
    assert session is not None
    return session


def actor(request: Request) -> Actor:
    """Who does something, for the trail."""
    return Actor(name=session_of(request).user.name, address=address(request))


def address(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host[:64] if request.client else ""


def form_token(token: str) -> str:
    """What a form of ours carries: only who holds the browser's cookie can make it."""
    return hmac.new(token.encode(), b"form", hashlib.sha256).hexdigest()


async def _check_form(request: Request, token: str) -> None:
    """A form must come from one of our own pages: it carries the token, and the browser does not say otherwise."""
    _check_site(request)
    is_plain = request.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")
    said = (await request.form()).get("token") if is_plain else None  # no page of ours uploads files
    if not token or not isinstance(said, str) or not hmac.compare_digest(said.encode(), form_token(token).encode()):
        raise _refused(403, "old_form")


def _check_site(request: Request) -> None:
    """The browser does not say that a form comes from somewhere else; links may."""
    if request.method != "GET" and request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise _refused(403, "foreign_form")


def _refused(status: int, reason: str) -> HTTPException:
    REFUSALS.labels(reason).inc()
    return HTTPException(status, words.SAID[reason])


def _elsewhere(path: str) -> HTTPException:
    return HTTPException(303, headers={"Location": path})
