"""What the dispatcher's tests share: a unit that reports, an owner, and a configuration in a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import httpx
import yaml
from sqlalchemy import Connection

from dispatcher import sends
from dispatcher.access import accounts, passwords, sessions
from dispatcher.access.roles import Role
from dispatcher.keys import write_new_key
from dispatcher.store import Store
from wire.canonical import sha256_hex
from wire.codec import encode, encode_evidence
from wire.manifest import FrameRef, Manifest, Piece, Reading
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

ROOT = Path(__file__).resolve().parent.parent
UNIT = "unit-01"
KEY = SigningKey.generate()
NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
PASSWORD = "gerimis-di-jalan-sudirman"
PHONE = "6281234567890"
OWNERS = (
    "plate,name,phone,vehicle_class,plate_colour,status,nik\n"
    "B 1234 XYZ,Budi Santoso,0812-3456-7890,passenger,white_on_black,active,3171000000000001\n"
)
PICTURES = {
    EvidenceRole.CONTEXT: b"\xff\xd8\xff\xe0 the scene \xff\xd9",
    EvidenceRole.PLATE: b"\xff\xd8\xff\xe0 the plate \xff\xd9",
    EvidenceRole.VEILED: b"\xff\xd8\xff\xe0 the vehicle alone \xff\xd9",
}


class Answering:
    """A line to a WhatsApp in this process."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response]) -> None:
        self._answer = answer

    def post(self, path: str, headers: Mapping[str, str], body: bytes) -> Callable[[], tuple[int, bytes]]:
        response = self._answer(httpx.Request("POST", f"http://graph.test{path}", headers=headers, content=body))
        return lambda: (response.status_code, response.read())

    def close(self) -> None:
        """Nothing is open."""


def event_id(number: int = 1) -> UUID:
    return uuid5(UUID(int=7), str(number))


def report(number: int = 1, at: datetime = NOW - timedelta(minutes=1), **changes: Any) -> ViolationReport:
    """An accepted odd-even report of the plate that `OWNERS` knows."""
    pieces = [
        EvidenceRef(role=role, sha256=sha256_hex(content), media_type="image/jpeg", size_bytes=len(content))
        for role, content in PICTURES.items()
    ]
    fields: dict[str, Any] = {
        "event_id": event_id(number),
        "unit_id": UNIT,
        "sequence": number,
        "site_id": "sudirman",
        "lane_id": "lane-2",
        "location": "Jl. Jenderal Sudirman, arah utara",
        "kind": "odd_even",
        "article": "Pasal 287 ayat (1)",
        "occurred_at": at,
        "reported_at": at + timedelta(seconds=1),
        "verdict": Verdict.ACCEPTED,
        "reasons": (),
        "margin": 1.0,
        "facts": (Fact(name="day_of_month", value="23"), Fact(name="last_digit", value="4")),
        "plate": Plate(
            text="B1234XYZ",
            confidence=0.991,
            runner_up="B1284XYZ",
            runner_up_confidence=0.004,
            support=11,
            reads=12,
            colour="white_on_black",
            vehicle_class="passenger",
            expiry=None,
        ),
        "evidence": tuple(pieces),
        "provenance": Provenance(software="0.1.0", models={}, config="0" * 64, clock_synchronised=True),
    }
    return ViolationReport(**{**fields, **changes})


def signed(body: ViolationReport, key: SigningKey = KEY) -> bytes:
    return encode(key.sign(body))


def manifest(number: int = 1, key: SigningKey = KEY) -> bytes:
    """The manifest of the violation's bundle as the unit writes it."""
    said = report(number)
    frames = (FrameRef(index=1, at=said.occurred_at),)
    body = Manifest(
        **said.model_dump(
            include={"event_id", "unit_id", "sequence", "site_id", "lane_id", "kind", "article", "occurred_at"}
            | {"verdict", "reasons", "margin", "facts", "provenance"}
        ),
        previous=None,
        frame_index=1,
        plate=Reading(**said.plate.model_dump(exclude={"vehicle_class", "expiry"})),
        pieces=tuple(Piece(**piece.model_dump(), frames=frames) for piece in said.evidence),
        site="2" * 64,
        calibration=None,
    )
    return encode(key.sign_manifest(body))


def evidence(role: EvidenceRole, number: int = 1, content: bytes | None = None, unit_id: str = UNIT) -> bytes:
    """An evidence message; another content than the report's is a piece that no report names."""
    content = PICTURES[role] if content is None else content
    header = EvidenceHeader(
        event_id=event_id(number),
        unit_id=unit_id,
        role=role,
        sha256=sha256_hex(content),
        media_type="application/json" if role is EvidenceRole.MANIFEST else "image/jpeg",
        size_bytes=len(content),
    )
    return encode_evidence(header, content)


def write_config(folder: Path, **changes: Any) -> Path:
    """A whole configuration with its keys, secrets and units; the path of its file."""
    for name, secret in (("token", "sim-token"), ("secret", "sim-app-secret"), ("verify", "sim-verify-token")):
        (folder / f"whatsapp.{name}").write_text(secret)
    for name in ("mac.key", "data.key"):
        write_new_key(folder / name)
    unit = {"unit_id": UNIT, "name": "Sudirman 1", "public_key": KEY.public.to_base64()}
    (folder / "units.yaml").write_text(yaml.safe_dump({"units": [unit]}))
    (folder / "owners.csv").write_text(OWNERS)
    whatsapp = {
        "base_url": "http://127.0.0.1:9",
        "phone_number_id": "100000000000001",
        "token_file": "whatsapp.token",
        "app_secret_file": "whatsapp.secret",
        "verify_token_file": "whatsapp.verify",
    }
    content = {
        "units": "units.yaml",
        "official_domain": "etle-konfirmasi.example.id",
        "mac_key_file": "mac.key",
        "data_key_file": "data.key",
        "web": {"port": 0},
        "access": {"totp": "optional"},
        **changes,
        "whatsapp": {**whatsapp, **changes.get("whatsapp", {})},
    }
    path = folder / "dispatcher.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def accepted(connection: Connection, case_id: int, at: datetime, wamid: str) -> str:
    """An attempt to send the case's notice, which WhatsApp took; its id."""
    attempt_id = sends.new_attempt_id()
    sends.start_attempts(connection, {case_id: attempt_id}, at)
    attempts = sends.Attempts(connection, ids=[attempt_id])
    attempts.end(attempt_id, sends.AttemptState.ACCEPTED, at, wamid)
    attempts.write()
    return attempt_id


@cache
def hashed(password: str) -> str:
    """What is stored of a password; made once, because that is slow on purpose."""
    return passwords.hash_password(password)


def enter(store: Store, role: Role, name: str = "", now: datetime = NOW) -> str:
    """A user of this role who is logged in, by the role's name unless another is given; the session's token."""
    name = name or role.value
    with store.writing() as connection:
        if accounts.find(connection, name) is None:
            accounts.add(connection, name, role, hashed(PASSWORD), one_time=False, now=now)
        found = accounts.find(connection, name)
        assert found is not None
        return sessions.open_session(connection, found[0], "127.0.0.1", now)
