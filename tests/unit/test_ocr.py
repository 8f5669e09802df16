"""The reader around its network: cutting plates out of frames, and making a reading of the network's numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from agent.lattice import BLANK, CLASS
from agent.ocr import EXPIRY_PLACES, MARGIN, PlateReader, exact_places, rectify, widened
from agent.plate import INDONESIAN
from agent.tflite import Network
from agent.types import Corners, Image, PlateColour, Point
from simulation.plates import draw_plate, random_spec

MODELS = Path(__file__).resolve().parents[2] / "models"


class FakeNetwork:
    """Sees a number in the first crop and what else it is told to in the others; keeps the crops."""

    picture_shape = (48, 160, 3)
    manifest: dict[str, Any] = {"colours": ["black_on_white", "white_on_black"], "temperature": 1.0}  # noqa: RUF012

    def __init__(self, text: str, *others: str, sure: float = 24.0) -> None:
        self._lattices = [lattice(text, 24.0), *(lattice(other, sure) for other in others)]
        self.outputs = {
            "colour": np.array([0.0, 4.0], np.float32),
            "corners": np.zeros(8, np.float32),
            "readable": np.array([3.0], np.float32),
        }
        self.looks: list[Image] = []

    def run(self, image: Image) -> dict[str, NDArray[np.float32]]:
        self.looks.append(image)
        place = min(len(self.looks), len(self._lattices)) - 1
        return {"text": self._lattices[place], **self.outputs}


def lattice(text: str, sure: float) -> NDArray[np.float32]:
    logits = np.zeros((40, 37), np.float32)
    logits[:, BLANK] = 12.0
    for place, char in enumerate(text):
        logits[1 + 4 * place : 3 + 4 * place, CLASS[char]] = sure
    return logits


def reader(network: FakeNetwork, *, dated: bool = False, stills: bool = False) -> PlateReader:
    return PlateReader(network, INDONESIAN, dated=dated, stills=stills)  # type: ignore[arg-type]


def box(x1: float, y1: float, x2: float, y2: float) -> Corners:
    return Point(x1, y1), Point(x2, y1), Point(x2, y2), Point(x1, y2)


CROP = np.zeros((48, 160, 3), np.uint8)


def test_reading_has_text_colour_and_expiry() -> None:
    """Every rule and the registry check build on these fields."""
    read = reader(FakeNetwork("B1234XYZ", "0527"), dated=True).read_crop(CROP)
    assert read.text == "B1234XYZ"
    assert read.confidence > 0.95
    assert len(read.char_probs) == 8
    assert read.colour is PlateColour.BLACK
    assert read.colour_probability > 0.9
    assert read.expiry is not None
    assert (read.expiry.month, read.expiry.year) == (5, 2027)
    assert 0.9 < read.readability < 1


@pytest.mark.parametrize("text", ["", "05", "0", "1327", "0099"])
def test_half_an_expiry_line_is_none(text: str) -> None:
    """A month without a year, or a month 13, would accuse somebody of an expired registration."""
    assert reader(FakeNetwork("B1234XYZ", text), dated=True).read_crop(CROP).expiry is None


def test_a_doubtful_expiry_line_is_none() -> None:
    """The expiry line is a few pixels high; a guess must not become a date."""
    assert reader(FakeNetwork("B1234XYZ", "0527", sure=11.0), dated=True).read_crop(CROP).expiry is None


@pytest.mark.parametrize("place", range(len(EXPIRY_PLACES)))
def test_an_expiry_line_is_looked_for_wherever_it_may_be(place: int) -> None:
    """A motorcycle's expiry line is not in the middle, where a car's is, and a holder moves it below the number."""
    network = FakeNetwork("B1234XYZ", *[""] * place, "0527")
    read = reader(network, dated=True).read_crop(CROP)
    assert read.expiry is not None
    assert read.expiry.month == 5
    assert len(network.looks) == 2 + place


def test_the_expiry_line_of_a_low_plate_is_not_looked_for() -> None:
    """Where the line is 4 pixels high, time would be spent on guesses."""
    network = FakeNetwork("B1234XYZ", "0527")
    reader(network, dated=True).read(np.zeros((100, 200, 3), np.uint8), box(20, 20, 80, 40))
    assert len(network.looks) == 1


def test_nobody_pays_for_an_expiry_line_that_no_rule_asks_for() -> None:
    """Five more looks a read would halve the frames that a unit can follow."""
    network = FakeNetwork("B1234XYZ", "0527")
    assert reader(network).read_crop(CROP).expiry is None
    assert len(network.looks) == 1


def test_a_plate_that_lies_elsewhere_in_its_crop_is_cut_again() -> None:
    """The upright box around a motorcycle's slanted plate must be corrected before it is read."""
    slanted = (Point(50, 60), Point(250, 30), Point(255, 90), Point(55, 120))
    image = np.zeros((160, 320, 3), np.uint8)
    cv2.fillConvexPoly(image, np.array(slanted, np.int32), (255, 255, 255))
    network = FakeNetwork("B1234XYZ")
    upright = box(50, 30, 255, 120)
    cut = widened(upright, MARGIN)
    places = (np.array(slanted) - cut[0]) / (cut[2] - cut[0])
    network.outputs["corners"] = (places - exact_places()).ravel().astype(np.float32)
    reader(network).read(image, upright)
    first, second = network.looks
    assert first[8:40, 16:144].min() == 0
    assert second[8:40, 16:144].min() > 200


