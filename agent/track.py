"""Plates followed through frames (pure, deterministic; time comes from the frames, never from their number).

Each frame's detections are matched to the predicted places of the open tracks. A match must be clear: where two
tracks could claim one plate, or one track two plates, and neither fits distinctly better, nobody gets it this frame
and the tracks coast on until the vehicles part. So a merge or an occlusion costs a few points, and never a swap.
The last guard are the reads: a track whose plate turns into another one is broken, ends there, and never accuses.
They also join what an occlusion has parted (`agent.rest`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations
from math import hypot

from agent.motion import NS, Ground, misfit, predict
from agent.plate import edit_distance
from agent.rest import is_confident, is_same, settled_plate, stands
from agent.types import Box, Detection, PlateRead, Track, TrackPoint


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """How long and how much a tracker remembers."""

    max_gap_s: float = 0.8
    """A vehicle hidden for longer is a new one, unless its plate says that it is not."""
    max_moving_gap_s: float = 3.0
    """One that drove when it was hidden is the same for so long, if it is found on its way with its plate: a bus beside
    it that rolls up to the stop line as well. In 3 s one that drives on has left the picture by itself."""
    max_rest_gap_s: float = 8.0
    """One that stood when it was hidden is the same for so long, if it is found in its place with its plate: a bus
    that lets people out. The ring keeps pictures for 12 s, so that of those before it was hidden some are left."""
    max_first_gap_s: float = 0.25
    """The same for a plate seen only once, whose speed is unknown."""
    clear_margin: float = 0.25
    """Least difference in fit (1 is the edge of the gate) between the right match and any rival."""
    max_points: int = 64
    """Points kept: 64 of 200 bytes, at 25 frames/s every point of 2.5 s, every third of 8 s; of a vehicle that waits
    and then goes on, most are of its way."""
    kept_reads: int = 16
    """Best reads never dropped; more add nothing, as the frames of one track are not independent."""
    recent_points: int = 8
    """Latest points never dropped: the prediction needs them."""
    max_duration_s: float = 300.0
    """A vehicle that stands in view for longer is judged, and followed as a new one from then on."""


_MIN_READ_WIDTH_PX = 36.0
"""Below, a character is four pixels wide and no network reads it."""
_ENOUGH_READS = 5
"""Confident reads of one text after which reading is rare; with the design effect they count as 2.3 independent."""
_REREAD_S = 0.5
_PATIENT_READS = 8
"""Reads without agreement after which only every tenth of a second is tried: fog, dirt, a sticker."""
_AS_NEAR = 0.8
"""Reads of a plate that was smaller than this share of what it is now count in neither: five from afar may agree and be
doubtful, and what passes at 100 km/h is large for six frames, and would be read in two of them."""
_PATIENT_S = 0.1
_STILL = 0.05
"""Share of a plate's width by which it moves or grows at least from one view to the next: half a character."""
_STANDING_WIDTHS_PER_S = 0.2
"""What a second at rest is worth beside way: a vehicle at walking pace goes four widths in it."""

Pair = tuple[int, int]
"""Track id, index of the detection."""


