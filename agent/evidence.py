"""Evidence on disk: a folder a finding, its files named by the SHA-256 of their bytes, complete or not there at all.

A folder is a bundle: the pieces, and the signed manifest that names them, written last. It is copied and dropped as a
whole. A picture is what the camera saw: nothing is drawn on it, but on the copy with the role `path`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from uuid import UUID

import cv2
import numpy as np

from agent.errors import StoreError
from agent.types import Image
from wire.canonical import sha256_hex
from wire.messages import MAX_EVIDENCE_BYTES, SUFFIX, EvidenceRef, EvidenceRole, MediaType

UNFINISHED = ".part"
_QUALITIES = (90, 80, 70, 60)
"""90 of a 1280x720 road is about 250 kB; below 60 a plate's strokes begin to dissolve, so then the size goes down."""
_SHRINK = 0.8


class EvidenceLostError(StoreError):
    """A piece is not there, or is not what was taken: reading it again cannot help."""


class EvidenceStore:
    """The evidence folder: `ab/abcdef01-.../<sha256>.jpg`, the middle one the event's id."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def save(self, event_id: UUID, content: bytes, role: EvidenceRole, media_type: MediaType) -> EvidenceRef:
        """Save a piece. Raises StoreError."""
        ref = EvidenceRef(role=role, sha256=sha256_hex(content), media_type=media_type, size_bytes=len(content))
        path = self._path(event_id, ref)
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

    def seal(self, event_id: UUID, manifest: bytes, pieces: Collection[str]) -> EvidenceRef:
        """Save the manifest of the pieces with these hashes, and drop what an earlier try, killed, left beside them."""
        ref = self.save(event_id, manifest, EvidenceRole.MANIFEST, "application/json")
        folder = self._path(event_id, ref).parent
        for path in folder.iterdir():
            if path.stem not in (ref.sha256, *pieces):
                remove(path)
        return ref

    def read(self, event_id: UUID, ref: EvidenceRef) -> bytes:
        """A piece's bytes. Raises EvidenceLostError for a missing or changed file, StoreError for a disk in trouble."""
        path = self._path(event_id, ref)
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

    def bundles(self) -> Iterator[Path]:
        """The folders of all events, whole or not; a folder's name is the event's id."""
        return self._root.glob("??/*")

    def _path(self, event_id: UUID, ref: EvidenceRef) -> Path:
        name = str(event_id)
        return self._root / name[:2] / name / (ref.sha256 + SUFFIX[ref.media_type])


def jpeg(image: Image, limit_bytes: int = MAX_EVIDENCE_BYTES, best: int = _QUALITIES[0]) -> bytes:
    """A JPEG of the picture (BGR) within the limit: lower quality first, then a smaller picture."""
    while True:
        for quality in _QUALITIES:
            if quality > best:
                continue
            content = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))[1].tobytes()
            if len(content) <= limit_bytes:
                return content
        image = cv2.resize(image, None, fx=_SHRINK, fy=_SHRINK, interpolation=cv2.INTER_AREA).astype(np.uint8)


def remove(path: Path) -> None:
    """Raises StoreError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: cannot be removed ({error.strerror}); check the folder's rights") from None


def _write_durably(path: Path, content: bytes) -> None:
    """After a power cut the file is whole or not there: temporary file, fsync, rename, fsync of the folders."""
    _make_folder(path.parent)
    temporary = path.with_suffix(f".{os.getpid()}{UNFINISHED}")
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
