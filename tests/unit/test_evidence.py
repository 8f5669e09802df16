"""Evidence files: whole, unchanged and small enough, or an error."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

from agent.errors import StoreError
from agent.evidence import EvidenceStore, jpeg
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
    with pytest.raises(StoreError, match="cannot be read"):
        store.read(ref)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        EvidenceStore(tmp_path / "file").save_manifest({"a": 1})


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
