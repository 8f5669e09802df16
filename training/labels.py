"""Labelled folders of photos (`images/` and `labels.csv`), and which of their plates no training may see."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, slots=True)
class LabelledPlate:
    """One plate of a labelled folder."""

    file: Path
    text: str
    corners: np.ndarray
    """(4, 2) float32: TL TR BR BL, pixels; the box's corners where the folder has boxes only."""
    colour: str
    vehicle: str
    unsure: bool


def load_labels(folder: Path) -> list[LabelledPlate]:
    """The readable, boxed plates of `folder/labels.csv`."""
    with (folder / "labels.csv").open(newline="") as lines:
        rows = [r for r in csv.DictReader(lines) if r["plate_text"] and r["w"]]
    return [
        LabelledPlate(
            folder / "images" / Path(row["file"]).name,
            row["plate_text"].replace(" ", ""),
            _corners(row),
            row["plate_colour"],
            row["vehicle"],
            row["unsure"] == "1",
        )
        for row in rows
    ]


def _corners(row: dict[str, str]) -> np.ndarray:
    if row["corners"]:
        return np.array(row["corners"].split(), np.float32).reshape(4, 2)
    x, y, w, h = (float(row[k]) for k in "xywh")
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], np.float32)


def held_back(text: str) -> bool:
    """Whether a plate belongs to the 20 % that no training ever sees; by text, so copies stay together."""
    return int(hashlib.sha1(text.encode()).hexdigest(), 16) % 5 == 0