class Tracker:
    """Follows plates; ids count up from 1 and are never used again."""

    def __init__(self, settings: TrackerSettings | None = None, ground: Ground | None = None) -> None:
        """`ground` None: the site is not calibrated."""
        self._settings = settings or TrackerSettings()
        self._ground = ground
        self._open: dict[int, Track] = {}
        self._hidden: dict[int, Track] = {}
        """Those whose plate is known: nothing is matched to them any more, but what is read may join them."""
        self._next_id = 1

    def update(
        self, frame_index: int, at: datetime, mono_ns: int, detections: Sequence[Detection], *, cut: bool = False
    ) -> tuple[Track, ...]:
        """Take one frame's detections; returns the tracks that are open now and those that ended with this frame.

        cut: new footage begins with this frame, so nobody has come from the one before it.
        """
        closed = self.close() if cut else self._close_old(mono_ns)
        distinct = _distinct(detections)
        fits = _fits(self._open, mono_ns, distinct, self._ground)
        matches, withheld = assign(fits, self._settings.clear_margin)
        for track_id, track in self._open.items():
            if track_id not in matches:
                self._open[track_id] = replace(track, missed=track.missed + 1)
        for track_id, index in matches.items():
            self._append(track_id, TrackPoint(frame_index, at, mono_ns, distinct[index], None))
        for index, detection in enumerate(distinct):
            if index not in withheld and index not in matches.values():
                self._start(TrackPoint(frame_index, at, mono_ns, detection, None))
        return (*self._open.values(), *closed)

    def attach_read(self, track_id: int, read: PlateRead) -> int:
        """Give the track's latest point what was read there. Raises KeyError for a track that is not open.

        Returns the track's id from now on: another, where the read shows that it is one that was hidden.
        """
        track = self._open[track_id]
        points = (*track.points[:-1], replace(track.points[-1], read=read))
        broken = track.broken or plate_changed([p.read for p in points if p.read])
        self._open[track_id] = replace(track, points=self._bounded(points), broken=broken)
        return self._joined(track_id)

    def _joined(self, track_id: int) -> int:
        """The id of the track after it was joined to the hidden one that it goes on from, if there is one."""
        later = self._open[track_id]
        earlier = next((each for each in self._hidden.values() if self._is_same(each, later)), None)
        if earlier is None or later.broken:
            return track_id
        del self._open[track_id], self._hidden[earlier.track_id]
        self._open[earlier.track_id] = replace(
            later, track_id=earlier.track_id, points=self._bounded((*earlier.points, *later.points))
        )
        return earlier.track_id

    def close(self) -> tuple[Track, ...]:
        """Nothing goes on from here: end all tracks."""
        closed = tuple(replace(track, closed=True) for track in (*self._hidden.values(), *self._open.values()))
        self._hidden.clear()
        self._open.clear()
        return closed

    def _close_old(self, mono_ns: int) -> tuple[Track, ...]:
        """End those that were not seen for too long; those that may come to light, later."""
        gone = [track for track in self._hidden.values() if self._is_gone(track, mono_ns)]
        ended = [track for track in self._open.values() if self._has_ended(track, mono_ns)]
        hidden = [track for track in ended if self._may_come_to_light(track, mono_ns)]
        for track in gone:
            del self._hidden[track.track_id]
        for track in ended:
            del self._open[track.track_id]
        self._hidden |= {track.track_id: track for track in hidden}
        return tuple(replace(track, closed=True) for track in (*gone, *ended) if track.track_id not in self._hidden)

    def _may_come_to_light(self, track: Track, mono_ns: int) -> bool:
        is_whole = not track.broken and not self._is_gone(track, mono_ns)
        return is_whole and settled_plate(track.points) is not None

    def _is_same(self, hidden: Track, later: Track) -> bool:
        return is_same(hidden.points, later.points, self._ground)

    def _is_gone(self, track: Track, mono_ns: int) -> bool:
        """Whether a vehicle has been hidden, or in view, for too long to wait for it."""
        is_old = mono_ns - track.points[0].mono_ns > self._settings.max_duration_s * NS
        at_rest = stands(track.points)
        longest_s = self._settings.max_rest_gap_s if at_rest else self._settings.max_moving_gap_s
        return is_old or mono_ns - track.points[-1].mono_ns > longest_s * NS

    def _has_ended(self, track: Track, mono_ns: int) -> bool:
        gap_s = (mono_ns - track.points[-1].mono_ns) / NS
        # the very next frame may always match, however slow the camera
        once = len(track.points) == 1 and track.missed > 0
        if track.broken or mono_ns - track.points[0].mono_ns > self._settings.max_duration_s * NS:
            return True
        return gap_s > (self._settings.max_first_gap_s if once else self._settings.max_gap_s)

    def _start(self, point: TrackPoint) -> None:
        self._open[self._next_id] = Track(self._next_id, (point,), missed=0, closed=False, broken=False)
        self._next_id += 1

    def _append(self, track_id: int, point: TrackPoint) -> None:
        track = self._open[track_id]
        self._open[track_id] = replace(track, points=self._bounded((*track.points, point)), missed=0)

    def _bounded(self, points: tuple[TrackPoint, ...]) -> tuple[TrackPoint, ...]:
        """Without the points that are missed least, once there are too many; first, latest and best reads stay."""
        while len(points) > self._settings.max_points:
            best = sorted((i for i, p in enumerate(points) if p.read), key=lambda i: -_worth(points[i].read))
            kept = {0, *best[: self._settings.kept_reads]}
            free = [i for i in range(len(points) - self._settings.recent_points) if i not in kept]
            drop = min(free, key=lambda i: _gap(points[i - 1], points[i + 1]))
            points = (*points[:drop], *points[drop + 1 :])
        return points


def _gap(one: TrackPoint, other: TrackPoint) -> float:
    """How much way, in plate widths, and time there is between two points."""
    a, b = one.detection.box, other.detection.box
    way = hypot(b.centre.x - a.centre.x, b.centre.y - a.centre.y) / max(a.width, b.width, 1.0)
    return way + _STANDING_WIDTHS_PER_S * (other.mono_ns - one.mono_ns) / NS


def _worth(read: PlateRead | None) -> float:
    """How much would be lost with a read: its text, and the second line, which few frames have."""
    if read is None:
        return 0.0
    return read.confidence * read.readability + (read.expiry.probability if read.expiry else 0.0)


def _distinct(detections: Sequence[Detection]) -> list[Detection]:
    """Without detections whose centre lies in a better one: plates do not overlap, so that is one plate twice."""
    distinct: list[Detection] = []
    for detection in sorted(detections, key=lambda d: (-d.score, d.box)):
        x, y = detection.box.centre
        if not any(o.box.x1 <= x <= o.box.x2 and o.box.y1 <= y <= o.box.y2 for o in distinct):
            distinct.append(detection)
    return sorted(distinct, key=lambda d: d.box)


