"""Messages to bytes and back; what does not decode is a `DecodeError` with a reason that can be counted."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from wire.canonical import canonical_json, sha256_hex
from wire.messages import MAX_EVIDENCE_BYTES, MAX_REPORT_BYTES, EvidenceHeader

_Message = TypeVar("_Message", bound=BaseModel)
_LENGTH_BYTES = 4
_MAX_HEADER_BYTES = 4096


class DecodeError(ValueError):
    """Bytes that are not the message they should be; `str()` is a short code with the field, never the content."""


def encode(message: BaseModel) -> bytes:
    """The canonical bytes of a message."""
    return canonical_json(message)


def decode(kind: type[_Message], data: bytes) -> _Message:
    """A message from its bytes. Raises DecodeError."""
    if len(data) > MAX_REPORT_BYTES:
        raise DecodeError("too_large")
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "message"
        raise DecodeError(f"invalid:{where}:{first['type']}") from None


def encode_evidence(header: EvidenceHeader, content: bytes) -> bytes:
    """An evidence message: length of the header (4 bytes, big endian), header, content."""
    head = canonical_json(header)
    return len(head).to_bytes(_LENGTH_BYTES, "big") + head + content


def decode_evidence(data: bytes) -> tuple[EvidenceHeader, bytes]:
    """Header and content of an evidence message, the content's size and hash checked. Raises DecodeError."""
    head_size = int.from_bytes(data[:_LENGTH_BYTES], "big")
    if len(data) < _LENGTH_BYTES or head_size > _MAX_HEADER_BYTES:
        raise DecodeError("invalid:header:length")
    header = decode(EvidenceHeader, data[_LENGTH_BYTES : _LENGTH_BYTES + head_size])
    content = data[_LENGTH_BYTES + head_size :]
    if len(content) > MAX_EVIDENCE_BYTES:
        raise DecodeError("too_large")
    if len(content) != header.size_bytes:
        raise DecodeError("size_differs")
    if sha256_hex(content) != header.sha256:
        raise DecodeError("sha256_differs")
    return header, content
