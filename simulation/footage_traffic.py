"""Who drives where and when: a scenario and a seed give trips, and no two of them meet in one place."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from agent.errors import ConfigError
from agent.plate import parse
from agent.types import PlateColour
from simulation.footage_drive import Drive, Halt, drive
from simulation.footage_parts import Stop, VehiclePlan
from simulation.footage_scenario import Scenario
from simulation.plates import PlateSpec
from simulation.road.camera import Floats
from simulation.road.canvas import Pose
from simulation.road.paint import PAINTS
from simulation.road.shapes import SHAPES, Kind
from simulation.road.street import Strip

FAR_M = 78.0
NEAR_M = -14.0
"""The stretch of road on which vehicles exist; its near end lies behind the camera, so that a bus is gone before."""
IN_VIEW_M = 6.0
"""Where the front of a vehicle that drives away comes into view."""
_STEP_S = 0.1
_GAP_M = (0.12, 1.0)
"""Least free space beside and behind a vehicle."""
_TRIES = 300


@dataclass(frozen=True, slots=True)
class Trip:
    """One vehicle's way past the camera."""

    id: int
    plan: VehiclePlan
    lane: Strip
    """The lane it comes in."""
    to_lane: Strip
    """The lane it leaves in, the same where it stays."""
    drive: Drive
    spec: PlateSpec
    seed: int

    @property
    def away(self) -> bool:
        """Whether it drives away from the camera and shows its rear."""
        return self.lane.towards == (self.plan.direction == "against")

    @property
    def plate_y_m(self) -> float:
        """How far behind its front the plate is that the camera sees."""
        shape = SHAPES[self.plan.kind]
        return (shape.rear_plate if self.away else shape.front_plate)[0]

    def pose(self, moment_s: float) -> Pose | None:
        """Where it is at a moment, None while it is not on the stretch."""
        driven = self.drive.driven(moment_s)
        front = IN_VIEW_M + driven if self.away else FAR_M - driven
        length = SHAPES[self.plan.kind].length_m
        rear = front - length if self.away else front + length
        if min(front, rear) > FAR_M or max(front, rear) < NEAR_M + length or driven < 0:
            return None
        across, turn = self._across(front)
        return Pose(across + self.plan.offset_m + self._sway(front), front, self.away, turn)

    def plate_m(self, moment_s: float) -> tuple[float, float] | None:
        """Where the plate that the camera sees is on the road, X and Y."""
        pose = self.pose(moment_s)
        if pose is None:
            return None
        behind = -self.plate_y_m if self.away else self.plate_y_m
        return pose.x_m + behind * math.sin(pose.turn_rad), pose.y_m + behind * math.cos(pose.turn_rad)

    def _across(self, front_m: float) -> tuple[float, float]:
        """Middle of its way across the road, and how far it is turned, while it changes lanes; radians."""
        change = self.plan.lane_change
        if change is None:
            return self.lane.centre_m, 0.0
        way = front_m - change.at_m if self.away else change.at_m - front_m
        share = min(1.0, max(0.0, way / change.over_m))
        shift = self.to_lane.centre_m - self.lane.centre_m
        slope = shift * 6 * share * (1 - share) / change.over_m
        return self.lane.centre_m + shift * share**2 * (3 - 2 * share), math.atan(slope if self.away else -slope)

    def _sway(self, front_m: float) -> float:
        """Nobody holds a line exactly: a hand's breadth to either side, and none while standing."""
        return 0.05 * math.sin(2 * math.pi * front_m / (40.0 + self.seed % 20) + self.seed)


def trips(scenario: Scenario, seed: int) -> tuple[Trip, ...]:
    """The listed vehicles and the made-up ones. Raises ConfigError where listed ones drive through each other."""
    found: list[Trip] = []
    taken: list[Floats] = []
    for number, plan in enumerate(scenario.vehicles):
        try:
            trip = make_trip(len(found) + 1, plan, scenario, np.random.default_rng([seed, number]))
        except ValueError as error:
            raise ConfigError(f"vehicles[{number}].{error}; give it more way or less speed") from None
        own = footprints(trip, scenario.duration_s)
        for other, its in enumerate(taken):
            meeting = first_meeting_s(own, its)
            if meeting is not None:
                raise ConfigError(
                    f"vehicles[{number}]: drives through vehicles[{other}] at {meeting:.1f} s; "
                    "change enters_at_s, speed_kmh or lane"
                )
        found.append(trip)
        taken.append(own)
    rng = np.random.default_rng([seed, 1000])
    wanted = len(found) + (scenario.random.vehicles if scenario.random else 0)
    for _ in range(_TRIES):
        if len(found) >= wanted:
            break
        trip = make_trip(len(found) + 1, _random_plan(scenario, rng), scenario, rng)
        own = footprints(trip, scenario.duration_s)
        if all(first_meeting_s(own, its) is None for its in taken):
            found.append(trip)
            taken.append(own)
    return tuple(found)


