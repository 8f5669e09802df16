"""What WhatsApp's answers mean for a case: the error codes as data, the outcomes of a send as values (pure).

Source: Meta's error code reference. The same table reads the answer to a request and the error of a failed status.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Scope(StrEnum):
    """Who has to slow down."""

    SENDER = "sender"
    RECIPIENT = "recipient"


@dataclass(frozen=True, slots=True)
class Accepted:
    """WhatsApp has the message."""

    wamid: str


@dataclass(frozen=True, slots=True)
class Throttled:
    """Too fast; nothing was sent."""

    scope: Scope
    code: int


@dataclass(frozen=True, slots=True)
class Retry:
    """Refused for now; nothing was sent. Code 0 is a connection that never came about."""

    code: int


@dataclass(frozen=True, slots=True)
class NextChannel:
    """This owner cannot be reached here."""

    code: int


@dataclass(frozen=True, slots=True)
class StopSender:
    """Nothing more may be sent until a person has looked."""

    code: int


@dataclass(frozen=True, slots=True)
class StopTemplate:
    """Nothing more may be sent with this template until a person has looked."""

    code: int


@dataclass(frozen=True, slots=True)
class OurBug:
    """The request is wrong; sending it again changes nothing."""

    code: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can say whether the message went out. Never sent again without a person."""

    why: str


Failure: TypeAlias = Throttled | Retry | NextChannel | StopSender | StopTemplate | OurBug
Answer: TypeAlias = Accepted | Failure | Unknown

CODES: Mapping[int, Failure] = {
    **{code: Throttled(Scope.SENDER, code) for code in (4, 80007, 130429, 131048, 131057)},
    131056: Throttled(Scope.RECIPIENT, 131056),
    **{code: Retry(code) for code in (1, 2, 131000, 131016, 131053)},
    **{code: NextChannel(code) for code in (131026, 131030, 131047, 130472)},
    **{code: StopSender(code) for code in (0, 10, 190, *range(200, 300), 368, 131005, 131031, 131042, 131045)},
    **{code: StopTemplate(code) for code in (132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016)},
    **{code: OurBug(code) for code in (100, 131008, 131009, 131021, 131051)},
}
"""What to do on each of Meta's error codes."""


def by_code(code: int) -> Failure:
    """The action for a code; one that is not in the table is for a developer to look at."""
    return CODES.get(code, OurBug(code))


def by_http_status(status: int) -> Failure | Unknown:
    """The action for an error answer without Meta's JSON, as proxies and gateways give them."""
    if status == 504:
        return Unknown("gateway_timeout")  # the gateway gave up waiting; WhatsApp may have the message
    if status == 429:
        return Throttled(Scope.SENDER, status)
    if status in (401, 403):
        return StopSender(status)
    return Retry(status) if status >= 500 else OurBug(status)
