"""Tracks: which plates of which frames are one vehicle."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from agent.motion import predict
from agent.plate import fuse
from agent.track import Tracker, TrackerSettings, assign, plate_changed, shares_of_views, worth_reading
from agent.types import Box, Candidate, Detection, Expiry, PlateColour, PlateRead, Point, Track

START = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)


def plate(x: float, y: float, width: float = 80.0, score: float = 0.9) -> Detection:
    box = Box(x - width / 2, y - width / 6, x + width / 2, y + width / 6)
    corners = (Point(box.x1, box.y1), Point(box.x2, box.y1), Point(box.x2, box.y2), Point(box.x1, box.y2))
    return Detection(box, corners, score)


def read(text: str, confidence: float = 0.97) -> PlateRead:
    candidates = (Candidate(text, confidence),)
    return PlateRead(candidates, (0.9,) * len(text), PlateColour.WHITE, 0.9, None, 1.0)


def follow(
    frames: Iterable[list[Detection]], fps: float = 25.0, tracker: Tracker | None = None, first: int = 0
) -> dict[int, Track]:
    """All tracks of some frames, as they were when they ended."""
    tracker = tracker or Tracker()
    tracks: dict[int, Track] = {}
    for index, detections in enumerate(frames, first):
        elapsed_s = index / fps
        at = START + timedelta(seconds=elapsed_s)
        tracks |= {t.track_id: t for t in tracker.update(index, at, round(elapsed_s * 1e9), detections)}
    return tracks | {t.track_id: t for t in tracker.close()}


def drive_by(x: float, speed_mps: float = 15.0, fps: float = 25.0, far_m: float = 30.0) -> list[Detection]:
    """A plate that comes straight at a camera 6 m up with a focal length of 1400 px, until it leaves below."""
    distances = (far_m - speed_mps * n / fps for n in range(round(fps * far_m / speed_mps)))
    return [plate(640 + 1400 * x / z, 1400 * 6 / z - 100, 1400 * 0.4 / z) for z in distances if z > 10]


def test_one_vehicle_is_one_track() -> None:
    """A car that drives past is one vehicle, at any frame rate."""
    for fps in (5.0, 12.5, 25.0, 60.0):
        path = drive_by(0, fps=fps)
        tracks = follow([[p] for p in path], fps)
        assert list(tracks) == [1]
        assert tracks[1].closed
        assert len(tracks[1].points) == min(len(path), TrackerSettings().max_points)


@pytest.mark.parametrize("hidden", [1, 3, 10])
def test_a_hidden_vehicle_is_found_again(hidden: int) -> None:
    """A car behind a lamp post or another car's mirror keeps its id."""
    path = drive_by(0, speed_mps=10)
    frames = [[] if 12 <= index < 12 + hidden else [p] for index, p in enumerate(path)]
    assert list(follow(frames)) == [1]


def test_a_vehicle_gone_for_long_is_a_new_one() -> None:
    """The next car on the same spot is not the one before."""
    frames = [[plate(100, 100)]] * 5 + [[]] * 25 + [[plate(100, 100)]] * 5
    assert list(follow(frames)) == [1, 2]


def test_prediction_is_exact_for_constant_speed_on_the_road() -> None:
    """A car that brakes for nobody is found again where perspective puts it, not where a straight line would."""
    path = drive_by(1.0, speed_mps=10)
    track = follow([[p] for p in path[:10]])[1]
    expected = path[19].box
    prediction = predict(track.points, round(19 / 25 * 1e9))
    assert prediction.centre == pytest.approx(expected.centre, abs=1e-6)
    assert prediction.size_px == pytest.approx(expected.area**0.5)


def test_side_by_side_never_share_a_track() -> None:
    """Two motorcycles abreast get their own letters, also when one of them is missed in some frames."""
    left, right = drive_by(-0.5), drive_by(0.5)
    frames = [[a, b] for a, b in zip(left, right, strict=True)]
    frames[10] = [left[10]]
    frames[20:24] = [[right[n]] for n in range(20, 24)]
    tracks = follow(frames)
    assert len(tracks) == 2
    for track in tracks.values():
        owners = {p.detection in left for p in track.points}
        assert len(owners) == 1


def test_tailgating_vehicles_stay_apart() -> None:
    """A car close behind another is neither the same one nor driving backwards."""
    ahead = drive_by(0, speed_mps=15, far_m=30)
    behind = drive_by(0, speed_mps=15, far_m=37)
    frames = [[a, b] for a, b in zip(ahead, behind, strict=False)] + [[b] for b in behind[len(ahead) :]]
    tracks = follow(frames)
    assert len(tracks) == 2
    assert {p.detection for p in tracks[2].points} <= set(behind) or {p.detection for p in tracks[1].points} <= set(
        behind
    )


