"""What is known of the pictures of a labelled folder, and what of it counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent.errors import UsageError
from agent.types import Box
from training.labels import Label, MonthYear, held_back, read_labels, read_table

TWO_LINE_ASPECT = 2.0
"""Width over height from which a plate of unknown layout is taken as one line. Of 78 Malaysian plates, 11 of the 12
with two lines are below it, and 3 of the others, which were seen from the side."""


@dataclass(frozen=True, slots=True)
class Truth:
    """One plate that is known to be in a picture."""

    label: Label
    scored: bool
    """False where the label is unsure or the plate was left out: it is there, but no score counts it."""
    expiry: MonthYear | None = None

    @property
    def text(self) -> str:
        return self.label.text

    @property
    def box(self) -> Box | None:
        """The upright box around the plate."""
        if self.label.box or not self.label.corners:
            return self.label.box
        xs, ys = zip(*self.label.corners, strict=True)
        return Box(min(xs), min(ys), max(xs), max(ys))


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a folder and the plates that are known to be in it (none: it shows no plate)."""

    file: Path
    plates: tuple[Truth, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which plates of a folder are scored, and what is known beside its labels, by file name."""

    held_back: bool = False
    single_line: bool = False
    lines: Mapping[str, int] = field(default_factory=dict)
    expiries: Mapping[str, MonthYear] = field(default_factory=dict)

    @property
    def all_pictures(self) -> bool:
        """Whether pictures without any scored plate are looked at too, for what is found there."""
        return not (self.held_back or self.single_line)

    def takes(self, label: Label) -> bool:
        if self.held_back and not (label.text and held_back(label.text)):
            return False
        return not self.single_line or self._is_single_line(label)

    def _is_single_line(self, label: Label) -> bool:
        lines = self.lines.get(label.file.name, label.lines)
        if lines is not None:
            return lines == 1
        return label.box is None or label.box.width >= TWO_LINE_ASPECT * label.box.height


def load_pictures(folder: Path, choice: Choice) -> list[Picture]:
    """The pictures of a labelled folder, in the order of its rows. Raises UsageError."""
    by_file: dict[Path, list[Truth]] = defaultdict(list)
    for label in read_labels(folder):
        plates = by_file[label.file]
        if label.text or label.corners:
            # The expiry of a file name belongs to the plate that the picture's first row is about.
            expiry = None if plates else choice.expiries.get(label.file.name)
            plates.append(Truth(label, not label.unsure and choice.takes(label), expiry))
    pictures = [Picture(file, tuple(plates)) for file, plates in by_file.items()]
    if not choice.all_pictures:
        pictures = [picture for picture in pictures if any(plate.scored for plate in picture.plates)]
    if not pictures:
        raise UsageError(f"{folder / 'labels.csv'}: file: no row is left to evaluate; add rows, or take options off")
    return pictures


def load_lines(path: Path | None) -> dict[str, int]:
    """A CSV of `file, lines` with the number of lines a plate has. Raises UsageError."""
    lines = {}
    for row in read_table(path, ("file", "lines")) if path else ():
        if not row["lines"].isdigit():
            raise UsageError(f"{path}: {row['file']}: lines: {row['lines']!r} is not a number; write 1 or 2")
        lines[row["file"]] = int(row["lines"])
    return lines
