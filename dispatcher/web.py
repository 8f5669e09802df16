"""The one web server: console, webhook, health and metrics, with the headers that keep other hosts out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from dispatcher.errors import StoreError, UnstorableError
from dispatcher.metrics import RESPONSES

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_HTTPS_ALONE = {"Strict-Transport-Security": "max-age=31536000"}
_LARGEST_FORM_BYTES = 64 * 1024
"""A form of the console has a few hundred bytes; WhatsApp's calls have their own limit."""


def create_web(
    routers: Sequence[APIRouter],
    health: Callable[[], dict[str, Any]],
    metrics: Callable[[], bytes],
    allowed_hosts: Sequence[str],
    guard: Callable[[Request], Awaitable[None]],
    *,
    tls_in_front: bool = False,
) -> FastAPI:
    """The application; `health` and `metrics` say how the dispatcher is; `guard` stands before every route."""
    web = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(guard)])
    headers = _HEADERS | _HTTPS_ALONE if tls_in_front else _HEADERS
    web.add_middleware(TrustedHostMiddleware, allowed_hosts=list(allowed_hosts))

    @web.middleware("http")
    async def add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        status = 500
        try:
            response = (
                PlainTextResponse("too large", status_code=413) if _is_large(request) else await call_next(request)
            )
            status = response.status_code
        finally:
            RESPONSES.labels(getattr(request.scope.get("route"), "path", ""), str(status)).inc()
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return response

    @web.exception_handler(HTTPException)
    async def told(request: Request, error: HTTPException) -> Response:
        return PlainTextResponse(str(error.detail), status_code=error.status_code, headers=error.headers)

    @web.exception_handler(UnstorableError)
    @web.exception_handler(RequestValidationError)
    async def unreadable(request: Request, error: Exception) -> Response:
        return PlainTextResponse("a field is missing or wrong", status_code=422)

    @web.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        return PlainTextResponse("the dispatcher failed; its log says why", status_code=500, headers=headers)

    @web.exception_handler(StoreError)
    async def away(request: Request, error: StoreError) -> Response:
        return PlainTextResponse(str(error), status_code=503)

    @web.get("/health")
    def say_health() -> Response:
        said = health()
        return JSONResponse(said, status_code=503 if said["status"] == "failing" else 200)

    @web.get("/metrics")
    def say_metrics() -> Response:
        return Response(metrics(), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    for router in routers:
        web.include_router(router)
    return web


def _is_large(request: Request) -> bool:
    """Whether a form is too large to be read, or does not say how large it is."""
    if request.method == "GET" or request.url.path == "/webhook":
        return False
    length = request.headers.get("Content-Length", "")
    return not length.isdecimal() or int(length) > _LARGEST_FORM_BYTES
