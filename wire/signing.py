"""Ed25519 signatures of reports, manifests and the registry's snapshots (library: `cryptography`).

A private key is a PKCS#8 PEM file where it signs. The dispatcher knows a unit's public key as base64 of its 32 bytes,
the registry's as a PEM file.
"""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from wire.canonical import canonical_json, sha256_hex
from wire.manifest import Manifest, SignedManifest, digests_of
from wire.messages import SignedReport, ViolationReport


class SigningKey:
    """A unit's private key, or the registry's."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private

    @classmethod
    def generate(cls) -> SigningKey:
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKey:
        """The key of 32 bytes that somebody chose."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def from_pem(cls, pem: bytes) -> SigningKey:
        """Raises ValueError when the bytes are not an unencrypted Ed25519 key."""
        try:
            private = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError) as error:
            raise ValueError("not an unencrypted PEM private key") from error
        if not isinstance(private, Ed25519PrivateKey):
            raise ValueError("not an Ed25519 key")
        return cls(private)

    def to_pem(self) -> bytes:
        return self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def public(self) -> VerifyKey:
        return VerifyKey(self._private.public_key())

    def sign(self, report: ViolationReport) -> SignedReport:
        return SignedReport(body=report, key_id=self.public.key_id, signature=self.signature(canonical_json(report)))

    def sign_manifest(self, manifest: Manifest) -> SignedManifest:
        digests = digests_of(manifest.model_dump(mode="json"))
        signature = self.signature(canonical_json(digests))
        return SignedManifest(body=manifest, digests=digests, key_id=self.public.key_id, signature=signature)

    def signature(self, data: bytes) -> str:
        """Over these bytes, base64."""
        return base64.b64encode(self._private.sign(data)).decode()


class VerifyKey:
    """A unit's public key, or the registry's."""

    def __init__(self, public: Ed25519PublicKey) -> None:
        self._public = public

    @classmethod
    def from_base64(cls, text: str) -> VerifyKey:
        """Raises ValueError when the text is not base64 of 32 bytes."""
        try:
            return cls(Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True)))
        except (ValueError, binascii.Error) as error:
            raise ValueError("not base64 of a 32-byte Ed25519 public key") from error

    @classmethod
    def from_pem(cls, pem: bytes) -> VerifyKey:
        """Raises ValueError when the bytes are not an Ed25519 public key."""
        try:
            public = load_pem_public_key(pem)
        except ValueError as error:
            raise ValueError("not a PEM public key") from error
        if not isinstance(public, Ed25519PublicKey):
            raise ValueError("not an Ed25519 key")
        return cls(public)

    def to_base64(self) -> str:
        return base64.b64encode(self._public.public_bytes_raw()).decode()

    @property
    def key_id(self) -> str:
        """A short name of the key: 16 hexadecimal digits of its hash."""
        return sha256_hex(self._public.public_bytes_raw())[:16]

    def verifies(self, signed: SignedReport) -> bool:
        """Whether the signature is this key's over exactly this body."""
        return self.signed(canonical_json(signed.body), signed.signature)

    def verifies_manifest(self, signed: SignedManifest) -> bool:
        """Whether the signature is this key's over the digests, and they are those of exactly this body."""
        is_whole = signed.digests == digests_of(signed.body.model_dump(mode="json"))
        return is_whole and self.signed(canonical_json(signed.digests), signed.signature)

    def signed(self, data: bytes, signature: str) -> bool:
        """Whether the signature (base64) is this key's over these bytes."""
        try:
            self._public.verify(base64.b64decode(signature, validate=True), data)
        except (InvalidSignature, ValueError):
            return False
        return True
