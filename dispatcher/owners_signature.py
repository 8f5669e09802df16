"""What the registry says of its snapshot, in `FILE.sig` beside it: when it was taken, and that every byte is its own.

`{"as_of": MOMENT, "sha256": HEX, "signature": BASE64}`. The signature is Ed25519 over the canonical JSON of the other
two, as written there (docs/reference/owners.md has the commands of `openssl` that make one).
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from io import BufferedReader
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError

from dispatcher.errors import ConfigError, UsageError
from dispatcher.settings import first_fault
from wire.canonical import canonical_json
from wire.signing import SigningKey, VerifyKey

_CLOCK_SLACK = timedelta(minutes=2)
"""A moment further ahead would keep every later snapshot out, and this one fresh for too long."""


def parse_moment(text: str) -> datetime:
    """A moment with its zone. Raises ValueError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("not a moment with its zone like 2026-11-23T07:00:00+07:00")
    return moment


def _moment(text: str) -> str:
    parse_moment(text)
    return text


class _Signed(BaseModel):
    """The file, closed: what is not signed must not be believed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    as_of: Annotated[str, AfterValidator(_moment)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    signature: str

    @property
    def signed(self) -> bytes:
        return canonical_json(self.model_dump(include={"as_of", "sha256"}))


def signature_path(path: Path) -> Path:
    """Where the signature of a snapshot lies."""
    return Path(f"{path}.sig")


def digest(file: BufferedReader) -> str:
    """SHA-256 of an open file, read piece by piece."""
    return hashlib.file_digest(file, "sha256").hexdigest()


def read_signer(path: Path) -> VerifyKey:
    """The registry's public key. Raises ConfigError."""
    try:
        return VerifyKey.from_pem(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: owners.signer: {error.strerror}; put the registry's public key there") from None
    except ValueError as error:
        raise ConfigError(
            f"{path}: owners.signer: {error}; the registry makes one with `openssl pkey -in KEY -pubout`"
        ) from None


def sign(path: Path, key: SigningKey, as_of: datetime) -> Path:
    """Write the signature of a snapshot beside it; where. Raises UsageError."""
    beside = signature_path(path)
    try:
        with path.open("rb") as file:
            said = {"as_of": as_of.isoformat(), "sha256": digest(file)}
        whole = _Signed(**said, signature=key.signature(canonical_json(said)))
        beside.write_text(whole.model_dump_json() + "\n", encoding="ascii")
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}; check the path") from None
    return beside


def signed_moment(path: Path, sha256: str, signer: VerifyKey, now: datetime) -> datetime:
    """When the snapshot of this digest was taken, by the signature beside it. Raises ConfigError."""
    beside = signature_path(path)
    try:
        said = _Signed.model_validate_json(beside.read_bytes())
    except OSError as error:
        raise ConfigError(f"{beside}: {error.strerror}; owners.signer takes signed snapshots alone") from None
    except ValidationError as error:
        raise ConfigError(f"{beside}: {first_fault(error)}") from None
    if not signer.signed(said.signed, said.signature):
        raise ConfigError(f"{beside}: signature: not by the key of owners.signer; take it up with the registry")
    if said.sha256 != sha256:
        raise ConfigError(f"{path}: not the file that {beside.name} was made for; fetch both again")
    as_of = parse_moment(said.as_of)
    if as_of > now + _CLOCK_SLACK:
        raise ConfigError(f"{beside}: as_of: {said.as_of} is still to come; set the clock that is wrong")
    return as_of
