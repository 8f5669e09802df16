"""The one web server: console, webhook and health, with the headers that keep other hosts out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse

from dispatcher.errors import StoreError

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def create_web(
    routers: Sequence[APIRouter], health: Callable[[], dict[str, Any]], allowed_hosts: Sequence[str]
) -> FastAPI:
    """The application; `health` says how the dispatcher is and raises StoreError when its database is away."""
    web = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    web.add_middleware(TrustedHostMiddleware, allowed_hosts=list(allowed_hosts))

    @web.middleware("http")
    async def add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        response.headers.update(_HEADERS)
        return response

    @web.exception_handler(HTTPException)
    async def told(request: Request, error: HTTPException) -> Response:
        return PlainTextResponse(str(error.detail), status_code=error.status_code)

    @web.exception_handler(StoreError)
    async def away(request: Request, error: StoreError) -> Response:
        return PlainTextResponse(str(error), status_code=503)

    @web.get("/health")
    def say_health() -> Response:
        said = health()
        return JSONResponse(said, status_code=200 if said["status"] == "ok" else 503)

    for router in routers:
        web.include_router(router)
    return web
