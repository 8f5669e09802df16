"""Odd-even (ganjil-genap): on a restricted road, within the hours, with the wrong last digit for the day of the month.

The last digit of the plate's *number* counts, 0 is even, and it goes by the day of the month, never the weekday.
All of the vehicle's points in the lane must lie within the hours, so that one who leaves as they begin is free.
"""

from __future__ import annotations

from pydantic import Field

from agent.hours import Hours
from agent.markings import Lane
from agent.plate import PlateNumber, VehicleClass, parity_posterior, parse, vehicle_class
from agent.rules.calendar import Calendar
from agent.rules.law import LawPart, RuleLaw
from agent.rules.path import clearest, main_lane, named_frames
from agent.rules.schedule import InForce, in_force
from agent.scene import Scene
from agent.signal import Signals
from agent.types import PlateColour, PlateVote, Proof, Track, TrackPoint, Violation, ViolationKind


class OddEvenTerms(LawPart):
    """When odd-even holds, and for whom it does not."""

    hours: tuple[Hours, ...] = Field(min_length=1)
    off_on_holidays: bool = True
    """Whether national holidays and joint leave are free."""
    exempt_colours: tuple[PlateColour, ...] = ()
    """Plate colours the rule is not for."""
    exempt_classes: tuple[VehicleClass, ...] = ()
    """Classes by the number's range the rule is not for."""


class OddEven:
    """The rule with its law and the days on which it is off."""

    kind = ViolationKind.ODD_EVEN

    def __init__(self, law: RuleLaw[OddEvenTerms], calendar: Calendar) -> None:
        self._law = law
        self._calendar = calendar

    def evaluate(self, track: Track, vote: PlateVote, scene: Scene, signals: Signals) -> Violation | None:
        """A finding when the parity is rather wrong than right; its margin is the posterior past its threshold, and 0
        on a day the calendar does not cover, so that a person looks at it."""
        found = main_lane(track, scene, self.kind)
        plate = parse(vote.text)
        if found is None or plate is None or len(found[1]) < scene.odd_even.min_frames:
            return None
        lane, points = found
        moment = clearest(points)
        day = moment.at.astimezone(scene.zone).date()
        version = self._law.on(day)
        if version is None or _is_exempt(version.terms, plate, vote):
            return None
        terms = version.terms
        force = in_force(terms.hours, terms.off_on_holidays, points, self._calendar, scene.zone)
        wrong = parity_posterior(vote, even=day.day % 2 == 1)
        least = scene.odd_even.min_parity_posterior
        if force is None or wrong <= parity_posterior(vote, even=day.day % 2 == 0):
            return None
        return Violation(
            kind=self.kind,
            article=version.pasal,
            track_id=track.track_id,
            lane_id=lane.id,
            at=moment.at,
            frame_index=moment.frame_index,
            vote=vote,
            margin=max(0.0, wrong / least - 1) if force.certain else 0.0,
            facts=_facts(plate, moment, force, wrong, len(points), lane, scene),
            frames=named_frames(points[0], moment, points[-1]),
            proof=Proof.WHOLE if wrong >= least else Proof.DOUBTFUL,
        )


def _is_exempt(terms: OddEvenTerms, plate: PlateNumber, vote: PlateVote) -> bool:
    return vote.colour in terms.exempt_colours or vehicle_class(plate) in terms.exempt_classes


def _facts(
    plate: PlateNumber, moment: TrackPoint, force: InForce, wrong: float, frames: int, lane: Lane, scene: Scene
) -> tuple[tuple[str, str], ...]:
    local = moment.at.astimezone(scene.zone)
    return (
        ("local_time", local.isoformat(timespec="milliseconds")),
        ("hours", force.span),
        ("day_of_month", f"{local.day} ({_parity(local.day)})"),
        ("last_digit", f"{plate.number[-1]} ({_parity(int(plate.number[-1]))})"),
        ("parity_posterior", f"{wrong:.4f}"),
        ("min_parity_posterior", f"{scene.odd_even.min_parity_posterior:.4f}"),
        ("vehicle_class", vehicle_class(plate).value),
        ("lane", lane.id),
        ("frames_in_lane", str(frames)),
    )


def _parity(number: int) -> str:
    return "odd" if number % 2 else "even"
