"""Frames of simulated roads with exact truth, rendered ahead: a folder of PNG frames and one `truth.json`."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from training.detector_photos import Photo, Plate


def load_footage(folder: Path) -> list[Photo]:
    """Frames and plates of a folder; plates narrower than 12 px are ignored.

    `truth.json` is {file: [[x1, y1, .. x4, y4], ...]}, corners in pixels, TL TR BR BL.
    """
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    photos = []
    for file, plates in sorted(truth.items()):
        image = cv2.imread(str(folder / file))
        assert image is not None, file
        quads = [np.array(plate, np.float32).reshape(4, 2) for plate in plates]
        known = tuple(Plate(quad, "exact" if np.ptp(quad[:, 0]) >= 12 else "ignore") for quad in quads)
        photos.append(Photo(np.asarray(image, np.uint8), known, file))
    return photos
