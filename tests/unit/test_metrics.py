"""Monitoring: what a dispatcher counts and reads, its reference, and that the alerts look at what is there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import yaml
from console_world import World
from dispatcher_world import NOW, PICTURES, ROOT, UNIT, Answering, event_id, evidence, report, signed
from test_dispatcher_web import sign

from dispatcher import sends
from dispatcher.errors import StoreError
from dispatcher.evidence import EvidenceFolder
from dispatcher.privacy.erasure import Eraser
from dispatcher.store import Store
from wire.codec import encode
from wire.messages import EvidenceRole, UnitStatus
from wire.signing import SigningKey
from wire.topics import Up, UpTopic

REFERENCE = ROOT / "docs" / "reference" / "metrics.md"
RULES = ROOT / "config" / "prometheus" / "cakra.rules.yaml"
NAME = re.compile(r"cakra_[a-z_]+")
SERIES = re.compile(r"^(cakra_\w+)(?:\{(.*)\})? \S+$", re.MULTILINE)


def whatsapp(request: httpx.Request) -> httpx.Response:
    """Takes all pictures and messages."""
    is_picture = request.url.path.endswith("/media")
    return httpx.Response(200, json={"id": "MEDIA"} if is_picture else {"messages": [{"id": "wamid.1"}]})


@pytest.fixture
def town(tmp_path: Path) -> Iterator[World]:
    """A dispatcher whose WhatsApp takes everything."""
    world = World(tmp_path, Answering(whatsapp))
    yield world
    world.close()


def exposition(world: World) -> str:
    answer = world.browser().get("/metrics")
    assert answer.status_code == 200
    return answer.text


def value(world: World, series: str) -> float:
    """A series as it stands; 0 before it has ever been counted."""
    found = re.search(rf"^{re.escape(series)} (\S+)$", exposition(world), re.MULTILINE)
    return float(found[1]) if found else 0.0


def call(world: World, **piece: object) -> None:
    """One of WhatsApp's calls about the first message, worked off."""
    body = json.dumps({"entry": [{"changes": [{"value": {"statuses": [{"id": "wamid.1", **piece}]}}]}]}).encode()
    world.web.post("/webhook", content=body, headers=sign(body))
    world.work()


GROWTH = {
    'cakra_messages_total{kind="violation",outcome="stored",reason=""}': 1,
    'cakra_messages_total{kind="evidence",outcome="stored",reason=""}': len(PICTURES),
    "cakra_evidence_bytes_total": sum(map(len, PICTURES.values())),
    'cakra_case_moves_total{state="delivered"}': 1,
    'cakra_lookup_seconds_count{outcome="match"}': 1,
    'cakra_whatsapp_requests_total{code="",outcome="uploaded",request="upload"}': 1,
    'cakra_whatsapp_requests_total{code="",outcome="accepted",request="send"}': 1,
    "cakra_notice_delay_seconds_count": 1,
    "cakra_notice_delay_seconds_sum": 60,
    'cakra_webhook_calls_total{outcome="kept"}': 1,
    'cakra_news_total{code="",news="was_delivered",outcome="applied"}': 1,
    'cakra_answers_total{answer="own"}': 1,
    'cakra_owner_page_entries_total{outcome="wrong"}': 1,
    'cakra_http_responses_total{route="/webhook",status="200"}': 1,
    'cakra_cases{state="confirmed"}': 1,
}
"""What one violation adds whose owner mistypes the plate once and then owns up."""


def test_a_violation_is_counted_from_its_message_to_its_answer(town: World) -> None:
    """Where the count of one stage falls behind the one before, an operator sees where violations get stuck."""
    before = {series: value(town, series) for series in GROWTH}
    reference = town.arrive()
    call(town, status="delivered")
    owner = town.browser()
    assert owner.post("/k", data={"reference": reference, "plate": "B 1 A"}).status_code == 403
    page = owner.post("/k", data={"reference": reference, "plate": "B 1234 XYZ"}).headers["location"]
    assert owner.post(page, data={"answer": "own"}).status_code == 303
    assert {series: value(town, series) - before[series] for series in GROWTH} == GROWTH


def test_every_refusal_is_counted_with_its_reason(world: World) -> None:
    """An attack, or a unit with a wrong key, must be seen by somebody who does not read logs."""
    take = world.dispatcher.intake.take
    said = (
        (Up.VIOLATION, UNIT, signed(report(), SigningKey.generate()), "rejected", "unknown_key"),
        (Up.VIOLATION, "unit-99", signed(report(unit_id="unit-99")), "rejected", "unknown_unit"),
        (Up.VIOLATION, UNIT, signed(report(unit_id="unit-99")), "rejected", "foreign_unit"),
        (Up.VIOLATION, UNIT, b"{}", "rejected", "invalid"),
        (Up.EVIDENCE, UNIT, evidence(EvidenceRole.PLATE)[:-1], "rejected", "size_differs"),
        (Up.STATUS, UNIT, b"x" * 2_000_000, "rejected", "too_large"),
    )
    for kind, unit, payload, outcome, reason in said:
        series = f'cakra_messages_total{{kind="{kind}",outcome="{outcome}",reason="{reason}"}}'
        before = value(world, series)
        take(UpTopic(unit, kind), payload, NOW)
        assert value(world, series) - before == 1, series
    series = 'cakra_webhook_calls_total{outcome="bad_signature"}'
    before = value(world, series)
    world.web.post("/webhook", content=b"{}", headers=sign(b"other"))
    assert value(world, series) - before == 1


