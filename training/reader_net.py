"""The reader's network: plain convolutions from a 48 x 160 crop to 40 time steps of characters, and a few heads.

Everything is convolution, batch norm, ReLU, addition, mean and dense layers: that quantises to int8 without loss and
runs on every int8 kernel. A crop takes about 110 million multiplications at width 16.
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
    """A convolution added to what came in; `silent`: it adds nothing until it has learnt to."""

    def __init__(self, width: int, *, silent: bool = False) -> None:
        super().__init__()
        norm = nn.BatchNorm2d(width)
        if silent:
            nn.init.zeros_(norm.weight)
        self.inner = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), norm)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.relu(x + self.inner(x))
        return out


class ReaderNet(nn.Module):
    """Crop (N, 3, 48, 160), RGB 0..1, to text logits (N, 40, 37), colour logits, corners (N, 8) and a readable logit.

    Corners are where the plate's TL TR BR BL lie in the crop, x1 y1 .. x4 y4 in shares of its
    sides, less where `agent.ocr.rectify` would have put them: all zero for a crop that was cut exactly.

    `deeper`: with five more residuals, three of them where the crop still has most of its rows, so that a G's bar or a
    Q's tail is seen wherever on the grid it falls.
    """

    def __init__(self, colours: int = 7, width: int = 16, *, deeper: bool = False) -> None:
        super().__init__()
        w = width

        def more(channels: int, count: int = 1) -> list[Residual]:
            return [Residual(channels, silent=True) for _ in range(count if deeper else 0)]

        self.stem = nn.Sequential(block(3, w, stride=2), *more(w, 2), block(w, 2 * w, stride=(2, 1)), *more(2 * w))
        self.wide = nn.Sequential(block(2 * w, 3 * w), Residual(3 * w))
        self.middle = nn.Sequential(block(3 * w, 4 * w, stride=2), Residual(4 * w), *more(4 * w))
        self.narrow = nn.Sequential(block(4 * w, 6 * w, stride=(2, 1)), Residual(6 * w), *more(6 * w))
        self.line = nn.Sequential(block(6 * w, 10 * w, (3, 1), padding=0), block(10 * w, 8 * w, (1, 5), padding=(0, 2)))
        self.text = nn.Conv2d(8 * w, CLASSES, 1)
        self.place = block(4 * w, 2 * w, stride=2)
        self.corners = nn.Sequential(nn.Linear(2 * w * 3 * 20, 64), nn.ReLU(), nn.Linear(64, 8))
        self.colour = nn.Sequential(nn.Linear(4 * w, 48), nn.ReLU(), nn.Linear(48, colours))
        self.readable = nn.Linear(8 * w, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        middle = self.middle(self.wide(self.stem(x)))
        line = self.line(self.narrow(middle))
        return (
            self.text(line).squeeze(2).permute(0, 2, 1),
            self.colour(middle.mean((2, 3))),
            self.corners(torch.flatten(self.place(middle), 1)),
            self.readable(line.mean((2, 3))),
        )


OUTPUTS = ("text", "colour", "corners", "readable")
