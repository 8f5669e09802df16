"""Secrets in files, and personal data sealed with one of them (AES-256-GCM, library: `cryptography`)."""

from __future__ import annotations

import base64
import binascii
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dispatcher.errors import ConfigError, UsageError

_KEY_BYTES = 32
_NONCE_BYTES = 12
_VERSION = b"\x01"


def read_secret(path: Path, field: str) -> str:
    """A token or password: the file's content without white space around it. Raises ConfigError."""
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{path}: {field}: {error.strerror}; put the secret in this file") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: {field}: not text; put the secret in this file") from None
    if not secret:
        raise ConfigError(f"{path}: {field}: is empty; put the secret in this file")
    return secret


def read_key(path: Path, field: str) -> bytes:
    """A key of 32 bytes, base64 in a file. Raises ConfigError."""
    try:
        key = base64.b64decode(read_secret(path, field), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigError(f"{path}: {field}: not base64 of 32 bytes; make one with `cakra-dispatcher keygen {path}`")
    return key


def write_new_key(path: Path) -> None:
    """A fresh key, readable by its owner alone; an existing file is never overwritten. Raises UsageError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; name a new file in a folder that exists") from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode() + "\n")


class Sealer:
    """Seals small records so that the database alone does not give them away."""

    def __init__(self, key: bytes, old_key: bytes | None = None) -> None:
        """Seals with `key`, and opens what `old_key` sealed as well."""
        self._cipher = AESGCM(key)
        self._old_cipher = AESGCM(old_key) if old_key else None

    def seal(self, record: Mapping[str, str], bound_to: str) -> bytes:
        """The record, sealed; it opens only together with `bound_to`, so rows cannot be swapped."""
        nonce = os.urandom(_NONCE_BYTES)
        plain = json.dumps(record, separators=(",", ":")).encode()
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, bound_to.encode())

    def open(self, sealed: bytes, bound_to: str) -> dict[str, str]:
        """The record again. Raises ConfigError when it was sealed with another key."""
        plain = _opened(self._cipher, sealed, bound_to)
        if plain is None:
            plain = self._opened_with_old(sealed, bound_to)
        record: dict[str, str] = json.loads(plain)
        return record

    def reseal(self, sealed: bytes, bound_to: str) -> bytes | None:
        """What the old key sealed, sealed with the new one; None for what the new one opens. Raises ConfigError."""
        if _opened(self._cipher, sealed, bound_to) is not None:
            return None
        return self.seal(json.loads(self._opened_with_old(sealed, bound_to)), bound_to)

    def _opened_with_old(self, sealed: bytes, bound_to: str) -> bytes:
        plain = _opened(self._old_cipher, sealed, bound_to) if self._old_cipher else None
        if plain is None:
            raise ConfigError("data_key_file: a record was sealed with another key; name it in data_key_old_file")
        return plain


def _opened(cipher: AESGCM, sealed: bytes, bound_to: str) -> bytes | None:
    try:
        return cipher.decrypt(sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :], bound_to.encode())
    except (InvalidTag, ValueError):  # ValueError: too short to be anything sealed
        return None


def read_sealer(key: Path, old_key: Path | None) -> Sealer:
    """The sealer of `data_key_file` and, while a rotation lasts, `data_key_old_file`. Raises ConfigError."""
    new = read_key(key, "data_key_file")
    old = read_key(old_key, "data_key_old_file") if old_key else None
    if new == old:
        raise ConfigError(f"{old_key}: data_key_old_file: is the key of data_key_file; name the one before it")
    return Sealer(new, old)