def test_a_doubtful_match_is_not_made() -> None:
    """When two plates could be the same car, neither is taken, and no third vehicle is made up."""
    tracker = Tracker()
    follow_on = [[plate(100, 100 + 2 * n)] for n in range(10)]
    frames = [*follow_on, [plate(100, 106), plate(100, 134)], [plate(100, 122)]]
    for index, detections in enumerate(frames):
        tracks = tracker.update(index, START, index * 40_000_000, detections)
        assert [t.track_id for t in tracks] == [1]
    assert len(tracks[0].points) == 11


def test_assignment_prefers_the_clear_pairs() -> None:
    """A car that is clearly itself is not held up by a rival that is clearly somebody else."""
    clear = {(1, 0): 0.1, (1, 1): 0.6, (2, 1): 0.1, (2, 0): 0.6}
    assert assign(clear, 0.25) == ({1: 0, 2: 1}, set())
    swapped = {(1, 0): 0.4, (1, 1): 0.5, (2, 1): 0.4, (2, 0): 0.5}
    assert assign(swapped, 0.25) == ({}, {0, 1})
    assert assign({(1, 0): 0.1, (2, 0): 0.2}, 0.25) == ({}, {0})
    assert assign({}, 0.25) == ({}, set())


def test_one_plate_found_twice_is_one_plate() -> None:
    """A detector that sees a plate and a part of it does not make two vehicles."""
    frames = [[plate(100, 100 + n, score=0.9), plate(104, 101 + n, 50, score=0.5)] for n in range(10)]
    assert list(follow(frames)) == [1]


def test_a_cut_ends_all_tracks() -> None:
    """After a cut in the footage nobody has driven from one scene to the other, however well the places fit."""
    path = drive_by(0)
    tracker = Tracker()
    for index, found in enumerate(path[:20]):
        tracks = tracker.update(index, START, index * 40_000_000, [found], cut=index == 10)
        assert {t.track_id for t in tracks if not t.closed} == {1 + (index >= 10)}
        assert [t.track_id for t in tracks if t.closed] == ([1] if index == 10 else [])


