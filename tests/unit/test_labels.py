"""Labelled folders: what anybody may bring along, and what is told where a file is not right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.errors import UsageError
from training.labels import load_labels, read_labels

HEAD = "file,plate_text,x,y,w,h,unsure"


def folder(tmp_path: Path, *lines: str) -> Path:
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def test_seven_columns_are_enough(tmp_path: Path) -> None:
    """Whoever labels photos of his own need not know our optional columns; text and place may be unknown."""
    path = folder(tmp_path, HEAD, "a.jpg,b 1234-xyz,1,2,30,10,", "images/b.jpg,L 5 TU,,,,,1", "c.jpg,,,,,,")
    first, second, third = read_labels(path)
    assert (first.file, first.text, first.unsure) == (tmp_path / "images/a.jpg", "B1234XYZ", False)
    assert first.box == (1, 2, 31, 12)
    assert first.corners == ((1, 2), (31, 2), (31, 12), (1, 12))
    assert (first.colour, first.vehicle, first.lines) == ("", "", None)
    assert (second.file, second.text, second.box, second.unsure) == (tmp_path / "images/b.jpg", "L5TU", None, True)
    assert (third.text, third.box, third.corners) == ("", None, None)


def test_corners_colour_and_lines_are_read_where_they_are(tmp_path: Path) -> None:
    """A slanted plate is cut at its corners, not at the box around it; a spreadsheet's mark at the start is no name."""
    row = "a.jpg,B1A,0,0,9,9,,0 1 9 0 9 8 0 9,white_on_black,motorcycle,2"
    (tmp_path / "labels.csv").write_text(f"\ufeff{HEAD},corners,plate_colour,vehicle,lines\n{row}\n", encoding="utf-8")
    (label,) = read_labels(tmp_path)
    assert label.corners == ((0, 1), (9, 0), (9, 8), (0, 9))
    assert (label.colour, label.vehicle, label.lines) == ("white_on_black", "motorcycle", 2)


def test_training_takes_only_plates_it_can_learn_from(tmp_path: Path) -> None:
    """A plate without text or place teaches a reader nothing."""
    path = folder(tmp_path, HEAD, "a.jpg,B1A,1,2,30,10,", "b.jpg,B2A,,,,,", "c.jpg,,1,2,30,10,")
    (plate,) = load_labels(path)
    assert plate.text == "B1A"
    assert np.array_equal(plate.corners, [[1, 2], [31, 2], [31, 12], [1, 12]])


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["file,plate_text,x,y,w,h", "a.jpg,B1A,1,2,3,4"], "unsure: no such column"),
        ([], "file, plate_text, x, y, w, h, unsure: no such column"),
        ([HEAD, "a.jpg,B1A,1,2,,4,"], "line 2: w: '' is not a number"),
        ([HEAD, "a.jpg,B1A,1,2,0,4,"], "line 2: w, h: not above 0"),
        ([HEAD, "a.jpg,B1A,,,,,", ",B1A,,,,,"], "line 3: file: is empty"),
        ([HEAD + ",corners", "a.jpg,B1A,1,2,3,4,,1 2 3"], "line 2: corners: not eight numbers"),
    ],
)
def test_what_is_wrong_with_a_table_is_told_in_one_line(tmp_path: Path, lines: list[str], told: str) -> None:
    """Of two hundred rows somebody typed, the wrong one has to be found without reading our code."""
    with pytest.raises(UsageError) as caught:
        read_labels(folder(tmp_path, *lines))
    assert f"labels.csv: {told}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_labels_is_told(tmp_path: Path) -> None:
    """The likeliest mistake is to give the folder of the pictures itself."""
    with pytest.raises(UsageError, match=r"labels\.csv: no such file; give a folder with images/ and labels\.csv"):
        read_labels(tmp_path)
