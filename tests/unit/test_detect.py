"""Plates are found where they are, in pixels of the picture they came from."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from agent.detect import GREY, Candidates, Letterbox, PlateDetector, decode, fit, suppress, to_detections
from agent.tflite import Network
from agent.types import Box, Image, PlateColour
from simulation.plates import PlateSpec, draw_plate

Floats = NDArray[np.float32]
MODEL = Path(__file__).parents[2] / "models" / "plate_detector.tflite"


def candidates(*boxes: tuple[float, float, float, float, float]) -> Candidates:
    """Rows of x1 y1 x2 y2 score; corners are the box's."""
    table = np.array(boxes, np.float32).reshape(-1, 5)
    x1, y1, x2, y2, scores = table.T
    corners = np.stack([np.stack(c, 1) for c in ((x1, y1), (x2, y1), (x2, y2), (x1, y2))], 1)
    return Candidates(scores, table[:, :4], corners)


@pytest.mark.parametrize(
    ("height", "width"), [(720, 1280), (416, 416), (1600, 757), (100, 1000), (384, 640), (9, 7), (1, 1)]
)
def test_any_picture_fits_the_network(height: int, width: int) -> None:
    """A camera of another shape would stop the unit, or its plates would come back at the wrong place."""
    picture = np.full((height, width, 3), 200, np.uint8)
    canvas, letterbox = fit(picture, 640, 384)
    assert canvas.shape == (384, 640, 3)
    corners = np.array([(letterbox.pad_x, letterbox.pad_y)], np.float32)
    assert np.allclose(letterbox.back(corners), 0)
    far = np.array([(width, height)], np.float32) * letterbox.scale + (letterbox.pad_x, letterbox.pad_y)
    assert np.allclose(letterbox.back(far.astype(np.float32)), (width, height), atol=1e-2 * max(width, height))
    assert (canvas[letterbox.pad_y, letterbox.pad_x] == 200).all()


def test_picture_is_shrunk_by_two_and_turned_to_rgb() -> None:
    """Red plates would look blue to the network."""
    picture = np.zeros((720, 1280, 3), np.uint8)
    picture[..., 0] = 10
    picture[..., 2] = 250
    canvas, letterbox = fit(picture, 640, 384)
    assert letterbox == Letterbox(0.5, 0, 12)
    assert canvas[100, 100].tolist() == [250, 0, 10]
    assert canvas[0, 0].tolist() == [114, 114, 114]