def test_a_vehicle_that_never_leaves_is_judged() -> None:
    """A parked car ends as a track after five minutes, and is followed as a new one from there."""
    tracker = Tracker()
    ended = []
    for second in range(0, 700):
        tracks = tracker.update(second, START, second * 1_000_000_000 // 2, [plate(100, 100)])
        ended += [t for t in tracks if t.closed]
    assert [t.track_id for t in ended] == [1]
    assert ended[0].points[0].frame_index == 0
    assert ended[0].points[-1].frame_index == 600


def test_a_vehicle_that_waits_keeps_the_points_of_its_way() -> None:
    """A minute at the red light does not cost the moments in which the line was crossed."""
    waiting = [plate(100, 100)] * 1500
    going = [plate(100, 100 + 10 * n) for n in range(60)]
    track = follow([[p] for p in [*waiting, *going]])[1]
    on_way = [p.frame_index for p in track.points if p.frame_index >= 1500]
    assert len(on_way) >= 20
    assert max(b - a for a, b in pairwise(on_way)) <= 6


def test_points_are_bounded_and_even() -> None:
    """A lorry that stands in view for an hour costs no more memory than one that passes, and keeps its start."""
    tracker = Tracker()
    tracks: tuple[Track, ...] = ()
    for index in range(2000):
        tracks = tracker.update(index, START, index * 40_000_000, [plate(100, 100)])
        if index in (3, 500):
            tracker.attach_read(1, read("B1234XYZ"))
    points = tracks[0].points
    assert len(points) == TrackerSettings().max_points
    assert points[0].frame_index == 0
    assert points[-1].frame_index == 1999
    assert [p.frame_index for p in points if p.read] == [3, 500]
    older = [p.frame_index for p in points[: -TrackerSettings().recent_points]]
    assert max(b - a for a, b in pairwise(older)) <= 200


def test_the_second_line_is_not_dropped() -> None:
    """A car that waits in view would be read often enough for the few frames that show its expiry to be forgotten."""
    tracker = Tracker()
    tracks: tuple[Track, ...] = ()
    for index in range(200):
        tracks = tracker.update(index, START, index * 40_000_000, [plate(100, 100)])
        dated = replace(read("B1234XYZ", 0.93), expiry=Expiry(3, 2025, 0.95)) if index in (30, 31) else None
        tracker.attach_read(1, dated or read("B1234XYZ"))
    assert [p.frame_index for p in tracks[0].points if p.read and p.read.expiry] == [30, 31]


def _with_reads(*texts: str) -> Track:
    tracker = Tracker()
    tracks: tuple[Track, ...] = ()
    for index, text in enumerate(texts):
        tracker.update(index, START, index * 40_000_000, [plate(100, 100 + index)])
        tracker.attach_read(1, read(text))
    tracks = tracker.update(len(texts), START, len(texts) * 40_000_000, [plate(100, 100 + len(texts))])
    return next(t for t in tracks if t.track_id == 1)


def test_a_changed_plate_breaks_the_track() -> None:
    """A track that slid from one car to another ends there and can accuse neither."""
    broken = _with_reads("B1234XYZ", "B1234XYZ", "D5678AB", "D5678AB")
    assert broken.broken
    assert broken.closed
    assert not worth_reading(broken)


def test_a_single_misread_does_not_break_a_track() -> None:
    """One frame with a glare does not let an offender go."""
    assert not _with_reads("B1234XYZ", "D5678AB", "B1234XYZ").broken
    assert not _with_reads("D5678AB", "B1234XYZ", "B1234XYZ", "B1234XYZ").broken
    assert not _with_reads("B1284XYV", "B1284XYV", "B1234XYZ", "B1234XYZ").broken  # from afar, then from near
    assert not _with_reads("B1234XYZ", "B1234XYZ", "B1284XYZ", "B1284XYZ").broken
    assert not plate_changed([read("B1234XYZ"), read("D5678AB", 0.5), read("D5678AB", 0.5)])


def test_reads_are_spent_where_they_count() -> None:
    """A queue of cars in view does not cost the unit its frame rate, and a settled plate is still looked at."""
    tracker = Tracker()
    reads = 0
    for index in range(100):
        (track,) = tracker.update(index, START, index * 40_000_000, [plate(100, 100)])
        if worth_reading(track):
            reads += 1
            tracker.attach_read(1, read("B1234XYZ"))
    assert reads == 5 + 7
    (small,) = Tracker().update(0, START, 0, [plate(100, 100, width=20)])
    assert not worth_reading(small)


def _seen_at(places: Iterable[float]) -> Track:
    """A track of a plate that is read at each of these places, alike and a little doubtful."""
    tracker = Tracker()
    for index, x in enumerate(places):
        (track,) = tracker.update(index, START, index * 40_000_000, [plate(x, 100)])
        tracker.attach_read(1, read("B1234XYZ", 0.9))
    (track,) = tracker.close()
    return track


def test_a_plate_that_stands_still_is_one_view() -> None:
    """A misread of a car that waits at the light would grow sure by being repeated for half a minute."""
    standing = _seen_at(100 + 0.5 * (index % 2) for index in range(40))
    passing = _seen_at(100.0 + 8 * index for index in range(40))
    arriving = _seen_at([60.0, 80.0, *[100.0] * 20])

    def confidence(track: Track) -> float:
        reads = [point.read for point in track.points if point.read]
        return fuse(reads, shares_of_views(track.points)).confidence

    assert confidence(standing) == pytest.approx(0.9, abs=0.001)
    assert confidence(passing) > 0.98
    assert shares_of_views(arriving.points) == pytest.approx([1, 1, *[1 / 20] * 20])


@pytest.mark.parametrize(("confidence", "longest_pause"), [(0.2, 3), (0.95, 4)])
def test_what_comes_near_is_read_anew(confidence: float, longest_pause: int) -> None:
    """A fast car's plate would use up the reader's patience from afar, or be settled by five doubtful reads."""
    tracker = Tracker()
    read_at = []
    for index in range(30):
        (track,) = tracker.update(
            index, START, index * 40_000_000, [plate(100, 100 + 2 * index, width=40 * 1.03**index)]
        )
        if worth_reading(track):
            read_at.append(index)
            tracker.attach_read(1, read("B1234XYZ", confidence))
    assert len(read_at) >= 18
    assert max(b - a for a, b in pairwise(read_at)) <= longest_pause


def test_a_rule_may_want_more_reads() -> None:
    """The second line is legible from near only, when the number has long been settled."""
    tracker = Tracker()
    reads = 0
    for index in range(100):
        (track,) = tracker.update(index, START, index * 40_000_000, [plate(100, 100)])
        if worth_reading(track, wanted=index < 75):
            reads += 1
            tracker.attach_read(1, read("B1234XYZ"))
    assert reads == 8 + 22 + 2


def test_unreadable_plates_are_tried_less_often() -> None:
    """A plate under mud does not take the reader's time from the others."""
    tracker = Tracker()
    reads = 0
    for index in range(100):
        (track,) = tracker.update(index, START, index * 40_000_000, [plate(100, 100)])
        if worth_reading(track):
            reads += 1
            tracker.attach_read(1, read("B1234XYZ", 0.2))
    assert 30 <= reads <= 42
