"""A ticket: who holds it has typed the right pair for this case a short while ago (pure).

It stands in the page's own address, so the page needs no cookie, and a foreign page cannot answer for an owner.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime, timedelta

LIFE = timedelta(minutes=30)
_SHAPE = re.compile(r"([A-Z0-9-]{1,32})\.([0-9]{1,12})\.([0-9a-f]{64})")


def issue(mac_key: bytes, reference: str, now: datetime) -> str:
    """A ticket for a case, `REFERENCE.END.MAC`."""
    said = f"{reference}.{int((now + LIFE).timestamp())}"
    return f"{said}.{_mac(mac_key, said)}"


def holder(mac_key: bytes, ticket: str, now: datetime) -> str | None:
    """The reference of a ticket's case; None for one that is over or not ours."""
    match = _SHAPE.fullmatch(ticket)
    if match is None or not hmac.compare_digest(match[3], _mac(mac_key, f"{match[1]}.{match[2]}")):
        return None
    return match[1] if now.timestamp() < int(match[2]) else None


def _mac(mac_key: bytes, said: str) -> str:
    key = hmac.new(mac_key, b"cakra owner page", hashlib.sha256).digest()
    return hmac.new(key, said.encode(), hashlib.sha256).hexdigest()
