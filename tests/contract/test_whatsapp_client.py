"""The WhatsApp client against the Cloud API's contract: the exact request, and what each answer means."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import certifi
import httpx
import pytest
from dispatcher_world import ROOT, Answering
from fastapi import Request

from dispatcher import line
from dispatcher.answers import (
    CODES,
    Accepted,
    NextChannel,
    OurBug,
    Retry,
    Scope,
    StopSender,
    StopTemplate,
    Throttled,
    Unknown,
)
from dispatcher.line import KeptLines
from dispatcher.settings import WhatsAppSettings
from dispatcher.whatsapp import TemplateMessage, Uploaded, WhatsAppClient
from simulation.certificates import Authority
from simulation.whatsapp.app import create_app
from simulation.whatsapp.outcomes import Outcome
from simulation.whatsapp.registry import load_templates
from simulation.whatsapp.server import running
from simulation.whatsapp.settings import Settings

JPEG = b"\xff\xd8\xff\xe0 a picture \xff\xd9"
MESSAGE = TemplateMessage(
    to="6281234567890",
    callback="ntf_1",
    template="etle_konfirmasi_v1",
    language="id",
    media_id="MEDIA",
    body=("B 1234 XYZ", "K7QM-2XPA-94TB-HWZE"),
    url_suffix="K7QM-2XPA-94TB-HWZE",
    payloads=("v1.K7QM-2XPA-94TB-HWZE.own.MAC", "v1.K7QM-2XPA-94TB-HWZE.other.MAC"),
)


def settings(base_url: str = "http://graph.test", timeout_s: float = 5.0) -> WhatsAppSettings:
    secret = Path("unused")
    return WhatsAppSettings(
        base_url=base_url,
        phone_number_id="100000000000001",
        token_file=secret,
        app_secret_file=secret,
        verify_token_file=secret,
        timeout_s=timeout_s,
    )


def answering(answer: Callable[[httpx.Request], httpx.Response]) -> WhatsAppClient:
    return WhatsAppClient(settings(), "TOKEN", line=Answering(answer))


def send_to(answer: Callable[[httpx.Request], httpx.Response]) -> Any:
    client = answering(answer)
    try:
        return client.send(MESSAGE)()
    finally:
        client.close()


def test_the_request_is_exactly_what_the_cloud_api_takes() -> None:
    """One wrong key and WhatsApp refuses every notice of the country."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"messaging_product": "whatsapp", "messages": [{"id": "wamid.1"}]})

    assert send_to(answer) == Accepted("wamid.1")
    assert str(seen[0].url) == "http://graph.test/v25.0/100000000000001/messages"
    assert seen[0].headers["Authorization"] == "Bearer TOKEN"
    reference = "K7QM-2XPA-94TB-HWZE"
    assert json.loads(seen[0].content) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "6281234567890",
        "biz_opaque_callback_data": "ntf_1",
        "type": "template",
        "template": {
            "name": "etle_konfirmasi_v1",
            "language": {"code": "id"},
            "components": [
                {"type": "header", "parameters": [{"type": "image", "image": {"id": "MEDIA"}}]},
                {
                    "type": "body",
                    "parameters": [{"type": "text", "text": "B 1234 XYZ"}, {"type": "text", "text": reference}],
                },
                {
                    "type": "button",
                    "sub_type": "url",
                    "index": "0",
                    "parameters": [{"type": "text", "text": reference}],
                },
                {
                    "type": "button",
                    "sub_type": "quick_reply",
                    "index": "1",
                    "parameters": [{"type": "payload", "payload": f"v1.{reference}.own.MAC"}],
                },
                {
                    "type": "button",
                    "sub_type": "quick_reply",
                    "index": "2",
                    "parameters": [{"type": "payload", "payload": f"v1.{reference}.other.MAC"}],
                },
            ],
        },
    }


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (130429, Throttled(Scope.SENDER, 130429)),
        (131056, Throttled(Scope.RECIPIENT, 131056)),
        (131000, Retry(131000)),
        (131026, NextChannel(131026)),
        (190, StopSender(190)),
        (275, StopSender(275)),
        (132001, StopTemplate(132001)),
        (131009, OurBug(131009)),
        (999999, OurBug(999999)),
    ],
)
def test_each_error_code_has_its_action(code: int, meaning: Any) -> None:
    """A code taken for another would resend what must stop, or drop what must be sent again."""
    assert send_to(lambda _: httpx.Response(400, json={"error": {"code": code}})) == meaning


