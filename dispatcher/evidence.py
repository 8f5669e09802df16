"""Pieces of evidence as files: written whole or not at all, and found only inside their folder."""

from __future__ import annotations

import os
from pathlib import Path

from dispatcher.errors import StoreError
from wire.messages import EvidenceHeader

_SUFFIX = {"image/jpeg": ".jpg", "application/json": ".json"}


class EvidenceFolder:
    """The folder in which the pictures lie, one folder a violation."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def save(self, header: EvidenceHeader, content: bytes) -> str:
        """Write a piece and return its path inside the folder; on the disk when this returns. Raises StoreError."""
        event = str(header.event_id)
        place = Path(header.unit_id) / event[:2] / event / f"{header.sha256}{_SUFFIX[header.media_type]}"
        target = self._root / place
        try:
            if not target.exists():
                _write(target, content)
        except OSError as error:
            raise StoreError(f"evidence: {error.strerror}; free or mend the evidence folder") from None
        return place.as_posix()

    def find(self, place: str) -> Path | None:
        """The file of a stored piece; None when it is gone, or would lie outside the folder."""
        root = self._root.resolve()
        file = (root / place).resolve()
        return file if file.is_relative_to(root) and file.is_file() else None


def _write(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(f".{os.getpid()}.part")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
