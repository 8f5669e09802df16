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

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, record: Mapping[str, str], bound_to: str) -> bytes:
        """The record, sealed; it opens only together with `bound_to`, so rows cannot be swapped."""
        nonce = os.urandom(_NONCE_BYTES)
        plain = json.dumps(record, separators=(",", ":")).encode()
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, bound_to.encode())

    def open(self, sealed: bytes, bound_to: str) -> dict[str, str]:
        """The record again. Raises ConfigError when it was sealed with another key."""
        nonce = sealed[1 : 1 + _NONCE_BYTES]
        try:
            plain = self._cipher.decrypt(nonce, sealed[1 + _NONCE_BYTES :], bound_to.encode())
        except InvalidTag:
            raise ConfigError("data_key_file: the owners were sealed with another key; restore that key") from None
        record: dict[str, str] = json.loads(plain)
        return record