def test_a_plate_that_lies_where_it_should_is_looked_at_once() -> None:
    """A second look costs as much as the first."""
    network = FakeNetwork("B1234XYZ")
    reader(network).read(np.zeros((100, 200, 3), np.uint8), box(20, 20, 120, 60))
    assert len(network.looks) == 1


def test_a_doubtful_still_is_looked_at_aside() -> None:
    """A single picture has no next frame: what two looks out of three read must count more than the first."""
    network = FakeNetwork("B1234XYC", "B1234XYG", "B1234XYG", sure=12.2)
    network._lattices[0] = lattice("B1234XYC", 12.2)
    read = reader(network, stills=True).read_crop(CROP)
    assert len(network.looks) == 3
    assert [c.text for c in read.candidates[:2]] == ["B1234XYG", "B1234XYC"]
    assert read.confidence < 0.95


def test_a_sure_still_and_every_frame_of_footage_are_looked_at_once() -> None:
    """Three looks a frame would halve the frames that a unit can follow, and a sure plate needs no second opinion."""
    sure, doubtful = FakeNetwork("B1234XYZ"), FakeNetwork("B1234XYZ")
    doubtful._lattices[0] = lattice("B1234XYZ", 12.2)
    reader(sure, stills=True).read_crop(CROP)
    reader(doubtful).read_crop(CROP)
    assert (len(sure.looks), len(doubtful.looks)) == (1, 1)


def test_corners_that_make_no_plate_are_not_believed() -> None:
    """A crossed or tiny quadrilateral would be read as noise where the first crop could be read."""
    network = FakeNetwork("B1234XYZ")
    network.outputs["corners"] = np.array([0.9, 0, -0.9, 0, -0.9, 0, 0.9, 0], np.float32)
    assert reader(network).read(np.zeros((100, 200, 3), np.uint8), box(20, 20, 120, 60)).text == "B1234XYZ"
    assert len(network.looks) == 1


def test_the_network_sees_red_first() -> None:
    """Red and blue plates would be confused: pictures are BGR, the network takes RGB."""
    network = FakeNetwork("B1")
    red = np.zeros((48, 160, 3), np.uint8)
    red[..., 2] = 200
    reader(network).read_crop(red)
    assert network.looks[0][20, 80].tolist() == [200, 0, 0]


def test_a_plate_of_a_few_pixels_is_unreadable() -> None:
    """Corners that fall together must not end the process."""
    read = reader(FakeNetwork("B1234XYZ")).read(np.zeros((100, 100, 3), np.uint8), box(5, 5, 7, 6))
    assert read.candidates == ()
    assert read.text == ""
    assert read.readability == 0.0


@pytest.mark.parametrize("size", [(60, 20), (300, 100), (1600, 500)])
def test_rectify_straightens_a_slanted_plate(size: tuple[int, int]) -> None:
    """A motorcycle's slanted plate must reach the network upright, whatever its size in the frame."""
    wide, tall = size
    corners = (Point(20, 30), Point(20 + wide, 10), Point(24 + wide, 10 + tall), Point(25, 30 + tall))
    image = np.zeros((tall + 60, wide + 60, 3), np.uint8)
    cv2.fillConvexPoly(image, np.array(corners, np.int32), (255, 255, 255))
    flat = rectify(image, widened(corners, MARGIN), 160, 48)
    assert flat.shape == (48, 160, 3)
    assert flat[8:40, 16:144].min() > 200
    assert flat[24, 1].max() < 60
    assert flat[0, 80].max() < 90


def test_rectify_takes_corners_outside_the_frame() -> None:
    """A plate half out of the picture is cut with what there is."""
    image = np.full((50, 80, 3), 99, np.uint8)
    flat = rectify(image, widened(box(-30, -10, 60, 20), 0), 160, 48)
    assert int(flat.min()) == int(flat.max()) == 99
    far = rectify(image, widened(box(500, 500, 900, 640), 0), 160, 48)
    assert far.shape == (48, 160, 3)


def test_margin_grows_each_side() -> None:
    """Corners are never exact: a stroke at the plate's edge must still be in the crop."""
    grown = widened(box(0, 0, 100, 40), 0.05)
    assert grown.tolist() == [[-5, -2], [105, -2], [105, 42], [-5, 42]]


def test_the_shipped_network_reads_drawn_plates() -> None:
    """An export that lost its accuracy, or a changed crop, would pass every other test."""
    rng = np.random.default_rng(12)
    shipped = PlateReader(Network.load(MODELS / "plate_reader.tflite"), INDONESIAN)
    specs = [random_spec(rng, style=style, vehicle="car") for style in ("old", "new") for _ in range(12)]
    right = 0
    for spec in specs:
        plate = draw_plate(spec, rng, 60)
        scene = cv2.copyMakeBorder(plate, 30, 30, 40, 40, cv2.BORDER_CONSTANT, value=(90, 80, 70))
        height, width = plate.shape[:2]
        read = shipped.read(scene, box(40, 30, 40 + width, 30 + height))
        right += read.text == spec.characters
        assert read.colour is spec.colour
    assert right >= 22
