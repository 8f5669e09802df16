"""Vehicles that something hides: who comes to light is the one that was there, or another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from test_track import START, plate, read

from agent.track import Tracker, TrackerSettings
from agent.types import Detection, PlateRead, Track

FPS = 12.5
HERE = plate(100, 100)
OURS, NEXT = read("B1234XYZ"), read("B1299ABC")
Look = tuple[Detection, PlateRead] | None
SEEN, UNSEEN = [(HERE, OURS)] * 15, [None] * 50
"""1.2 s in sight, and 4 s behind a bus."""
COMING: list[Look] = [(plate(100, 40 + 4 * n), OURS) for n in range(16)]
"""A plate's half width a frame, down the picture."""


def follow(looks: list[Look]) -> list[Track]:
    """The tracks of a place, every plate read in every frame."""
    tracker, ended = Tracker(), []
    for index, look in enumerate(looks):
        mono_ns = round(index / FPS * 1e9)
        tracks = tracker.update(index, START, mono_ns, [look[0]] if look else [])
        ended += [track for track in tracks if track.closed]
        for track in tracks:
            if look and not track.closed and not track.missed:
                tracker.attach_read(track.track_id, look[1])
    return [*ended, *tracker.close()]


def frames_of(track: Track) -> Iterator[int]:
    return (point.frame_index for point in track.points)


def test_a_vehicle_at_rest_behind_a_bus_is_one_vehicle() -> None:
    """Who stands where nobody may for half a minute would have stood for a few seconds twice."""
    (track,) = follow([*SEEN, *UNSEEN, *SEEN])
    assert list(frames_of(track)) == [*range(15), *range(65, 80)]
    assert not track.broken


@pytest.mark.parametrize(
    "afterwards",
    [
        [(HERE, NEXT)] * 15,
        [(HERE, read("B1234XYV"))] * 15,
        [(HERE, read("B1234XYZ", 0.6))] * 15,
        [(HERE, OURS)],
        [(plate(140, 100), OURS)] * 15,
        [(plate(100, 100, width=110), OURS)] * 15,
    ],
    ids=["another plate", "one character", "not read surely", "read once", "elsewhere", "nearer"],
)
def test_what_may_be_another_vehicle_is_one(afterwards: list[Look]) -> None:
    """The next in the queue would be told to have stood there as long as the one before."""
    first, second = follow([*SEEN, *UNSEEN, *afterwards])
    assert list(frames_of(first)) == list(range(15))
    assert list(frames_of(second)) == [65 + n for n in range(len(afterwards))]


def test_who_drove_when_hidden_is_not_waited_for() -> None:
    """A car that went on behind the bus, and a second of the same plate that comes, are two passages."""
    assert len(follow([*COMING, *UNSEEN, *SEEN])) == 2


def test_who_rolled_on_behind_a_bus_is_one_vehicle() -> None:
    """Whose crossing of the stop line a bus hides would be another that stands past it, whom nobody saw cross."""
    for y in (104, 130, 180):
        (track,) = follow([*COMING, *UNSEEN[:25], *[(plate(100, y), OURS)] * 15])
        assert list(frames_of(track)) == [*range(16), *range(41, 56)]


@pytest.mark.parametrize(
    "afterwards",
    [(plate(100, 180), NEXT), (plate(100, 180), read("B1234XYV")), (plate(100, 60), OURS), (plate(290, 180), OURS),
     (plate(100, 420), OURS)],
    ids=["another plate", "one character", "behind", "beside", "too far"],
)  # fmt: skip
def test_who_cannot_have_come_from_there_is_another(afterwards: Look) -> None:
    """A neighbour of nearly the same plate would have crossed the line that the hidden one was to cross."""
    assert len(follow([*COMING, *UNSEEN[:25], *[afterwards] * 15])) == 2


def test_nobody_is_waited_for_for_ever() -> None:
    """Who drove away behind the bus, and comes back to his place later, did not stand there in between."""
    gap_s = TrackerSettings().max_rest_gap_s
    assert len(follow([*SEEN, *[None] * round((gap_s + 0.5) * FPS), *SEEN])) == 2
    assert len(follow([*SEEN, *[None] * round((gap_s - 0.5) * FPS), *SEEN])) == 1
