"""The reader's network: plain convolutions from a 48 x 160 crop to 40 time steps of characters and a few heads.

Everything is convolution, batch norm, ReLU, addition, mean and dense layers: that quantises to int8 without loss and
runs on every int8 kernel. `macs` below is about 60 million.
"""

from __future__ import annotations

import torch
from torch import nn

CLASSES = 37
"""CTC blank, then 0-9 and A-Z."""


def block(inputs: int, outputs: int, kernel: int | tuple[int, int] = 3, stride: int | tuple[int, int] = 1,
          padding: int | tuple[int, int] = 1) -> nn.Sequential:  # fmt: skip
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class Residual(nn.Module):
    """A convolution added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.relu(x + self.inner(x))
        return out


class ReaderNet(nn.Module):
    """Crop (N, 3, 48, 160), RGB 0..1, to logits: text (N, 40, 37), colour, month, year, readable."""

    def __init__(self, colours: int = 7, months: int = 13, years: int = 20, width: int = 16) -> None:
        super().__init__()
        w = width
        self.stem = nn.Sequential(block(3, w, stride=2), block(w, 2 * w, stride=2))
        self.wide = nn.Sequential(block(2 * w, 3 * w), Residual(3 * w))
        self.middle = nn.Sequential(block(3 * w, 4 * w, stride=(2, 1)), Residual(4 * w))
        self.narrow = nn.Sequential(block(4 * w, 6 * w, stride=(2, 1)), Residual(6 * w))
        self.line = nn.Sequential(block(6 * w, 10 * w, (3, 1), padding=0), block(10 * w, 8 * w, (1, 5), padding=(0, 2)))
        self.text = nn.Conv2d(8 * w, CLASSES, 1)
        self.date = nn.Sequential(block(4 * w, 3 * w, stride=2), block(3 * w, 3 * w, stride=(1, 2)))
        self.date_dense = nn.Sequential(nn.Linear(3 * w * 3 * 10, 96), nn.ReLU(), nn.Dropout(0.1))
        self.month, self.year = nn.Linear(96, months), nn.Linear(96, years)
        self.colour = nn.Sequential(nn.Linear(3 * w, 32), nn.ReLU(), nn.Linear(32, colours))
        self.readable = nn.Linear(8 * w, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        wide = self.wide(self.stem(x))
        middle = self.middle(wide)
        line = self.line(self.narrow(middle))
        date = self.date_dense(torch.flatten(self.date(middle), 1))
        text = self.text(line).squeeze(2).permute(0, 2, 1)
        return (
            text,
            self.colour(wide.mean((2, 3))),
            self.month(date),
            self.year(date),
            self.readable(line.mean((2, 3))),
        )


OUTPUTS = ("text", "colour", "month", "year", "readable")
