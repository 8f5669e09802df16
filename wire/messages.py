"""The messages between units and the dispatcher: frozen, closed (no unknown keys), versioned by `v`.

Moments are aware UTC and travel as ISO 8601 with `Z`. A field is never renamed or given another meaning within a
version: `tests/contract/golden` holds one message of each kind ever released, and they must always decode. Nor is a
field added to `ViolationReport`: a signature covers the decoded body, so that a new default would break those of all
older units (docs/adr/0006-evidence-bundle.md). Its enumerations may grow, the dispatcher being updated first.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from wire.topics import UNIT_ID

MAX_REPORT_BYTES = 64 * 1024
"""A report is about 2 kB; 64 kB leaves room for facts and stays far below any broker's limit."""
MAX_EVIDENCE_BYTES = 512 * 1024
"""One picture a message; brokers are set to 1 MiB (an oversize publish would block the queue behind it)."""


MAX_COUNT = 2**53 - 1
"""Largest whole number that every JSON reader and every database holds exactly."""


def _as_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is outside the years 1 to 9999 in UTC") from None


Moment = Annotated[AwareDatetime, AfterValidator(_as_utc)]
UnitId = Annotated[str, StringConstraints(pattern=f"^{UNIT_ID.pattern}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
PlateText = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{2,10}$")]
Probability = Annotated[float, Field(ge=0, le=1)]


class Message(BaseModel):
    """What all wire messages share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    v: Literal[1] = 1
    """Version of the wire format."""


class Part(BaseModel):
    """A piece of a message."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Expiry(Part):
    """Month and year to which the registration is valid, as printed on the plate."""

    month: int = Field(ge=1, le=12)
    year: int = Field(ge=2000, le=2099)


class Plate(Part):
    """The plate as the unit read it."""

    text: PlateText
    confidence: Probability
    runner_up: str
    runner_up_confidence: Probability
    support: int = Field(ge=0, le=MAX_COUNT)
    """Frames whose own best text is `text`."""
    reads: int = Field(ge=0, le=MAX_COUNT)
    """Frames that were read."""
    colour: str
    """Base and text colour, e.g. `white_on_black`."""
    vehicle_class: str
    """What the number says: passenger, motorcycle, bus, goods, special, unknown."""
    expiry: Expiry | None


MediaType = Literal["image/jpeg", "application/json", "video/x-msvideo"]
SUFFIX: dict[MediaType, str] = {"image/jpeg": ".jpg", "application/json": ".json", "video/x-msvideo": ".avi"}
"""A piece's file is called by its hash and this, on the unit and at the centre."""


class EvidenceRole(StrEnum):
    """What a piece of evidence shows."""

    CONTEXT = "context"
    """The scene at the moment of the violation."""
    PLATE = "plate"
    MANIFEST = "manifest"
    """The signed list of all pieces and how the finding came about (`wire.manifest`)."""
    BEFORE = "before"
    AFTER = "after"
    CLIP = "clip"
    PATH = "path"
    """A copy of the context picture with the vehicle's way drawn on it."""
    VEILED = "veiled"
    """A copy of the context picture in which nothing but the vehicle itself can be recognised: for its owner."""


class EvidenceRef(Part):
    """A piece of evidence, named by the hash of its bytes."""

    role: EvidenceRole
    sha256: Sha256
    media_type: MediaType
    size_bytes: int = Field(gt=0, le=MAX_EVIDENCE_BYTES)


class Verdict(StrEnum):
    """The unit's own judgement; what it rejected is counted in its status, not reported."""

    ACCEPTED = "accepted"
    REVIEW = "review"


class Fact(Part):
    """Something measured, printed with its unit."""

    name: str
    value: str


class Provenance(Part):
    """With what the unit came to its finding."""

    software: str
    models: dict[str, Sha256]
    config: Sha256
    clock_synchronised: bool


class ViolationReport(Message):
    """One violation with all that the dispatcher needs; signed by the unit."""

    event_id: UUID
    """uuid5 of unit, rule, moment and plate: the same violation always has the same id."""
    unit_id: UnitId
    sequence: int = Field(ge=1, le=MAX_COUNT)
    """Counts the unit's reports without gaps."""
    site_id: str
    lane_id: str
    location: str
    """The place as the owner reads it."""
    kind: str
    """The rule: `odd_even`, `wrong_way`, ..."""
    article: str
    occurred_at: Moment
    """When the violation happened, by the frame's clock."""
    reported_at: Moment
    """When the unit wrote this report, by its own clock; far later than `occurred_at` is historical data."""
    verdict: Verdict
    reasons: tuple[str, ...]
    """Why it needs a person; empty when accepted."""
    margin: float = Field(ge=0, allow_inf_nan=False)
    facts: tuple[Fact, ...]
    plate: Plate
    evidence: tuple[EvidenceRef, ...] = Field(min_length=1)
    provenance: Provenance


class SignedReport(Part):
    """A report as it travels: the body and the unit's Ed25519 signature over its canonical JSON."""

    body: ViolationReport
    key_id: str
    signature: str
    """Base64, 64 bytes."""


class EvidenceHeader(Message):
    """What stands before a picture's bytes in an evidence message; the signed report vouches for `sha256`."""

    event_id: UUID
    unit_id: UnitId
    role: EvidenceRole
    sha256: Sha256
    media_type: MediaType
    size_bytes: int = Field(gt=0, le=MAX_EVIDENCE_BYTES)


class UnitStatus(Message):
    """A unit's birth message (retained) and, with `online` false, its last will."""

    unit_id: UnitId
    boot_id: UUID
    online: bool
    at: Moment
    software: str
    backlog: int = Field(ge=0, le=MAX_COUNT)
    """Reports in the outbox that the dispatcher has not acknowledged."""
    dead: int = Field(ge=0, le=MAX_COUNT)
    """Reports the dispatcher refused for good; they wait for a person."""
    counters: dict[str, Annotated[int, Field(ge=0, le=MAX_COUNT)]] = {}
    """Candidates by outcome and reason since boot."""


UNREAD = UUID(int=0)
"""The event an ack names when the dispatcher could not read the message; its hash says which one it was."""

ERASED = "erased"
"""Why a piece is rejected whose case was erased at the centre: nothing of it is owed any more."""


class AckResult(StrEnum):
    STORED = "stored"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


class Ack(Message):
    """The dispatcher's word, after its commit, on one report or one piece of evidence."""

    event_id: UUID
    sha256: Sha256
    """Of the signed report's bytes, or of the evidence."""
    result: AckResult
    retryable: bool
    reason: str = ""
    """Why it was rejected, or is held, as a code that can be counted."""
