"""The whole simulator as one ASGI application."""

from __future__ import annotations

import asyncio
import base64
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from simulation.whatsapp.admin import admin_routes
from simulation.whatsapp.book import Book
from simulation.whatsapp.carrier import Carrier, Clock
from simulation.whatsapp.courier import Courier, Sleep
from simulation.whatsapp.faults import Refusal, error_json
from simulation.whatsapp.graph import graph_api
from simulation.whatsapp.outcomes import Script
from simulation.whatsapp.phone import STATIC, phone_routes
from simulation.whatsapp.settings import Settings


def create_app(
    settings: Settings,
    *,
    clock: Clock = time.time,
    sleep: Sleep = asyncio.sleep,
    webhook_transport: httpx.AsyncBaseTransport | None = None,
) -> FastAPI:
    """One simulated business number and its users' phones.

    `clock` gives seconds since 1970 and `sleep` waits between webhooks; `webhook_transport` delivers webhooks to an
    application in the same process. Background work lives as long as the application's lifespan.
    """
    rng = random.Random(settings.seed)
    book = Book(settings.limits.media_life_s)
    script = Script(settings.outcomes)
    courier = Courier(settings.app_secret, settings.limits.webhook_life_s, sleep, webhook_transport)
    carrier = Carrier(settings, book, courier, clock, sleep, rng)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if settings.webhook_url is not None:
            courier.spawn(courier.keep_subscribing(settings.webhook_url, settings.verify_token))
        yield
        await courier.close()

    app = FastAPI(title="WhatsApp simulator", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    # First: it is asked most.
    app.mount(f"/{settings.version}", graph_api(settings, book, script, carrier, clock))
    app.mount("/static", STATIC, name="static")
    app.include_router(admin_routes(settings, book, script, carrier, courier))
    app.include_router(phone_routes(settings, book, carrier, clock))

    @app.exception_handler(Refusal)
    async def refuse(_: Request, refusal: Refusal) -> JSONResponse:
        trace_id = "A" + base64.urlsafe_b64encode(rng.randbytes(16)).decode().rstrip("=")
        return JSONResponse(error_json(refusal, trace_id), status_code=refusal.http_status)

    @app.api_route("/v{rest:path}", methods=["GET", "POST", "DELETE"])
    async def other_version(rest: str) -> Response:
        raise Refusal(2500)

    return app
