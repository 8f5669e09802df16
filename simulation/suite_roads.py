"""The roads of a suite: for each rule and number another camera, sky, lanes, light and hour, from one seed (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime, time, timedelta
from math import atan, degrees, radians, tan
from zoneinfo import ZoneInfo

import numpy as np

from agent.hours import Hours, Weekday
from agent.markings import ZoneKind
from agent.plate import VehicleClass
from agent.rule_settings import StoppingSettings
from agent.types import LightState, PlateColour, ViolationKind
from simulation.footage_parts import LanePlan, Place, Pole, SignalPlan, Survey, ZonePlan
from simulation.road.light import Sky

WIB = ZoneInfo("Asia/Jakarta")
SKIES = tuple(Sky)
SURVEY = Survey(mark_error_m=0.03, mark_error_px=1.0, camera_height_error_m=0.1)
"""What a technician achieves with a tape and a steady hand; the site file says the same."""
_DAYS = 300
_JUNCTION_UPPER_DEG = 2.7
"""How far the upper edge of a junction's picture looks down: the light has to be in it."""
_WORKING = (Weekday.MONDAY, Weekday.TUESDAY, Weekday.WEDNESDAY, Weekday.THURSDAY, Weekday.FRIDAY)
KERB_HOURS = (Hours(days=tuple(Weekday), begin=time(6), end=time(22)),)
BUS_HOURS = Hours(days=_WORKING, begin=time(6), end=time(10))


@dataclass(frozen=True, slots=True)
class Road:
    """What a clip's scenario is made of but for its vehicles."""

    start: datetime
    fps: float
    sky: Sky
    camera: Pole
    lanes: tuple[LanePlan, ...]
    signals: tuple[SignalPlan, ...] = ()
    zones: tuple[ZonePlan, ...] = ()
    stopping: StoppingSettings = field(default_factory=StoppingSettings)

    def content(self, kind: ViolationKind, number: int) -> dict[str, object]:
        """As `Scenario` takes them."""
        place = Place(id=f"{kind.value}-{number:03d}", name=f"Suite, {kind.value} {number}")
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        return own | {"survey": SURVEY, "place": place, "rules": (kind,)}


def road(kind: ViolationKind, number: int, rng: np.random.Generator) -> Road:
    """The road of a rule's clip; the skies come in turn, for each rule from another on, all else by chance."""
    sky = SKIES[(number + tuple(ViolationKind).index(kind)) % len(SKIES)]
    return _ROADS[kind](sky, rng)


def _pole(
    rng: np.random.Generator,
    lanes: int,
    near_m: float = 11.2,
    focal_px: float | None = None,
    upper_deg: float | None = None,
    higher_m: float = 0.0,
) -> Pole:
    """A camera whose picture begins at `near_m`, give or take, or whose upper edge looks down by `upper_deg`; a large
    one for more than two lanes."""
    width, height = (1920, 1080) if lanes > 2 else (1280, 720)
    focal_px = focal_px or float(rng.uniform(2400, 2850))
    height_m, near_m = float(rng.uniform(4.0, 4.9)) + higher_m, near_m * float(rng.uniform(0.96, 1.06))
    half_deg = degrees(atan(height / 2 / focal_px))
    pitch_deg = upper_deg + half_deg if upper_deg else degrees(atan(height_m / near_m)) - half_deg
    return Pole(
        width=width,
        height=height,
        focal_px=round(focal_px),
        height_m=round(height_m, 2),
        pitch_deg=round(pitch_deg, 2),
        x_m=round(float(rng.uniform(-0.7, 0.7)), 2),
        wind_px=round(float(rng.choice([0.4, 0.7, 1.2, 2.5], p=[0.3, 0.35, 0.2, 0.15])), 1),
    )


