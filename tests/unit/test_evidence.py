"""Evidence files: whole, unchanged and small enough, or an error."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

from agent.errors import StoreError
from agent.evidence import EvidenceLostError, EvidenceStore, jpeg
from agent.outbox import Outbox
from agent.retention import Limits, sweep
from wire.canonical import sha256_hex
from wire.messages import MAX_EVIDENCE_BYTES, EvidenceRole

ROAD = np.tile(np.arange(0, 240, dtype=np.uint8)[None, :, None], (120, 1, 3))


def test_picture_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    """The centre would get a picture that its own hash denies."""
    store = EvidenceStore(tmp_path)
    ref = store.save_image(ROAD, EvidenceRole.CONTEXT)
    content = store.read(ref)
    assert (len(content), sha256_hex(content)) == (ref.size_bytes, ref.sha256)
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert np.abs(decoded.astype(int) - ROAD).mean() < 2


def test_saving_again_is_the_same_file(tmp_path: Path) -> None:
    """A replay would fill the disk with copies."""
    store = EvidenceStore(tmp_path)
    assert store.save_image(ROAD, EvidenceRole.PLATE) == store.save_image(ROAD, EvidenceRole.PLATE)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [path.name for path in store.files()]


def test_noisy_picture_still_fits() -> None:
    """A wet night's picture would be too large for the broker and never arrive."""
    noise = np.random.default_rng(1).integers(0, 256, (900, 1200, 3), dtype=np.uint8)
    assert len(jpeg(noise)) <= MAX_EVIDENCE_BYTES


def test_half_written_file_is_mended_by_saving_again(tmp_path: Path) -> None:
    """A file torn by a power cut would be sent as evidence."""
    store = EvidenceStore(tmp_path)
    ref = store.save_manifest({"a": 1})
    next(store.files()).write_bytes(b"{")
    with pytest.raises(StoreError, match="has changed"):
        store.read(ref)
    assert store.read(store.save_manifest({"a": 1})) == b'{"a":1}'


def test_missing_file_and_unwritable_folder_are_told(tmp_path: Path) -> None:
    """A technician would read a traceback."""
    store = EvidenceStore(tmp_path / "evidence")
    ref = store.save_manifest({"a": 1})
    next(store.files()).unlink()
    with pytest.raises(StoreError, match="is missing"):
        store.read(ref)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        EvidenceStore(tmp_path / "file").save_manifest({"a": 1})


def test_a_disk_in_trouble_is_not_a_lost_picture(tmp_path: Path) -> None:
    """One read error of a worn card would bury a picture that is still there."""
    store = EvidenceStore(tmp_path)
    ref = store.save_manifest({"a": 1})
    file = next(store.files())
    file.unlink()
    with pytest.raises(EvidenceLostError):
        store.read(ref)
    file.mkdir()
    with pytest.raises(StoreError, match="cannot be read") as caught:
        store.read(ref)
    assert not isinstance(caught.value, EvidenceLostError)


def test_new_folders_are_on_the_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut would take a new folder with its first pictures."""
    synced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
    store = EvidenceStore(tmp_path / "data" / "evidence")
    store.save_manifest({"a": 1})
    assert {next(store.files()).parent, tmp_path / "data" / "evidence", tmp_path / "data", tmp_path} <= set(synced)


def test_what_a_kill_left_half_written_is_swept(tmp_path: Path) -> None:
    """A unit that loses power often would fill its disk with files nobody names."""
    store = EvidenceStore(tmp_path / "evidence")
    ref = store.save_manifest({"a": 1})
    left = next(store.files()).with_suffix(".123.part")
    left.write_bytes(b"{")
    now = datetime.now(UTC)
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        assert sweep(outbox, store, now, Limits(), lambda: 0.0).files == 0
        os.utime(left, times=((now - timedelta(days=1)).timestamp(),) * 2)
        assert sweep(outbox, store, now, Limits(), lambda: 0.0).files == 1
    assert [path.stem for path in store.files()] == [ref.sha256]


def test_a_piece_that_is_finished_meanwhile_does_not_disturb_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each violation found during a sweep would be a fault of the unit."""
    store = EvidenceStore(tmp_path / "evidence")
    monkeypatch.setattr(EvidenceStore, "files", lambda _: iter([tmp_path / "abc.123.part"]))
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        assert sweep(outbox, store, datetime.now(UTC), Limits(), lambda: 0.0).files == 0


def test_retention_drops_only_old_files_that_nothing_names(tmp_path: Path) -> None:
    """Evidence that is owed, or was written a moment before its report, would be deleted."""
    store = EvidenceStore(tmp_path / "evidence")
    store.save_manifest({"age": "old"})
    old = next(store.files())
    now = datetime.now(UTC)
    os.utime(old, times=((now - timedelta(days=1)).timestamp(),) * 2)
    young = store.save_manifest({"age": "young"})
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        assert sweep(outbox, store, now, Limits(), lambda: 1.0).files == 1
    assert [path.stem for path in store.files()] == [young.sha256]
