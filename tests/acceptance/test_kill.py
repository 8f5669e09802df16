"""Power cuts: whatever is killed, each violation is stored once and messaged once."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid5

import pytest

from agent.report import EVENTS
from simulation.demo import settled
from simulation.stack import UNIT_ID, Footage, Stack, wait_until
from wire.signing import SigningKey

BIN = Path(sys.executable).parent
LONGEST_S = 300.0


def expected_events(road: Footage) -> dict[str, str]:
    """Event id to outcome of what an undisturbed replay of the footage reports."""
    command = [BIN / "cakra-agent", "replay", road.clip, "--site", road.site, "--start", road.start, "--json"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    findings = [finding for finding in map(json.loads, lines) if finding.get("outcome") in ("accepted", "review")]
    return {_event_id(finding): finding["outcome"] for finding in findings}


def _event_id(finding: dict[str, str]) -> str:
    moment = datetime.fromisoformat(finding["at"]).astimezone(UTC).isoformat(timespec="milliseconds")
    return str(uuid5(EVENTS, f"{UNIT_ID}|{finding['kind']}|{moment}|{finding['plate']}"))


@pytest.mark.acceptance
def test_nothing_is_lost_and_nothing_doubled_when_everything_is_killed(stack: Stack, road: Footage) -> None:
    """Agent, uplink, broker, registry and dispatcher die by SIGKILL at random moments, twice each, and come back."""
    rng = random.Random(20261123)
    for service in stack.services:
        service.start()
    victims = [stack.agent, stack.uplink, stack.broker, stack.registry, stack.dispatcher] * 2
    rng.shuffle(victims)
    for victim in victims:
        # A power cut keeps no appointments: the moment is random, and seeded.
        time.sleep(rng.uniform(0.2, 3.0))
        victim.kill()
        time.sleep(rng.uniform(0.0, 1.0))
        victim.start()
    wait_until(stack.agent.ended, "the agent at the end of the footage", LONGEST_S)
    wait_until(lambda: settled(stack), "all violations at the centre and all notices delivered", LONGEST_S)
    resend_what_never_left(stack)

    expected = expected_events(road)
    cases = stack.cases()
    told = Counter(message["parameters"][1] for message in stack.messages())
    stored = Counter(case["event_id"] for case in cases)
    lost = expected.keys() - stored.keys()
    double = [event for event, number in stored.items() if number > 1] + [ref for ref, n in told.items() if n > 1]
    assert len(expected) >= 5
    assert (lost, double, stored.keys() - expected.keys()) == (set(), [], set())
    assert stack.outbox()["dead"] == []
    reviewed = {case["event_id"] for case in cases if case["state"] == "review"}
    messaged = {case["event_id"] for case in cases if told[case["reference"]] == 1}
    assert reviewed | messaged == expected.keys()
    assert {event for event, outcome in expected.items() if outcome == "accepted"} <= messaged
    check_evidence(stack)


def check_evidence(stack: Stack) -> None:
    """Both the unit's and the centre's bundles are whole, signed, and without a gap."""
    public = SigningKey.from_pem((stack.folder / "unit.key").read_bytes()).public.to_base64()
    for evidence in (stack.folder / "unit" / "evidence", stack.folder / "evidence" / UNIT_ID):
        command = [BIN / "cakra-agent", "verify", evidence, "--key", public]
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        assert said.splitlines()[-1:] == ["OK"], said


def resend_what_never_left(stack: Stack) -> None:
    """As an operator would: an attempt cut off before its request left stays `unknown` until a person resends it."""
    told = {message["parameters"][1] for message in stack.messages()}
    stuck = [case["reference"] for case in stack.cases() if case["state"] == "unknown"]
    assert not told.intersection(stuck), "WhatsApp has the message, so its webhook must resolve the case"
    for reference in stuck:
        config = stack.folder / "dispatcher.yaml"
        command = [BIN / "cakra-dispatcher", "cases", "resend", "--config", config, reference, "--yes"]
        subprocess.run(command, check=True, capture_output=True)
    wait_until(
        lambda: settled(stack) and not any(case["state"] == "unknown" for case in stack.cases()),
        "delivery of what was sent again",
        LONGEST_S,
    )
