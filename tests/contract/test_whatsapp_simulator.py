"""The WhatsApp simulator keeps to the Cloud API's contract, over real HTTP on the loopback interface."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.errors import CakraError, ConfigError
from simulation.whatsapp import add_arguments, run
from simulation.whatsapp.app import create_app
from simulation.whatsapp.markup import to_html
from simulation.whatsapp.outcomes import OUTCOMES, load_outcomes
from simulation.whatsapp.registry import load_templates
from simulation.whatsapp.server import listen, running
from simulation.whatsapp.settings import DAY_S, Limits, Settings

TEMPLATES = Path(__file__).parent / "templates"
OWNER = "6281234567890"
JPEG = b"\xff\xd8\xff\xe0" + bytes(200)
PLATE, REFERENCE = "B 1234 XYZ", "K7Q2M9TX4F"
PARAMETERS = [
    PLATE,
    REFERENCE,
    "Ganjil-genap, Pasal 287 ayat (1)",
    "Jl. Jenderal Sudirman",
    "23 November 2026 pukul 07.12 WIB",
    "Rp500.000",
    "1 Desember 2026",
]
ANSWERS = ("own", "other", "not_mine")
DEADLINE_S = 20.0


class Clock:
    """Seconds since 1970 that pass only when told."""

    def __init__(self) -> None:
        self.now_s = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now_s


class Business:
    """The dispatcher's webhook: takes the handshake, keeps the calls, answers as scripted."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.calls: list[httpx.Request] = []
        self.handshakes: list[httpx.Request] = []
        self.refusals: list[int] = []
        self.handshake_refusals = 0
        self.waits: list[float] = []
        self._news = threading.Condition()

    def take(self, request: httpx.Request) -> httpx.Response:
        with self._news:
            self._news.notify_all()
            if request.method == "GET":
                self.handshakes.append(request)
                if len(self.handshakes) <= self.handshake_refusals:
                    return httpx.Response(403)
                return httpx.Response(200, text=request.url.params["hub.challenge"])
            self.calls.append(request)
            return httpx.Response(self.refusals.pop(0) if self.refusals else 200)

    async def sleep(self, wait_s: float) -> None:
        self.waits.append(wait_s)
        await asyncio.sleep(0)

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        """The first `count` calls' news: one status or one message each."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.calls) >= count, DEADLINE_S), self.calls
            return [news_of(call.content) for call in self.calls]


def news_of(content: bytes) -> dict[str, Any]:
    value = json.loads(content)["entry"][0]["changes"][0]["value"]
    news: dict[str, Any] = (value.get("statuses") or value["messages"])[0]
    return news


class Sender:
    """The dispatcher's client, as plain requests."""

    def __init__(self, base_url: str, business: Business, clock: Clock) -> None:
        self.base_url = base_url
        self.business = business
        self.clock = clock
        headers = {"Authorization": "Bearer sim-token"}
        self.http = httpx.Client(base_url=base_url, headers=headers, trust_env=False, timeout=DEADLINE_S)

    def upload(self, content: bytes = JPEG, mime_type: str = "image/jpeg") -> httpx.Response:
        return self.http.post(
            "/v25.0/100000000000001/media",
            data={"messaging_product": "whatsapp", "type": mime_type},
            files={"file": ("evidence", content, mime_type)},
        )

    def request(self, to: str = OWNER, parameters: list[str] | None = None) -> dict[str, Any]:
        texts = [{"type": "text", "text": text} for text in parameters or PARAMETERS]
        media = {"type": "image", "image": {"id": self.upload().json()["id"]}}
        url = {"type": "button", "sub_type": "url", "index": "0"}
        components = [
            {"type": "header", "parameters": [media]},
            {"type": "body", "parameters": texts},
            url | {"parameters": [{"type": "text", "text": REFERENCE}]},
        ]
        for index, answer in enumerate(ANSWERS, start=1):
            payload = {"type": "payload", "payload": f"v1.{REFERENCE}.{answer}.MAC"}
            reply = {"type": "button", "sub_type": "quick_reply", "index": str(index), "parameters": [payload]}
            components.append(reply)
        return {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": to,
            "biz_opaque_callback_data": "ntf_1",
            "type": "template",
            "template": {
                "name": "etle_konfirmasi_v1",
                "language": {"code": "id"},
                "components": components,
            },
        }

    def post(self, content: dict[str, Any]) -> httpx.Response:
        return self.http.post("/v25.0/100000000000001/messages", json=content)

    def send(self, to: str = OWNER, parameters: list[str] | None = None) -> httpx.Response:
        return self.post(self.request(to, parameters))

    def messages(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.http.get("/sim/messages").json()
        return found

    def delivered(self, to: str = OWNER) -> str:
        """Send and wait until the phone has it; gives the message's id."""
        wamid: str = self.send(to).json()["messages"][0]["id"]
        self.business.wait_for(2)
        return wamid


@contextmanager
def simulator(refused_handshakes: int = 0, **changes: Any) -> Iterator[Sender]:
    clock = Clock()
    business = Business(clock)
    business.handshake_refusals = refused_handshakes
    settings = Settings(
        templates=load_templates(TEMPLATES),
        webhook_url="http://dispatcher.test/webhook",
        status_gap_s=0.0,
        seed=7,
        **changes,
    )
    transport = httpx.MockTransport(business.take)
    app = create_app(settings, clock=clock, sleep=business.sleep, webhook_transport=transport)
    with running(app) as base_url:
        sender = Sender(base_url, business, clock)
        with sender.http:
            yield sender


@pytest.fixture
def sender() -> Iterator[Sender]:
    with simulator() as sender:
        yield sender


@pytest.fixture(scope="module")
def strict() -> Iterator[Sender]:
    """One simulator for the tests that leave nothing behind."""
    with simulator() as sender:
        yield sender


def code_of(answer: httpx.Response) -> int:
    error = answer.json()["error"]
    assert error["type"] == "OAuthException"
    assert error["fbtrace_id"]
    code: int = error["code"]
    return code


def script(**outcomes: Any) -> dict[str, Any]:
    return {"outcomes": OUTCOMES.validate_python({OWNER: outcomes.get("like", outcomes)})}


def test_accepted_message_is_answered_and_reported_as_meta_does(sender: Sender) -> None:
    """Without Meta's own shapes, a dispatcher that passes here would fail on the real API."""
    answer = sender.send("+62 812-3456-7890").json()
    assert answer["contacts"] == [{"input": "+62 812-3456-7890", "wa_id": OWNER}]
    wamid = answer["messages"][0]["id"]
    sent, delivered = sender.business.wait_for(2)
    assert (sent["status"], delivered["status"]) == ("sent", "delivered")
    for report in (sent, delivered):
        assert report["id"] == wamid
        assert report["recipient_id"] == OWNER
        assert report["timestamp"] == str(int(sender.clock.now_s))
        assert report["biz_opaque_callback_data"] == "ntf_1"
        assert report["pricing"]["category"] == "utility"
    envelope = json.loads(sender.business.calls[0].content)
    assert envelope["object"] == "whatsapp_business_account"
    value = envelope["entry"][0]["changes"][0]["value"]
    assert value["metadata"]["phone_number_id"] == "100000000000001"


def test_webhooks_are_signed_over_their_raw_bytes(sender: Sender) -> None:
    """A dispatcher that skips the signature would take confirmations from anyone."""
    sender.delivered()
    for call in sender.business.calls:
        expected = hmac.new(b"sim-app-secret", call.content, hashlib.sha256).hexdigest()
        assert call.headers["X-Hub-Signature-256"] == f"sha256={expected}"


def test_handshake_comes_before_any_webhook() -> None:
    """A wrong verify token must show at the handshake, not as silence later."""
    with simulator(refused_handshakes=3) as sender:
        sender.delivered()
        handshakes = sender.business.handshakes
        assert len(handshakes) == 4
        assert handshakes[0].url.params["hub.mode"] == "subscribe"
        assert handshakes[0].url.params["hub.verify_token"] == "sim-verify-token"
        assert sender.http.get("/health").json()["subscribed"] is True


def test_subscription_can_be_asked_for_and_says_why_it_failed() -> None:
    """The demo subscribes when the dispatcher is up, and must hear of a refusal."""
    with simulator(refused_handshakes=10**6) as sender:
        refused = sender.http.post("/sim/subscribe", json={})
        assert (refused.status_code, refused.json()["detail"]) == (502, "the handshake failed: HTTP 403")
        sender.business.handshake_refusals = 0
        assert sender.http.post("/sim/subscribe", json={}).json()["subscribed"] is True


def test_a_wrong_token_is_error_190(strict: Sender) -> None:
    """An expired token has to stop all sending, so it must look like Meta's."""
    for headers in ({"Authorization": "Bearer other"}, {"Authorization": ""}):
        answer = strict.http.post("/v25.0/100000000000001/messages", json={}, headers=headers)
        assert (answer.status_code, code_of(answer)) == (401, 190)


def test_an_unknown_path_is_refused(strict: Sender) -> None:
    """A mistaken version or number id must not be mistaken for a message sent."""
    assert code_of(strict.http.post("/v1.0/100000000000001/messages", json={})) == 2500
    assert code_of(strict.http.post("/v25.0/999/messages", json={})) == 100


def test_media_comes_back_until_it_expires(sender: Sender) -> None:
    """A resend after 30 days needs a new upload; the dispatcher must be able to meet that here."""
    media_id = sender.upload().json()["id"]
    described = sender.http.get(f"/v25.0/{media_id}").json()
    assert described["sha256"] == hashlib.sha256(JPEG).hexdigest()
    assert described["file_size"] == len(JPEG)
    assert sender.http.get(described["url"]).content == JPEG
    request = sender.request()
    sender.clock.now_s += 30 * DAY_S
    assert code_of(sender.http.get(f"/v25.0/{media_id}")) == 100
    answer = sender.post(request)
    assert (answer.status_code, code_of(answer)) == (400, 100)
    assert "media attachment ID" in answer.json()["error"]["error_data"]["details"]


@pytest.mark.parametrize(
    ("content", "mime_type", "code"),
    [
        (b"GIF89a", "image/gif", 100),
        (b"\xff\xd8\xff" + bytes(5 * 1024 * 1024), "image/jpeg", 100),
        (b"not a picture", "image/jpeg", 131053),
    ],
)
def test_unfit_media_is_refused(strict: Sender, content: bytes, mime_type: str, code: int) -> None:
    """An evidence picture WhatsApp would not take must fail before the first real send."""
    answer = strict.upload(content, mime_type)
    assert (answer.status_code, code_of(answer)) == (400, code)


def _without_last_parameter(request: dict[str, Any]) -> None:
    request["template"]["components"][1]["parameters"].pop()


def _unknown_template(request: dict[str, Any]) -> None:
    request["template"]["name"] = "etle_lain"


def _other_language(request: dict[str, Any]) -> None:
    request["template"]["language"]["code"] = "en"


def _without_header(request: dict[str, Any]) -> None:
    del request["template"]["components"][0]


def _without_url_suffix(request: dict[str, Any]) -> None:
    del request["template"]["components"][2]


def _button_of_other_type(request: dict[str, Any]) -> None:
    suffix = {"type": "text", "text": REFERENCE}
    request["template"]["components"][3] |= {"sub_type": "url", "parameters": [suffix]}


def _line_break(request: dict[str, Any]) -> None:
    request["template"]["components"][1]["parameters"][3]["text"] = "Jl. Sudirman\nJakarta"


def _too_long(request: dict[str, Any]) -> None:
    request["template"]["components"][1]["parameters"][3]["text"] = "Jalan panjang " * 70


def _without_recipient(request: dict[str, Any]) -> None:
    del request["to"]


def _recipient_with_letters(request: dict[str, Any]) -> None:
    request["to"] = "nomor"


def _to_itself(request: dict[str, Any]) -> None:
    request["to"] = "6281100000110"


def _misspelled(request: dict[str, Any]) -> None:
    request["recipient"] = "individual"


def _free_text(request: dict[str, Any]) -> None:
    request["type"] = "text"


@pytest.mark.parametrize(
    ("spoil", "status", "code"),
    [
        (_without_last_parameter, 400, 132000),
        (_unknown_template, 404, 132001),
        (_other_language, 404, 132001),
        (_without_header, 400, 132012),
        (_without_url_suffix, 400, 131008),
        (_button_of_other_type, 400, 132012),
        (_line_break, 400, 132018),
        (_too_long, 400, 132005),
        (_without_recipient, 400, 131008),
        (_recipient_with_letters, 400, 131009),
        (_to_itself, 400, 131021),
        (_misspelled, 400, 100),
        (_free_text, 400, 131051),
    ],
)
def test_a_request_that_does_not_fit_gets_metas_code(
    strict: Sender, spoil: Callable[[dict[str, Any]], None], status: int, code: int
) -> None:
    """A mistake in the notice must stop the template or the message here, not with the public."""
    request = strict.request()
    spoil(request)
    answer = strict.post(request)
    assert (answer.status_code, code_of(answer)) == (status, code)
    assert answer.json()["error"]["error_data"]["details"]
    assert strict.messages() == []


def test_throughput_of_the_number_is_limited() -> None:
    """A dispatcher that empties its queue at once must learn to slow the whole sender."""
    with simulator(limits=Limits(messages_per_s=2.0)) as sender:
        codes = [sender.send(f"62812000000{n:02}").status_code for n in range(3)]
        assert codes == [200, 200, 429]
        assert code_of(sender.send()) == 130429
        sender.clock.now_s += 1.0
        assert sender.send().status_code == 200


def test_pace_to_one_owner_is_limited() -> None:
    """Many violations of one vehicle must not flood its owner's phone."""
    with simulator(limits=Limits(pair_burst=2)) as sender:
        assert [sender.send().status_code for _ in range(2)] == [200, 200]
        assert code_of(sender.send()) == 131056
        assert sender.send("6281200000009").status_code == 200
        sender.clock.now_s += 6.0
        assert sender.send().status_code == 200


def test_users_of_a_day_are_limited() -> None:
    """The portfolio's tier, not our queue, decides how many owners hear in a day."""
    with simulator(limits=Limits(unique_users_per_day=1)) as sender:
        assert [sender.send().status_code for _ in range(2)] == [200, 200]
        assert code_of(sender.send("6281200000009")) == 131048
        sender.clock.now_s += DAY_S
        assert sender.send("6281200000009").status_code == 200


@pytest.mark.parametrize(
    ("outcome", "status", "code"),
    [
        ({"like": "throttled", "times": 2}, 429, 130429),
        ({"like": "server_error", "times": 2}, 500, 131000),
        ({"answer": "refuse", "code": 131031, "times": 2}, 403, 131031),
    ],
)
def test_scripted_refusals_end_after_their_times(outcome: dict[str, Any], status: int, code: int) -> None:
    """Retries have to be seen to succeed, and not only to be made."""
    with simulator(outcomes=OUTCOMES.validate_python({OWNER: outcome})) as sender:
        for _ in range(2):
            answer = sender.send()
            assert (answer.status_code, code_of(answer)) == (status, code)
        assert sender.send().status_code == 200


def test_a_proxy_may_answer_without_json() -> None:
    """A 502 page in HTML must not break the client's parser."""
    with simulator(**script(like="bad_gateway")) as sender:
        answer = sender.send()
        assert answer.status_code == 502
        assert answer.headers["content-type"].startswith("text/html")


def test_undeliverable_is_accepted_and_then_fails(sender: Sender) -> None:
    """The owner without WhatsApp is known only later, and then has to get a letter."""
    sender.http.post("/sim/outcomes", json={OWNER: "undeliverable"})
    sender.send()
    (failed,) = sender.business.wait_for(1)
    assert failed["status"] == "failed"
    assert failed["errors"][0]["code"] == 131026
    assert failed["errors"][0]["error_data"]["details"]
    assert failed["biz_opaque_callback_data"] == "ntf_1"
    assert OWNER not in sender.http.get("/phone").text


def test_accept_then_hang_up_leaves_the_sender_without_an_answer() -> None:
    """The one case where a blind retry would message an owner twice."""
    with simulator(**script(like="accept_then_hang_up")) as sender:
        with pytest.raises(httpx.RemoteProtocolError):
            sender.send()
        sent, _ = sender.business.wait_for(2)
        assert sent["biz_opaque_callback_data"] == "ntf_1"
        (message,) = sender.messages()
        assert (message["id"], message["answered"]) == (sent["id"], False)
        assert sender.send().status_code == 200


def test_hang_up_loses_the_message() -> None:
    """The sender cannot tell this from the case above until no webhook comes."""
    with simulator(**script(like="hang_up")) as sender:
        with pytest.raises(httpx.RemoteProtocolError):
            sender.send()
        assert sender.messages() == []


def test_hang_up_in_process_looks_the_same() -> None:
    """A test that calls the simulator without a socket must meet the same exception."""
    settings = Settings(templates=load_templates(TEMPLATES), **script(like="hang_up"))
    app = create_app(settings)

    async def attempt() -> None:
        headers = {"Authorization": "Bearer sim-token"}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://sim", headers=headers) as http:
            data = {"messaging_product": "whatsapp", "type": "image/jpeg"}
            upload = await http.post(
                "/v25.0/100000000000001/media", data=data, files={"file": ("a", JPEG, "image/jpeg")}
            )
            request = Sender.request(_Uploaded(upload))  # type: ignore[arg-type]
            await http.post("/v25.0/100000000000001/messages", json=request)

    with pytest.raises(httpx.RemoteProtocolError):
        asyncio.run(attempt())


class _Uploaded:
    def __init__(self, answer: httpx.Response) -> None:
        self._answer = answer

    def upload(self) -> httpx.Response:
        return self._answer


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ("out_of_order", ["delivered", "sent"]),
        ("skips_delivered", ["sent", "read"]),
        ("duplicated", ["sent"] * 3 + ["delivered"] * 3),
    ],
)
def test_webhooks_come_as_scripted(outcome: str, told: list[str]) -> None:
    """Meta reorders, skips and repeats reports; a case's state must survive that."""
    with simulator(**script(like=outcome)) as sender:
        sender.send()
        assert [news["status"] for news in sender.business.wait_for(len(told))] == told


