"""From the violation to the owner's answer, as the people in it see it: console, message, the phone's browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from console_world import World
from dispatcher_world import PASSWORD, PHONE, PICTURES, ROOT, enter, report
from test_console import look, tab_to

from dispatcher import cases
from dispatcher.access.roles import Role
from dispatcher.line import KeptLines
from simulation.browser import Page
from simulation.stack import get_json, post_json, wait_until
from simulation.whatsapp.app import create_app
from simulation.whatsapp.registry import Template
from simulation.whatsapp.server import running
from simulation.whatsapp.settings import Settings
from wire.messages import EvidenceRole, Verdict

WRONG_PAIR = "Failed to load resource: the server responded with a status of 403 (Forbidden)"
"""What the browser notes when an owner mistypes."""
PHONE_PX = (360, 640)
MESSAGE = ROOT / "config" / "templates" / "etle_konfirmasi_v1.yaml"


@pytest.fixture
def whatsapp() -> Iterator[str]:
    template = Template.model_validate(yaml.safe_load(MESSAGE.read_text()))
    with running(create_app(Settings(templates=(template,), status_gap_s=0, seed=1))) as address:
        yield address


class Service:
    """A dispatcher on loopback that hears from the simulated WhatsApp."""

    def __init__(self, folder: Path, whatsapp: str) -> None:
        self.whatsapp = whatsapp
        self.world = World(folder, KeptLines(whatsapp, timeout_s=10.0), whatsapp={"base_url": whatsapp})

    def subscribe(self, address: str) -> None:
        said = {"url": f"{address}/webhook", "verify_token": "sim-verify-token"}
        post_json(f"{self.whatsapp}/sim/subscribe", said)

    def message(self) -> dict[str, Any]:
        """The one message on the owner's phone, once the dispatcher knows that it is there."""

        def known() -> bool:
            self.world.work()
            return bool(self.world.cases()[0]["state"] == "delivered")

        wait_until(known, "the message")
        (message,) = get_json(f"{self.whatsapp}/sim/messages?to={PHONE}")
        return dict(message)


@pytest.fixture
def service(tmp_path: Path, whatsapp: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    scene = np.full((180, 320, 3), 120, np.uint8)
    picture = cv2.imencode(".jpg", scene)[1].tobytes()
    monkeypatch.setitem(PICTURES, EvidenceRole.CONTEXT, picture)
    monkeypatch.setitem(PICTURES, EvidenceRole.VEILED, picture + b"\0")
    monkeypatch.setitem(PICTURES, EvidenceRole.PLATE, cv2.imencode(".jpg", scene[:40, :120])[1].tobytes())
    folder = tmp_path / "dispatcher"
    folder.mkdir()
    made = Service(folder, whatsapp)
    yield made
    made.world.close()


def answer_on_the_phone(page: Page, address: str, message: dict[str, Any]) -> None:
    """What an owner does with the message's button, on a small screen."""
    reference = message["parameters"][1]
    url = next(button["value"] for button in message["buttons"] if button["type"] == "url")
    assert url == f"https://etle-konfirmasi.example.id/k/{reference}"
    page.call("Emulation.setDeviceMetricsOverride", width=360, height=640, deviceScaleFactor=2, mobile=True)
    page.open(f"{address}/k/{reference}")
    look_small(page)
    page.run('document.getElementById("plate").focus()')
    page.type("b 1299 xyz")
    page.press("Enter")
    page.settle()
    assert "tidak cocok" in page.run("document.body.innerText")
    look_small(page)
    page.run('document.getElementById("plate").select()')
    page.type("b 1234 xyz")
    page.press("Enter")
    page.settle()
    look_small(page)
    assert page.run("[...document.images].map(e => e.naturalWidth)") == [120, 320]
    tab_to(page, "Ya, saya yang mengemudi")
    page.press("Enter")
    page.settle()
    look_small(page)
    assert "sudah kami terima" in page.run("document.body.innerText")


def look_small(page: Page) -> None:
    """What must hold on every page of the owner's."""
    look(page)
    assert page.run("document.documentElement.lang") == "id"
    assert page.run("document.documentElement.scrollWidth") <= PHONE_PX[0]
    assert page.run("[...document.querySelectorAll('button, input')].every(e => e.offsetHeight >= 48)")
    assert page.run("parseFloat(getComputedStyle(document.body).fontSize)") >= 16
    assert page.run("document.scripts.length") == 0


def test_from_the_violation_over_review_and_correction_to_the_owners_answer(page: Page, service: Service) -> None:
    """A doubtful plate is corrected by a person, its real owner is told, and answers on a cheap phone."""
    world = service.world
    misread = report().plate.model_copy(update={"text": "B1284XYZ"})
    reference = world.arrive(verdict=Verdict.REVIEW, reasons=("plate_doubtful",), plate=misread)
    enter(world.store, Role.SUPERVISOR, "ana")
    with running(world.dispatcher.web) as address:
        service.subscribe(address)
        page.open(f"{address}/cases/{reference}")
        for text, key in (("ana", "Tab"), (PASSWORD, "Enter")):
            page.type(text)
            page.press(key)
        page.settle()
        tab_to(page, "Correct and send")
        page.press("Enter")
        page.settle()
        look(page)
        page.run('document.getElementById("plate").select()')
        page.type("B 1234 XYZ")
        page.press("Tab")
        page.type("a 3, no 8")
        page.press("Enter")
        page.settle()
        assert page.run("location.pathname") == f"/cases/{reference}"
        answer_on_the_phone(page, address, service.message())
        assert world.cases()[0]["state"] == "confirmed"
        page.open(f"{address}/cases/{reference}")
        for said in ("B 1284 XYZ read, B 1234 XYZ seen: a 3, no 8", "I drove"):
            assert said in page.run("document.body.innerText")
    assert page.complaints == [WRONG_PAIR]


def test_the_same_without_a_person(page: Page, service: Service) -> None:
    """Where nothing is doubtful nobody at the centre has to touch the case."""
    world = service.world
    world.arrive()
    with running(world.dispatcher.web) as address:
        service.subscribe(address)
        answer_on_the_phone(page, address, service.message())
    assert world.cases()[0]["state"] == "confirmed"
    with world.store.reading() as connection:
        (case,) = cases.listed(connection)
        who = {entry.who for entry in cases.history(connection, case.case_id)}
    assert who == {"unit-01", "machine", "whatsapp", "owner"}
    assert page.complaints == [WRONG_PAIR]
