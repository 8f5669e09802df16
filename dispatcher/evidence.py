"""Pieces of evidence as files: written whole or not at all, and found only inside their folder."""

from __future__ import annotations

import os
from pathlib import Path

from dispatcher.errors import StoreError
from wire.canonical import sha256_hex
from wire.messages import SUFFIX, EvidenceHeader, EvidenceRole

SHOWN_TO_OWNERS = (EvidenceRole.PLATE, EvidenceRole.VEILED)
"""The pictures in which nobody else can be recognised; the others show people whose data is not the owner's."""
HEADERS = (EvidenceRole.VEILED, EvidenceRole.PLATE)
"""What stands over the message: the first of these that is here, for units not yet updated make no veiled picture."""


class EvidenceFolder:
    """The folder in which the pictures lie, one folder a violation."""

    def __init__(self, root: Path, writer: str = "dispatcher") -> None:
        """`writer` tells dispatchers apart that share the folder: each has its own temporary files."""
        self._root = root
        self._writer = writer

    def save(self, header: EvidenceHeader, content: bytes) -> str:
        """Write a piece and return its path inside the folder; on the disk when this returns. Raises StoreError."""
        event = str(header.event_id)
        place = Path(header.unit_id) / event[:2] / event / f"{header.sha256}{SUFFIX[header.media_type]}"
        target = self._root / place
        try:
            if not (target.exists() and sha256_hex(target.read_bytes()) == header.sha256):
                _write_durably(target, content, f".{self._writer}.part")
        except OSError as error:
            raise StoreError(f"evidence: {error.strerror}; free or mend the evidence folder") from None
        return place.as_posix()

    def find(self, place: str) -> Path | None:
        """The file of a stored piece; None when it is gone, or would lie outside the folder."""
        root = self._root.resolve()
        file = (root / place).resolve()
        return file if file.is_relative_to(root) and file.is_file() else None

    def remove(self, place: str) -> None:
        """Erase a stored piece, and its folder when it was the last in it. Raises StoreError."""
        file = self.find(place)
        if file is None:
            return
        try:
            file.unlink(missing_ok=True)
            for folder in (file.parent, file.parent.parent):
                if not any(folder.iterdir()):
                    folder.rmdir()
        except OSError as error:
            raise StoreError(f"evidence: {error.strerror}; mend the evidence folder") from None

    def read(self, place: str) -> bytes | None:
        """The bytes of a stored piece; None when it is gone. Raises StoreError when the disk does not give them."""
        file = self.find(place)
        try:
            return file.read_bytes() if file else None
        except OSError as error:
            raise StoreError(f"evidence: {error.strerror}; mend the evidence folder") from None


def _write_durably(path: Path, content: bytes, suffix: str) -> None:
    """After a power cut the file is whole or not there: temporary file, fsync, rename, fsync of the folders."""
    _make_folder(path.parent)
    temporary = path.with_suffix(suffix)  # one name: the unit says the piece again, and that replaces what a kill left
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
