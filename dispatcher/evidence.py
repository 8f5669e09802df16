"""Pieces of evidence: where they are kept, and kept as files.

A piece's place is its name below the root of a store, the same in every store, so that pieces can be copied from one to
another. What is put there is durable when `put` returns, whole or not there.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Protocol

from dispatcher.errors import StoreError
from dispatcher.store import grouped
from wire.canonical import sha256_hex
from wire.messages import SUFFIX, EvidenceHeader, EvidenceRole

log = logging.getLogger(__name__)

SHOWN_TO_OWNERS = (EvidenceRole.PLATE, EvidenceRole.VEILED)
"""The pictures in which nobody else can be recognised; the others show people whose data is not the owner's."""
HEADERS = (EvidenceRole.VEILED, EvidenceRole.PLATE)
"""What stands over the message: the first of these that is here, for units not yet updated make no veiled picture."""

MEDIA_TYPE = {suffix: media_type for media_type, suffix in SUFFIX.items()}
"""Of a piece, by the end of its name."""


class EvidenceStore(Protocol):
    """Where pieces lie. Each method but `put_all` raises StoreError when the store is away or refuses."""

    def put(self, place: str, content: bytes) -> None:
        """Keep a piece, once however often it comes."""
        ...

    def put_all(self, pieces: Mapping[str, bytes]) -> Mapping[str, bool]:
        """`put` of several pieces, by place, in less time and never in much more than one of them may take; by place,
        of those that cannot be kept just now, whether they may come to lie there all the same."""
        ...

    def read(self, place: str) -> bytes | None:
        """The bytes of a stored piece; None when it is gone, is not what it was, or would lie outside the store."""
        ...

    def remove(self, place: str) -> None:
        """Erase a stored piece; nothing happens when it is gone."""
        ...

    def is_empty(self) -> bool:
        """Whether nothing is kept here."""
        ...


def place_of(header: EvidenceHeader) -> str:
    """Where a piece lies: `UNIT/EV/EVENT/SHA256.jpg`, a folder a violation."""
    event = str(header.event_id)
    return f"{header.unit_id}/{event[:2]}/{event}/{header.sha256}{SUFFIX[header.media_type]}"


def as_put(place: str, content: bytes) -> bytes | None:
    """The content, if it is what the place is called by."""
    if sha256_hex(content) == PurePosixPath(place).stem:
        return content
    log.error("a piece of evidence is not what it was; find it with `cakra-agent verify`")
    return None


def tell(faults: Mapping[str, str]) -> None:
    """One line about pieces that are not kept, by place, however many they are."""
    for reason, places in grouped(faults).items():
        log.error("evidence is not kept now; units say it again", extra={"number": len(places), "reason": reason})


class EvidenceFolder:
    """Pieces as files in a folder: written whole or not at all, and found only inside."""

    def __init__(self, root: Path, writer: str = "dispatcher") -> None:
        """`writer` tells dispatchers apart that share the folder: each has its own temporary files."""
        self._root = root.resolve()
        self._writer = writer

    def put(self, place: str, content: bytes) -> None:
        for fault in self._put_all({place: content}).values():
            raise StoreError(f"evidence: {fault}; free or mend the evidence folder")

    def put_all(self, pieces: Mapping[str, bytes]) -> Mapping[str, bool]:
        faults = self._put_all(pieces)
        tell(faults)
        return dict.fromkeys(faults, False)

    def _put_all(self, pieces: Mapping[str, bytes]) -> Mapping[str, str]:
        """By place: why a piece is not kept."""
        touched: set[Path] = set()
        faults: dict[str, str] = {}
        for place, content in pieces.items():
            target = self._root / place
            try:
                if not (target.exists() and sha256_hex(target.read_bytes()) == target.stem):
                    _write_durably(target, content, f".{self._writer}.part", touched)
            except OSError as error:
                faults[place] = str(error.strerror)
        try:
            for folder in touched:
                sync(folder)
        except OSError as error:
            return dict.fromkeys(pieces, str(error.strerror))
        return faults

    def read(self, place: str) -> bytes | None:
        file = self._find(place)
        try:
            return as_put(place, file.read_bytes()) if file else None
        except FileNotFoundError:  # erased meanwhile
            return None
        except OSError as error:
            raise StoreError(f"evidence: {error.strerror}; mend the evidence folder") from None

    def remove(self, place: str) -> None:
        """Erase a stored piece, and its folder when it was the last in it."""
        file = self._find(place)
        if file is None:
            return
        try:
            file.unlink(missing_ok=True)
            for folder in (file.parent, file.parent.parent):
                if not any(folder.iterdir()):
                    folder.rmdir()
        except OSError as error:
            raise StoreError(f"evidence: {error.strerror}; mend the evidence folder") from None

    def is_empty(self) -> bool:
        return not any(path.is_file() for path in self._root.rglob("*"))

    def _find(self, place: str) -> Path | None:
        file = Path(os.path.realpath(self._root / place))
        return file if file.is_relative_to(self._root) and file.is_file() else None


def _write_durably(path: Path, content: bytes, suffix: str, touched: set[Path]) -> None:
    """After a power cut the file is whole or not there: temporary file, fsync, rename, fsync of all `touched`."""
    _make_folder(path.parent, touched)
    temporary = path.with_suffix(suffix)  # one name: the unit says the piece again, and that replaces what a kill left
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    touched.add(path.parent)


def _make_folder(folder: Path, touched: set[Path]) -> None:
    """A new folder is on the disk when its parent is."""
    if not folder.is_dir():
        _make_folder(folder.parent, touched)
        folder.mkdir(exist_ok=True)
        touched.add(folder.parent)


def sync(path: Path) -> None:
    """Put a file, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