def test_shuffled_webhooks_are_the_same_for_a_seed() -> None:
    """A failure under disorder must be possible to replay."""
    outcome = OUTCOMES.validate_python({"*": {"like": "shuffled", "duplicates": 4}})
    orders = []
    for _ in range(2):
        with simulator(outcomes=outcome) as sender:
            sender.send()
            orders.append([news["status"] for news in sender.business.wait_for(10)])
    assert orders[0] == orders[1] != sorted(orders[0], reverse=True)


def test_no_status_is_ever_told_of_a_silent_message() -> None:
    """An attempt whose outcome stays unknown has to be shown to a person, not retried for ever."""
    with simulator(**script(like="no_status")) as sender:
        sender.send()
        sender.delivered("6281200000009")
        assert {news["recipient_id"] for news in sender.business.wait_for(2)} == {"6281200000009"}


def test_delayed_reports_wait() -> None:
    """Reports that come late must find the case they belong to."""
    with simulator(**script(delay_s=3600)) as sender:
        sender.delivered()
        assert 3600 in sender.business.waits


def test_webhooks_are_tried_again_until_taken(sender: Sender) -> None:
    """A dispatcher that was down must still learn of every delivery, by the same bytes."""
    sender.business.refusals = [500, 503, 404]
    sender.send()
    news = sender.business.wait_for(5)
    assert [each["status"] for each in news] == ["sent"] * 4 + ["delivered"]
    assert len({call.content for call in sender.business.calls}) == 2
    assert sender.business.waits == [0.5, 1.0, 2.0]


