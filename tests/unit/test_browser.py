"""The browser that tests and pictures drive."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.errors import CakraError
from simulation.browser import Page


class Chromium:
    """Answers every command; a page that a pressed key leads to is there before the key is answered."""

    def __init__(self) -> None:
        self._said: list[dict[str, Any]] = []

    def send(self, text: str) -> None:
        asked = json.loads(text)
        if asked["params"].get("type") == "keyUp":
            self._said.append({"method": "Page.loadEventFired"})
        self._said.append({"id": asked["id"], "result": {}})

    def recv(self, timeout: float) -> str:
        if not self._said:
            raise TimeoutError
        return json.dumps(self._said.pop(0))


def test_a_page_that_is_there_before_its_key_is_answered_is_not_waited_for() -> None:
    """One login in hundreds was faster than the answer to its key, and the test of it hung."""
    page = Page(Chromium(), "session")  # type: ignore[arg-type]
    page.press("Enter")
    page.settle()


def test_a_page_that_does_not_come_is_told() -> None:
    """The page before must not pass for the one that was asked for."""
    page = Page(Chromium(), "session")  # type: ignore[arg-type]
    page.press("Enter")
    page.settle()
    with pytest.raises(CakraError, match="no answer within"):
        page.open("http://127.0.0.1/")
