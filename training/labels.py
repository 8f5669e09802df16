"""Labelled folders of photos (`images/` and `labels.csv`), and which of their plates no training may see.

A row is one plate of one picture. `file, plate_text, x, y, w, h, unsure` have to be there; the text, and all of x to h,
may be empty where they are not known. `corners, plate_colour, vehicle, lines` are read where they are.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.errors import UsageError
from agent.types import Box, Corners, Point

MonthYear = tuple[int, int]
"""Month 1 to 12 and year of an expiry line."""
COLUMNS = ("file", "plate_text", "x", "y", "w", "h", "unsure")


@dataclass(frozen=True, slots=True)
class Label:
    """What a row says of one plate; a picture that shows no plate has a row without text and place."""

    file: Path
    text: str
    """Letters and digits only; empty where it is not known."""
    box: Box | None
    corners: Corners | None
    """The box's corners where the folder has boxes only."""
    colour: str
    """A value of `PlateColour`, or empty."""
    vehicle: str
    lines: int | None
    """Lines of the number, the expiry line not counted."""
    unsure: bool


@dataclass(frozen=True, slots=True)
class LabelledPlate:
    """One plate of a labelled folder."""

    file: Path
    text: str
    corners: NDArray[np.float32]
    """(4, 2): TL TR BR BL, pixels; the box's corners where the folder has boxes only."""
    colour: str
    vehicle: str
    unsure: bool


def load_labels(folder: Path) -> list[LabelledPlate]:
    """The readable, boxed plates of `folder/labels.csv`."""
    return [
        LabelledPlate(
            label.file, label.text, np.array(label.corners, np.float32), label.colour, label.vehicle, label.unsure
        )
        for label in read_labels(folder)
        if label.text and label.corners
    ]


def expiry_dates(folder: Path) -> dict[str, str]:
    """`MMYY` by picture of a labelled folder: the dates that a person could read, `training/labels/NAME_expiry.csv`."""
    table = Path(__file__).with_name("labels") / f"{folder.name}_expiry.csv"
    return {file: f"{month:02d}{year % 100:02d}" for file, (month, year) in load_expiries(table).items()}


def load_expiries(path: Path | None) -> dict[str, MonthYear]:
    """A CSV of `file, expiry` with the expiry as MM.YY. Raises UsageError."""
    expiries = {}
    for row in read_table(path, ("file", "expiry")) if path else ():
        match = re.fullmatch(r"(0[1-9]|1[0-2])\.(\d\d)", row["expiry"])
        if not match:
            raise UsageError(f"{path}: {row['file']}: expiry: {row['expiry']!r} is not MM.YY; write e.g. 05.28")
        expiries[row["file"]] = (int(match[1]), 2000 + int(match[2]))
    return expiries


def read_labels(folder: Path) -> list[Label]:
    """Every row of `folder/labels.csv`. UsageError, one line, for a file that is not as described above."""
    table = folder / "labels.csv"
    if not table.is_file():
        raise UsageError(f"{table}: no such file; give a folder with images/ and labels.csv")
    labels = []
    for number, row in enumerate(read_table(table, COLUMNS), start=2):
        try:
            labels.append(_label(folder, row))
        except ValueError as error:
            raise UsageError(f"{table}: line {number}: {error}") from None
    return labels


def read_table(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of a CSV file with at least these columns, blanks around values taken off. Raises UsageError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            table = csv.DictReader(lines)
            names = [name.strip() for name in table.fieldnames or ()]
            if missing := [column for column in columns if column not in names]:
                raise UsageError(
                    f"{path}: {', '.join(missing)}: no such column; the first line has to name {', '.join(columns)}"
                )
            table.fieldnames = names
            return [{key: (row[key] or "").strip() for key in names} for row in table]
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; give a CSV file of {', '.join(columns)}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: not a CSV file in UTF-8 ({error}); save it as one") from None


def _label(folder: Path, row: Mapping[str, str]) -> Label:
    if not row["file"]:
        raise ValueError("file: is empty; name the picture")
    box = _box(row)
    return Label(
        folder / "images" / row["file"].removeprefix("images/"),
        "".join(character for character in row["plate_text"].upper() if character.isalnum()),
        box,
        _corners(row.get("corners", ""), box),
        row.get("plate_colour", ""),
        row.get("vehicle", ""),
        int(_number("lines", row["lines"])) if row.get("lines") else None,
        row["unsure"] == "1",
    )


def _box(row: Mapping[str, str]) -> Box | None:
    if not any(row[side] for side in "xywh"):
        return None
    x, y, w, h = (_number(side, row[side]) for side in "xywh")
    if min(w, h) <= 0:
        raise ValueError("w, h: not above 0; give the plate's size in pixels, or leave x, y, w and h empty")
    return Box(x, y, x + w, y + h)


def _corners(text: str, box: Box | None) -> Corners | None:
    if text:
        places = [_number("corners", part) for part in text.split()]
        if len(places) != 8:
            raise ValueError("corners: not eight numbers; write x1 y1 x2 y2 x3 y3 x4 y4 from the top left clockwise")
        tl, tr, br, bl = (Point(*places[i : i + 2]) for i in (0, 2, 4, 6))
        return tl, tr, br, bl
    if box is None:
        return None
    return Point(box.x1, box.y1), Point(box.x2, box.y1), Point(box.x2, box.y2), Point(box.x1, box.y2)


def _number(field: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise ValueError(f"{field}: {text!r} is not a number; write pixels with a decimal point, or leave all empty")
    return value


def held_back(text: str) -> bool:
    """Whether a plate belongs to the 20 % that no training ever sees; by text, so copies stay together."""
    return int(hashlib.sha1(text.encode()).hexdigest(), 16) % 5 == 0
