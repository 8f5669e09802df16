"""A backup on the disk: a folder whose manifest names each file with its hash.

It is written beside its place and renamed into it when every byte is on the disk, so that half a backup is never taken
for a whole one. It holds personal data: only its user may read it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, ValidationError

from dispatcher.errors import CakraError, StoreError, UsageError
from dispatcher.evidence import sync
from dispatcher.settings import Section, first_fault

MANIFEST = "manifest.json"
EVIDENCE = "evidence"
_CHUNK_BYTES = 1024 * 1024


class Entry(Section):
    """One file of a backup."""

    sha256: str
    size_bytes: int


class Manifest(Section):
    """What a backup holds."""

    version: Literal[1] = 1
    made_at: AwareDatetime
    revision: str
    """The database's schema."""
    database: Literal["sqlite", "postgresql"]
    files: dict[str, Entry]
    """By path inside the backup."""
    missing: tuple[str, ...]
    """Evidence that the database names and that could not be read whole."""
    stays_in: str = ""
    """Where the evidence was left; empty when it is in here."""
    listed: tuple[str, ...] = ()
    """The pieces that were left there, each called by its hash."""
    keys: str = "not in here: data_key_file and mac_key_file, without which this is worth little; keep them elsewhere"


@contextmanager
def made(target: Path) -> Iterator[Path]:
    """A folder to fill; it is `target`, whole and on the disk, when the block ends. Raises UsageError, StoreError."""
    part = target.with_name(target.name + ".part")
    for path, mend in ((target, "name a new folder"), (part, "a backup was cut off; remove it")):
        if path.exists():
            raise UsageError(f"{path}: is there already; {mend}")
    try:
        part.mkdir(mode=0o700, parents=True)
        yield part
        sync_folders(part)
        part.rename(target)
        sync(target.parent)
    except OSError as error:
        raise StoreError(f"{target}: {error.strerror}; mend the disk, then make the backup again") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def copied(source: Path, target: Path) -> Entry:
    """Copy a file; on the disk when this returns, but for its name. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as reading, target.open("xb") as writing:
        while chunk := reading.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += writing.write(chunk)
        writing.flush()
        os.fsync(writing.fileno())
    return Entry(sha256=digest.hexdigest(), size_bytes=size)


def written(content: bytes, target: Path) -> Entry:
    """A new file; on the disk when this returns, but for its name. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return Entry(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


def entry(path: Path) -> Entry:
    """A file as it is."""
    with path.open("rb") as file:
        return Entry(sha256=hashlib.file_digest(file, "sha256").hexdigest(), size_bytes=path.stat().st_size)


def sync_folders(root: Path) -> None:
    """Put all names below a folder on the disk."""
    for folder, _, _ in os.walk(root):
        sync(Path(folder))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    path = folder / MANIFEST
    path.write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
    sync(path)


def examined(folder: Path) -> Manifest:
    """The manifest of a backup all of whose files are as it says, and no others. Raises CakraError, UsageError."""
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
        found = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if not file.is_dir()} - {MANIFEST}
        for name in sorted(found ^ set(manifest.files)):
            what = "is not in the manifest" if name in found else "is missing"
            raise CakraError(f"{folder / name}: {what}; take another backup")
        for name, said in manifest.files.items():
            if entry(folder / name) != said:
                raise CakraError(f"{folder / name}: is not what was backed up; take another backup")
    except ValidationError as error:
        raise CakraError(f"{path}: {first_fault(error)}") from None
    except OSError as error:
        raise UsageError(f"{error.filename or folder}: {error.strerror}; name the folder of a whole backup") from None
    return manifest
