"""The ring of recent pictures and the clip made of it: enough to see what happened, never more than fits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from agent import ring
from agent.clip import clip
from agent.ring import Ring, Still
from agent.types import Frame
from wire.messages import MAX_EVIDENCE_BYTES

START = datetime(2026, 11, 23, 0, 30, tzinfo=UTC)
RNG = np.random.default_rng(7)
NOISE = RNG.integers(0, 256, (180, 320, 3), dtype=np.uint8)


def frame(index: int, fps: float = 25.0, image: np.ndarray = NOISE) -> Frame:
    return Frame(image, index, START + timedelta(seconds=index / fps), round(index * 1e9 / fps))


def filled(count: int, fps: float = 25.0) -> Ring:
    kept = Ring()
    for index in range(count):
        kept.offer(frame(index, fps))
    return kept


@pytest.mark.parametrize(("fps", "step"), [(10.0, 2), (15.0, 3), (25.0, 5), (30.0, 6), (5.0, 1)])
def test_five_pictures_a_second_are_kept(fps: float, step: int) -> None:
    """Encoding each frame would cost a Raspberry Pi a third of its time; fewer would miss the crossing of a line."""
    assert [still.index for still in filled(31, fps)] == list(range(0, 31, step))


def test_the_ring_is_bounded_in_time_and_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit that runs for months must not fill its memory, however noisy the night."""
    kept = filled(5 * 400, fps=5)
    stills = list(kept)
    assert stills[-1].mono_ns - stills[0].mono_ns <= ring.HISTORY_NS
    assert len(stills) == 30 + 61
    assert kept.size_bytes == sum(len(still.jpeg) for still in stills)
    limit = 5 * len(stills[0].jpeg) + 1
    monkeypatch.setattr(ring, "MAX_BYTES", limit)
    kept.offer(frame(5 * 400, fps=5))
    assert (len(list(kept)), kept.size_bytes <= limit) == (5, True)


def test_one_picture_is_never_more_than_its_share() -> None:
    """A single picture of rain at night would push all others out."""
    kept = Ring()
    kept.offer(frame(0, image=RNG.integers(0, 256, (720, 1280, 3), dtype=np.uint8)))
    assert kept.size_bytes <= ring.PICTURE_BYTES
    assert 61 * ring.PICTURE_BYTES <= ring.MAX_BYTES * 1.05


def test_a_picture_that_had_to_shrink_is_shown_at_its_size() -> None:
    """The path would be drawn, and the plate marked, beside the vehicle."""
    kept = Ring()
    kept.offer(frame(0, image=RNG.integers(0, 256, (900, 1200, 3), dtype=np.uint8)))
    (still,) = kept
    decoded = cv2.imdecode(np.frombuffer(still.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape < (900, 1200, 3)
    assert still.frame().image.shape == (900, 1200, 3)


def test_around_a_moment_is_what_was_before_and_after_it() -> None:
    """The evidence would show another second than that of the violation."""
    around = filled(25 * 10).around(START + timedelta(seconds=5), 1.0)
    assert [still.index for still in around] == list(range(100, 151, 5))


def test_what_went_on_for_minutes_is_shown_from_its_begin() -> None:
    """A car that stood in a junction for two minutes would be accused with pictures of four seconds."""
    kept = filled(5 * 180, fps=5)
    since, at = START + timedelta(seconds=50), START + timedelta(seconds=170)
    shown = kept.around(at, 1.0, since=since)
    elapsed_s = [round(still.mono_ns / 1e9, 1) for still in shown]
    assert abs(elapsed_s[0] - 50) <= 5
    assert all(later - earlier <= 11 for earlier, later in pairwise(elapsed_s))
    assert shown[-len(kept.around(at, 1.0)) :] == kept.around(at, 1.0)
    assert kept.around(at, 1.0, since=at - timedelta(seconds=0.5)) == kept.around(at, 1.0)


def scene(index: int) -> np.ndarray:
    """A picture whose brightness says which one it is."""
    return np.full((360, 640, 3), 20 * index, np.uint8)


def stills(count: int, *, noisy: bool = False) -> list[Still]:
    kept = Ring()
    for index in range(count):
        image = RNG.integers(0, 256, (720, 1280, 3), dtype=np.uint8) if noisy else scene(index)
        kept.offer(frame(index, 5.0, image))
    return list(kept)


def decoded(film: bytes, path: Path) -> tuple[list[np.ndarray], float]:
    path.write_bytes(film)
    capture = cv2.VideoCapture(str(path))
    images = []
    while (read := capture.read())[0]:
        images.append(read[1])
    fps = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return images, fps


def test_a_clip_plays_the_pictures_at_their_pace(tmp_path: Path) -> None:
    """A clip that no player opens, or that runs at another speed, would show another thing than what happened."""
    images, fps = decoded(clip(stills(11)), tmp_path / "clip.avi")
    assert fps == pytest.approx(5.0)
    assert [round(float(image.mean()) / 20) for image in images] == list(range(11))
    assert images[0].shape == (180, 320, 3)


def test_a_clip_of_noise_still_fits(tmp_path: Path) -> None:
    """A wet night's clip would be too large for the broker and never arrive."""
    film = clip(stills(8, noisy=True), 200_000)
    assert len(film) <= 200_000 < MAX_EVIDENCE_BYTES
    assert len(decoded(film, tmp_path / "clip.avi")[0]) == 8


def test_the_same_pictures_are_the_same_clip() -> None:
    """A replay must write the same bytes."""
    assert clip(stills(5)) == clip(stills(5))
