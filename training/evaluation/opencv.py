"""What everybody has at hand, on the same pictures: OpenCV's own Haar cascade for plates, and Tesseract 5.

The cascade (`haarcascade_russian_plate_number.xml`, in every OpenCV) with its default settings; its largest find goes
to Tesseract as one line of capitals and digits. Tesseract is a process for each plate, as its Python wrappers do it;
what of that is only starting it is measured apart. The networks find the plates and read one, too, and both in a frame
as a camera delivers it, into which the picture is fitted: the cascade's time grows with a picture's size, theirs not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeVar

import cv2
import numpy as np

from agent.detect import fit
from agent.errors import CakraError, UsageError
from agent.types import Detector, Image, Reader
from training.evaluation.figures import mean
from training.evaluation.run import PictureOutcome

CASCADE = "haarcascade_russian_plate_number.xml"
FRAME = (1280, 720)
"""Width and height of a unit's frame."""
_T = TypeVar("_T")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


@dataclass(frozen=True, slots=True)
class Rival:
    """One picture read by both."""

    outcome: PictureOutcome
    text: str
    """What OpenCV and Tesseract read; empty where they found or read nothing."""
    ours_ms: float
    """What the networks took to find the plates and to read the first."""
    detect_ms: float
    read_ms: float
    """0 where nothing was found: Tesseract is not asked then."""
    start_ms: float
    """What of `read_ms` is the start of Tesseract."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both over the same frames; milliseconds are means a frame, one thread each."""

    pictures: int
    found: int
    """Pictures in which the cascade found something."""
    ours_ms: float
    theirs_ms: float
    theirs_without_start_ms: float
    ratio: float
    """Their time over ours."""
    ratio_without_start: float
    plates: int
    """Of pictures with one known plate."""
    ours_exact: float | None
    theirs_exact: float | None


class HaarTesseract:
    """The rival, and the networks whose times stand beside its own.

    Raises UsageError where Tesseract or the cascade is missing.
    """

    def __init__(self, detector: Detector, reader: Reader) -> None:
        found = shutil.which("tesseract")
        if found is None:
            raise UsageError("--against-opencv: tesseract is not installed; apt install tesseract-ocr")
        self._detector, self._reader, self._tesseract = detector, reader, found
        self._cascade = cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / CASCADE))
        if self._cascade.empty():
            raise UsageError(f"--against-opencv: this OpenCV has no {CASCADE}; pip install opencv-python-headless")
        blank = np.full((32, 32), 255, np.uint8)
        self._start_ms = median(_timed(lambda: self._read(blank))[1] for _ in range(5))

    def compare(self, outcome: PictureOutcome, image: Image) -> Rival:
        """Read a picture that was read by the networks."""
        frame = np.ascontiguousarray(fit(image, *FRAME)[0][..., ::-1])
        _, ours_ms = _timed(lambda: self._ours(frame))
        grey, grey_ms = _timed(lambda: cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY))
        boxes, detect_ms = _timed(lambda: self._cascade.detectMultiScale(grey))
        if not len(boxes):
            return Rival(outcome, "", ours_ms, grey_ms + detect_ms, 0.0, 0.0)
        x, y, w, h = max(boxes, key=lambda box: int(box[2]) * int(box[3]))
        text, read_ms = _timed(lambda: self._read(grey[y : y + h, x : x + w]))
        return Rival(outcome, text, ours_ms, grey_ms + detect_ms, read_ms, min(self._start_ms, read_ms))

    def _ours(self, frame: Image) -> None:
        for found in [plate for plate in self._detector.detect(frame) if not plate.faint][:1]:
            self._reader.read(frame, found.corners)

    def _read(self, crop: object) -> str:
        command = [self._tesseract, "-", "-", "--psm", "7", "-c", f"tessedit_char_whitelist={_ALPHABET}"]
        done = subprocess.run(
            command,
            input=cv2.imencode(".bmp", crop)[1].tobytes(),  # type: ignore[call-overload]
            capture_output=True,
            check=False,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        )
        if done.returncode:
            told = done.stderr.decode(errors="replace").strip().splitlines()
            raise CakraError(f"tesseract: {told[-1] if told else done.returncode}; check its language data")
        return "".join(character for character in done.stdout.decode(errors="replace") if character in _ALPHABET)


def comparison(rivals: Sequence[Rival]) -> Comparison | None:
    """Both side by side; None where they were not compared."""
    if not rivals:
        return None
    ours = sum(rival.ours_ms for rival in rivals) / len(rivals)
    theirs = sum(rival.detect_ms + rival.read_ms for rival in rivals) / len(rivals)
    start = sum(rival.start_ms for rival in rivals) / len(rivals)
    single = [(rival.outcome.plates[0], rival.text) for rival in rivals if len(rival.outcome.plates) == 1]
    known = [(plate, text) for plate, text in single if plate.truth.scored and plate.truth.text]
    return Comparison(
        pictures=len(rivals),
        found=sum(rival.read_ms > 0 for rival in rivals),
        ours_ms=ours,
        theirs_ms=theirs,
        theirs_without_start_ms=theirs - start,
        ratio=theirs / ours,
        ratio_without_start=(theirs - start) / ours,
        plates=len(known),
        ours_exact=mean(plate.taken is not None and plate.taken.read.text == plate.truth.text for plate, _ in known),
        theirs_exact=mean(text == plate.truth.text for plate, text in known),
    )


def _timed(work: Callable[[], _T]) -> tuple[_T, float]:
    started = time.perf_counter()
    result = work()
    return result, (time.perf_counter() - started) * 1e3
