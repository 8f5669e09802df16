"""The last seconds of pictures, kept as JPEG, so that a finding can show what came before and after its moment.

Of the minutes before them a picture now and then is kept: who stood where nobody may is shown to have stood there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import cv2
import numpy as np

from agent.evidence import jpeg
from agent.types import Frame, Image

EVERY_NS = 180_000_000
"""A little below a fifth of a second: each fifth frame of 25 a second, each sixth of 30, each second of 10. A JPEG of
1280x720 takes 4 ms on a desktop's core and about 15 ms on a Raspberry Pi 4's: five a second are 8 % of one core."""
LONGEST_NS = 12_000_000_000
"""A vehicle is judged when its plate has left the picture; at 20 km/h it is in view of 40 m of road for 7 s."""
HISTORY_EVERY_NS = 10_000_000_000
HISTORY_NS = 310_000_000_000
"""A little longer than a vehicle is followed (`TrackerSettings.max_duration_s`): 30 pictures more."""
MAX_BYTES = 24 * 1024 * 1024
"""60 pictures of 1280x720 are about 10 MB and of 1920x1080 about 20 MB, which leaves less room for the minutes before.
A Raspberry Pi 4 has 1 GB and more; as raw pictures they would be 166 MB and 373 MB."""
PICTURE_BYTES = 400 * 1024
QUALITY = 80
"""A 1280x720 road is about 160 kB, and plates in it are read as before."""


@dataclass(frozen=True, slots=True)
class Still:
    """A frame as it is kept."""

    index: int
    at: datetime
    mono_ns: int
    size_px: tuple[int, int]
    """Width and height of the frame; its JPEG is smaller where nothing else made it fit."""
    jpeg: bytes

    def frame(self) -> Frame:
        """The frame again, as well as a JPEG remembers it."""
        image = cv2.imdecode(np.frombuffer(self.jpeg, np.uint8), cv2.IMREAD_COLOR)
        return Frame(scaled(image, self.size_px), self.index, self.at, self.mono_ns)  # type: ignore[arg-type]


class Ring:
    """Stills of the last seconds and a few of the minutes before, bounded in time and in bytes."""

    def __init__(self) -> None:
        self._stills: deque[Still] = deque()
        self._history: deque[Still] = deque()
        self.size_bytes = 0

    def offer(self, frame: Frame) -> None:
        """Keep the frame if it is time for one, and let go of the oldest."""
        if self._stills and frame.mono_ns - self._stills[-1].mono_ns < EVERY_NS:
            return
        height, width = frame.image.shape[:2]
        content = jpeg(frame.image, PICTURE_BYTES, QUALITY)
        still = Still(frame.index, frame.at, frame.mono_ns, (width, height), content)
        self._stills.append(still)
        self.size_bytes += len(still.jpeg)
        while still.mono_ns - self._stills[0].mono_ns > LONGEST_NS:
            self._retire(self._stills.popleft())
        while self._history and still.mono_ns - self._history[0].mono_ns > HISTORY_NS:
            self._drop(self._history)
        while self.size_bytes > MAX_BYTES:
            self._drop(self._history or self._stills)

    def _retire(self, still: Still) -> None:
        if self._history and still.mono_ns - self._history[-1].mono_ns < HISTORY_EVERY_NS:
            self.size_bytes -= len(still.jpeg)
        else:
            self._history.append(still)

    def _drop(self, stills: deque[Still]) -> None:
        self.size_bytes -= len(stills.popleft().jpeg)

    def around(self, at: datetime, reach_s: float, since: datetime | None = None) -> tuple[Still, ...]:
        """The stills not farther than this from a moment, in time order; before them those that show what has been
        going on `since` then, one in HISTORY_EVERY_NS."""
        near = [still for still in self if abs((still.at - at).total_seconds()) <= reach_s]
        earlier = [still for still in self if (at - still.at).total_seconds() > reach_s]
        if since is None or not earlier or (at - since).total_seconds() <= reach_s:
            return tuple(near)
        shown = [min(earlier, key=lambda still: abs(still.at - since))]
        for still in earlier:
            if still.mono_ns - shown[-1].mono_ns >= HISTORY_EVERY_NS:
                shown.append(still)
        return (*shown, *near)

    def __iter__(self) -> Iterator[Still]:
        return iter((*self._history, *self._stills))


def scaled(image: Image, size_px: tuple[int, int]) -> Image:
    """The picture at this width and height."""
    height, width = image.shape[:2]
    is_right = (width, height) == size_px
    return image if is_right else cv2.resize(image, size_px, interpolation=cv2.INTER_AREA).astype(np.uint8)
