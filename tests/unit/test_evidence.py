"""Evidence files: whole, unchanged and small enough, or an error."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import cv2
import numpy as np
import pytest

from agent.errors import StoreError
from agent.evidence import EvidenceLostError, EvidenceStore, jpeg
from agent.outbox import Outbox
from agent.retention import Limits, sweep
from wire.canonical import sha256_hex
from wire.messages import MAX_EVIDENCE_BYTES, EvidenceRef, EvidenceRole

EVENT = UUID(int=1)
ROAD = np.tile(np.arange(0, 240, dtype=np.uint8)[None, :, None], (120, 1, 3))


def save(store: EvidenceStore, content: bytes = b"piece", event_id: UUID = EVENT) -> EvidenceRef:
    return store.save(event_id, content, EvidenceRole.CONTEXT, "image/jpeg")


def files(store: EvidenceStore) -> list[Path]:
    return sorted(path for folder in store.bundles() for path in folder.iterdir())


def age(folder: Path, now: datetime) -> None:
    """Make a bundle a day old."""
    for path in (*folder.iterdir(), folder):
        os.utime(path, times=((now - timedelta(days=1)).timestamp(),) * 2)


def test_picture_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    """The centre would get a picture that its own hash denies."""
    store = EvidenceStore(tmp_path)
    ref = save(store, jpeg(ROAD))
    content = store.read(EVENT, ref)
    assert (len(content), sha256_hex(content)) == (ref.size_bytes, ref.sha256)
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert np.abs(decoded.astype(int) - ROAD).mean() < 2


def test_saving_again_is_the_same_file(tmp_path: Path) -> None:
    """A replay would fill the disk with copies."""
    store = EvidenceStore(tmp_path)
    assert save(store) == save(store)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == files(store)


def test_a_bundle_holds_nothing_but_itself(tmp_path: Path) -> None:
    """What a kill left of an earlier try would look like a piece that somebody added."""
    store = EvidenceStore(tmp_path)
    save(store, b"left")
    piece = save(store)
    store.seal(EVENT, b"{}", [piece.sha256])
    manifest = store.seal(EVENT, b"{ }", [piece.sha256])
    assert {path.stem for path in files(store)} == {piece.sha256, manifest.sha256}


def test_noisy_picture_still_fits() -> None:
    """A wet night's picture would be too large for the broker and never arrive."""
    noise = np.random.default_rng(1).integers(0, 256, (900, 1200, 3), dtype=np.uint8)
    assert len(jpeg(noise)) <= MAX_EVIDENCE_BYTES


def test_half_written_file_is_mended_by_saving_again(tmp_path: Path) -> None:
    """A file torn by a power cut would be sent as evidence."""
    store = EvidenceStore(tmp_path)
    ref = save(store)
    files(store)[0].write_bytes(b"{")
    with pytest.raises(StoreError, match="has changed"):
        store.read(EVENT, ref)
    assert store.read(EVENT, save(store)) == b"piece"


def test_missing_file_and_unwritable_folder_are_told(tmp_path: Path) -> None:
    """A technician would read a traceback."""
    store = EvidenceStore(tmp_path / "evidence")
    ref = save(store)
    files(store)[0].unlink()
    with pytest.raises(StoreError, match="is missing"):
        store.read(EVENT, ref)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        save(EvidenceStore(tmp_path / "file"))


def test_a_disk_in_trouble_is_not_a_lost_picture(tmp_path: Path) -> None:
    """One read error of a worn card would bury a picture that is still there."""
    store = EvidenceStore(tmp_path)
    ref = save(store)
    file = files(store)[0]
    file.unlink()
    with pytest.raises(EvidenceLostError):
        store.read(EVENT, ref)
    file.mkdir()
    with pytest.raises(StoreError, match="cannot be read") as caught:
        store.read(EVENT, ref)
    assert not isinstance(caught.value, EvidenceLostError)


def test_new_folders_are_on_the_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut would take a new folder with its first pictures."""
    synced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
    store = EvidenceStore(tmp_path / "data" / "evidence")
    save(store)
    (bundle,) = store.bundles()
    assert {bundle, bundle.parent, tmp_path / "data" / "evidence", tmp_path / "data", tmp_path} <= set(synced)


def test_what_a_kill_left_half_written_is_swept(tmp_path: Path) -> None:
    """A unit that loses power often would fill its disk with files nobody names."""
    store = EvidenceStore(tmp_path / "evidence")
    ref = save(store)
    left = files(store)[0].with_suffix(".123.part")
    left.write_bytes(b"{")
    now = datetime.now(UTC)
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        outbox.kept = lambda: {str(EVENT)}  # type: ignore[method-assign]
        assert sweep(outbox, store, now, Limits(), lambda: 0.0).files == 0
        os.utime(left, times=((now - timedelta(days=1)).timestamp(),) * 2)
        assert sweep(outbox, store, now, Limits(), lambda: 0.0).files == 1
    assert [path.stem for path in files(store)] == [ref.sha256]


def test_a_piece_that_is_finished_meanwhile_does_not_disturb_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each violation found during a sweep would be a fault of the unit."""
    store = EvidenceStore(tmp_path / "evidence")
    monkeypatch.setattr(EvidenceStore, "bundles", lambda _: iter([tmp_path / "gone"]))
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        assert sweep(outbox, store, datetime.now(UTC), Limits(), lambda: 0.0).files == 0


def test_retention_drops_old_bundles_that_nothing_names_whole_or_not_at_all(tmp_path: Path) -> None:
    """Evidence would be deleted a moment before its report is there; and half a bundle proves nothing."""
    store = EvidenceStore(tmp_path / "evidence")
    save(store, b"old one")
    save(store, b"old two")
    (old,) = store.bundles()
    save(store, b"first", UUID(int=2))
    now = datetime.now(UTC)
    for bundle in store.bundles():
        age(bundle, now)
    save(store, b"second", UUID(int=2))
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        assert sweep(outbox, store, now, Limits(), lambda: 1.0).files == 2
    assert not old.exists()
    assert {path.stem for path in files(store)} == {sha256_hex(b"first"), sha256_hex(b"second")}
