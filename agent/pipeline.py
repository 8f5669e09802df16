"""One frame's way from the lens to findings: detect, follow, read, apply the rules, judge.

A vehicle is judged once, when its plate has left the picture: then all the evidence of its track is there. Stages
come in through the constructor and do not know each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from agent.cuts import CutDetector
from agent.errors import CaptureError, ConfigError
from agent.plate import fuse
from agent.ring import Ring, Still
from agent.rules import Rule
from agent.rules.expiry import lacks_reads
from agent.rules.path import crosses_line
from agent.scene import Scene
from agent.signal import LightHistory, Signals, with_samples
from agent.track import Tracker, shares_of_views, worth_reading
from agent.types import (
    Cuts,
    Decision,
    Detector,
    Frame,
    Image,
    Lights,
    Outcome,
    PlateVote,
    Reader,
    Track,
    TrackPoint,
    Violation,
)
from agent.validate import Recent, Thresholds, validate

MAX_READS_PER_FRAME = 4
"""Reads are about 2 ms; four keep a 25 frames/s unit within its frame time when a queue of cars stands in view."""
AROUND_S = 2.0
"""How much before and after a violation's moment its evidence shows, as far as it is kept."""


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """A rule's violation with the machine's judgement and the picture that shows it."""

    violation: Violation
    decision: Decision
    track: Track
    context: Frame
    """The kept frame nearest to the violation's moment that shows the plate."""
    portrait: Frame
    """The frame in which the plate was largest."""
    began: datetime
    """When the rule's frame before the violation was taken: a vehicle that stood somewhere had stood since then."""
    around: tuple[Still, ...]
    """What the ring holds from around the violation's moment, and from when it began."""

    @property
    def point(self) -> TrackPoint:
        """Where the plate is in the context picture."""
        return self.point_in(self.context)

    def point_in(self, frame: Frame) -> TrackPoint:
        """Where the plate is in a kept frame."""
        return _point_near(self.track, frame.index)


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """A vehicle that has left the picture: its track, its fused plate and what was found about it."""

    track: Track
    vote: PlateVote
    findings: tuple[Finding, ...]