def test_the_table_knows_every_code_of_the_documentation() -> None:
    """A code that falls through the table ends as a dead letter although it could have been sent."""
    listed = {4, 80007, 130429, 131048, 131057, 131056, 1, 2, 131000, 131016, 131053, 131026, 131030, 131047, 130472}
    listed |= {0, 10, 190, *range(200, 300), 368, 131005, 131031, 131042, 131045, 132000, 132001, 132005, 132007}
    listed |= {132008, 132012, 132015, 132016, 100, 131008, 131009, 131021, 131051}
    assert set(CODES) == listed


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (502, Retry(502)),
        (504, Unknown("gateway_timeout")),
        (429, Throttled(Scope.SENDER, 429)),
        (401, StopSender(401)),
        (404, OurBug(404)),
        (200, Unknown("answer_without_id")),
    ],
)
def test_answers_without_metas_json_are_understood(status: int, meaning: Any) -> None:
    """Proxies answer with pages of their own; the owner must not get two messages for it."""
    assert send_to(lambda _: httpx.Response(status, text="<html>")) == meaning


@pytest.fixture
def rude() -> Iterator[Rude]:
    with Rude() as server:
        yield server


class Rude:
    """A server that takes one request a line, says what it is told to say, and hangs up."""

    def __init__(self) -> None:
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}"
        self.says = b""
        self.is_silent = False
        self.requests = 0
        self.hung_up = threading.Semaphore(0)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="rude")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self._thread.join()

    def _serve(self) -> None:
        with suppress(OSError):  # the door is closed
            while True:
                line, _ = self._door.accept()
                with line:
                    line.recv(65536)
                    self.requests += 1
                    line.sendall(self.says)
                    if self.is_silent:
                        self._end.wait()
                self.hung_up.release()


def told(body: bytes, *headers: str) -> bytes:
    """An answer with status 200."""
    head = "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers])
    return head.encode() + b"\r\n\r\n" + body


SAYS = b'{"messages": [{"id": "wamid.1"}]}'
ACCEPTED = told(SAYS)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n%b\r\n11;a=b\r\n%b\r\n0\r\nA: trailer\r\n\r\n"


