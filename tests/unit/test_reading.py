"""`cakra-agent read`: what a maintainer gets for single pictures."""

from __future__ import annotations

import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from agent.errors import CaptureError, UsageError
from agent.reading import as_json, common_folder, expand, print_reading, read_files, read_picture, write_overlay
from agent.types import (
    Box,
    Candidate,
    Corners,
    Detection,
    Expiry,
    Image,
    PlateColour,
    PlateRead,
    Point,
)

CORNERS: Corners = (Point(10, 20), Point(70, 21), Point(70, 41), Point(10, 40))
DETECTION = Detection(Box(10, 20, 70, 41), CORNERS, score=0.93)
READ = PlateRead(
    candidates=(Candidate("B1234XYZ", 0.98), Candidate("B1234XYV", 0.01)),
    char_probs=(1.0,) * 8,
    colour=PlateColour.BLACK,
    colour_probability=0.99,
    expiry=Expiry(5, 2028, 0.9),
    readability=0.97,
)
UNREADABLE = PlateRead((), (), PlateColour.UNKNOWN, 0.0, None, 0.1)


class FixedDetector:
    def detect(self, image: Image) -> tuple[Detection, ...]:
        return (DETECTION,)


class FixedReader:
    def __init__(self, read: PlateRead = READ) -> None:
        self._read = read

    def read(self, image: Image, corners: Corners) -> PlateRead:
        return self._read

    def read_crop(self, crop: Image) -> PlateRead:
        return self._read


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.full((60, 80, 3), 90, np.uint8))
    return path


def test_the_json_line_has_the_documented_form(picture: Path) -> None:
    """Scripts of maintainers depend on these names, whatever changes inside."""
    (reading,) = read_files([picture], FixedDetector(), FixedReader())
    assert not isinstance(reading, Exception)
    line = as_json(reading)
    assert line.pop("ms").keys() == {"detect", "read"}
    assert line == {
        "file": str(picture),
        "plates": [
            {
                "text": "B1234XYZ",
                "confidence": 0.98,
                "runner_up": "B1234XYV",
                "runner_up_confidence": 0.01,
                "box": [10, 20, 70, 41],
                "corners": [[10, 20], [70, 21], [70, 41], [10, 40]],
                "detector_score": 0.93,
                "colour": "white_on_black",
                "expiry": "05.2028",
            }
        ],
    }


def test_a_crop_is_read_whole(picture: Path) -> None:
    """With --crop a maintainer measures the reader alone."""
    image = cv2.imread(str(picture))
    assert image is not None
    reading = read_picture(picture, np.asarray(image, np.uint8), None, FixedReader())
    assert reading.plates[0].detection.box == Box(0, 0, 80, 60)


def test_an_unreadable_plate_is_shown_as_found(picture: Path) -> None:
    """A plate that cannot be read is not the same as no plate."""
    (reading,) = read_files([picture], FixedDetector(), FixedReader(UNREADABLE))
    assert not isinstance(reading, Exception)
    plate = as_json(reading)["plates"][0]
    assert (plate["text"], plate["confidence"], plate["runner_up"], plate["expiry"]) == ("", 0, "", None)


class FaintDetector:
    """Finds a plate, and left of it something faint."""

    faint = Detection(Box(0, 0, 9, 5), (Point(0, 0), Point(9, 0), Point(9, 5), Point(0, 5)), score=0.35, faint=True)

    def detect(self, image: Image) -> tuple[Detection, ...]:
        return (DETECTION, self.faint)


class PlacedReader(FixedReader):
    """Reads only what lies in these places."""

    def __init__(self, *legible: Corners) -> None:
        super().__init__()
        self._legible = legible

    def read(self, image: Image, corners: Corners) -> PlateRead:
        return READ if corners in self._legible else UNREADABLE


def test_a_faint_find_counts_where_it_alone_can_be_read(picture: Path) -> None:
    """What scores little is a plate if it reads as one, but must not crowd the table beside a plate that is sure."""
    image = np.zeros((60, 80, 3), np.uint8)
    faint = FaintDetector.faint

    def found(*legible: Corners) -> list[Detection]:
        reading = read_picture(picture, image, FaintDetector(), PlacedReader(*legible))
        return [plate.detection for plate in reading.plates]

    assert found(faint.corners) == [faint, DETECTION]
    assert found(CORNERS, faint.corners) == [DETECTION]
    assert found() == [DETECTION]


def test_one_broken_picture_does_not_stop_the_others(picture: Path) -> None:
    """Of a thousand pictures one is always broken; the rest are read and the broken one is named."""
    broken = picture.with_name("broken.jpg")
    broken.write_bytes(b"nothing")
    results = list(read_files([broken, picture], FixedDetector(), FixedReader()))
    assert isinstance(results[0], CaptureError)
    assert not isinstance(results[1], Exception)


def test_the_table_is_readable(picture: Path) -> None:
    """People read plates with blanks, and see a file without a plate as such."""
    (reading,) = read_files([picture], FixedDetector(), FixedReader())
    assert not isinstance(reading, Exception)
    out = io.StringIO()
    print_reading(reading, out, json_lines=False)
    assert "B 1234 XYZ" in out.getvalue()
    out = io.StringIO()
    print_reading(reading, out, json_lines=True)
    assert json.loads(out.getvalue())["plates"][0]["text"] == "B1234XYZ"


def test_the_overlay_is_drawn_beside_the_original(picture: Path, tmp_path: Path) -> None:
    """A maintainer sees at a glance what was read where; the original stays as it was."""
    before = picture.read_bytes()
    (reading,) = read_files([picture], FixedDetector(), FixedReader())
    assert not isinstance(reading, Exception)
    write_overlay(reading, tmp_path, tmp_path / "drawn")
    drawn = cv2.imread(str(tmp_path / "drawn" / "a.jpg"))
    assert drawn is not None
    assert drawn.shape == (60, 80, 3)
    assert np.ptp(drawn) > 50
    assert picture.read_bytes() == before


def test_equal_names_in_two_folders_keep_their_overlays(picture: Path, tmp_path: Path) -> None:
    """Two cameras number their pictures alike; neither picture may vanish under the other."""
    for name in ("left", "right"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(picture.read_bytes())
    files = expand([tmp_path / "left", tmp_path / "right"])
    for reading in read_files(files, FixedDetector(), FixedReader()):
        assert not isinstance(reading, Exception)
        write_overlay(reading, common_folder(files), tmp_path / "drawn")
    assert len(list((tmp_path / "drawn").rglob("*.jpg"))) == 2


def test_paths_are_expanded_in_order_and_wrong_ones_told(picture: Path, tmp_path: Path) -> None:
    """Files and folders can be mixed; a path that is not there is an error before hours of work."""
    assert expand([tmp_path, picture]) == [picture, picture]
    with pytest.raises(UsageError, match="no such file"):
        expand([tmp_path / "missing"])