class Pipeline:
    """Frames in, followed vehicles with their findings out."""

    def __init__(
        self,
        detector: Detector,
        reader: Reader,
        tracker: Tracker,
        scene: Scene,
        rules: Sequence[Rule],
        thresholds: Thresholds,
        lights: Lights,
        *,
        clock_synchronised: bool,
        cuts: Cuts | None = None,
    ) -> None:
        """`cuts` None: found by comparing pictures."""
        self._detector = detector
        self._reader = reader
        self._tracker = tracker
        self._scene = scene
        self._rules = rules
        self._thresholds = thresholds
        self._clock_synchronised = clock_synchronised
        self._lights = lights
        self._signals = _unseen(scene)
        self._cuts = cuts or CutDetector(scene.ignored)
        self._recent = Recent(thresholds)
        self._keyframes: dict[int, _Keyframes] = {}
        self._ring = Ring()
        self.counters: Counter[str] = Counter()
        """Frames, plates, reads and vehicles seen; vehicles by lines crossed; candidates by outcome and by reason."""

    def step(self, frame: Frame) -> tuple[Followed, ...]:
        """Take the next frame; returns the vehicles whose plates have left the picture by it."""
        self._check_size(frame)
        self._ring.offer(frame)
        self._signals = with_samples(self._signals, self._lights.look(frame))
        detections = tuple(
            each for each in self._detector.detect(frame.image) if not self._scene.ignored(each.box.centre)
        )
        self.counters.update(frames=1, plates=len(detections))
        cut = self._cuts.is_cut(frame.image)
        tracks = self._tracker.update(frame.index, frame.at, frame.mono_ns, detections, cut=cut)
        self._read(frame, [track for track in tracks if not track.closed])
        followed = tuple(self._judge(track) for track in tracks if track.closed)
        if cut:
            self.counters["cuts"] += 1
            self._signals = _unseen(self._scene)
        return followed

    def finish(self) -> tuple[Followed, ...]:
        """The footage has ended: judge the vehicles that are still in the picture."""
        return tuple(self._judge(track) for track in self._tracker.close())

    def run(self, frames: Iterator[Frame]) -> Iterator[Followed]:
        """All frames of a source, then the end of it; what was seen before a source breaks off is judged, too."""
        try:
            for frame in frames:
                yield from self.step(frame)
        except CaptureError:
            yield from self.finish()
            raise
        yield from self.finish()

    def _check_size(self, frame: Frame) -> None:
        height, width = frame.image.shape[:2]
        picture = self._scene.picture
        if (width, height) != (picture.width, picture.height):
            raise ConfigError(
                f"site {self._scene.id}: picture: is {picture.width}x{picture.height}, but the frames are "
                f"{width}x{height}; draw the site on a frame of this camera"
            )

    def _read(self, frame: Frame, tracks: list[Track]) -> None:
        seen = [track for track in tracks if track.missed == 0]
        for track in seen:
            self._keyframes.setdefault(track.track_id, _Keyframes()).offer(frame, track)
        waiting = [track for track in seen if worth_reading(track, wanted=lacks_reads(track, self._scene))]
        waiting.sort(key=self._urgency)
        for track in waiting[:MAX_READS_PER_FRAME]:
            read = self._reader.read(frame.image, track.points[-1].detection.corners)
            if self._tracker.attach_read(track.track_id, read) != track.track_id:
                # the earlier part of the track has pictures from the same place
                del self._keyframes[track.track_id]
            self.counters["reads"] += 1

    def _urgency(self, track: Track) -> tuple[bool, float]:
        """Those a rule looks at first, so that nobody parked beside the road takes their reads; then the nearest."""
        box = track.points[-1].detection.box
        return not self._scene.watches(box.centre), -box.area

    def _judge(self, track: Track) -> Followed:
        keyframes = self._keyframes.pop(track.track_id)
        reads = [point.read for point in track.points if point.read is not None]
        vote = fuse(reads, shares_of_views(track.points))
        self.counters["vehicles"] += 1
        lines = (line.id for line in self._scene.lines if crosses_line(track.points, line.points))
        self.counters.update(f"crossed.{line}" for line in lines)
        findings = []
        for rule in self._rules:
            violation = rule.evaluate(track, vote, self._scene, self._signals)
            if violation is None:
                continue
            decision = self._validate(violation, track)
            findings.append(self._finding(violation, decision, track, keyframes))
        return Followed(track, vote, tuple(findings))

    def _finding(self, violation: Violation, decision: Decision, track: Track, keyframes: _Keyframes) -> Finding:
        before = dict(violation.frames).get("before", violation.frame_index)
        began = _point_near(track, before).at
        around = self._ring.around(violation.at, AROUND_S, since=began)
        seen = {point.frame_index for point in track.points}
        shown: list[Frame | Still] = [*keyframes.frames, *(still for still in around if still.index in seen)]
        nearest = min(shown, key=lambda kept: abs(kept.index - violation.frame_index))
        context = nearest.frame() if isinstance(nearest, Still) else nearest
        return Finding(violation, decision, track, context, keyframes.largest, began, around)

    def _validate(self, violation: Violation, track: Track) -> Decision:
        decision = validate(violation, track, self._scene, self._thresholds, self._clock_synchronised, self._recent)
        self.counters[f"outcome.{decision.outcome}"] += 1
        self.counters.update(f"reason.{reason}" for reason in decision.reasons)
        return decision


def _point_near(track: Track, frame_index: int) -> TrackPoint:
    return min(track.points, key=lambda point: abs(point.frame_index - frame_index))


def _unseen(scene: Scene) -> Signals:
    """The lights of a site before anything was seen of them."""
    return {signal.id: LightHistory(signal.fresh_s) for signal in scene.signals}


class _Keyframes:
    """The two pictures kept of a vehicle: where its plate was largest, and the latest."""

    def __init__(self) -> None:
        self._best: tuple[float, Frame] | None = None
        self._latest: Frame | None = None

    def offer(self, frame: Frame, track: Track) -> None:
        detection = track.points[-1].detection
        worth = detection.score * detection.box.area
        if self._best is None or worth > self._best[0]:
            self._best = (worth, frame)
        self._latest = frame

    @property
    def largest(self) -> Frame:
        assert self._best is not None
        return self._best[1]

    @property
    def frames(self) -> tuple[Frame, Frame]:
        assert self._latest is not None
        return self.largest, self._latest


def crop_plate(finding: Finding) -> Image:
    """The plate where it was largest, with a margin of half its height on each side."""
    frame = finding.portrait
    box = finding.point_in(frame).detection.box
    margin = box.height / 2
    height, width = frame.image.shape[:2]
    left, top = max(0, int(box.x1 - margin)), max(0, int(box.y1 - margin))
    right, bottom = min(width, int(box.x2 + margin) + 1), min(height, int(box.y2 + margin) + 1)
    return frame.image[top:bottom, left:right]


def is_reported(decision: Decision) -> bool:
    """Whether the centre hears of it: what the unit rejects is counted in its status only."""
    return decision.outcome is not Outcome.REJECTED
