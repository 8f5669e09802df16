"""Real photos with their plates, for the detector: loaded once, kept in memory, split so that no plate is on both
sides.

Only the sets of `train/` are read here; the `dev/` sets are for measuring alone.
"""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from training.labels import held_back

Corners = NDArray[np.float32]
"""(4, 2) x, y of TL, TR, BR, BL."""
Kind = Literal["exact", "box", "ignore"]
"""How well a plate's place is known: its corners, its upright box alone, or it is not to count at all."""

HELD_BACK = ("id_white", "ro_dashcam")
"""Sets of which a part is held back."""
LONGEST_PX = 1280
"""Photos are kept no longer than this: a plate wider than the network's input teaches nothing."""


@dataclass(frozen=True, slots=True)
class Plate:
    """One plate of a picture."""

    corners: Corners
    kind: Kind


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture, BGR, and its plates."""

    image: NDArray[np.uint8]
    plates: tuple[Plate, ...]
    name: str

    def shrunk(self, halvings: int) -> NDArray[np.uint8]:
        """The picture halved so many times (at most 3); kept, because scenes ask for it again and again."""
        levels = _LEVELS.setdefault(id(self.image), [self.image])
        while len(levels) <= min(halvings, 3):
            levels.append(
                np.asarray(cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
            )
        return levels[min(halvings, 3)]


_LEVELS: dict[int, list[NDArray[np.uint8]]] = {}


def load_photos(root: Path, sets: tuple[str, ...], held_back: bool) -> list[Photo]:
    """Photos of `root/train/<set>`; `held_back` chooses the side of the split."""
    photos: list[Photo] = []
    for name in sets:
        folder = root / "train" / name
        chosen = held_back_files(name, _rows(folder))
        photos += [photo for photo in load_set(folder) if (photo.name in chosen) == held_back]
    return photos


def load_set(folder: Path) -> list[Photo]:
    """All photos of a set, by name."""
    rows: dict[str, list[dict[str, str]]] = {}
    for row in _rows(folder):
        rows.setdefault(row["file"], []).append(row)
    return [_photo(folder / "images" / file, rows[file]) for file in sorted(rows)]


def load_footage(folder: Path) -> list[Photo]:
    """Frames that `training.detector_footage` rendered; plates narrower than 12 px are ignored.

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


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def held_back_files(name: str, rows: list[dict[str, str]]) -> set[str]:
    """Files of a set that training never sees: id_white by plate, ro_dashcam by time, the rest none."""
    if name == "id_white":
        return {row["file"] for row in rows if held_back(row["plate_text"].replace(" ", ""))}
    if name == "ro_dashcam":
        return _last_of_each_clip({row["file"] for row in rows}, 0.15)
    return set()


def _last_of_each_clip(files: set[str], share: float) -> set[str]:
    """The latest frames of every clip: `train_` and `valid_` files of one clip are interleaved in time."""
    clips: dict[str, list[tuple[int, str]]] = {}
    for file in files:
        found = re.fullmatch(r"(?:train|valid)_(.+)_(\d+)\.jpg", file)
        assert found, file
        clips.setdefault(found[1], []).append((int(found[2]), file))
    late: set[str] = set()
    for frames in clips.values():
        frames.sort()
        late |= {file for _, file in frames[round(len(frames) * (1 - share)) :]}
    return late


def _photo(path: Path, rows: list[dict[str, str]]) -> Photo:
    image = cv2.imread(str(path))
    assert image is not None, path
    shrink = min(1.0, LONGEST_PX / max(image.shape[:2]))
    if shrink < 1:
        image = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    plates = tuple(plate for row in rows if (plate := _plate(row, shrink)))
    return Photo(np.asarray(image, np.uint8), plates, path.name)


def _plate(row: dict[str, str], scale: float) -> Plate | None:
    if not row["x"]:
        return None
    if row["corners"]:
        corners = np.array(row["corners"].split(), np.float32).reshape(4, 2)
        return Plate(corners * scale, "exact")
    x, y, w, h = (float(row[name]) for name in ("x", "y", "w", "h"))
    corners = np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], np.float32)
    return Plate(corners * scale, "box")
