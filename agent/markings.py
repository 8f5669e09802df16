"""What a technician draws on a camera's frame: lanes, lines, zones, lamps and masks (pure).

All coordinates are pixels of the frame. What is followed is the number plate, so everything that vehicles pass is
drawn where the *plates* pass, about half a metre above the road, not along the paint.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from math import hypot
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from agent.geometry import Polygon, area, contains, crosses_itself, extent_along
from agent.hours import Hours
from agent.plate import VehicleClass, parse, vehicle_class
from agent.types import LightState, PlateColour, Point, ViolationKind

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")]
Segment = tuple[Point, Point]


class SitePart(BaseModel):
    """What all parts of a site file share."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _checked_polygon(polygon: Polygon) -> Polygon:
    if crosses_itself(polygon):
        raise ValueError("the polygon crosses or touches itself; give its corners in order, each once")
    if area(polygon) < 1:
        raise ValueError("the polygon has no area; give at least three corners that are not on one line")
    return polygon


class Lane(SitePart):
    """A strip of road in which vehicles may travel one way."""

    id: Name
    """Short name, printed in reports."""
    polygon: Polygon = Field(min_length=3)
    """Corners `[x, y]` in order, pixels."""
    direction: Segment | None = None
    """Two points `[[x, y], [x, y]]`: permitted travel goes from the first to the second."""
    speed_limit_kmh: float | None = Field(default=None, gt=0, le=200)
    """What the sign says. `speed` needs it."""
    vehicle_classes: tuple[VehicleClass, ...] | None = Field(default=None, min_length=1)
    """Classes that are seen here; a plate of another class is doubted. Left out: all."""
    rules: tuple[ViolationKind, ...] | None = None
    """Rules that hold in this lane, of those the site has on; left out: all of them."""

    _polygon = field_validator("polygon")(_checked_polygon)

    @field_validator("direction")
    @classmethod
    def _has_length(cls, direction: Segment | None) -> Segment | None:
        if direction and direction[0] == direction[1]:
            raise ValueError("both points are the same; give a start and an end of permitted travel")
        return direction

    @property
    def heading(self) -> Point:
        """Unit vector of permitted travel in the picture. Only for lanes with a direction."""
        if self.direction is None:
            raise ValueError(f"lane {self.id} has no direction")
        start, end = self.direction
        length = hypot(end.x - start.x, end.y - start.y)
        return Point((end.x - start.x) / length, (end.y - start.y) / length)

    @cached_property
    def length_px(self) -> float:
        """The lane's length in the picture along its direction, pixels."""
        return extent_along(self.polygon, self.polygon[0], self.heading)

    def holds(self, point: Point) -> bool:
        return contains(self.polygon, point)

    def subject_to(self, kind: ViolationKind) -> bool:
        """Whether a rule that is on at the site holds in this lane."""
        return self.rules is None or kind in self.rules


class Line(SitePart):
    """A line across the road: a stop line that a signal names, or a trip line that counts who crosses it."""

    id: Name
    """Short name."""
    points: Segment
    """Its two ends `[[x, y], [x, y]]`, pixels."""
    height_m: float = Field(default=0.5, ge=0, le=2)
    """How high above the road it is drawn, metres: where front plates pass; rear plates hang higher."""

    @field_validator("points")
    @classmethod
    def _has_length(cls, points: Segment) -> Segment:
        if points[0] == points[1]:
            raise ValueError("both ends are the same; give the two ends of the line")
        return points


class ZoneKind(StrEnum):
    """Parts of the road with a rule of their own."""

    BUS_LANE = "bus_lane"
    BOX_JUNCTION = "box_junction"
    NO_STOPPING = "no_stopping"


class Zone(SitePart):
    """A part of the road with a rule of its own, such as a bus lane."""

    id: Name
    """Short name."""
    kind: ZoneKind
    """`bus_lane`, `box_junction` or `no_stopping`."""
    polygon: Polygon = Field(min_length=3)
    """Corners `[x, y]` in order, pixels."""
    hours: tuple[Hours, ...] | None = Field(default=None, min_length=1)
    """When it holds, local time; left out: always."""
    off_on_holidays: bool = False
    """Whether it does not hold on national holidays and joint leave."""
    permitted_classes: tuple[VehicleClass, ...] = ()
    """Vehicle classes it is not for, by the plate's number."""
    permitted_colours: tuple[PlateColour, ...] = ()
    """Plate colours it is not for."""

    _polygon = field_validator("polygon")(_checked_polygon)

    def holds(self, point: Point) -> bool:
        return contains(self.polygon, point)

    def permits(self, text: str) -> bool:
        """Whether a plate's number is of a class that it is not for."""
        plate = parse(text)
        return plate is not None and vehicle_class(plate) in self.permitted_classes

    def forbids(self, text: str) -> bool:
        """Whether it is of one that it is for; a text that is no civil plate is neither."""
        plate = parse(text)
        return plate is not None and vehicle_class(plate) not in self.permitted_classes


class Mask(SitePart):
    """A region whose plates are not looked at: burnt-in captions, advertisements, parked cars."""

    id: Name
    """Short name."""
    polygon: Polygon = Field(min_length=3)
    """Corners `[x, y]` in order, pixels."""

    _polygon = field_validator("polygon")(_checked_polygon)


class Lamps(SitePart):
    """Where the lamps of a traffic light are in the picture, each drawn with a little of the dark round it."""

    red: Polygon = Field(min_length=3)
    """Corners `[x, y]` in order, pixels."""
    yellow: Polygon | None = Field(default=None, min_length=3)
    """Left out where there is none."""
    green: Polygon = Field(min_length=3)
    """A lamp that is dark while the other is lit: without it nothing tells a lit lamp from the sun on its glass."""

    @field_validator("red", "yellow", "green")
    @classmethod
    def _sound(cls, polygon: Polygon | None) -> Polygon | None:
        return polygon and _checked_polygon(polygon)

    def regions(self) -> dict[LightState, Polygon]:
        """The lamps there are."""
        given = {LightState.RED: self.red, LightState.YELLOW: self.yellow, LightState.GREEN: self.green}
        return {state: polygon for state, polygon in given.items() if polygon}


class GpioLamps(SitePart):
    """The lines on which the light's controller tells which lamps are on."""

    chip: str = "/dev/gpiochip0"
    """The GPIO device."""
    red: int = Field(ge=0)
    """Line number."""
    yellow: int | None = Field(default=None, ge=0)
    """Line number; left out where there is none."""
    green: int = Field(ge=0)
    """Line number."""
    active_low: bool = False
    """Whether a lamp is on when its line is low, as behind most opto-couplers."""


class SignalHead(SitePart):
    """A traffic light: whom it governs, and how the unit knows its state."""

    id: Name
    """Short name."""
    stop_line: Name
    """The line before which to wait, one of `lines`."""
    lanes: tuple[Name, ...] = Field(min_length=1)
    """The lanes it governs; leave out a lane that may turn on red."""
    lamps: Lamps | None = None
    """The lamps in the picture."""
    gpio: GpioLamps | None = None
    """The lamps as lines of the controller."""
    mqtt_topic: str | None = Field(default=None, pattern=r"^[^#+\s]{1,200}$")
    """The topic on which the controller tells its state."""
    fresh_s: float = Field(default=1.0, gt=0, le=5)
    """How long a state holds when nothing newer is seen; after that the light is unknown and accuses nobody."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = sum(source is not None for source in (self.lamps, self.gpio, self.mqtt_topic))
        if given != 1:
            raise ValueError(f"has {given} sources; give one of `lamps`, `gpio` and `mqtt_topic`")
        return self
