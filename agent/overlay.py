"""What the agent saw, drawn on a copy of the picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from agent.types import Image, Point

ACCENT = (40, 200, 255)
"""Amber, BGR: seen on asphalt, on white cars and at night."""
_INK = (20, 20, 20)


def draw_plate(picture: Image, corners: Sequence[Point], text: str, colour: tuple[int, int, int] = ACCENT) -> Image:
    """A copy of the picture with a plate's outline and a label above it (below it at the upper edge)."""
    drawn = picture.copy()
    scale = max(0.5, min(picture.shape[:2]) / 1000)
    outline = np.array(corners, np.float32).round().astype(np.int32)
    thickness = max(1, round(2 * scale))
    cv2.polylines(drawn, [outline], isClosed=True, color=colour, thickness=thickness, lineType=cv2.LINE_AA)
    _draw_label(drawn, outline, text, scale, colour)
    return drawn


def draw_path(picture: Image, path: Sequence[Point], colour: tuple[int, int, int] = ACCENT) -> Image:
    """A copy of the picture with the way a plate took drawn as an arrow."""
    drawn = picture.copy()
    points = np.array(path, np.float32).round().astype(np.int32)
    cv2.polylines(drawn, [points], isClosed=False, color=colour, thickness=2, lineType=cv2.LINE_AA)
    if len(points) > 1:
        cv2.arrowedLine(drawn, points[max(-5, -len(points))].tolist(), points[-1].tolist(), colour, 2, cv2.LINE_AA)
    return drawn


def _draw_label(drawn: Image, outline: np.ndarray, text: str, scale: float, colour: tuple[int, int, int]) -> None:
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 2)
    left = int(min(max(outline[:, 0].min(), 0), max(0, drawn.shape[1] - width)))
    pad = max(2, round(4 * scale))
    bottom = int(outline[:, 1].min()) - pad
    if bottom - height - pad < 0:
        bottom = int(outline[:, 1].max()) + height + 2 * pad
    cv2.rectangle(drawn, (left, bottom - height - pad), (left + width, bottom + base // 2), colour, cv2.FILLED)
    cv2.putText(drawn, text, (left, bottom - pad // 2), cv2.FONT_HERSHEY_SIMPLEX, scale, _INK, 2, cv2.LINE_AA)
