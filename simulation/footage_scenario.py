"""Scenarios: what drives past the camera, in YAML a maintainer can write. See `simulation/scenarios/`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from agent.errors import UsageError
from agent.plate import VehicleClass, parse, vehicle_class
from agent.settings import load_yaml
from agent.types import PlateColour
from simulation.plates import Style
from simulation.road.camera import Camera
from simulation.road.paint import PAINTS
from simulation.road.shapes import Kind
from simulation.road.street import Street, lay_out

FOLDER = Path(__file__).parent / "scenarios"
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


class LanePlan(Part):
    """A lane; lanes are given from left to right."""

    id: Name
    """Short name."""
    width_m: float = Field(default=3.5, ge=2, le=6)
    """Metres."""
    permitted: Literal["towards", "away"] = "towards"
    """Which way traffic may go, as the camera sees it."""


class VehiclePlan(Part):
    """One vehicle."""

    kind: Kind
    """What it is."""
    lane: Name
    """The lane it drives in."""
    enters_at_s: float = Field(ge=-20, le=600)
    """When its front comes into view (at the far end; at the near end when it drives away), seconds."""
    speed_kmh: float = Field(gt=0, le=150)
    """Constant."""
    direction: Literal["with", "against"] = "with"
    """`with` the lane's permitted direction or `against` it."""
    plate: str | None = None
    """Left out: one is made up that fits the kind."""
    plate_colour: PlateColour = PlateColour.WHITE
    """Base and text colour of the plate."""
    plate_style: Style | None = None
    """Left out: `old` for white on black, else `new`."""
    paint: str | None = None
    """Left out: made up."""
    offset_m: float = Field(default=0.0, ge=-2.5, le=2.5)
    """Right of the lane's middle, as the camera sees it."""
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


class Scenario(Part):
    """A scenario file."""

    start: AwareDatetime
    """Moment of the first frame, ISO 8601 with zone."""
    duration_s: float = Field(gt=0, le=600)
    """Length of the clip, seconds."""
    fps: float = Field(default=25, ge=1, le=60)
    """Frames per second."""
    camera: Pole = Pole()
    """The camera; left out: on a pole 4.5 m above the road."""
    place: Place = Place()
    """Names for the site file."""
    lanes: tuple[LanePlan, ...] = Field(min_length=1, max_length=8)
    """From left to right."""
    vehicles: tuple[VehiclePlan, ...] = ()
    """The vehicles, in any order."""
    random: RandomTraffic | None = None
    """More vehicles, made up."""

    @property
    def frame_count(self) -> int:
        return max(1, round(self.duration_s * self.fps))

    @property
    def street(self) -> Street:
        return lay_out([(lane.id, lane.width_m, lane.permitted == "towards") for lane in self.lanes])

    @property
    def pinhole(self) -> Camera:
        pole = self.camera
        return Camera(
            pole.width, pole.height, pole.focal_px, pole.height_m, pole.x_m, pole.pitch_deg, pole.yaw_deg
        )  # fmt: skip

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        known = [lane.id for lane in self.lanes]
        if len(set(known)) < len(known):
            raise ValueError("two lanes have the same id; give each its own")
        for number, vehicle in enumerate(self.vehicles):
            if vehicle.lane not in known:
                raise ValueError(f"vehicles[{number}]: no lane `{vehicle.lane}`; the lanes are {' '.join(known)}")
        if not self.vehicles and self.random is None:
            raise ValueError("no vehicles; list some or give `random`")
        return self


def names() -> list[str]:
    """The scenarios that come with cakra."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_scenario(name: str) -> Scenario:
    """A shipped scenario by name, or any file by path. Raises UsageError or ConfigError."""
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = FOLDER / f"{name}.yaml"
        if not path.is_file():
            raise UsageError(f"--scenario: no scenario `{name}`; there are {' '.join(names())}, or give a YAML file")
    return load_yaml(path, Scenario)
