"""Expiry (masa berlaku habis): the month on the plate's second line has passed, and the law's grace with it.

The line is small and half of a date accuses the wrong person: two frames at least must read the same month and year,
surely, and hardly any may read another. Where they do not, a person looks; where no date is likely, nobody.
"""

from __future__ import annotations

from calendar import monthrange
from collections import Counter
from dataclasses import dataclass
from datetime import date

from pydantic import Field

from agent.plate import date_posterior
from agent.rules.law import LawPart, RuleLaw
from agent.rules.path import clearest, main_lane, named_frames
from agent.scene import Scene
from agent.signal import Signals
from agent.types import Expiry as Month
from agent.types import PlateVote, Proof, Track, Violation, ViolationKind

_LIKELY = 0.5
"""A date less likely than this would cost a person's time for nothing."""


class ExpiryTerms(LawPart):
    """For how long after the month a registration is not held against its owner."""

    grace_days: int = Field(ge=1, le=400)
    """Days after the last one of the month."""


@dataclass(frozen=True, slots=True)
class Line:
    """What the frames of a track say of the second line."""

    month: int
    year: int
    agreeing: int
    """Frames that say this month and year."""
    read: int
    """Frames that say any."""
    probability: float
    """Its posterior over all of them."""

    def days_over(self, day: date) -> int:
        """Days since the last one of the month."""
        return (day - date(self.year, self.month, monthrange(self.year, self.month)[1])).days


class Expiry:
    """The rule with its law."""

    kind = ViolationKind.EXPIRY

    def __init__(self, law: RuleLaw[ExpiryTerms]) -> None:
        self._law = law

    def evaluate(self, track: Track, vote: PlateVote, scene: Scene, signals: Signals) -> Violation | None:
        """A finding when the month is over, as far as the line can be read; its margin is the days past the grace."""
        found = main_lane(track, scene, self.kind)
        if found is None:
            return None
        lane, points = found
        moment = clearest(points)
        day = moment.at.astimezone(scene.zone).date()
        version = self._law.on(day)
        if version is None:
            return None
        said = (each for each in _possible(track, scene) if each.days_over(day) > version.terms.grace_days)
        line = next(said, None)
        if line is None:
            return None
        return Violation(
            kind=self.kind,
            article=version.pasal,
            track_id=track.track_id,
            lane_id=lane.id,
            at=moment.at,
            frame_index=moment.frame_index,
            vote=vote,
            margin=line.days_over(day) / version.terms.grace_days - 1,
            facts=(
                ("local_time", moment.at.astimezone(scene.zone).isoformat(timespec="milliseconds")),
                ("valid_to", f"{line.month:02d}.{line.year}"),
                ("days_over", str(line.days_over(day))),
                ("grace_days", str(version.terms.grace_days)),
                ("agreeing_reads", f"{line.agreeing} of {line.read}"),
                ("probability", f"{line.probability:.4f}"),
                ("lane", lane.id),
            ),
            frames=named_frames(points[0], moment, points[-1]),
            proof=_proof(line, scene),
        )


def lacks_reads(track: Track, scene: Scene) -> bool:
    """Whether the rule is on and this vehicle's second line is not settled yet."""
    if ViolationKind.EXPIRY not in scene.rules:
        return False
    line = next(iter(second_lines(track)), None)
    return line is None or _proof(line, scene) is not Proof.WHOLE


def _possible(track: Track, scene: Scene) -> list[Line]:
    """The month that the second line surely says, else all that were read there."""
    lines = second_lines(track)
    return [line for line in lines[:1] if _proof(line, scene) is Proof.WHOLE] or lines


def second_lines(track: Track) -> list[Line]:
    """The months that were read there, those that most frames say first."""
    said: list[Month] = [point.read.expiry for point in track.points if point.read and point.read.expiry]
    counts = Counter((each.year, each.month) for each in said)
    ranked = sorted(counts.items(), key=lambda item: (item[1], item[0]), reverse=True)
    return [
        Line(month, year, agreeing, len(said), date_posterior(said, month, year)) for (year, month), agreeing in ranked
    ]


def _proof(line: Line, scene: Scene) -> Proof:
    settings = scene.expiry
    if line.agreeing < settings.min_agreeing_reads or line.probability < _LIKELY:
        return Proof.HIDDEN
    agree = 1 - line.agreeing / line.read <= settings.max_dissent
    return Proof.WHOLE if agree and line.probability >= settings.min_probability else Proof.DOUBTFUL
