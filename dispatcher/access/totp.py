"""The authenticator's six digits (RFC 6238; library: `pyotp`), each good once, and the picture to enrol with."""

from __future__ import annotations

import hmac
from datetime import datetime

import pyotp
import segno

STEP_S = 30
_DRIFT_STEPS = (-1, 0, 1)
"""A phone's clock may be half a minute off, and a person types for a while."""


def new_secret() -> str:
    """A fresh secret, 32 characters of base32 (160 bits)."""
    return pyotp.random_base32()


def step_of(secret: str, code: str, now: datetime, after: int) -> int | None:
    """The time step whose code this is; None for a wrong code and for a step that is not later than `after`."""
    current = int(now.timestamp()) // STEP_S
    generator = pyotp.TOTP(secret)
    found = None
    for step in (current + drift for drift in _DRIFT_STEPS):
        is_it = hmac.compare_digest(generator.at(step * STEP_S).encode(), code.encode())
        if is_it and step > after:
            found = step
    return found


def address(secret: str, name: str, issuer: str) -> str:
    """The `otpauth:` address that authenticators read."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=issuer)


def picture(text: str) -> str:
    """A QR code as SVG that stands in the page itself (library: `segno`)."""
    return segno.make(text, micro=False).svg_inline(scale=5, dark="#17202b", light="#fff", omitsize=False)
