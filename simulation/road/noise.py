"""Uneven grey that repeats without a seam: what asphalt, grass and leaves are made of."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]


def tile(rng: np.random.Generator, size: int, sigma_px: float) -> Field:
    """(size, size) smooth noise with mean 0 and deviation 1 that can be laid side by side."""
    rough = rng.normal(0, 1, (size, size)).astype(np.float32)
    pad = int(3 * sigma_px) + 1
    wrapped = np.pad(rough, pad, mode="wrap")
    smooth = cv2.GaussianBlur(wrapped, (0, 0), sigma_px)[pad:-pad, pad:-pad] if sigma_px > 0 else rough
    return np.asarray((smooth - smooth.mean()) / (smooth.std() + 1e-6), np.float32)


def lay(noise: Field, x: Field, y: Field, metres: float) -> Field:
    """The noise at places in metres, one tile every `metres`."""
    size = noise.shape[0]
    u = np.mod(x * np.float32(size / metres), size).astype(np.float32)
    v = np.mod(y * np.float32(size / metres), size).astype(np.float32)
    return np.asarray(cv2.remap(noise, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP), np.float32)
