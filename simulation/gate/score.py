"""Decisions against truth (pure): who is right, who was missed, and how sure the figures are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import hypot

from simulation.gate.lines import Decision, Place, Vehicle

_SAME_PLACE_PX = 60.0
"""A decision belongs to the vehicle whose plate is there in that frame: neighbours are a car's width apart."""

_NEXT_FRAMES = 5


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A decision and the vehicle it is about, as far as truth knows one there."""

    decision: Decision
    vehicle: Vehicle | None

    @property
    def is_right(self) -> bool:
        """Whether this very vehicle, by its plate, truly did this."""
        vehicle, decision = self.vehicle, self.decision
        return vehicle is not None and decision.plate == vehicle.plate and decision.kind in vehicle.violations


@dataclass(slots=True)
class Tally:
    """Figures of one rule."""

    vehicles: int = 0
    offenders: int = 0
    counted: int = 0
    """Offenders whose plate is large and clean enough to count, and who are seen doing it."""
    found: int = 0
    """Of them, accepted rightly."""
    accepted: int = 0
    right: int = 0
    review: int = 0
    rejected: int = 0
    unexplained: int = 0
    """Offenders that count, with no decision at all."""

    @property
    def precision(self) -> float | None:
        return self.right / self.accepted if self.accepted else None

    @property
    def recall(self) -> float | None:
        return self.found / self.counted if self.counted else None

    def add(self, other: Tally) -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(frozen=True, slots=True)
class Score:
    """How the decisions of one clip compare to its truth."""

    tallies: Mapping[str, Tally]
    """By rule."""
    judged: Sequence[Judged]
    missed: Sequence[tuple[str, Vehicle]]
    """Rule and vehicle: offenders that count and were not accepted."""
    false: Sequence[Judged] = field(default_factory=list)
    """Accepted, and not right."""


def score(
    rules: Iterable[str],
    decided: Sequence[Decision],
    paths: Mapping[int, Mapping[int, Place]],
    vehicles: Sequence[Vehicle],
) -> Score:
    """`rules`: those that are on in the clip; `paths`: middles of plates by track and frame."""
    judged = [Judged(each, _owner(each, paths, vehicles)) for each in decided]
    tallies = {kind: _tally(kind, judged, vehicles) for kind in rules}
    found = {(each.decision.kind, each.vehicle.id) for each in judged if _is_found(each) and each.vehicle}
    missed = [
        (kind, vehicle)
        for kind in tallies
        for vehicle in vehicles
        if vehicle.counts(kind) and (kind, vehicle.id) not in found
    ]
    false = [each for each in judged if each.decision.outcome == "accepted" and not each.is_right]
    return Score(tallies, judged, missed, false)


def _tally(kind: str, judged: Sequence[Judged], vehicles: Sequence[Vehicle]) -> Tally:
    mine = [each for each in judged if each.decision.kind == kind]
    offenders = [vehicle for vehicle in vehicles if kind in vehicle.violations]
    counted = {vehicle.id for vehicle in offenders if vehicle.counts(kind)}
    found = {each.vehicle.id for each in mine if each.vehicle and _is_found(each)} & counted
    seen = {each.vehicle.id for each in mine if each.vehicle}
    outcomes = [each.decision.outcome for each in mine]
    return Tally(
        vehicles=len(vehicles),
        offenders=len(offenders),
        counted=len(counted),
        found=len(found),
        accepted=outcomes.count("accepted"),
        right=sum(_is_found(each) for each in mine),
        review=outcomes.count("review"),
        rejected=outcomes.count("rejected"),
        unexplained=len(counted - seen),
    )


def _is_found(judged: Judged) -> bool:
    return judged.decision.outcome == "accepted" and judged.is_right


def _owner(decision: Decision, paths: Mapping[int, Mapping[int, Place]], vehicles: Sequence[Vehicle]) -> Vehicle | None:
    """The vehicle whose plate is where the decision's is; by the text where truth knows no places."""
    path = paths.get(decision.track, {})
    there = [(apart, v) for v in vehicles if (apart := _apart_px(path, v, decision.frame)) is not None]
    if there:
        distance, vehicle = min(there, key=lambda each: each[0])
        return vehicle if distance <= _SAME_PLACE_PX else None
    return next((vehicle for vehicle in vehicles if vehicle.plate == decision.plate and not vehicle.places), None)


def _apart_px(path: Mapping[int, Place], vehicle: Vehicle, frame: int) -> float | None:
    """How far a track is from a vehicle's plate in a frame, or in the next to it in which truth knows the plate: a
    detector still finds one of which a corner is covered or outside. None where they are never seen together."""
    both = [each for each in path.keys() & vehicle.places.keys() if abs(each - frame) <= _NEXT_FRAMES]
    if not both:
        return None
    nearest = min(both, key=lambda each: (abs(each - frame), each))
    (x, y), (found_x, found_y) = vehicle.places[nearest], path[nearest]
    return hypot(x - found_x, y - found_y)
