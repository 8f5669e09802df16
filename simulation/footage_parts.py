"""The parts of a scenario, as a maintainer writes them in YAML: camera, lanes, lights, zones, vehicles.

Distances along the road are metres from the camera; a vehicle's place is that of its front.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from agent.hours import Hours
from agent.markings import ZoneKind
from agent.plate import VehicleClass, parse, vehicle_class
from agent.types import LightState, PlateColour
from simulation.plates import Style
from simulation.road.paint import PAINTS
from simulation.road.shapes import Kind

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]

CLASSES: dict[Kind, VehicleClass] = {
    Kind.SEDAN: VehicleClass.PASSENGER,
    Kind.MPV: VehicleClass.PASSENGER,
    Kind.MINIBUS: VehicleClass.PASSENGER,
    Kind.TRUCK: VehicleClass.GOODS,
    Kind.BUS: VehicleClass.BUS,
    Kind.MOTORCYCLE: VehicleClass.MOTORCYCLE,
}
"""What number range the plate of each kind of vehicle is from."""


class Part(BaseModel):
    """What all parts of a scenario share."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Pole(Part):
    """The camera."""

    width: int = Field(default=1280, ge=160, le=3840)
    """Pixels."""
    height: int = Field(default=720, ge=90, le=2160)
    """Pixels."""
    focal_px: float = Field(default=2600, gt=100, le=20000)
    """Focal length; at 1280 pixels, 2600 shows a lane and a half at the lower edge."""
    height_m: float = Field(default=4.5, ge=3.4, le=12)
    """Above the road; a bus has to pass under it."""
    pitch_deg: float = Field(default=10.5, ge=2, le=45)
    """How far it looks down."""
    x_m: float = Field(default=0.4, ge=-8, le=8)
    """Right of the road's middle."""
    yaw_deg: float = Field(default=0.0, ge=-20, le=20)
    """How far it looks to the right."""
    wind_px: float = Field(default=0.7, ge=0, le=5)
    """How far the pole's trembling moves the picture, pixels."""


class Survey(Part):
    """How well the technician measured the road; the site file's calibration carries these errors, drawn by chance."""

    mark_error_m: float = Field(default=0.0, ge=0, le=1)
    """Standard error of a mark's place on the road, metres."""
    mark_error_px: float = Field(default=0.0, ge=0, le=20)
    """Standard error of its place in the picture, pixels."""
    camera_height_error_m: float = Field(default=0.0, ge=0, le=1)
    """Standard error of the camera's height, metres."""


class LanePlan(Part):
    """A lane; lanes are given from left to right."""

    id: Name
    """Short name."""
    width_m: float = Field(default=3.5, ge=2, le=6)
    """Metres."""
    permitted: Literal["towards", "away"] = "towards"
    """Which way traffic may go, as the camera sees it."""
    speed_limit_kmh: float | None = Field(default=None, gt=0, le=200)
    """What the sign says."""


class SignalPlan(Part):
    """A traffic light beside the road, and the stop line it governs."""

    id: Name = "S1"
    """Short name."""
    line_m: float = Field(default=20.0, ge=8, le=50)
    """Where the stop line is."""
    lanes: tuple[Name, ...] = Field(min_length=1)
    """The lanes it governs."""
    phases: tuple[tuple[LightState, Annotated[float, Field(gt=0, le=600)]], ...] = Field(min_length=1)
    """`[[green, 6], [yellow, 3], [red, 12]]`: colours and seconds, in turn, from the first frame on."""
    x_m: float | None = Field(default=None, ge=-20, le=20)
    """Where its post stands, right of the road's middle; left out: behind the right kerb."""
    y_m: float = Field(default=26.0, ge=10, le=80)
    """Where its post stands along the road."""
    height_m: float = Field(default=3.0, ge=1.5, le=6)
    """Height of its red lamp."""

    @field_validator("phases")
    @classmethod
    def _known(cls, phases: tuple[tuple[LightState, float], ...]) -> tuple[tuple[LightState, float], ...]:
        if any(state is LightState.UNKNOWN for state, _ in phases):
            raise ValueError("a light shows red, yellow or green; leave `unknown` out")
        return phases


