"""The manifest of an evidence bundle: what was found, with what, and the hash of each piece, signed by the unit.

What is signed are the digests of the body's fields, not the body at once: so a reader can say which field was touched.
The file is the canonical JSON of `SignedManifest`, named by its hash; the unit's next manifest names that hash, so
that none can be taken out of the row unseen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import Field

from wire.canonical import canonical_json, sha256_hex
from wire.messages import (
    MAX_COUNT,
    EvidenceRef,
    Fact,
    Message,
    Moment,
    Part,
    Probability,
    Provenance,
    Sha256,
    UnitId,
)


class FrameRef(Part):
    """A frame of the source: its number and its moment."""

    index: int = Field(ge=0, le=MAX_COUNT)
    at: Moment


class Piece(EvidenceRef):
    """A file of the bundle and the frames it was made of; a clip is made of many."""

    frames: tuple[FrameRef, ...] = Field(min_length=1)


class Reading(Part):
    """A fused plate; unlike a report's, it may be unreadable."""

    text: str
    confidence: Probability
    runner_up: str
    runner_up_confidence: Probability
    support: int = Field(ge=0, le=MAX_COUNT)
    reads: int = Field(ge=0, le=MAX_COUNT)
    colour: str


class Manifest(Message):
    """One finding and its pieces; it holds no time but the footage's, so that a replay writes the same bytes."""

    event_id: UUID
    unit_id: UnitId
    sequence: int = Field(ge=1, le=MAX_COUNT)
    """The report's: counts the unit's bundles without gaps."""
    previous: Sha256 | None
    """Hash of the unit's previous manifest file; None for the first."""
    site_id: str
    lane_id: str
    kind: str
    """The rule."""
    article: str
    occurred_at: Moment
    frame_index: int = Field(ge=0, le=MAX_COUNT)
    """The frame of the moment that counts in law."""
    verdict: str
    reasons: tuple[str, ...]
    margin: float = Field(ge=0, allow_inf_nan=False)
    facts: tuple[Fact, ...]
    """What the rule measured and its inputs."""
    plate: Reading
    pieces: tuple[Piece, ...] = Field(min_length=1)
    site: Sha256
    """Of the site in force, as canonical JSON."""
    calibration: Sha256 | None
    """Of the site's road calibration, as canonical JSON; None where it has none."""
    provenance: Provenance


class SignedManifest(Part):
    """A manifest as it is stored and travels."""

    body: Manifest
    digests: dict[str, Sha256]
    """By field of the body: SHA-256 of its value's canonical JSON."""
    key_id: str
    signature: str
    """Base64, 64 bytes: Ed25519 over the canonical JSON of `digests`."""


def digests_of(body: Mapping[str, Any]) -> dict[str, str]:
    """The digest of each field of a manifest's body, given as JSON values."""
    return {name: sha256_hex(canonical_json(value)) for name, value in body.items()}
