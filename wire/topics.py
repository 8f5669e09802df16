"""MQTT topics: `etle/v1/{unit}/up/{violation|evidence|status}` and `etle/v1/{unit}/down/{ack|config|command}`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

ROOT = "etle/v1"
UNIT_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
"""A unit's name is its topic level, its client id and its certificate's CN: lower case, digits and hyphens."""


class Up(StrEnum):
    """What a unit says."""

    VIOLATION = "violation"
    EVIDENCE = "evidence"
    STATUS = "status"


class Down(StrEnum):
    """What a unit is told."""

    ACK = "ack"
    CONFIG = "config"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class UpTopic:
    """A topic a unit published on, taken apart."""

    unit_id: str
    kind: Up


def up(unit_id: str, kind: Up) -> str:
    """The topic on which a unit publishes `kind`."""
    return f"{ROOT}/{unit_id}/up/{kind}"


def down(unit_id: str, kind: Down) -> str:
    """The topic on which a unit is told `kind`."""
    return f"{ROOT}/{unit_id}/down/{kind}"


def all_up(share: str | None = None) -> str:
    """The dispatcher's subscription to all units; `share` is the group among which a v5 broker divides the load."""
    plain = f"{ROOT}/+/up/#"
    return f"$share/{share}/{plain}" if share else plain


def parse_up(topic: str) -> UpTopic | None:
    """Take a unit's topic apart; None for a topic that is not one."""
    parts = topic.split("/")
    match parts:
        case ["etle", "v1", unit_id, "up", kind] if UNIT_ID.fullmatch(unit_id) and kind in set(Up):
            return UpTopic(unit_id, Up(kind))
    return None