def test_a_reply_brings_payload_and_context(sender: Sender) -> None:
    """The owner's answer is tied to the case by the message it answers and the signed payload."""
    wamid = sender.delivered()
    sender.http.post("/sim/reply", json={"message": wamid, "answer": "other"}).raise_for_status()
    by_type = {news.get("type", news.get("status")): news for news in sender.business.wait_for(4)}
    reply = by_type["button"]
    assert reply["button"] == {"payload": f"v1.{REFERENCE}.other.MAC", "text": "Orang lain mengemudi"}
    assert reply["context"]["id"] == wamid
    assert reply["from"] == OWNER
    assert "read" in by_type
    nothing = sender.http.post("/sim/reply", json={"message": wamid, "button": 0})
    assert nothing.status_code == 422


def test_an_owner_can_answer_by_script() -> None:
    """The demo and the soak tests need owners that answer by themselves."""
    with simulator(**script(reply="not_mine", duplicates=1)) as sender:
        sender.send()
        replies = [news for news in sender.business.wait_for(7) if news.get("type") == "button"]
        assert len(replies) == 2
        assert replies[0] == replies[1]
        assert replies[0]["button"]["payload"] == f"v1.{REFERENCE}.not_mine.MAC"


def test_looking_at_the_phone_reads_the_message_once(sender: Sender) -> None:
    """The `read` status is what tells the officer that the owner knows."""
    wamid = sender.delivered()
    for _ in range(2):
        page = sender.http.get(f"/phone/{OWNER}")
        assert page.status_code == 200
    read = sender.business.wait_for(3)[2]
    assert (read["id"], read["status"]) == (wamid, "read")
    assert len(sender.business.calls) == 3
    assert [step["status"] for step in sender.messages()[0]["statuses"]] == ["sent", "delivered", "read"]


