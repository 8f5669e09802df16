"""A case's reference and the payloads of its answer buttons: unguessable and unforgeable (pure but for chance)."""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass

_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""32 signs, 5 bits each; without 0 O 1 I, which people mix up."""
_GROUPS, _GROUP = 4, 4
"""16 signs are 80 bits: at a billion cases and a thousand guesses a second, a hit takes 38,000 years."""
_REFERENCE = re.compile(rf"[{_ALPHABET}]{{{_GROUP}}}(-[{_ALPHABET}]{{{_GROUP}}}){{{_GROUPS - 1}}}")
_MAC_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Reply:
    """What a button says, its MAC checked."""

    reference: str
    answer: str


def new_reference() -> str:
    """A fresh reference, `XXXX-XXXX-XXXX-XXXX`."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))


def is_reference(text: str) -> bool:
    """Whether a text has a reference's shape."""
    return _REFERENCE.fullmatch(text) is not None


def payload(key: bytes, reference: str, answer: str) -> str:
    """What a button sends back: `v1.REF.answer.MAC`."""
    said = f"v1.{reference}.{answer}"
    return f"{said}.{_mac(key, said)}"


def read_payload(key: bytes, text: str) -> Reply | None:
    """The reply in a payload, or None when its MAC is not ours."""
    said, _, mac = text.rpartition(".")
    if not hmac.compare_digest(mac.encode(), _mac(key, said).encode()):
        return None
    match said.split("."):
        case ["v1", reference, answer]:
            return Reply(reference, answer)
    return None


def _mac(key: bytes, said: str) -> str:
    return hmac.digest(key, said.encode(), "sha256").hex()[:_MAC_DIGITS]
