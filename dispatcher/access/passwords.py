"""Passwords: hashed by argon2id (library: `argon2-cffi`), and as slow to refuse as to accept."""

from __future__ import annotations

import secrets
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LEAST_CHARACTERS = 12
MOST_CHARACTERS = 200
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""OWASP's first choice for argon2id (19 MiB, 2 passes): 60 ms on one core of a small server."""
_AT_ONCE = BoundedSemaphore(2)
"""However many try to log in, hashing takes two cores and 38 MiB, and intake goes on."""
_NOBODY = _HASHER.hash(secrets.token_urlsafe())
"""Checked for a name that is unknown or locked, so that the answer takes as long."""


def hash_password(password: str) -> str:
    """What is stored of a password."""
    with _AT_ONCE:
        return _HASHER.hash(password)


def is_right(stored: str | None, password: str) -> bool:
    """Whether this is the password; without a stored one it never is, after the same time."""
    with _AT_ONCE:
        try:
            return _HASHER.verify(stored or _NOBODY, password) and stored is not None
        except (VerificationError, InvalidHashError):
            return False


def new_password() -> str:
    """A password to hand over once: 15 characters, 89 bits."""
    return secrets.token_urlsafe(11)


def fault(password: str, name: str) -> str | None:
    """The code of what is wrong with a password somebody chose; None for a good one."""
    if len(password) < LEAST_CHARACTERS:
        return "password_short"
    if len(password) > MOST_CHARACTERS:
        return "password_long"
    if name in password.lower() or len(set(password)) < 5:
        return "password_simple"
    return None
