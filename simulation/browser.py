"""Chromium without a window, driven over its own debugging socket: what a person would see and type.

Chrome DevTools Protocol over one web socket (library: `websockets`); no driver beside the browser.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.sync.client import connect
from websockets.sync.connection import Connection

from agent.errors import CakraError

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_START_S = 60.0
_ANSWER_S = 30.0
_KEYS = {"Enter": (13, "\r"), "Tab": (9, ""), "Escape": (27, "")}


def chromium() -> str | None:
    """The browser's program, where this machine has one (Debian: package chromium)."""
    return next(filter(None, map(shutil.which, _BROWSERS)), None)


class Page:
    """One tab."""

    def __init__(self, socket: Connection, session: str) -> None:
        self._socket = socket
        self._session = session
        self._calls = 0
        self._loaded = False
        """Whether a page has come since the last action: it may be there before the action is answered."""
        self.complaints: list[str] = []
        """What the browser wrote to its log: blocked content, failed loads, errors of scripts."""
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol and its result. Raises CakraError when the browser refuses it."""
        self._calls += 1
        asked = {"id": self._calls, "method": method, "params": parameters, "sessionId": self._session}
        self._socket.send(json.dumps(asked))
        while True:
            said = self._next()
            if said.get("id") == self._calls:
                if "error" in said:
                    raise CakraError(f"chromium: {method}: {said['error']['message']}")
                result: dict[str, Any] = said["result"]
                return result

    def open(self, address: str) -> None:
        """Go to a page and wait until it is there with all its pictures."""
        self._loaded = False
        self.call("Page.navigate", url=address)
        self.settle()

    def settle(self) -> None:
        """Wait for the page that an action leads to."""
        while not self._loaded:
            self._next()

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in answer:
            raise CakraError(f"chromium: {answer['exceptionDetails']['text']} in {script[:60]}")
        return answer["result"].get("value")

    def type(self, text: str) -> None:
        """Text at the cursor."""
        self.call("Input.insertText", text=text)

    def press(self, key: str) -> None:
        """One key: Enter, Tab or Escape."""
        self._loaded = False
        code, text = _KEYS[key]
        known = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", **known, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **known)

    def photograph(self, picture: Path, width_px: int, height_px: int) -> None:
        """What is seen in a window of this size, as PNG."""
        size = {"width": width_px, "height": height_px, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        picture.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def _next(self) -> dict[str, Any]:
        try:
            said: dict[str, Any] = json.loads(self._socket.recv(timeout=_ANSWER_S))
        except TimeoutError:
            raise CakraError(f"chromium: no answer within {_ANSWER_S:.0f} s") from None
        self._loaded |= said.get("method") == "Page.loadEventFired"
        if said.get("method") == "Log.entryAdded":
            self.complaints.append(said["params"]["entry"]["text"])
        return said


@contextlib.contextmanager
def browsing(program: str, folder: Path) -> Iterator[Page]:
    """A fresh browser with one tab; its profile lies in the folder. Raises CakraError when it does not start."""
    profile = folder / "profile"
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
    command = [program, *flags, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with connect(_address(profile / "DevToolsActivePort"), max_size=None) as socket:
            yield Page(socket, _attach(socket))
    finally:
        process.terminate()
        process.wait(timeout=10)


def _address(file: Path) -> str:
    """Where the browser listens, once it has written it down."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        lines = file.read_text().splitlines() if file.exists() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.05)
    raise CakraError(f"chromium: does not come up within {_START_S:.0f} s")


def _attach(socket: Connection) -> str:
    """The session of the browser's one tab."""

    def ask(number: int, method: str, **parameters: Any) -> dict[str, Any]:
        socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (said := json.loads(socket.recv(timeout=_ANSWER_S))).get("id") != number:
            pass
        result: dict[str, Any] = said["result"]
        return result

    target = ask(1, "Target.createTarget", url="about:blank")["targetId"]
    return str(ask(2, "Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
