"""A made-up town: as many violations as wanted, each of another owner, and what WhatsApp does to each owner's message.

Everything follows from the seed but the units' keys and the moment.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from wire.canonical import sha256_hex
from wire.codec import encode, encode_evidence
from wire.messages import (
    EvidenceHeader,
    EvidenceRef,
    EvidenceRole,
    Fact,
    Plate,
    Provenance,
    Verdict,
    ViolationReport,
)
from wire.signing import SigningKey
from wire.topics import Up

THROTTLED = 0.10
HANG_UPS = 0.05
AWKWARD_WEBHOOKS = 0.10
_AWKWARD = ("duplicated", "shuffled", "late")
_EVENTS = UUID("6f0c5b0e-6b1d-4f5e-9a55-0f6f5f5d7c11")
_JPEG = b"\xff\xd8\xff\xe0"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NUMBERS = range(1000, 3000)
"""Passenger cars of Jakarta."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a unit, and the hash by which its ack names it."""

    kind: Up
    payload: bytes
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One violation: what its unit says of it, and whom it is to reach."""

    unit_id: str
    event_id: UUID
    plate: str
    phone: str
    """Digits with the country code, as WhatsApp names its users."""
    said: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit and its key."""

    unit_id: str
    key: SigningKey


def units(number: int) -> tuple[Unit, ...]:
    return tuple(Unit(f"storm-{index + 1:02}", SigningKey.generate()) for index in range(number))


def plate(index: int) -> str:
    """Another plate for each number."""
    letters, number = divmod(index, len(_NUMBERS))
    suffix = "".join(_LETTERS[letters // 26**place % 26] for place in (2, 1, 0))
    return f"B{_NUMBERS[number]}{suffix}"


def phone(index: int) -> str:
    """Another mobile number for each number."""
    return f"62812{index:08}"


def incidents(
    people: Iterable[int], by: tuple[Unit, ...], now: datetime, picture_bytes: int = 1000, seed: int = 0
) -> Iterator[Incident]:
    """A violation of each of these people, reported by the units in turn."""
    for index in people:
        yield _incident(
            index,
            index // len(by) + 1,
            by[index % len(by)],
            now,
            random.Random(f"{seed}/{index}").randbytes(picture_bytes),
        )


def _incident(index: int, number: int, unit: Unit, now: datetime, noise: bytes) -> Incident:
    event_id = uuid5(_EVENTS, f"{unit.unit_id}/{index}")
    pictures = {role: _JPEG + role.encode() + noise for role in (EvidenceRole.CONTEXT, EvidenceRole.PLATE)}
    named = tuple(
        EvidenceRef(role=role, sha256=sha256_hex(content), media_type="image/jpeg", size_bytes=len(content))
        for role, content in pictures.items()
    )
    report = encode(unit.key.sign(_report(index, number, unit.unit_id, event_id, now, named)))
    said = [Said(Up.VIOLATION, report, sha256_hex(report))]
    for piece in named:
        header = EvidenceHeader(event_id=event_id, unit_id=unit.unit_id, **piece.model_dump())
        said.append(Said(Up.EVIDENCE, encode_evidence(header, pictures[piece.role]), piece.sha256))
    return Incident(unit_id=unit.unit_id, event_id=event_id, plate=plate(index), phone=phone(index), said=tuple(said))


def _report(
    index: int, number: int, unit_id: str, event_id: UUID, now: datetime, evidence: tuple[EvidenceRef, ...]
) -> ViolationReport:
    return ViolationReport(
        event_id=event_id,
        unit_id=unit_id,
        sequence=number,
        site_id="storm",
        lane_id="lane-1",
        location="Jl. Jenderal Sudirman, arah utara",
        kind="odd_even",
        article="Pasal 287 ayat (1)",
        occurred_at=now - timedelta(seconds=2),
        reported_at=now - timedelta(seconds=1),
        verdict=Verdict.ACCEPTED,
        reasons=(),
        margin=1.0,
        facts=(Fact(name="day_of_month", value=str(now.day)),),
        plate=Plate(
            text=plate(index),
            confidence=0.99,
            runner_up="",
            runner_up_confidence=0.0,
            support=9,
            reads=10,
            colour="white_on_black",
            vehicle_class="passenger",
            expiry=None,
        ),
        evidence=evidence,
        provenance=Provenance(software="storm", models={}, config="0" * 64, clock_synchronised=True),
    )


def registry(people: Iterable[int]) -> Iterator[str]:
    """The owners' snapshot as the lines of a CSV file."""
    yield "plate,name,phone,vehicle_class,plate_colour,status\n"
    for index in people:
        yield f"{plate(index)},Pemilik {index},+{phone(index)},passenger,white_on_black,active\n"


def outcomes(people: Iterable[int], seed: int) -> dict[str, str]:
    """What WhatsApp does to the messages of some of these people, by phone, as the simulator's script names it."""
    rng = random.Random(f"{seed}/outcomes")
    found = {}
    for index in people:
        roll, kind = rng.random(), rng.choice(_AWKWARD)
        if roll < THROTTLED:
            found[phone(index)] = "throttled"
        elif roll < THROTTLED + HANG_UPS:
            found[phone(index)] = "accept_then_hang_up"
        elif roll < THROTTLED + HANG_UPS + AWKWARD_WEBHOOKS:
            found[phone(index)] = kind
    return found
