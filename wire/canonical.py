"""Canonical JSON: one byte sequence for one value, so that hashes and signatures mean something.

Keys sorted, no blanks, UTF-8, no NaN or infinity (after RFC 8785, with Python's shortest float form).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel


def canonical_json(value: Any) -> bytes:
    """The canonical bytes of a JSON value or a wire message. Raises ValueError for NaN and infinity."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def sha256_hex(data: bytes) -> str:
    """SHA-256 of the bytes, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
