"""What a reader is examined on while it trains: plates of train/id_white that no training saw, and a rendered shard.

Never the dev sets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from agent.ocr import expiry_places, rectify
from agent.types import PlateColour
from training.glyphs import ALPHABET
from training.labels import expiry_dates, held_back, load_labels
from training.reader_render import (
    COLOURS,
    CORNER_UNIT,
    HEIGHT,
    MARGIN,
    UNKNOWN,
    WIDTH,
    Composer,
    Sample,
    scenery_files,
    to_crop,
    training_plates,
    widened,
    write_shard,
)
from training.reader_shards import COLOUR, CORNERS, PLACED, READABLE, VALIDATION_SHARD, to_input

RENDERED, STREET = 2048, 1024
"""So many crops are in an exam: the standard error of a share of 0.9 is then under a hundredth."""


def greedy(text: np.ndarray) -> str:
    """The best path's text of one crop's logits (40, 37): repeats merged, blanks dropped."""
    best = text.argmax(1)
    return "".join(ALPHABET[b - 1] for i, b in enumerate(best) if b and (i == 0 or b != best[i - 1]))


def spelled(row: np.ndarray) -> str:
    """The text of a label row."""
    return "".join(ALPHABET[code - 1] for code in row[:COLOUR] if code)


@dataclass(frozen=True, slots=True)
class Exam:
    """A named set of crops with the label rows that must be met."""

    name: str
    crops: np.ndarray
    rows: np.ndarray

    def score(self, net: torch.nn.Module) -> dict[str, float]:
        """Share of readable crops read exactly, share of colours right, mean corner error in crop heights."""
        text, colour, corners = self.answers(net)
        readable = self.rows[:, READABLE] == 1
        coloured = readable & (self.rows[:, COLOUR] >= 0)
        placed = readable & (self.rows[:, PLACED] == 1)
        exact = np.array([greedy(t) == spelled(row) for t, row in zip(text, self.rows, strict=True)])
        figures = {"exact": exact[readable].mean()}
        if coloured.any():
            figures["colour"] = (colour.argmax(1) == self.rows[:, COLOUR])[coloured].mean()
        if placed.any():
            away = (corners - self.rows[:, CORNERS:] / CORNER_UNIT).reshape(-1, 4, 2) * (WIDTH / HEIGHT, 1)
            figures["corners"] = np.linalg.norm(away[placed], axis=2).mean()
        return {f"{self.name}_{name}": round(float(value), 4) for name, value in figures.items()}

    def answers(self, net: torch.nn.Module) -> list[np.ndarray]:
        """Text logits (N, 40, 37), colour logits (N, 7) and corner offsets (N, 8)."""
        parts = []
        with torch.no_grad():
            for start in range(0, len(self.crops), 128):
                outputs = net(to_input(self.crops[start : start + 128]))
                parts.append([o.float().cpu().numpy() for o in outputs[:3]])
        return [np.concatenate(column) for column in zip(*parts, strict=True)]


def exams(data: Path, shards: Path) -> list[Exam]:
    """All of them; the rendered crops are kept beside the shards."""
    composer = Composer(9000, training_plates(data), scenery_files(data))
    path = shards / VALIDATION_SHARD
    if not path.with_suffix(".pictures.npy").exists():
        write_shard(composer.sample, path, RENDERED)
    rendered = Exam("rendered", np.load(path.with_suffix(".pictures.npy")), np.load(path.with_suffix(".labels.npy")))
    plain = [held_back_exam(data, c) for c in (PlateColour.WHITE, PlateColour.BLACK)]
    return [*plain, street_exam(data), dated_exam(data), rendered]


def held_back_exam(data: Path, colour: PlateColour) -> Exam:
    """The held-back white plates cut at their true corners, or the same turned into black plates."""
    plates = [p for p in load_labels(data / "train/id_white") if held_back(p.text) and not p.unsure]
    samples = []
    for plate in plates:
        matrix = to_crop(widened(plate.corners, MARGIN))
        crop = cv2.warpPerspective(cv2.imread(str(plate.file)), matrix, (WIDTH, HEIGHT), flags=cv2.INTER_AREA)
        crop = crop if colour is PlateColour.WHITE else (255 - crop) // 2
        samples.append(Sample(np.asarray(crop, np.uint8), plate.text, COLOURS.index(colour), 1, None))
    return _exam(f"held_back_{colour.split('_')[-1]}", samples)


def street_exam(data: Path) -> Exam:
    """The held-back plates re-toned, cut carelessly and photographed: the nearest thing to the street."""
    plates = [p for p in load_labels(data / "train/id_white") if held_back(p.text)]
    draw: Callable[[], Sample] = Composer(4711, plates, scenery_files(data)).retoned
    return _exam("held_back_street", [draw() for _ in range(STREET)])


def dated_exam(data: Path) -> Exam:
    """The labelled expiry lines of held-back plates, cut at the plates' true corners."""
    dates, samples = expiry_dates(data / "train/id_white"), []
    for plate in load_labels(data / "train/id_white"):
        if held_back(plate.text) and (date := dates.get(plate.file.name)):
            line = rectify(cv2.imread(str(plate.file)), expiry_places(plate.corners)[0], WIDTH, HEIGHT)
            samples.append(Sample(line, date, UNKNOWN, 1, None))
    return _exam("held_back_dates", samples)


def _exam(name: str, samples: list[Sample]) -> Exam:
    return Exam(name, np.array([s.crop for s in samples]), np.array([s.row() for s in samples]))