def _fits(
    tracks: Mapping[int, Track], mono_ns: int, detections: Sequence[Detection], ground: Ground | None
) -> dict[Pair, float]:
    """All pairs within their gates and how badly they fit."""
    fits = {}
    for track_id, track in tracks.items():
        prediction = predict(track.points, mono_ns, ground)
        for index, detection in enumerate(detections):
            fit = misfit(prediction, detection)
            if fit is not None:
                fits[track_id, index] = fit
    return fits


def assign(fits: Mapping[Pair, float], margin: float) -> tuple[dict[int, int], set[int]]:
    """Who gets which detection: best fits first, each once, and only where no rival comes within `margin`.

    A rival counts unless it is distinctly better off elsewhere. Returns the matches and the detections that are
    withheld because their owner is in doubt; these start no track either.
    """
    taken: dict[int, int] = {}
    for track_id, index in sorted(fits, key=lambda pair: (fits[pair], pair)):
        if track_id not in taken and index not in taken.values():
            taken[track_id] = index
    doubtful = {pair[0] for pair in taken.items() if _has_rival(pair, fits, margin)}
    matches = {track_id: index for track_id, index in taken.items() if track_id not in doubtful}
    claimed = {index for track_id, index in fits if track_id in doubtful}
    return matches, claimed - set(matches.values())


def _has_rival(pair: Pair, fits: Mapping[Pair, float], margin: float) -> bool:
    """Whether this track could as well have another detection, or this detection another track."""
    track_id, index = pair
    for other_track, other_index in fits:
        shares_track, shares_plate = other_track == track_id, other_index == index
        if shares_track == shares_plate or fits[other_track, other_index] >= fits[pair] + margin:
            continue
        if shares_plate:
            elsewhere = [fits[t, i] for t, i in fits if t == other_track and i != index]
        else:
            elsewhere = [fits[t, i] for t, i in fits if i == other_index and t != track_id]
        if not any(fit + margin <= fits[other_track, other_index] for fit in elsewhere):
            return True
    return False


def plate_changed(reads: Sequence[PlateRead]) -> bool:
    """Whether the latest two confident reads agree on a plate that two earlier ones, which agree as well, contradict.

    One contradicting read is a misread, which fusion outvotes and validation doubts; two that agree are another
    vehicle.
    """
    texts = [read.text for read in reads if is_confident(read)]
    latest, earlier = texts[-2:], texts[:-2]
    if len(earlier) < 2 or not _is_one_plate(*latest):
        return False
    others = [text for text in earlier if not any(_is_one_plate(text, each) for each in latest)]
    return any(_is_one_plate(one, other) for one, other in combinations(others, 2))


def _is_one_plate(one: str, other: str) -> bool:
    """Whether two texts may be one plate misread: by up to two characters from afar. Neighbours' differ in six."""
    return edit_distance(one, other) <= 2


def shares_of_views(points: Sequence[TrackPoint]) -> list[float]:
    """What each read of a track counts for: those of a plate that has not moved show one view, and count as one."""
    views: list[list[TrackPoint]] = []
    for point in points:
        if point.read is None:
            continue
        if views and _is_one_view(views[-1][0].detection.box, point.detection.box):
            views[-1].append(point)
        else:
            views.append([point])
    return [1 / len(view) for view in views for _ in view]


def _is_one_view(one: Box, other: Box) -> bool:
    """Whether a plate is seen as it was: less moved than a detector's corners tremble by."""
    moved = hypot(other.centre.x - one.centre.x, other.centre.y - one.centre.y)
    return moved < _STILL * one.width and abs(other.width - one.width) < _STILL * one.width


def worth_reading(track: Track, *, wanted: bool = False) -> bool:
    """Whether reading the track's latest plate is worth its milliseconds.

    Yes while the plate is large enough and no text is settled from about as near; then every half a second, so that a
    plate that changes is noticed. `wanted`: a rule lacks more than the text still.
    """
    last = track.points[-1]
    if track.closed or track.broken or track.missed or last.read:
        return False
    if last.detection.box.width < _MIN_READ_WIDTH_PX:
        return False
    read_points = [p for p in track.points if p.read]
    if not read_points:
        return True
    since_s = (last.mono_ns - read_points[-1].mono_ns) / NS
    as_near = [p for p in read_points if p.detection.box.width >= _AS_NEAR * last.detection.box.width]
    texts = Counter(p.read.text for p in as_near if p.read and is_confident(p.read))
    if texts and max(texts.values()) >= _ENOUGH_READS and not wanted:
        return since_s >= _REREAD_S
    return len(as_near) < _PATIENT_READS or since_s >= _PATIENT_S