def outputs(stride: int, row: int, column: int, box: Floats, corners: Floats, score: float) -> dict[str, Floats]:
    """A grid for a 640x384 picture in which one cell speaks."""
    grid = (384 // stride, 640 // stride)
    scores, boxes, quads = (np.zeros((*grid, n), np.float32) for n in (1, 4, 8))
    scores[row, column], boxes[row, column], quads[row, column] = score, box, corners.reshape(8)
    return {f"score_{stride}": scores, f"box_{stride}": boxes, f"corners_{stride}": quads}


def test_a_cell_says_where_the_plate_is() -> None:
    """A plate read half a cell beside its place would be cut."""
    corners = np.array([(-2, -1), (2, -0.5), (2, 1), (-2, 0.5)], np.float32)
    near = outputs(8, 20, 30, np.array((2, 1, 2, 1), np.float32), corners, 0.9)
    far = outputs(16, 0, 0, np.zeros(4, np.float32), np.zeros((4, 2), np.float32), 0.1)
    found = decode(near | far, (8, 16), 0.5)
    assert found.scores.tolist() == [np.float32(0.9)]
    assert found.boxes.tolist() == [[228, 156, 260, 172]]
    assert found.corners[0].tolist() == [[228, 156], [260, 160], [260, 172], [228, 168]]


def test_nothing_found_is_no_plates() -> None:
    """An empty road would stop the pipeline."""
    quiet = outputs(8, 0, 0, np.zeros(4, np.float32), np.zeros((4, 2), np.float32), 0.2)
    assert to_detections(suppress(decode(quiet, (8,), 0.5)), Letterbox(1, 0, 0), 640, 384) == ()


def test_one_plate_is_told_once() -> None:
    """A plate seen by six cells would become six tracks."""
    found = suppress(candidates((10, 10, 50, 22, 0.7), (11, 10, 51, 22, 0.9), (12, 11, 50, 23, 0.8)))
    assert found.scores.tolist() == [np.float32(0.9)]


def test_part_of_a_plate_is_that_plate() -> None:
    """The number line alone would be read beside the whole plate."""
    found = suppress(candidates((10, 10, 50, 30, 0.9), (12, 11, 48, 18, 0.8)))
    assert len(found.scores) == 1


def test_neighbouring_plates_both_stay() -> None:
    """Two motorcycles side by side would count as one."""
    found = suppress(candidates((10, 10, 50, 22, 0.7), (52, 10, 92, 22, 0.9)))
    assert found.scores.tolist() == [np.float32(0.9), np.float32(0.7)]


def test_boxes_without_area_are_dropped() -> None:
    """A collapsed box would divide by zero later on."""
    assert len(suppress(candidates((10, 10, 10, 22, 0.9), (30, 10, 20, 22, 0.9))).scores) == 0


def test_largest_and_surest_plate_comes_first_in_the_frames_pixels() -> None:
    """The reader's budget would go to the faintest plates."""
    found = candidates((20, 22, 40, 32, 0.9), (100, 112, 200, 142, 0.8), (600, 352, 660, 380, 0.9))
    plates = to_detections(found, Letterbox(0.5, 0, 12), 1280, 720)
    assert plates[0].box == (200, 200, 400, 260)
    assert plates[0].corners[2] == (400, 260)
    assert plates[0].score == pytest.approx(0.8)
    assert len(plates) == 3
    assert plates[1].box.x2 == 1280, "a box is cut at the picture's edge"
    assert plates[1].corners[1].x == 1320, "its corners are not: the reader's homography needs them"


@pytest.fixture(scope="module")
def detector() -> PlateDetector:
    """The shipped network."""
    return PlateDetector(Network.load(MODEL))


def street(places: tuple[tuple[int, int, int, PlateColour], ...]) -> Image:
    """A grey road with dark cars, each with a drawn plate; a place is x, y, height of the plate and its colour."""
    rng = np.random.default_rng(3)
    picture = np.clip(rng.normal(120, 6, (720, 1280, 3)), 0, 255).astype(np.uint8)
    for x, y, height, colour in places:
        spec = PlateSpec("B 1234 XYZ", (5, 2028), colour, "old" if colour is PlateColour.BLACK else "new", "car")
        plate = cv2.resize(draw_plate(spec, rng, 96), (height * 3, height), interpolation=cv2.INTER_AREA)
        picture[y - 4 * height : y + 2 * height, x - height : x + 4 * height] = (60, 30, 30)
        picture[y : y + height, x : x + 3 * height] = plate
    return cv2.GaussianBlur(picture, (0, 0), 0.8)


def test_shipped_network_finds_plates_of_all_sizes(detector: PlateDetector) -> None:
    """A network exported wrongly would find nothing, or find it beside its place."""
    places = (
        (100, 300, 30, PlateColour.WHITE),
        (500, 400, 60, PlateColour.BLACK),
        (1000, 200, 40, PlateColour.YELLOW),
        (900, 560, 24, PlateColour.RED),
    )
    found = detector.detect(street(places))
    for x, y, height, colour in places:
        truth = Box(x, y, x + 3 * height, y + height)
        best = max(found, key=lambda plate, truth=truth: plate.box.iou(truth))
        assert best.box.iou(truth) > 0.6, colour
        wanted = np.array([(x, y), (truth.x2, y), (truth.x2, truth.y2), (x, truth.y2)])
        assert np.linalg.norm(np.array(best.corners) - wanted, axis=1).max() < 0.35 * height, colour


def test_shipped_network_is_quiet_on_an_empty_road(detector: PlateDetector) -> None:
    """Every frame would open a track of nothing."""
    assert detector.detect(street(())) == ()


def test_threshold_of_the_config_wins(detector: PlateDetector) -> None:
    """An operator who raises the threshold would change nothing."""
    strict = PlateDetector(Network.load(MODEL), threshold=0.999)
    assert strict.detect(street(((500, 400, 60, PlateColour.WHITE),))) == ()


def test_distant_plates_of_a_wide_picture_are_found(detector: PlateDetector) -> None:
    """On a road with three lanes a plate would be found only where it is 54 pixels wide, after half of its way."""
    picture = np.full((1080, 1920, 3), 120, np.uint8)
    picture[200:920, 400:1680] = street(((500, 300, 12, PlateColour.WHITE), (640, 690, 30, PlateColour.WHITE)))
    road = Box(300, 200, 1900, 1080)
    far, near = Box(900, 500, 936, 512), Box(1040, 890, 1130, 920)
    near_and_far = PlateDetector(Network.load(MODEL), road=road)
    assert len(near_and_far.detect(np.roll(picture, 500, axis=1))) == 2, "at the right edge, too"
    found = near_and_far.detect(picture)
    assert [max(plate.box.iou(truth) for plate in found) > 0.6 for truth in (far, near)] == [True, True]
    assert len(found) == 2
    assert not any(plate.box.iou(far) > 0.3 for plate in detector.detect(picture))


class FarsightedNetwork:
    """Finds a plate in the middle of a picture that does not fill the network's, and none in one that does."""

    picture_shape = (384, 640, 3)
    manifest: ClassVar = {"strides": [8], "threshold": 0.45}

    def run(self, canvas: Image) -> dict[str, Floats]:
        score = np.zeros((48, 80, 1), np.float32)
        score[24, 40] = 0.9 if (canvas[0, 0] == GREY).all() else 0.0
        return {"score_8": score, "box_8": np.full((48, 80, 4), 5, np.float32), "corners_8": np.zeros((48, 80, 8))}


def test_a_plate_that_fills_a_picture_is_found() -> None:
    """A technician who holds a phone close to a plate would be told that there is none."""
    picture = np.zeros((384, 640, 3), np.uint8)
    (plate,) = PlateDetector(FarsightedNetwork(), stills=True).detect(picture)  # type: ignore[arg-type]
    assert plate.box.overlap(Box(300, 180, 340, 204)) == 40 * 24
    footage = PlateDetector(FarsightedNetwork())  # type: ignore[arg-type]
    assert footage.detect(picture) == (), "footage has a frame before this one, and no time for a second look"


class UnsureNetwork(FarsightedNetwork):
    """Finds a little of a plate wherever it looks."""

    def run(self, canvas: Image) -> dict[str, Floats]:
        outputs = super().run(canvas)
        outputs["score_8"][...] = 0.0
        outputs["score_8"][24, 40] = 0.35
        return outputs


def test_a_faint_find_is_told_of_a_still_alone() -> None:
    """A black plate on a black bumper scores little; in footage every such find would open a track of nothing."""
    picture = np.zeros((384, 640, 3), np.uint8)
    stills = PlateDetector(UnsureNetwork(), stills=True).detect(picture)  # type: ignore[arg-type]
    assert stills
    assert all(plate.faint for plate in stills)
    assert PlateDetector(UnsureNetwork()).detect(picture) == ()  # type: ignore[arg-type]
