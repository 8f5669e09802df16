"""Scenarios: what drives past the camera, in YAML a maintainer can write. See `docs/reference/scenario.md`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Self

from pydantic import AwareDatetime, Field, model_validator

from agent.errors import UsageError
from agent.rule_settings import BusLaneSettings, StopLineSettings, StoppingSettings
from agent.settings import load_yaml
from agent.types import ViolationKind
from simulation.footage_parts import (
    LanePlan,
    Part,
    Place,
    Pole,
    RandomTraffic,
    SignalPlan,
    Survey,
    VehiclePlan,
    ZonePlan,
)
from simulation.road.camera import Camera
from simulation.road.light import Sky
from simulation.road.street import Marking, Paint, Post, Street, lay_out

FOLDER = Path(__file__).parent / "scenarios"


class Scenario(Part):
    """A scenario file."""

    start: AwareDatetime
    """Moment of the first frame, ISO 8601 with zone."""
    duration_s: float = Field(gt=0, le=600)
    """Length of the clip, seconds."""
    fps: float = Field(default=25, ge=1, le=60)
    """Frames per second."""
    sky: Sky = Sky.MORNING
    """The light: `morning`, `dawn`, `noon`, `dusk`, `night`, `rain` or `backlight`."""
    camera: Pole = Pole()
    """The camera; left out: on a pole 4.5 m above the road."""
    survey: Survey = Survey()
    """How well the road was measured; left out: exactly."""
    place: Place = Place()
    """Names for the site file."""
    rules: tuple[ViolationKind, ...] = Field(
        default=(ViolationKind.ODD_EVEN, ViolationKind.WRONG_WAY), min_length=1
    )  # fmt: skip
    """The rules that are on, and for which there is truth."""
    lanes: tuple[LanePlan, ...] = Field(min_length=1, max_length=8)
    """From left to right."""
    signals: tuple[SignalPlan, ...] = Field(default=(), max_length=2)
    """Traffic lights."""
    zones: tuple[ZonePlan, ...] = ()
    """Bus lanes, box junctions and no-stopping zones."""
    crossing: StopLineSettings = StopLineSettings()
    """What the site says of stop lines."""
    bus_lane: BusLaneSettings = BusLaneSettings()
    """What the site says of bus lanes."""
    stopping: StoppingSettings = StoppingSettings()
    """What the site says of standing."""
    vehicles: tuple[VehiclePlan, ...] = ()
    """The vehicles, in any order."""
    random: RandomTraffic | None = None
    """More vehicles, made up."""

    @property
    def frame_count(self) -> int:
        return max(1, round(self.duration_s * self.fps))

    @cached_property
    def street(self) -> Street:
        lanes = [(lane.id, lane.width_m, lane.permitted == "towards") for lane in self.lanes]
        bare = lay_out(lanes)
        return lay_out(lanes, tuple(self._markings(bare)), tuple(self._posts(bare)))

    @property
    def pinhole(self) -> Camera:
        pole = self.camera
        return Camera(
            pole.width, pole.height, pole.focal_px, pole.height_m, pole.x_m, pole.pitch_deg, pole.yaw_deg
        )  # fmt: skip

    def signal_of(self, lane_id: str) -> SignalPlan | None:
        """The light that governs a lane."""
        return next((signal for signal in self.signals if lane_id in signal.lanes), None)

    def _markings(self, street: Street) -> Iterator[Marking]:
        for zone in self.zones:
            yield Marking(Paint(zone.kind.value), *street.span(zone.lanes), zone.from_m, zone.to_m)
        for signal in self.signals:
            yield Marking(Paint.STOP_LINE, *street.span(signal.lanes), signal.line_m, signal.line_m)

    def _posts(self, street: Street) -> Iterator[Post]:
        for signal in self.signals:
            x_m = signal.x_m if signal.x_m is not None else street.right_m + 1.3
            yield Post(signal.id, x_m, signal.y_m, signal.height_m)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        for fault in _faults(self):
            raise ValueError(fault)
        return self


def _faults(scenario: Scenario) -> Iterator[str]:
    known = [lane.id for lane in scenario.lanes]
    if len(set(known)) < len(known):
        yield "two lanes have the same id; give each its own"
    for field, names in _named_lanes(scenario):
        for name in names:
            if name not in known:
                yield f"{field}: no lane `{name}`; the lanes are {' '.join(known)}"
    for number, vehicle in enumerate(scenario.vehicles):
        needs_line = any(stop.past_line_m is not None for stop in vehicle.stops)
        if needs_line and scenario.signal_of(vehicle.lane) is None:
            yield f"vehicles[{number}]: past_line_m, but no signal governs lane `{vehicle.lane}`; give at_m"
    if not scenario.vehicles and scenario.random is None:
        yield "no vehicles; list some or give `random`"


def _named_lanes(scenario: Scenario) -> Iterator[tuple[str, tuple[str, ...]]]:
    for number, vehicle in enumerate(scenario.vehicles):
        change = vehicle.lane_change
        yield f"vehicles[{number}]", (vehicle.lane, change.to) if change else (vehicle.lane,)
    for number, signal in enumerate(scenario.signals):
        yield f"signals[{number}]", signal.lanes
    for number, zone in enumerate(scenario.zones):
        yield f"zones[{number}]", zone.lanes


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