class ZonePlan(Part):
    """A part of the road with a rule of its own; it is painted on the road and stands in the site file."""

    id: Name
    """Short name."""
    kind: ZoneKind
    """`bus_lane`, `box_junction` or `no_stopping`."""
    lanes: tuple[Name, ...] = Field(min_length=1)
    """The lanes it covers, side by side."""
    from_m: float = Field(default=5.0, ge=0, le=60)
    """Its near end."""
    to_m: float = Field(default=60.0, gt=0, le=60)
    """Its far end."""
    hours: tuple[Hours, ...] | None = Field(default=None, min_length=1)
    """When it holds; left out: always."""
    off_on_holidays: bool = False
    """Whether it does not hold on holidays."""
    permitted_classes: tuple[VehicleClass, ...] = ()
    """Classes it is not for."""
    permitted_colours: tuple[PlateColour, ...] = ()
    """Plate colours it is not for."""

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        if self.from_m >= self.to_m:
            raise ValueError("from_m is not before to_m; give the near end first")
        return self


class Stop(Part):
    """A place at which a vehicle brakes to a stand, and drives on."""

    at_m: float | None = Field(default=None, ge=0, le=70)
    """Metres from the camera."""
    past_line_m: float | None = Field(default=None, ge=-50, le=50)
    """Or metres past the stop line; negative: before it."""
    for_s: float | None = Field(default=None, gt=0, le=600)
    """How long it stands."""
    until_s: float | None = Field(default=None, ge=0, le=600)
    """Or until which moment of the clip."""

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.at_m is None) == (self.past_line_m is None):
            raise ValueError("give one of at_m and past_line_m")
        if (self.for_s is None) == (self.until_s is None):
            raise ValueError("give one of for_s and until_s")
        return self


class LaneChange(Part):
    """A vehicle's way into another lane."""

    to: Name
    """The lane it goes to."""
    at_m: float = Field(ge=0, le=70)
    """Where it begins."""
    over_m: float = Field(default=18.0, ge=6, le=60)
    """How long a way it takes."""


class VehiclePlan(Part):
    """One vehicle."""

    kind: Kind
    """What it is."""
    lane: Name
    """The lane it drives in."""
    enters_at_s: float = Field(ge=-120, le=600)
    """When its front comes into view (at the far end; at the near end when it drives away), seconds."""
    speed_kmh: float = Field(gt=0, le=150)
    """Constant, but for `stops`."""
    direction: Literal["with", "against"] = "with"
    """`with` the lane's permitted direction or `against` it."""
    stops: tuple[Stop, ...] = ()
    """Where it stands for a while, in the order of its way."""
    lane_change: LaneChange | None = None
    """Where it goes into another lane."""
    plate: str | None = None
    """Left out: one is made up that fits the kind."""
    plate_colour: PlateColour = PlateColour.WHITE
    """Base and text colour of the plate."""
    plate_style: Style | None = None
    """Left out: `old` for white on black, else `new`."""
    expiry: str | None = Field(default=None, pattern=r"^(0[1-9]|1[0-2])\.20[0-9]{2}$")
    """Month and year on the plate's second line, "05.2028"; left out: some years ahead."""
    paint: str | None = None
    """Left out: made up."""
    offset_m: float = Field(default=0.0, ge=-2.5, le=2.5)
    """Right of the lane's middle, as the camera sees it."""
    plate_lift_m: float = Field(default=0.0, ge=-0.25, le=0.25)
    """How much higher than usual for its kind the plate hangs."""
    dirt: float = Field(default=0.0, ge=0, le=1)
    """How much mud is on the plate: from about 0.5 on it cannot be read with certainty."""

    @field_validator("paint")
    @classmethod
    def _known(cls, paint: str | None) -> str | None:
        if paint is not None and paint not in PAINTS:
            raise ValueError(f"no paint `{paint}`; use one of {' '.join(PAINTS)}")
        return paint

    @model_validator(mode="after")
    def _plate_fits(self) -> Self:
        if self.plate is None:
            return self
        number = parse(self.plate)
        if number is None:
            raise ValueError("the plate is not `PREFIX NUMBER SUFFIX`; write it as on the vehicle, B 1234 XYZ")
        # public transport takes its numbers where the region has them: angkot and taxis are from several ranges
        if self.plate_colour is PlateColour.YELLOW or vehicle_class(number) is CLASSES[self.kind]:
            return self
        raise ValueError(
            f"the number {number.number} is for a {vehicle_class(number)}, the vehicle is a {self.kind}; "
            "take a number of its range"
        )


class RandomTraffic(Part):
    """Vehicles that are made up from the seed, beside those that are listed."""

    vehicles: int = Field(ge=1, le=200)
    """How many; fewer where the road has no room for more."""
    against: float = Field(default=0.0, ge=0, le=1)
    """Share that drives against the lane's direction."""


class Place(Part):
    """What the site file says of the place."""

    id: Name = "simulation-01"
    """Short name."""
    name: Text = "Simulated road"
    """As operators know it."""
    location: Text = "Jl. Simulasi arah selatan, Jakarta"
    """As the owner reads it."""