def test_the_phone_draws_the_message_and_nothing_but_it(sender: Sender) -> None:
    """What the owner will see must be checked before it is sent, and a text must not become markup."""
    parameters = [*PARAMETERS[:3], "<script>alert(1)</script>", *PARAMETERS[4:]]
    sender.send(parameters=parameters)
    sender.business.wait_for(2)
    page = sender.http.get(f"/phone/{OWNER}")
    assert f"Kendaraan <strong>{PLATE}</strong>" in page.text
    assert "<script>alert" not in page.text
    assert f'href="https://etle-konfirmasi.example.id/k/{REFERENCE}"' in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    picture = re.search(r'<img src="(/phone/pictures/\d+)"', page.text)
    assert picture
    assert sender.http.get(picture[1]).content == JPEG
    sources = re.findall(r'(?:src|<link[^>]* href)="([^"]+)"', page.text)
    assert all(source.startswith("/") for source in sources)
    for source in sources:
        assert sender.http.get(source).status_code == 200


def test_the_phone_page_says_when_nothing_changed(sender: Sender) -> None:
    """A page that is redrawn each second must not flicker or load the machine."""
    sender.delivered()
    sender.http.get(f"/phone/{OWNER}")
    sender.business.wait_for(3)
    sender.http.get(f"/phone/{OWNER}")
    page = sender.http.get(f"/phone/{OWNER}")
    again = sender.http.get(f"/phone/{OWNER}", headers={"If-None-Match": page.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_button_on_the_phone_answers_once(sender: Sender) -> None:
    """A second tap must not send a second, different answer."""
    wamid = sender.delivered()
    for button in (1, 3):
        answer = sender.http.post(f"/phone/{OWNER}/reply", data={"message": wamid, "button": button})
        assert (answer.status_code, answer.headers["Location"]) == (303, f"/phone/{OWNER}")
    (message,) = sender.messages()
    assert [reply["payload"] for reply in message["replies"]] == [f"v1.{REFERENCE}.own.MAC"]
    page = sender.http.get(f"/phone/{OWNER}").text
    assert 'class="outgoing"' in page
    assert "disabled" in page


def test_the_owner_sees_when_the_business_has_read_the_reply(sender: Sender) -> None:
    """Marking a reply read is part of the API; the blue ticks are how the owner sees it."""
    wamid = sender.delivered()
    message = sender.http.post("/sim/reply", json={"message": wamid, "button": 1}).json()
    sender.business.wait_for(4)
    read = {"messaging_product": "whatsapp", "status": "read", "message_id": message["replies"][0]["id"]}
    assert sender.post(read).json() == {"success": True}
    bubble = sender.http.get(f"/phone/{OWNER}").text.partition('class="outgoing"')[2]
    assert 'class="ticks read"' in bubble
    assert code_of(sender.post(read | {"message_id": "wamid.other"})) == 131009


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*tebal* biasa", "<strong>tebal</strong> biasa"),
        ("_miring_, ~coret~", "<em>miring</em>, <s>coret</s>"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("a*b*c", "a*b*c"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("satu\ndua", "satu<br>dua"),
        ("Cek di contoh.id.", 'Cek di <span class="address">contoh.id</span>.'),
    ],
)
def test_marks_are_drawn_as_whatsapp_does(text: str, html: str) -> None:
    """A stray star in an address must not turn half the notice bold."""
    assert to_html(text) == html


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("{{7}}", "{{9}}", "number them"),
        ("header: image", "header: video", "header"),
        ("footer:", "feet:", "feet"),
        ("https://", "http://", "buttons.0.url"),
        ("name: etle", "name: [etle", "cannot be read"),
    ],
)
def test_a_template_whatsapp_would_not_approve_is_named(tmp_path: Path, old: str, new: str, place: str) -> None:
    """A template is reviewed for days at Meta; its mistakes must show in a second here."""
    text = (TEMPLATES / "etle_konfirmasi_v1.yaml").read_text(encoding="utf-8")
    file = tmp_path / "template.yaml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as told:
        load_templates(file)
    assert str(told.value).startswith(f"{file}: ")
    assert place in str(told.value)
    assert "\n" not in str(told.value)