@pytest.mark.parametrize(
    ("says", "meaning"),
    [
        (ACCEPTED, Accepted("wamid.1")),
        (b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + ACCEPTED, Accepted("wamid.1")),
        (b"HTTP/1.0 200 OK\r\n\r\n" + SAYS, Accepted("wamid.1")),
        (CHUNKED % (SAYS[:16], SAYS[16:]), Accepted("wamid.1")),
        (CHUNKED % (SAYS[:16], SAYS[16:-1]), Unknown("NotHttp")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", Unknown("answer_without_id")),
        (b"", Unknown("BrokenOff")),
        (ACCEPTED[:-9], Unknown("BrokenOff")),
        (ACCEPTED[:-44], Unknown("BrokenOff")),
        (b"SSH-2.0-server\r\n\r\n", Unknown("NotHttp")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Unknown("NotHttp")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n", Unknown("NotHttp")),
        (b"HTTP/1.1 200 OK\r\n" + b"A: and so on\r\n" * 100_000, Unknown("NotHttp")),
        (told(b"\x1f\x8b", "Content-Encoding: gzip"), Unknown("answer_without_id")),
        (told(b"[" * 100_000), Unknown("answer_without_id")),
        (b"HTTP/1.1 307 Elsewhere\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n", OurBug(307)),
        (b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", Retry(503)),
    ],
)
def test_a_request_that_left_is_never_sent_a_second_time(rude: Rude, says: bytes, meaning: Any) -> None:
    """There is no idempotency key: what may have arrived is unknown, never a retry, and no library may try again."""
    rude.says = says
    client = WhatsAppClient(settings(rude.url), "TOKEN")
    assert client.send(MESSAGE)() == meaning
    client.close()
    assert rude.requests == 1


def test_a_server_that_says_nothing_is_not_waited_for(rude: Rude) -> None:
    """One request that hangs must not hold up the country's notices."""
    rude.is_silent = True
    client = WhatsAppClient(settings(rude.url, timeout_s=0.1), "TOKEN")
    assert client.send(MESSAGE)() == Unknown("TimeoutError")
    assert client.upload(JPEG)() == Retry(0)
    client.close()


def test_several_requests_under_way_have_their_time_together(rude: Rude) -> None:
    """A server that falls silent would be waited for once more for each notice that is under way."""
    rude.is_silent = True
    client = WhatsAppClient(settings(rude.url, timeout_s=2.0), "TOKEN")
    began_s = time.monotonic()
    waiting = [client.send(MESSAGE) for _ in range(4)]
    assert [wait() for wait in waiting] == [Unknown("TimeoutError")] * 4
    assert time.monotonic() - began_s < 6.0
    client.close()


def test_a_line_that_was_closed_meanwhile_is_opened_anew(rude: Rude) -> None:
    """A server that ends an idle line must not make the next notice unknown."""
    rude.says = ACCEPTED
    client = WhatsAppClient(settings(rude.url), "TOKEN")
    for _ in range(3):
        assert client.send(MESSAGE)() == Accepted("wamid.1")
        assert rude.hung_up.acquire(timeout=10)
    client.close()


def test_what_was_said_unasked_is_nobodys_answer(rude: Rude) -> None:
    """An answer that came twice would be taken for the next notice's, and its owner never be told."""
    rude.says, rude.is_silent = ACCEPTED + ACCEPTED.replace(b"wamid.1", b"wamid.2"), True
    client = WhatsAppClient(settings(rude.url), "TOKEN")
    assert client.send(MESSAGE)() == Accepted("wamid.1")
    rude._end.set()
    assert client.send(MESSAGE)() == Accepted("wamid.1")
    client.close()
    assert rude.requests == 2


def test_a_line_that_was_idle_for_long_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may be closing it just as the next notice leaves, and nobody would know whether it arrived."""
    templates = load_templates(ROOT / "config" / "templates")
    with running(create_app(Settings(templates=templates))) as url:
        client = WhatsAppClient(settings(url), "sim-token")
        opened: list[int] = []
        connect = KeptLines._connect
        monkeypatch.setattr(KeptLines, "_connect", lambda self: opened.append(1) or connect(self))
        for idle_s in (5.0, 5.0, 0.0, 0.0):
            monkeypatch.setattr(line, "_IDLE_S", idle_s)
            assert isinstance(client.upload(JPEG)(), Uploaded)
        client.close()
    assert len(opened) == 3


def test_only_a_request_that_never_left_is_sent_again() -> None:
    """An hour without a network must not make a thousand cases unknown."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}", f"https://127.0.0.1:{port}", "http://no-such-host.invalid"):
        client = WhatsAppClient(settings(url), "TOKEN")
        assert client.send(MESSAGE)() == Retry(0)
        client.close()


def test_the_token_is_shown_to_whatsapp_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stands in between with a certificate of their own gets neither token nor message."""
    authority = Authority(tmp_path)
    pair = authority.issue("whatsapp")
    asked: list[str] = []
    app = create_app(Settings(templates=load_templates(ROOT / "config" / "templates")))

    @app.middleware("http")
    async def listen_in(request: Request, call_next: Callable[[Request], Any]) -> Any:
        asked.append(request.url.path)
        return await call_next(request)

    with running(app, ssl_certfile=pair.cert, ssl_keyfile=pair.key) as url:
        client = WhatsAppClient(settings(url), "sim-token")
        assert client.upload(JPEG)() == Retry(0)
        client.close()
        assert asked == []
        monkeypatch.setattr(certifi, "where", lambda: str(authority.cert))
        client = WhatsAppClient(settings(url), "sim-token")
        assert isinstance(client.upload(JPEG)(), Uploaded)
        client.close()


@pytest.mark.parametrize(
    ("outcome", "meaning"),
    [
        ("delivered", Accepted),
        ("throttled", Throttled),
        ("server_error", Retry),
        ("bad_gateway", Retry),
        ("accept_then_hang_up", Unknown),
        ("hang_up", Unknown),
    ],
)
def test_the_simulator_takes_the_same_upload_and_message(outcome: str, meaning: type) -> None:
    """Client and simulator must agree, or every test against the simulator proves nothing."""
    templates = load_templates(ROOT / "config" / "templates")
    outcomes = {"*": Outcome.model_validate(outcome)}
    with running(create_app(Settings(templates=templates, outcomes=outcomes))) as url:
        client = WhatsAppClient(settings(url), "sim-token")
        uploaded = client.upload(JPEG)()
        assert isinstance(uploaded, Uploaded)
        message = TemplateMessage(
            to=MESSAGE.to,
            callback=MESSAGE.callback,
            template=MESSAGE.template,
            language="id",
            media_id=uploaded.media_id,
            body=("B 1234 XYZ", "R", "v", "l", "t", "f", "d"),
            url_suffix="R",
            payloads=("a", "b", "c"),
        )
        assert isinstance(client.send(message)(), meaning)
        client.close()