def test_what_a_unit_has_to_say_again_is_not_counted_as_refused(tmp_path: Path) -> None:
    """An operator who forgot to approve a key must not go looking for a forger."""
    world = World(tmp_path, access={"totp": "optional", "key_approvals": 2})
    series = 'cakra_messages_total{kind="violation",outcome="deferred",reason="key_unapproved"}'
    before = value(world, series)
    world.dispatcher.intake.take(UpTopic(UNIT, Up.VIOLATION), signed(report()), NOW)
    assert value(world, series) - before == 1
    assert value(world, 'cakra_units{state="unapproved"}') == 1
    world.close()


def test_queues_units_and_pauses_stand_as_the_database_has_them(world: World, tmp_path: Path) -> None:
    """Ages and backlogs are what wakes somebody; they must be those of now, whichever dispatcher is asked."""
    world.arrive()
    status = UnitStatus(unit_id=UNIT, boot_id=event_id(), online=True, at=NOW, software="1", backlog=7, dead=2)
    world.dispatcher.intake.take(UpTopic(UNIT, Up.STATUS), encode(status), NOW + timedelta(seconds=5))
    with world.store.writing() as connection:
        sends.stop(connection, sends.SENDER, 131031, NOW)
        sends.keep_call(connection, b"{}", NOW + timedelta(seconds=9))
    for role in PICTURES:
        world.dispatcher.intake.take(UpTopic(UNIT, Up.EVIDENCE), evidence(role, 3), NOW)
    assert Eraser(world.store, EvidenceFolder(tmp_path)).drop_strays(UNIT, str(event_id(3)))
    now = NOW.timestamp()
    for series, stands in {
        'cakra_cases{state="queued"}': 1,
        'cakra_cases{state="dead"}': 0,
        'cakra_oldest_case_timestamp_seconds{state="queued"}': now,
        f'cakra_unit_seen_timestamp_seconds{{unit="{UNIT}"}}': now + 5,
        f'cakra_unit_backlog{{unit="{UNIT}"}}': 7,
        f'cakra_unit_dead{{unit="{UNIT}"}}': 2,
        'cakra_units{state="approved"}': 1,
        'cakra_sending_paused_timestamp_seconds{scope="sender"}': now,
        "cakra_webhook_waiting": 1,
        "cakra_webhook_oldest_timestamp_seconds": now + 9,
        "cakra_owners_timestamp_seconds": now,
        "cakra_evidence_unremoved": len(PICTURES),
        "cakra_registry_up": 1,
        "cakra_database_up": 1,
        "cakra_mqtt_connected": 0,
    }.items():
        assert value(world, series) == stands, series


def test_a_dispatcher_without_its_database_still_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The alert for it must not depend on what it is about."""

    def away(*_: object) -> None:
        raise StoreError("database: disk I/O error")

    monkeypatch.setattr(Store, "reading", away)
    assert value(world, "cakra_database_up") == 0
    assert "cakra_cases" not in exposition(world)


def test_the_public_is_told_nothing(world: World) -> None:
    """How much is fined, and where units stand, is nobody's business on the owners' address."""
    answer = world.browser().get("/metrics", headers={"Host": "etle-konfirmasi.example.id"})
    assert answer.status_code == 404


def test_the_reference_lists_what_is_served_and_nothing_else(town: World) -> None:
    """Whoever writes an alert looks names, labels and meanings up there."""
    town.arrive()
    call(town, status="failed", errors=[{"code": 131026}])
    text = exposition(town)
    kinds = dict(re.findall(r"^# TYPE (cakra_\w+) (\w+)$", text, re.MULTILINE))
    served = {name: (kinds[name], says) for name, says in re.findall(r"^# HELP (cakra_\w+) (.*)$", text, re.MULTILINE)}
    rows = re.findall(r"^\| `(cakra_\w+)` \| (\w+) \| (.*?) \| (.*) \|$", REFERENCE.read_text(), re.MULTILINE)
    assert {name: (kind, says) for name, kind, _, says in rows} == served
    labels = {name: set(re.findall(r"`(\w+)`", listed)) for name, _, listed, _ in rows}
    for series, said in SERIES.findall(text):
        name = next(name for name in (series, re.sub(r"_(bucket|count|sum)$", "", series)) if name in labels)
        assert set(re.findall(r'(\w+)="', said)) - {"le"} == labels[name], series


def test_every_alert_looks_at_a_metric_that_is_there() -> None:
    """A misspelt name in a rule is an alert that never comes."""
    rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    known = set(re.findall(r"^\| `(cakra_\w+)`", REFERENCE.read_text(), re.MULTILINE))
    known |= {f"{name}_{part}" for name in known for part in ("bucket", "count", "sum")}
    assert {name for rule in rules for name in NAME.findall(rule["expr"])} <= known
    page = (ROOT / "docs" / "runbook.md").read_text()
    assert [rule["alert"] for rule in rules if f"`{rule['alert']}`" not in page] == []


@pytest.mark.parametrize(
    "what", [("check", "rules", RULES), ("test", "rules", Path(__file__).with_name("alerts.yaml"))]
)
def test_prometheus_takes_the_shipped_rules_and_alerts_in_time(what: tuple[str | Path, ...]) -> None:
    """A rule that is refused, or never sees the first forged report, alerts nobody of anything."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    done = subprocess.run([promtool, *what], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
