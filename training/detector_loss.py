"""Which cells answer for which plate, and how wrong they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from training.detector_net import STRIDES, Level
from training.detector_photos import Plate

LONGEST_NEAR_PX, SHORTEST_FAR_PX = 104.0, 72.0
"""Plates up to the first are stride 8's, from the second on stride 16's; between them both answer."""
CORNER_WEIGHT = {"exact": 1.0, "box": 0.05}


class Targets(NamedTuple):
    """One stride's truth for a batch; rows are the cells that answer for a plate."""

    cells: Tensor
    """(n, 3) picture, row, column."""
    boxes: Tensor
    """(n, 4) x1 y1 x2 y2, pixels."""
    corners: Tensor
    """(n, 8) pixels."""
    corner_weights: Tensor
    """(n,)"""
    counted: Tensor
    """(N, 1, h, w) 0 where nothing is asked of the score."""

    def to(self, device: torch.device) -> Targets:
        return Targets(*(part.to(device) for part in self))


def assign(batch: Sequence[Sequence[Plate]], stride: int, size: tuple[int, int]) -> Targets:
    """Cells near a plate's centre and inside it answer for it; `size` is (width, height) of the pictures."""
    columns, rows = size[0] // stride, size[1] // stride
    counted = np.ones((len(batch), 1, rows, columns), np.float32)
    owners: dict[tuple[int, int, int], Plate] = {}
    for picture, plates in enumerate(batch):
        for plate in sorted(plates, key=lambda p: -float(np.prod(np.ptp(p.corners, axis=0)))):
            low, high = plate.corners.min(0), plate.corners.max(0)
            if plate.kind == "ignore":
                x1, y1 = np.maximum(np.floor(low / stride).astype(int), 0)
                x2, y2 = np.ceil(high / stride).astype(int)
                counted[picture, 0, y1:y2, x1:x2] = 0
            elif _belongs(float(high[0] - low[0]), stride):
                owners.update(
                    ((picture, row, column), plate) for row, column in _cells(low, high, stride, columns, rows)
                )
    cells = np.array(list(owners), np.int64).reshape(-1, 3)
    counted[cells[:, 0], 0, cells[:, 1], cells[:, 2]] = 1
    corners = np.array([p.corners for p in owners.values()], np.float32).reshape(-1, 4, 2)
    boxes = np.concatenate([corners.min(1), corners.max(1)], 1)
    weights = np.array([CORNER_WEIGHT[p.kind] for p in owners.values()], np.float32)
    arrays = (cells, boxes, corners.reshape(-1, 8), weights, counted)
    return Targets(*(torch.from_numpy(a) for a in arrays))


def _belongs(width: float, stride: int) -> bool:
    return width <= LONGEST_NEAR_PX if stride == STRIDES[0] else width >= SHORTEST_FAR_PX


def _cells(
    low: NDArray[np.float32], high: NDArray[np.float32], stride: int, columns: int, rows: int
) -> list[tuple[int, int]]:
    """(row, column) of at least one and at most nine cells round the centre."""
    centre = (low + high) / 2
    reach = np.minimum(1.5 * stride, np.maximum((high - low) / 2, 0.55 * stride))
    first = np.ceil((centre - reach) / stride - 0.5).astype(int)
    last = np.floor((centre + reach) / stride - 0.5).astype(int)
    return [
        (row, column)
        for row in range(max(0, first[1]), min(rows - 1, last[1]) + 1)
        for column in range(max(0, first[0]), min(columns - 1, last[0]) + 1)
    ]


class Losses(NamedTuple):
    """Parts of the loss, each already weighted."""

    score: Tensor
    box: Tensor
    corners: Tensor

    @property
    def total(self) -> Tensor:
        return self.score + self.box + self.corners


def losses(levels: Sequence[Level], truth: Sequence[Targets]) -> Losses:
    """Sum over strides, by the number of answering cells."""
    cells = max(1, sum(len(t.cells) for t in truth))
    score, box, corners = (truth[0].counted.new_zeros(()) for _ in range(3))
    for level, target, stride in zip(levels, truth, STRIDES, strict=True):
        wanted = torch.zeros_like(target.counted)
        if len(target.cells):
            picture, row, column = target.cells.unbind(1)
            centres = (torch.stack([column, row], 1).float() + 0.5) * stride
            reach = level.box[picture, :, row, column].float() * stride
            found = torch.cat([centres - reach[:, :2], centres + reach[:, 2:]], 1)
            overlap, measure = _ciou(found, target.boxes)
            wanted[picture, 0, row, column] = overlap.detach().clamp(0, 1)
            size = (target.boxes[:, 2:] - target.boxes[:, :2]).prod(1).sqrt()[:, None]
            edges = functional.smooth_l1_loss(found / size, target.boxes / size, reduction="none", beta=0.05)
            box = box + (1 - measure).sum() + edges.sum() * 0.5
            places = centres.repeat(1, 4) + level.corners[picture, :, row, column].float() * stride
            far = functional.smooth_l1_loss(places / size, target.corners / size, reduction="none", beta=0.05)
            corners = corners + (far.sum(1) * target.corner_weights).sum()
        score = score + (_quality_focal(level.score.float(), wanted) * target.counted).sum()
    return Losses(score / cells * 1.5, box / cells, corners / cells)


def _quality_focal(logits: Tensor, wanted: Tensor) -> Tensor:
    """Cross entropy against the box's IoU, weighted by the squared miss: the score learns to rank boxes."""
    miss = (wanted - logits.sigmoid()).abs()
    return miss.square() * functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")


def _ciou(found: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and complete IoU of rows of boxes."""
    low, high = torch.maximum(found[:, :2], truth[:, :2]), torch.minimum(found[:, 2:], truth[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    found_size, truth_size = (found[:, 2:] - found[:, :2]).clamp(min=1e-3), truth[:, 2:] - truth[:, :2]
    overlap = shared / (found_size.prod(1) + truth_size.prod(1) - shared + 1e-6)
    hull = torch.maximum(found[:, 2:], truth[:, 2:]) - torch.minimum(found[:, :2], truth[:, :2])
    apart = (found[:, :2] + found[:, 2:] - truth[:, :2] - truth[:, 2:]).square().sum(1) / 4
    slant = (
        0.405
        * (torch.atan(truth_size[:, 0] / truth_size[:, 1]) - torch.atan(found_size[:, 0] / found_size[:, 1])).square()
    )
    share = (slant / (1 - overlap + slant + 1e-6)).detach()
    return overlap, overlap - apart / (hull.square().sum(1) + 1e-6) - share * slant
