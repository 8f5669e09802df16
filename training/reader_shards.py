"""Rendered crops as the trainer sees them: memory-mapped shards, every batch a little moved, relit and roughened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from training.machine import device
from training.reader_render import CORNER_UNIT, MAX_TEXT

VALIDATION_SHARD = "9000"
COLOUR, READABLE, PLACED, CORNERS = MAX_TEXT, MAX_TEXT + 1, MAX_TEXT + 2, MAX_TEXT + 3
"""Columns of a label row (`Sample.row`) after the text."""
NUDGE_PX = 2
GRAIN = 1 << 22
"""Random numbers drawn once, of which each batch takes a stretch: drawing them anew took a tenth of the training."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Crops (N, 3, 48, 160) RGB 0..1 and label rows (N, 21) as `Sample.row` writes them."""

    crops: torch.Tensor
    rows: torch.Tensor


def to_input(crops: np.ndarray) -> torch.Tensor:
    """BGR uint8 (N, 48, 160, 3) to the network's RGB 0..1."""
    flipped = np.ascontiguousarray(crops[..., ::-1].transpose(0, 3, 1, 2))
    return torch.from_numpy(flipped).to(device()).float().div_(255).to(memory_format=torch.channels_last)


class Shards:
    """Every shard in the folder; looks for new ones now and then."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder, self._rng = folder, np.random.default_rng(seed)
        self._open: dict[Path, tuple[np.ndarray, np.ndarray]] = {}
        self._grain = torch.randn(GRAIN, device=device())

    def refresh(self) -> int:
        for path in sorted(self._folder.glob("*.pictures.npy")):
            if path not in self._open and not path.name.startswith(VALIDATION_SHARD):
                labels = path.with_name(path.name.replace("pictures", "labels"))
                self._open[path] = (np.load(path, mmap_mode="r"), np.load(labels))
        return len(self._open)

    def batches(self, size: int) -> Iterator[Batch]:
        count = 0
        while True:
            if count % 100 == 0 and not self.refresh():
                raise SystemExit(f"{self._folder}: no shards; run training.reader_render first")
            count += 1
            shards = list(self._open.values())
            crops, rows = zip(*(self._one(shards) for _ in range(size)), strict=True)
            yield Batch(self._roughened(to_input(np.stack(crops))), torch.from_numpy(np.stack(rows)).to(device()))

    def _one(self, shards: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        """A crop and its row, moved by up to NUDGE_PX, a third softened: an epoch never repeats itself exactly."""
        pictures, labels = shards[int(self._rng.integers(len(shards)))]
        pick = int(self._rng.integers(len(labels)))
        crop, row = pictures[pick], labels[pick].astype(np.int64)
        dx, dy = (int(v) for v in self._rng.integers(-NUDGE_PX, NUDGE_PX + 1, 2))
        height, width = crop.shape[:2]
        if self._rng.random() < 1 / 3:
            share = self._rng.random()
            crop = cv2.addWeighted(crop, 1 - share, cv2.blur(crop, (3, 3)), share, 0)
        padded = cv2.copyMakeBorder(crop, *[NUDGE_PX] * 4, cv2.BORDER_REPLICATE)
        row[CORNERS::2] -= round(dx / width * CORNER_UNIT)
        row[CORNERS + 1 :: 2] -= round(dy / height * CORNER_UNIT)
        return padded[NUDGE_PX + dy : NUDGE_PX + dy + height, NUDGE_PX + dx : NUDGE_PX + dx + width], row

    def _roughened(self, crops: torch.Tensor) -> torch.Tensor:
        """Other light for each crop; a third of them grainy."""
        count, where = len(crops), crops.device

        def one(low: float, high: float, channels: int = 1) -> torch.Tensor:
            return torch.empty(count, channels, 1, 1, device=where).uniform_(low, high)

        first = int(self._rng.integers(GRAIN - crops.numel()))
        grain = self._grain[first : first + crops.numel()].view(count, *crops.shape[2:], 3).permute(0, 3, 1, 2)
        gain, lift = one(0.9, 1.1, 3) * one(0.75, 1.25), one(-0.06, 0.06)
        return crops.addcmul(grain, one(-0.08, 0.04).clamp_(min=0)).mul_(gain).add_(lift).clamp_(0, 1)
