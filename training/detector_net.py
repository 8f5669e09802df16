"""The plate detector's network: one class, no anchors, two scales.

                 stem     s4      s8      s16     s32
    picture ---> 16 ---> 24 ---> 48 ---> 72 ---> 80         dense 3x3 convolutions, ReLU
                                  |       |       |
                                  +<- up -+<- up -+         1x1 to `neck` channels, added
                                  |       |
                                near    far                 score, box, corners at strides 8 and 16

Dense rather than depthwise convolutions: on a CPU without wide vector units these train three times faster for the
same arithmetic, and int8 runs them near its peak. Every output is linear in the last layer (the score through a
sigmoid), because one int8 scale a tensor must hold it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDES = (8, 16)


class Level(NamedTuple):
    """Raw outputs of one stride, NCHW; box and corners in units of the stride, from the cell's centre."""

    score: Tensor
    """(N, 1, h, w) logits."""
    box: Tensor
    """(N, 4, h, w) distances to left, top, right, bottom."""
    corners: Tensor
    """(N, 8, h, w) x, y of TL, TR, BR, BL."""


def _conv(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(outputs, momentum=0.03, eps=1e-3),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """Two 3x3 convolutions around which the input is carried."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _conv(channels, channels)
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels, momentum=0.03, eps=1e-3)
        )

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(self.first(x)))


class Head(nn.Module):
    """Score, box and corners of one stride."""

    def __init__(self, channels: int, reach: float) -> None:
        super().__init__()
        self.body = _conv(channels, channels)
        self.score = nn.Conv2d(channels, 1, 1)
        self.box = nn.Conv2d(channels, 4, 1)
        self.corners = nn.Conv2d(channels, 8, 1)
        nn.init.constant_(self.score.bias, -4.6)
        # Start as a plate of usual size: half width `reach` strides, a third as high.
        low = reach / 3
        with torch.no_grad():
            self.box.bias.copy_(torch.tensor([reach, low, reach, low]))
            self.corners.bias.copy_(torch.tensor([-reach, -low, reach, -low, reach, low, -reach, low]))

    def forward(self, x: Tensor) -> Level:
        y = self.body(x)
        return Level(self.score(y), self.box(y), self.corners(y))


class PlateNet(nn.Module):
    """(N, 3, H, W) pictures in 0..1, H and W multiples of 32 -> a Level for each of STRIDES."""

    def __init__(self, widths: Sequence[int] = (16, 24, 48, 72, 80), neck: int = 40) -> None:
        super().__init__()
        stem, s4, s8, s16, s32 = widths
        self.to_s4 = nn.Sequential(_conv(3, stem, 3, 2), _conv(stem, s4, 3, 2))
        self.to_s8 = nn.Sequential(_conv(s4, s8, 3, 2), Residual(s8))
        self.to_s16 = nn.Sequential(_conv(s8, s16, 3, 2), Residual(s16))
        self.to_s32 = nn.Sequential(_conv(s16, s32, 3, 2), Residual(s32), Residual(s32))
        self.from_s8, self.from_s16, self.from_s32 = (_conv(c, neck, 1) for c in (s8, s16, s32))
        self.mix_s16 = _conv(neck, neck)
        self.near = Head(neck, 3.0)
        self.far = Head(neck, 5.0)

    def forward(self, pictures: Tensor) -> tuple[Level, Level]:
        s8 = self.to_s8(self.to_s4(pictures))
        s16 = self.to_s16(s8)
        s32 = self.to_s32(s16)
        mixed = self.mix_s16(self.from_s16(s16) + _double(self.from_s32(s32)))
        return self.near(self.from_s8(s8) + _double(mixed)), self.far(mixed)


def _double(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")
