"""What the console's tests share: a dispatcher in this process and browsers that ask it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
from dispatcher_world import NOW, PICTURES, UNIT, Answering, enter, evidence, report, signed, write_config
from fastapi import FastAPI

from dispatcher.access.roles import Role
from dispatcher.app import Dispatcher, load_parts
from dispatcher.line import Line
from dispatcher.owners_import import import_owners
from dispatcher.settings import load_settings
from dispatcher.store import Store, counters
from dispatcher.whatsapp import WhatsAppClient
from wire.topics import Up, UpTopic

FAILING = Answering(lambda _: httpx.Response(500))


class Browser:
    """Asks the application in this process, and keeps its cookies."""

    def __init__(self, application: FastAPI) -> None:
        self._transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
        self.cookies = httpx.Cookies()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            base = "http://127.0.0.1:8080"
            async with httpx.AsyncClient(transport=self._transport, base_url=base, cookies=self.cookies) as client:
                answer = await client.request(method, path, **options)
                self.cookies.update(client.cookies)
                return answer

        return asyncio.run(ask())

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)


class World:
    """A dispatcher in this process, and its console; its WhatsApp fails unless `line` leads to another."""

    def __init__(self, folder: Path, line: Line = FAILING, **changes: Any) -> None:
        self.now = NOW
        settings = load_settings(write_config(folder, **changes))
        self.cookie = "__Host-cakra" if settings.web.tls_in_front else "cakra"
        parts = load_parts(settings)
        self.store = Store.open(settings.database, migrating=True)
        zone, path = settings.zone, folder / "owners.csv"
        import_owners(self.store, parts.sealer, path, NOW, zone, lambda row: None, lambda rows: None)
        self.whatsapp = WhatsAppClient(settings.whatsapp, parts.token, line=line)
        self.dispatcher = Dispatcher(parts, self.store, self.whatsapp, clock=lambda: self.now)
        self.web = self.browser(Role.SUPERVISOR)

    def browser(self, role: Role | None = None, name: str = "") -> Browser:
        """Somebody at the console; logged in when a role is given."""
        browser = Browser(self.dispatcher.web)
        if role is not None:
            browser.cookies.set(self.cookie, enter(self.store, role, name, self.now), domain="127.0.0.1")
        return browser

    def arrive(self, number: int = 1, **changes: Any) -> str:
        """A case that the worker has brought as far as it goes; its reference."""
        self.deliver(number, **changes)
        self.work()
        reference: str = self.cases()[0]["reference"]
        return reference

    def deliver(self, number: int = 1, **changes: Any) -> None:
        """A violation with its evidence, which no worker has seen yet."""
        take = self.dispatcher.intake.take
        take(UpTopic(UNIT, Up.VIOLATION), signed(report(number, **changes)), NOW)
        for role in PICTURES:
            take(UpTopic(UNIT, Up.EVIDENCE), evidence(role, number), NOW)

    def work(self) -> None:
        """Bring all cases as far as they go."""
        while self.dispatcher.workers[0].step():
            pass

    def cases(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.web.get("/api/cases.json").json()
        return found

    def count(self, name: str) -> int:
        """What the database has counted under a name."""
        with self.store.reading() as connection:
            return counters(connection).get(name, 0)

    def close(self) -> None:
        self.dispatcher.registry.close()
        self.whatsapp.close()
        self.store.close()


def token(browser: Browser, path: str) -> str:
    """The token of the forms on a page."""
    found = re.search(r'name="token" value="([^"]+)"', browser.get(path).text)
    assert found is not None
    return found[1]


def form(world: World, path: str) -> dict[str, str]:
    """A decision's form as a person fills it in."""
    return {"token": token(world.web, path), "why": "looked at it"}
