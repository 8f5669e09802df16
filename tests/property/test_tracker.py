"""The tracker under jitter, missed frames and neighbours: whose plate is whose."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from agent.track import Tracker
from agent.types import Box, Candidate, Detection, PlateColour, PlateRead, Point, Track

START = datetime(2026, 11, 23, tzinfo=UTC)


@st.composite
def traffic(draw: st.DrawFn) -> tuple[float, list[list[tuple[int, Detection]]]]:
    """Frames of vehicles driving abreast, each plate named by its vehicle; plates are at least 1.5 widths apart."""
    fps = draw(st.sampled_from([8.0, 15.0, 25.0]))
    speed_mps = draw(st.floats(5, 20))
    abreast = draw(st.integers(1, 3))
    gap_m = draw(st.floats(0.7, 3.5))
    offsets_m = [draw(st.floats(-1, 1)) for _ in range(abreast)]
    rng = Random(draw(st.integers(0, 2**32)))
    frames = []
    for index in range(round(fps * 20 / speed_mps)):
        frame = []
        for vehicle in range(abreast):
            z = 32 + offsets_m[vehicle] - speed_mps * index / fps
            if z < 11 or rng.random() < 0.1:
                continue
            width = 1400 * 0.4 / z * (1 + rng.gauss(0, 0.02))
            x = 640 + 1400 * vehicle * gap_m / z + rng.gauss(0, 0.03) * width
            y = 1400 * 6 / z - 100 + rng.gauss(0, 0.03) * width
            box = Box(x - width / 2, y - width / 6, x + width / 2, y + width / 6)
            corners = (Point(box.x1, box.y1), Point(box.x2, box.y1), Point(box.x2, box.y2), Point(box.x1, box.y2))
            frame.append((vehicle, Detection(box, corners, rng.uniform(0.5, 1))))
        rng.shuffle(frame)
        frames.append(frame)
    return fps, frames


def run(fps: float, frames: list[list[tuple[int, Detection]]], extra: Detection | None = None) -> list[Track]:
    tracker, ended = Tracker(), []
    for index, frame in enumerate(frames):
        elapsed = timedelta(seconds=index / fps)
        detections = [detection for _, detection in frame] + ([extra] if extra else [])
        tracks = tracker.update(index, START + elapsed, round(index / fps * 1e9), detections)
        ended += [t for t in tracks if t.closed]
    return ended + list(tracker.close())


def owners(tracks: list[Track], frames: list[list[tuple[int, Detection]]]) -> list[set[int]]:
    return [
        {vehicle for p in track.points for vehicle, d in frames[p.frame_index] if d == p.detection} for track in tracks
    ]


@settings(max_examples=25, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
@given(traffic())
def test_a_track_is_one_vehicle(case: tuple[float, list[list[tuple[int, Detection]]]]) -> None:
    """A neighbour's plate is never put on another's vehicle, whatever is missed."""
    tracks = run(*case)
    assert all(len(vehicles) <= 1 for vehicles in owners(tracks, case[1]))
    assert len({t.track_id for t in tracks}) == len(tracks)
    assert all(t.closed for t in tracks)


@settings(max_examples=8, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
@given(traffic())
def test_no_frame_is_in_two_tracks(case: tuple[float, list[list[tuple[int, Detection]]]]) -> None:
    """One sight of a plate is evidence against one vehicle only, and a track's time goes forward."""
    tracks = run(*case)
    seen = [(p.frame_index, p.detection.box) for t in tracks for p in t.points]
    assert len(set(seen)) == len(seen)
    for track in tracks:
        times = [p.mono_ns for p in track.points]
        assert times == sorted(set(times))


@settings(max_examples=8, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
@given(traffic())
def test_order_and_strangers_change_nothing(case: tuple[float, list[list[tuple[int, Detection]]]]) -> None:
    """The same frames give the same tracks in whatever order plates are listed, and whoever is parked far away."""
    fps, frames = case
    plain = run(fps, frames)
    assert run(fps, [list(reversed(frame)) for frame in frames]) == plain
    box = Box(-900, 2000, -820, 2027)
    corner = Point(-900, 2000)
    stranger = Detection(box, (corner,) * 4, 0.9)
    with_stranger = [t.points for t in run(fps, frames, stranger) if t.points[0].detection != stranger]
    assert sorted(with_stranger, key=repr) == sorted((t.points for t in plain), key=repr)


@st.composite
def queue(draw: st.DrawFn) -> list[tuple[str, Detection, bool] | None]:
    """Frames of one lane in which one vehicle after the other stands or drives, hidden now and then: plate, detection,
    whether it is misread; None: something hides the lane."""
    rng = Random(draw(st.integers(0, 2**32)))
    plates = draw(st.lists(st.sampled_from(["B1234XYZ", "B1234XYV", "B77AB", "D4321QQ"]), min_size=2, max_size=5))
    frames: list[tuple[str, Detection, bool] | None] = []
    for text in plates:
        x, y = 100 + rng.uniform(-8, 8), 100 + rng.uniform(-8, 8)
        speed_px = draw(st.sampled_from([0.0, 0.0, 1.0, 4.0]))
        for hidden in (False, True, False, True):
            count = draw(st.integers(0, 60))
            for _ in range(count):
                width = 80 * (1 + rng.gauss(0, 0.02))
                y += speed_px
                cx, cy = x + rng.gauss(0, 1), y + rng.gauss(0, 1)
                box = Box(cx - width / 2, cy - width / 6, cx + width / 2, cy + width / 6)
                detection = Detection(box, (box.centre,) * 4, 0.9)
                frames.append(None if hidden else (text, detection, rng.random() < 0.05))
    return frames


@settings(max_examples=40, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
@given(queue())
def test_what_was_hidden_is_joined_to_none_but_itself(frames: list[tuple[str, Detection, bool] | None]) -> None:
    """A vehicle would be told to have stood where the one before it stood, for as long as both."""
    tracker, ended = Tracker(), []
    for index, frame in enumerate(frames):
        tracks = tracker.update(index, START, index * 80_000_000, [frame[1]] if frame else [])
        ended += [track for track in tracks if track.closed]
        for track in tracks:
            if frame and not track.closed and not track.missed:
                tracker.attach_read(track.track_id, read(frame[0] if not frame[2] else frame[0][:-1] + "W"))
    for track in (*ended, *tracker.close()):
        seen = [frames[point.frame_index] for point in track.points]
        assert len({frame[0] for frame in seen if frame}) == 1 or not _has_long_gap(track) or track.broken


def read(text: str) -> PlateRead:
    return PlateRead((Candidate(text, 0.97),), (0.9,) * len(text), PlateColour.WHITE, 0.9, None, 1.0)


def _has_long_gap(track: Track) -> bool:
    """Whether it was hidden for longer than any track is followed without its plate being read again."""
    return any(b.mono_ns - a.mono_ns > 1_000_000_000 for a, b in pairwise(track.points))
