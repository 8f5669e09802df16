"""What good networks would see of a scenario, without drawing it: a recording in a second, for tests of the judgement.

Plates are found where they truly are but for the errors that the shipped detector makes on rendered frames: some that
change from frame to frame, some that a plate keeps. They are read rightly where they are large and clean enough, with
a doubt that grows as they get smaller. No picture is drawn, so nothing here says how well the networks work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from agent.recording import Header, RecordedFrame, Recording, read_line, read_of, rounded
from agent.scene import Scene
from agent.types import Box, Candidate, Corners, Detection, Expiry, LightSample, PlateRead, Point
from simulation.footage import PlateTruth, plate_face, visible_plates
from simulation.footage_lights import state_at
from simulation.footage_scenario import Scenario
from simulation.footage_site import site_file
from simulation.footage_traffic import Trip
from simulation.footage_truth import FOLLOWED_PX, MOST_HIDDEN, Sightings

_READ_PX = 44.0
_EXPIRY_READ_PX = {"car": 110.0, "motorcycle": 65.0}
"""Plate width from which the second line is read: five pixels of height, and a motorcycle's is larger."""
_DETECTOR_PX = 640
"""Width of the picture that the detector sees; its errors are in these pixels, in a larger frame they are larger."""
_PLACE_PX, _PLACE_BIAS_PX = (0.42, 0.27), (0.17, 0.20)
"""Standard errors of a plate's middle, right and down: from frame to frame, and those that a plate keeps."""
_WIDTH_PX, _WIDTH_BIAS_PX = 1.0, (0.4, 0.6)
"""The same of its width; plates come out too wide, so what a plate keeps has a mean and a standard deviation."""
_SURE, _UNSURE = 0.995, 0.55


def trace(scenario: Scenario, cast: Sequence[Trip], seed: int) -> tuple[Recording, Mapping[int, Sightings]]:
    """The recording, and where each vehicle's plate is to be seen. Raises ConfigError."""
    rng = np.random.default_rng([seed, 13])
    by_id = {trip.id: trip for trip in cast}
    seen: dict[int, dict[int, Corners]] = {trip.id: {} for trip in cast}
    errors = {trip.id: _Errors.of_a_plate(scenario.camera.width / _DETECTOR_PX, rng) for trip in cast}
    frames = []
    for number, plates in enumerate(visible_plates(scenario, cast, seed)):
        for plate in plates:
            seen[plate.vehicle_id][number] = plate.corners
        found = tuple(
            _look(plate, by_id[plate.vehicle_id], errors[plate.vehicle_id], rng)
            for plate in plates
            if plate.width_px >= FOLLOWED_PX
        )
        at_s = number / scenario.fps
        mono_ns = round(at_s * 1e9)
        lights = tuple(LightSample(each.id, state_at(each, at_s), mono_ns) for each in scenario.signals)
        frames.append(RecordedFrame(number, timedelta(seconds=at_s), mono_ns, found, lights))
    site = Scene.model_validate(site_file(scenario, seed))
    return Recording(Header(recording=1, start=scenario.start, site=site), tuple(frames), ()), seen


@dataclass(frozen=True, slots=True)
class _Errors:
    """How far off a plate is found: what it keeps over its frames, pixels of the frame."""

    scale: float
    """Pixels of the frame to one of the detector's picture."""
    right: float
    down: float
    wider: float

    @classmethod
    def of_a_plate(cls, scale: float, rng: np.random.Generator) -> _Errors:
        right, down = rng.normal(0, _PLACE_BIAS_PX)
        return cls(scale, scale * right, scale * down, scale * rng.normal(*_WIDTH_BIAS_PX))

    def corners(self, true: Corners, rng: np.random.Generator) -> Corners:
        """The corners as they are found in one frame."""
        (right, down), wider = rng.normal(0, _PLACE_PX), rng.normal(0, _WIDTH_PX)
        right, down = self.right + self.scale * right, self.down + self.scale * down
        half = (self.wider + self.scale * wider) / 2
        top_left, top_right, bottom_right, bottom_left = (
            Point(float(x + right + side * half), float(y + down))
            for (x, y), side in zip(true, (-1, 1, 1, -1), strict=True)
        )
        return top_left, top_right, bottom_right, bottom_left


def _look(
    plate: PlateTruth, trip: Trip, errors: _Errors, rng: np.random.Generator
) -> tuple[Detection, PlateRead | None]:
    corners = errors.corners(plate.corners, rng)
    xs, ys = zip(*corners, strict=True)
    detection = rounded(Detection(Box(min(xs), min(ys), max(xs), max(ys)), corners, 0.9))
    return detection, read_of(read_line(_read(plate, trip)))


def _read(plate: PlateTruth, trip: Trip) -> PlateRead:
    hidden = plate_face(trip)[1] > MOST_HIDDEN if trip.plan.dirt else False
    sure = _SURE if plate.width_px >= _READ_PX and not hidden else _UNSURE
    texts = (Candidate(plate.text, sure), Candidate(_misread(plate.text), round((1 - sure) * 0.8, 6)))
    is_large = plate.width_px >= _EXPIRY_READ_PX[trip.spec.vehicle]
    expiry = Expiry(*trip.spec.expiry, 0.97) if trip.spec.expiry and is_large else None
    return PlateRead(texts, (sure,) * len(plate.text), trip.spec.colour, 0.98, expiry, sure)


def _misread(text: str) -> str:
    """The text with its last character taken for another."""
    return text[:-1] + ("V" if text[-1] != "V" else "Y")