def test_a_script_with_a_mistake_is_named(tmp_path: Path) -> None:
    """A misspelled outcome would otherwise test nothing."""
    file = tmp_path / "outcomes.yaml"
    file.write_text(f'"{OWNER}": undeliverabel\n')
    with pytest.raises(ConfigError, match=rf"{OWNER}.*undeliverabel"):
        load_outcomes(file)


def _arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def test_the_command_says_what_it_lacks(tmp_path: Path) -> None:
    """A person who starts it in the wrong folder or twice needs one line, not a traceback."""
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        run(_arguments("--templates", str(tmp_path / "none.yaml")))
    with listen(0) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(CakraError, match=f"--port {port}: cannot listen"):
            run(_arguments("--templates", str(TEMPLATES), "--port", port))


def test_the_command_serves_on_a_free_port_until_interrupted() -> None:
    """The demo starts it with port 0 and reads the address from its first line."""
    program = (
        "import argparse, sys; from simulation.whatsapp import add_arguments, run; "
        "p = argparse.ArgumentParser(); add_arguments(p); sys.exit(run(p.parse_args()))"
    )
    command = [sys.executable, "-c", program, "--port", "0", "--templates", str(TEMPLATES)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = re.search(r"(http://127\.0\.0\.1:\d+)/v25\.0", process.stdout.readline())
        assert address
        health = httpx.get(f"{address[1]}/health", trust_env=False, timeout=DEADLINE_S).json()
        assert health["templates"] == ["etle_konfirmasi_v1 (id)"]
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 0