def _moment(rng: np.random.Generator, sky: Sky, begin: time | None = None, end: time | None = None) -> datetime:
    """A moment of 2026 at an hour of that sky, or between two hours of a day."""
    first, last = (begin, end) if begin and end else _HOURS[sky]
    minute = int(rng.integers(first.hour * 60 + first.minute, last.hour * 60 + last.minute))
    day = date(2026, 1, 5) + timedelta(days=int(rng.integers(_DAYS)))
    return datetime.combine(day, time(minute // 60, minute % 60), WIB)


_HOURS: dict[Sky, tuple[time, time]] = {
    Sky.MORNING: (time(7), time(9, 30)),
    Sky.DAWN: (time(5, 30), time(6, 20)),
    Sky.NOON: (time(11), time(13)),
    Sky.DUSK: (time(17, 40), time(18, 10)),
    Sky.NIGHT: (time(19), time(23)),
    Sky.RAIN: (time(7), time(17)),
    Sky.BACKLIGHT: (time(6, 40), time(8)),
}


def _lanes(count: int, permitted: str = "towards", limit_kmh: float | None = None) -> tuple[LanePlan, ...]:
    return tuple(
        LanePlan.model_validate({"id": f"L{n + 1}", "permitted": permitted, "speed_limit_kmh": limit_kmh})
        for n in range(count)
    )


def _count(rng: np.random.Generator) -> int:
    """How many lanes a road has."""
    return int(rng.choice([1, 2, 3, 4], p=[0.25, 0.5, 0.17, 0.08]))


def _odd_even(sky: Sky, rng: np.random.Generator) -> Road:
    """Mostly within the hours, the rest at any hour of the sky, weekends and holidays among them."""
    in_hours = rng.random() < 0.8
    evening = sky in (Sky.DUSK, Sky.NIGHT)
    span = (time(16), time(20, 58)) if evening else (time(6), time(9, 58))
    start = _working_day(rng, _moment(rng, sky, *span)) if in_hours else _moment(rng, sky)
    count = _count(rng)
    return Road(start, 12.5, sky, _pole(rng, count), _lanes(count))


def _working_day(rng: np.random.Generator, moment: datetime) -> datetime:
    while moment.weekday() > 4:
        moment += timedelta(days=1)
    return moment


def _wrong_way(sky: Sky, rng: np.random.Generator) -> Road:
    """One-way roads, and roads with both ways side by side."""
    count = _count(rng)
    lanes = list(_lanes(count))
    if count > 1 and rng.random() < 0.4:
        lanes[: count // 2] = _lanes(count // 2, "away")
    return Road(_moment(rng, sky), 12.5, sky, _pole(rng, count), tuple(lanes))


def _speed(sky: Sky, rng: np.random.Generator) -> Road:
    """From a gantry: the higher the camera, the less the unknown height of a plate matters."""
    limit_kmh = float(rng.choice([40, 50, 60, 80]))
    way = "away" if rng.random() < 0.25 else "towards"
    count = max(2, _count(rng))
    pole = _pole(rng, count, near_m=13, higher_m=2.2)
    return Road(_moment(rng, sky), 25, sky, pole, _lanes(count, way, limit_kmh))


def _bus_lane(sky: Sky, rng: np.random.Generator) -> Road:
    """The leftmost lane is the buses'; in a third of the clips it is not its hour."""
    lanes = (LanePlan(id="BUS", width_m=3.6), *_lanes(int(rng.integers(1, 3))))
    in_hours = rng.random() < 0.7
    start = _working_day(rng, _moment(rng, sky, time(6), time(9, 58))) if in_hours else _moment(rng, sky)
    zone = ZonePlan(
        id="BUSWAY",
        kind=ZoneKind.BUS_LANE,
        lanes=("BUS",),
        hours=(BUS_HOURS,),
        off_on_holidays=True,
        permitted_classes=(VehicleClass.BUS,),
        permitted_colours=(PlateColour.YELLOW,),
    )
    return Road(start, 12.5, sky, _pole(rng, len(lanes)), lanes, zones=(zone,))


def _junction(sky: Sky, rng: np.random.Generator) -> Road:
    """A stop line before a light that is green, yellow and red in turn."""
    way = "away" if rng.random() < 0.65 else "towards"
    count = int(rng.choice([1, 2, 3], p=[0.2, 0.55, 0.25]))
    lanes, pole = _lanes(count, way), _pole(rng, count, upper_deg=_JUNCTION_UPPER_DEG)
    phases = tuple(
        (state, round(float(rng.uniform(*span)), 1))
        for state, span in (
            (LightState.GREEN, (5, 8)), (LightState.YELLOW, (2.5, 3.5)), (LightState.RED, (13, 18)),
        )
    )  # fmt: skip
    post_m = 27.0 + 5.0 * (count - 1)
    upper_m = pole.height_m - post_m * tan(radians(_JUNCTION_UPPER_DEG))
    signal = SignalPlan(
        line_m=round(float(rng.uniform(18.5, 21)), 1),
        lanes=tuple(lane.id for lane in lanes),
        phases=phases,
        y_m=post_m,
        height_m=round(min(3.2, upper_m - 0.45), 2),
    )
    return Road(_moment(rng, sky), 12.5, sky, pole.model_copy(update={"x_m": 0.4}), lanes, (signal,))


def _stopping(sky: Sky, rng: np.random.Generator) -> Road:
    """A box junction across the road, or a kerb lane in which nobody may stand; short limits keep the clips short."""
    count = int(rng.integers(2, 4))
    lanes = _lanes(count)
    if rng.random() < 0.5:
        zone = ZonePlan(
            id="BOX", kind=ZoneKind.BOX_JUNCTION, lanes=tuple(lane.id for lane in lanes), from_m=14.5, to_m=24
        )  # fmt: skip
    else:
        zone = ZonePlan(
            id="KERB", kind=ZoneKind.NO_STOPPING, lanes=(lanes[-1].id,), from_m=13, to_m=40,
            permitted_classes=(VehicleClass.BUS,), hours=KERB_HOURS if rng.random() < 0.5 else None,
        )  # fmt: skip
    limits = StoppingSettings(max_rest_box_s=5, max_rest_s=6)
    return Road(_moment(rng, sky), 8, sky, _pole(rng, count), lanes, zones=(zone,), stopping=limits)


def _expiry(sky: Sky, rng: np.random.Generator) -> Road:
    """A long lens on one lane from a gantry: the second line is a third as high as the number."""
    pole = _pole(rng, 1, near_m=13, focal_px=float(rng.uniform(5400, 6200)), higher_m=1.8)
    return Road(_moment(rng, sky), 20, sky, pole, _lanes(1))


_ROADS: Mapping[ViolationKind, Callable[[Sky, np.random.Generator], Road]] = {
    ViolationKind.ODD_EVEN: _odd_even,
    ViolationKind.WRONG_WAY: _wrong_way,
    ViolationKind.RED_LIGHT: _junction,
    ViolationKind.STOP_LINE: _junction,
    ViolationKind.BUS_LANE: _bus_lane,
    ViolationKind.SPEED: _speed,
    ViolationKind.STOPPING: _stopping,
    ViolationKind.EXPIRY: _expiry,
}
