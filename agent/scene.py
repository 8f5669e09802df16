"""The site a camera looks at, from one YAML file (pure): what is drawn on its picture and which rules hold there.

The parts are in `agent.markings` (what is drawn), `agent.calibration` (picture to road) and `agent.rule_settings` (a
section a rule). Here they are put together, and a file whose parts do not fit together (`agent.scene_faults`) is
refused.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, StringConstraints, field_validator, model_validator

from agent.calibration import Calibration
from agent.geometry import contains
from agent.markings import Lane, Line, Mask, Name, SignalHead, SitePart, Zone, ZoneKind
from agent.rule_settings import (
    BusLaneSettings,
    ExpirySettings,
    OddEvenSettings,
    SpeedSettings,
    StopLineSettings,
    StoppingSettings,
    WrongWaySettings,
)
from agent.scene_faults import faults
from agent.settings import load_yaml
from agent.types import Box, Point, ViolationKind

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class Picture(SitePart):
    """Size of the frames the coordinates belong to."""

    width: int = Field(gt=0, le=16384)
    """Pixels."""
    height: int = Field(gt=0, le=16384)
    """Pixels."""


class Scene(SitePart):
    """A site file: `config/sites/*.yaml`."""

    id: Name
    """The site's short name, unique in the region; goes into every report."""
    name: Text
    """The site as operators know it."""
    location: Text
    """The place as the owner reads it in the notice: road, direction, town."""
    camera: str = ""
    """Mounting notes for the technician: pole, height, lens."""
    timezone: str = "Asia/Jakarta"
    """IANA name of the local time that rules with hours go by."""
    picture: Picture
    """Size of the frames in which everything below is drawn."""
    rules: tuple[ViolationKind, ...] = Field(min_length=1)
    """The rules that are on here."""
    lanes: tuple[Lane, ...] = Field(min_length=1)
    """The lanes; where they overlap, the first one counts."""
    lines: tuple[Line, ...] = ()
    """Lines across the road."""
    zones: tuple[Zone, ...] = ()
    """Parts of the road with a rule of their own."""
    signals: tuple[SignalHead, ...] = ()
    """Traffic lights; a lane is governed by one at most."""
    ignore: tuple[Mask, ...] = ()
    """Regions whose plates are not looked at."""
    calibration: Calibration | None = None
    """Picture to road; left out: distances are shares of a lane's length."""
    odd_even: OddEvenSettings = OddEvenSettings()
    """Settings of the odd-even rule."""
    wrong_way: WrongWaySettings = WrongWaySettings()
    """Settings of the wrong-way rule."""
    crossing: StopLineSettings = StopLineSettings()
    """Settings of the rules at a stop line, `red_light` and `stop_line`."""
    bus_lane: BusLaneSettings = BusLaneSettings()
    """Settings of the bus-lane rule."""
    speed: SpeedSettings = SpeedSettings()
    """Settings of the speed rule."""
    stopping: StoppingSettings = StoppingSettings()
    """Settings of the stopping rule."""
    expiry: ExpirySettings = ExpirySettings()
    """Settings of the expiry rule."""

    @classmethod
    def load(cls, path: Path) -> Scene:
        """The site of a file. Raises ConfigError that names file, field and mend."""
        return load_yaml(path, cls)

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def lane_at(self, point: Point) -> Lane | None:
        """The first lane that holds the point."""
        return next((lane for lane in self.lanes if lane.holds(point)), None)

    @cached_property
    def road(self) -> Box:
        """The part of the picture in which the lanes lie."""
        xs, ys = zip(*(corner for lane in self.lanes for corner in lane.polygon), strict=True)
        return Box(min(xs), min(ys), max(xs), max(ys))

    def watches(self, point: Point) -> bool:
        """Whether a rule may look at what is there."""
        return self.lane_at(point) is not None or any(zone.holds(point) for zone in self.zones)

    def zones_of(self, *kinds: ZoneKind) -> tuple[Zone, ...]:
        return tuple(zone for zone in self.zones if zone.kind in kinds)

    def signal_of(self, lane: Lane) -> tuple[SignalHead, Line] | None:
        """The light that governs a lane, and its stop line."""
        signal = next((signal for signal in self.signals if lane.id in signal.lanes), None)
        return (signal, next(line for line in self.lines if line.id == signal.stop_line)) if signal else None

    def ignored(self, point: Point) -> bool:
        """Whether plates at this point are not looked at."""
        return any(contains(mask.polygon, point) for mask in self.ignore)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, timezone: str) -> str:
        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"no time zone `{timezone}`; give an IANA name such as Asia/Jakarta") from None
        return timezone

    @field_validator("rules")
    @classmethod
    def _each_once(cls, rules: tuple[ViolationKind, ...]) -> tuple[ViolationKind, ...]:
        if len(set(rules)) < len(rules):
            raise ValueError("a rule is named twice; name each once")
        return rules

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        for fault in faults(self):
            raise ValueError(fault)
        return self