def make_trip(number: int, plan: VehiclePlan, scenario: Scenario, rng: np.random.Generator) -> Trip:
    """A plan on the road, what it leaves open made up. Raises ValueError where it cannot brake for one of its stops."""
    street = scenario.street
    lane = street.lane(plan.lane)
    to_lane = street.lane(plan.lane_change.to) if plan.lane_change else lane
    away = lane.towards == (plan.direction == "against")
    halts = [_halt(stop, plan, scenario, away) for stop in plan.stops]
    paint = plan.paint or str(rng.choice(["white", "silver", "grey", "black", "red", "blue", "navy", "maroon"]))
    return Trip(
        number,
        plan.model_copy(update={"paint": paint}),
        lane,
        to_lane,
        drive(plan.enters_at_s, plan.speed_kmh / 3.6, halts),
        _spec(plan, scenario, rng),
        int(rng.integers(1 << 30)),
    )


def _halt(stop: Stop, plan: VehiclePlan, scenario: Scenario, away: bool) -> Halt:
    signal = scenario.signal_of(plan.lane)
    front_m = stop.at_m
    if front_m is None:
        assert signal is not None
        assert stop.past_line_m is not None
        front_m = signal.line_m + (stop.past_line_m if away else -stop.past_line_m)
    return Halt(front_m - IN_VIEW_M if away else FAR_M - front_m, stop.for_s, stop.until_s)


def meeting_s(one: Trip, other: Trip, duration_s: float) -> float | None:
    """The first moment at which two vehicles are in one place, if there is any."""
    return first_meeting_s(footprints(one, duration_s), footprints(other, duration_s))


def footprints(trip: Trip, duration_s: float) -> Floats:
    """(n, 4) left, near, right and far edge of the vehicle on the road at each step; NaN while it is not there."""
    poses = (trip.pose(step * _STEP_S) for step in range(math.ceil(duration_s / _STEP_S) + 1))
    return np.array([_footprint(trip, pose) if pose else _NOWHERE for pose in poses])


_NOWHERE = (math.nan,) * 4


def first_meeting_s(one: Floats, other: Floats) -> float | None:
    """The same of two vehicles' footprints."""
    beside, behind = _GAP_M
    across = np.minimum(one[:, 2], other[:, 2]) - np.maximum(one[:, 0], other[:, 0]) > -beside
    along = np.minimum(one[:, 3], other[:, 3]) - np.maximum(one[:, 1], other[:, 1]) > -behind
    meeting = np.flatnonzero(across & along)
    return float(meeting[0]) * _STEP_S if len(meeting) else None


def _footprint(trip: Trip, pose: Pose) -> tuple[float, float, float, float]:
    shape = SHAPES[trip.plan.kind]
    rear = pose.y_m - shape.length_m if pose.away else pose.y_m + shape.length_m
    half = shape.width_m / 2
    return pose.x_m - half, min(pose.y_m, rear), pose.x_m + half, max(pose.y_m, rear)


def _spec(plan: VehiclePlan, scenario: Scenario, rng: np.random.Generator) -> PlateSpec:
    number = parse(plan.plate) if plan.plate else None
    text = f"{number.prefix} {number.number} {number.suffix}" if number else random_text(plan.kind, rng)
    style = plan.plate_style or ("old" if plan.plate_colour is PlateColour.BLACK else "new")
    vehicle = "motorcycle" if plan.kind is Kind.MOTORCYCLE else "car"
    year = scenario.start.year
    expiry = (int(rng.integers(1, 13)), int(rng.integers(year + 1, year + 6)))
    if plan.expiry:
        expiry = (int(plan.expiry[:2]), int(plan.expiry[3:]))
    return PlateSpec(text.strip(), expiry, plan.plate_colour, style, vehicle)  # type: ignore[arg-type]


_RANGES: dict[Kind, tuple[int, int]] = {
    Kind.MOTORCYCLE: (3000, 7000),
    Kind.BUS: (7000, 8000),
    Kind.TRUCK: (9000, 10000),
}


def random_text(kind: Kind, rng: np.random.Generator) -> str:
    """A plate of Polda Metro Jaya, with the number range of its kind."""
    low, high = _RANGES.get(kind, (1000, 3000))
    suffix = "".join(chr(ord("A") + int(i)) for i in rng.integers(0, 26, int(rng.choice([2, 3]))))
    return f"B {int(rng.integers(low, high))} {suffix}"


def _random_plan(scenario: Scenario, rng: np.random.Generator) -> VehiclePlan:
    assert scenario.random is not None
    kind = Kind(rng.choice([k.value for k in Kind], p=_KIND_SHARES))
    public = kind in (Kind.BUS, Kind.MINIBUS)
    colour = PlateColour.YELLOW if public else PlateColour(rng.choice(["black_on_white", "white_on_black"]))
    lane = scenario.lanes[int(rng.integers(len(scenario.lanes)))]
    return VehiclePlan(
        kind=kind,
        lane=lane.id,
        enters_at_s=round(float(rng.uniform(-6, scenario.duration_s - 1)), 2),
        speed_kmh=round(float(rng.uniform(28, 46)), 1),
        direction="against" if rng.random() < scenario.random.against else "with",
        plate_colour=colour,
        paint=str(rng.choice(list(PAINTS))),
        offset_m=round(float(rng.uniform(-1.0, 1.0) if kind is Kind.MOTORCYCLE else rng.uniform(-0.2, 0.2)), 2),
    )


_KIND_SHARES = [0.22, 0.3, 0.08, 0.08, 0.06, 0.26]
"""As the members of `Kind` stand: sedan, mpv, minibus, truck, bus, motorcycle."""
