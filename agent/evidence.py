"""Evidence on disk: files named by the SHA-256 of their bytes, complete or not there at all.

A picture is what the camera saw: nothing is drawn on it. The same bytes are one file, however often they are saved.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from agent.errors import StoreError
from agent.types import Image
from wire.canonical import canonical_json, sha256_hex
from wire.messages import MAX_EVIDENCE_BYTES, EvidenceRef, EvidenceRole

MediaType = Literal["image/jpeg", "application/json"]
_SUFFIX: dict[MediaType, str] = {"image/jpeg": ".jpg", "application/json": ".json"}
_UNFINISHED = ".part"
_QUALITIES = (90, 80, 70, 60)
"""90 of a 1280x720 road is about 250 kB; below 60 a plate's strokes begin to dissolve, so then the size goes down."""
_SHRINK = 0.8


class EvidenceLostError(StoreError):
    """A piece is not there, or is not what was taken: reading it again cannot help."""


class EvidenceStore:
    """The evidence folder: `ab/abcdef....jpg`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def save_image(self, image: Image, role: EvidenceRole) -> EvidenceRef:
        """Save a picture (BGR) as a JPEG of at most 512 kB. Raises StoreError."""
        return self._save(jpeg(image), role, "image/jpeg")

    def save_manifest(self, manifest: Mapping[str, object]) -> EvidenceRef:
        """Save a manifest as canonical JSON. Raises StoreError."""
        return self._save(canonical_json(dict(manifest)), EvidenceRole.MANIFEST, "application/json")

    def read(self, ref: EvidenceRef) -> bytes:
        """A piece's bytes. Raises EvidenceLostError for a missing or changed file, StoreError for a disk in trouble."""
        path = self._path(ref.sha256, ref.media_type)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise EvidenceLostError(f"{path}: evidence is missing; restore the file") from None
        except OSError as error:
            raise StoreError(
                f"{path}: evidence cannot be read ({error.strerror}); check the disk and the rights"
            ) from None
        if sha256_hex(content) != ref.sha256:
            raise EvidenceLostError(f"{path}: evidence has changed since it was taken; restore the file")
        return content

    def files(self) -> Iterator[Path]:
        """All pieces, a file's stem being its hash, and what a kill left of pieces, whose stem is none."""
        return (path for path in self._root.glob("??/*") if path.suffix in (*_SUFFIX.values(), _UNFINISHED))

    def _path(self, sha256: str, media_type: MediaType) -> Path:
        return self._root / sha256[:2] / (sha256 + _SUFFIX[media_type])

    def _save(self, content: bytes, role: EvidenceRole, media_type: MediaType) -> EvidenceRef:
        ref = EvidenceRef(role=role, sha256=sha256_hex(content), media_type=media_type, size_bytes=len(content))
        path = self._path(ref.sha256, media_type)
        try:
            if path.exists() and path.read_bytes() == content:
                os.utime(path)  # named anew: retention must take it for young
            else:
                _write_durably(path, content)
        except OSError as error:
            raise StoreError(
                f"{path}: cannot be written ({error.strerror}); check the folder's rights and space"
            ) from None
        return ref


def jpeg(image: Image, limit_bytes: int = MAX_EVIDENCE_BYTES) -> bytes:
    """A JPEG of the picture within the limit: lower quality first, then a smaller picture."""
    while True:
        for quality in _QUALITIES:
            content = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))[1].tobytes()
            if len(content) <= limit_bytes:
                return content
        image = cv2.resize(image, None, fx=_SHRINK, fy=_SHRINK, interpolation=cv2.INTER_AREA).astype(np.uint8)


def _write_durably(path: Path, content: bytes) -> None:
    """After a power cut the file is whole or not there: temporary file, fsync, rename, fsync of the folders."""
    _make_folder(path.parent)
    temporary = path.with_suffix(f".{os.getpid()}{_UNFINISHED}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)


def _make_folder(folder: Path) -> None:
    """A new folder is on the disk when its parent is."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
