"""The camera on its pole: a pinhole, so that every point of the road has an exact place in the picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@cache
def _axes(pitch_deg: float, yaw_deg: float) -> Floats:
    pitch, yaw = np.radians(pitch_deg), np.radians(yaw_deg)
    forward = np.array([np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), -np.sin(pitch)])
    right = np.array([np.cos(yaw), -np.sin(yaw), 0.0])
    return np.array([right, np.cross(forward, right), forward])


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera that looks along the road and down."""

    width: int
    height: int
    focal_px: float
    height_m: float
    x_m: float
    """Where it hangs across the road, in road coordinates."""
    pitch_deg: float
    """How far it looks down."""
    yaw_deg: float
    """How far it looks to the right."""

    @property
    def axes(self) -> Floats:
        """Rows: the picture's right, its down, and where the camera looks, in road coordinates."""
        return _axes(self.pitch_deg, self.yaw_deg)

    @property
    def place(self) -> Floats:
        return np.array([self.x_m, 0.0, self.height_m])

    @property
    def centre(self) -> Floats:
        return np.array([self.width / 2, self.height / 2])

    def view(self, points: Floats) -> Floats:
        """(..., 3) metres of the road -> (..., 3) right, down, depth as the camera sees them."""
        return (points - self.place) @ self.axes.T

    def project(self, points: Floats) -> Floats:
        """(..., 3) metres in front of the camera -> (..., 2) pixels."""
        seen = self.view(points)
        return seen[..., :2] / seen[..., 2:] * self.focal_px + self.centre

    def ground(self, pixels: Floats) -> Floats:
        """(..., 2) pixels below the horizon -> (..., 2) X, Y on the road."""
        rays = (
            np.concatenate([(pixels - self.centre) / self.focal_px, np.ones((*pixels.shape[:-1], 1))], -1) @ self.axes
        )
        return (self.place + rays * (self.height_m / -rays[..., 2:]))[..., :2]

    def horizon_px(self) -> float:
        """Row of the horizon; negative when it lies above the picture."""
        return float(self.height / 2 - self.focal_px * np.tan(np.radians(self.pitch_deg)))

    def enlarged(self, margin_px: int) -> Camera:
        """The same view with a rim of so many pixels around it."""
        return Camera(
            self.width + 2 * margin_px, self.height + 2 * margin_px, self.focal_px,
            self.height_m, self.x_m, self.pitch_deg, self.yaw_deg,
        )  # fmt: skip
