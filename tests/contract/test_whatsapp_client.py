"""The WhatsApp client against the Cloud API's contract: the exact request, and what each answer means."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from dispatcher_world import ROOT

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
from dispatcher.settings import WhatsAppSettings
from dispatcher.whatsapp import TemplateMessage, Uploaded, WhatsAppClient
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


def settings(base_url: str = "http://graph.test") -> WhatsAppSettings:
    secret = Path("unused")
    return WhatsAppSettings(
        base_url=base_url,
        phone_number_id="100000000000001",
        token_file=secret,
        app_secret_file=secret,
        verify_token_file=secret,
        timeout_s=5,
    )


def answering(answer: Callable[[httpx.Request], httpx.Response]) -> WhatsAppClient:
    return WhatsAppClient(settings(), "TOKEN", transport=httpx.MockTransport(answer))


def send_to(answer: Callable[[httpx.Request], httpx.Response]) -> Any:
    client = answering(answer)
    try:
        return client.send(MESSAGE)
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


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (httpx.ConnectError, Retry(0)),
        (httpx.ConnectTimeout, Retry(0)),
        (httpx.ReadTimeout, Unknown("ReadTimeout")),
        (httpx.WriteError, Unknown("WriteError")),
        (httpx.RemoteProtocolError, Unknown("RemoteProtocolError")),
    ],
)
def test_only_a_request_that_never_left_is_sent_again(error: type[httpx.TransportError], meaning: Any) -> None:
    """There is no idempotency key: what may have arrived is unknown, never a retry."""

    def answer(request: httpx.Request) -> httpx.Response:
        raise error("x", request=request)

    assert send_to(answer) == meaning


def test_an_answer_that_cannot_be_unpacked_is_no_answer() -> None:
    """A broken proxy must not end the worker while other messages are under way."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip"))

    assert send_to(answer) == Unknown("DecodingError")


def test_a_lost_answer_to_an_upload_is_a_retry() -> None:
    """A picture uploaded twice reaches nobody."""

    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("x", request=request)

    client = answering(answer)
    assert client.upload(JPEG) == Retry(0)
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
        uploaded = client.upload(JPEG)
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
        assert isinstance(client.send(message), meaning)
        client.close()
