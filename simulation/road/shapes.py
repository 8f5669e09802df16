"""How the kinds of vehicles are built: a spine of cross-sections from the front bumper over the roof to the rear."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Kinds of vehicles that can be rendered."""

    SEDAN = "sedan"
    MPV = "mpv"
    MINIBUS = "minibus"
    TRUCK = "truck"
    BUS = "bus"
    MOTORCYCLE = "motorcycle"


@dataclass(frozen=True, slots=True)
class Section:
    """One edge across the vehicle: `y_m` behind the front, `z_m` above the road, `half_m` to either side."""

    y_m: float
    z_m: float
    half_m: float


@dataclass(frozen=True, slots=True)
class Shape:
    """A body: its spine, what each strip between two sections is, and its sides."""

    length_m: float
    width_m: float
    height_m: float
    spine: tuple[Section, ...]
    strips: tuple[str, ...]
    """One name per strip of the spine, as `simulation.road.paint` knows them."""
    belt_z_m: float
    """Height at which body becomes window."""
    glass: tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]] | None
    """Side windows: (y, half width) at belt front, roof front, roof rear, belt rear."""
    axles_m: tuple[float, ...]
    wheel_m: float
    """Wheel radius."""
    front_plate: tuple[float, float]
    """y and z of the middle of the front plate."""
    rear_plate: tuple[float, float]


def _shape(width: float, spine: list[tuple[float, float, float]], strips: str, **rest: object) -> Shape:
    sections = tuple(Section(y, z, half * width) for y, z, half in spine)
    return Shape(
        length_m=max(s.y_m for s in sections),
        width_m=width,
        height_m=max(s.z_m for s in sections),
        spine=sections,
        strips=tuple(strips.split()),
        **rest,  # type: ignore[arg-type]
    )


SHAPES: dict[Kind, Shape] = {
    Kind.SEDAN: _shape(
        1.76,
        [(0.04, 0.2, 0.48), (0.0, 0.5, 0.5), (0.14, 0.76, 0.48), (1.15, 0.98, 0.46), (1.95, 1.43, 0.36),
         (3.2, 1.45, 0.36), (3.95, 1.06, 0.43), (4.5, 1.0, 0.45), (4.56, 0.55, 0.5), (4.5, 0.24, 0.48)],
        "bumper grille hood windscreen roof rear_window trunk tail rear_bumper",
        belt_z_m=0.94, glass=((1.1, 0.47), (1.95, 0.365), (3.2, 0.365), (4.0, 0.45)),
        axles_m=(0.88, 3.58), wheel_m=0.31, front_plate=(-0.035, 0.44), rear_plate=(4.6, 0.74),
    ),
    Kind.MPV: _shape(
        1.7,
        [(0.04, 0.22, 0.48), (0.0, 0.56, 0.5), (0.14, 0.86, 0.48), (0.95, 1.06, 0.46), (1.6, 1.64, 0.39),
         (3.85, 1.67, 0.39), (4.12, 1.08, 0.46), (4.2, 0.62, 0.5), (4.15, 0.26, 0.48)],
        "bumper grille hood windscreen roof rear_window tail rear_bumper",
        belt_z_m=1.0, glass=((0.92, 0.47), (1.6, 0.395), (3.85, 0.395), (4.1, 0.465)),
        axles_m=(0.75, 3.4), wheel_m=0.31, front_plate=(-0.035, 0.5), rear_plate=(4.22, 0.86),
    ),
    Kind.MINIBUS: _shape(
        1.62,
        [(0.02, 0.25, 0.48), (0.0, 0.6, 0.5), (0.1, 0.98, 0.49), (0.62, 1.78, 0.42),
         (3.85, 1.84, 0.42), (4.02, 1.1, 0.48), (4.06, 0.62, 0.5), (4.0, 0.28, 0.48)],
        "bumper grille windscreen roof rear_window tail rear_bumper",
        belt_z_m=1.02, glass=((0.15, 0.485), (0.66, 0.425), (3.85, 0.425), (4.0, 0.485)),
        axles_m=(0.7, 3.1), wheel_m=0.28, front_plate=(-0.035, 0.48), rear_plate=(4.08, 0.84),
    ),
    Kind.TRUCK: _shape(
        1.9,
        [(0.0, 0.35, 0.5), (0.0, 0.78, 0.5), (0.0, 1.22, 0.5), (0.22, 2.0, 0.46), (1.55, 2.06, 0.46),
         (1.6, 1.2, 0.5), (1.6, 0.4, 0.5)],
        "bumper grille windscreen roof cab_back cab_back",
        belt_z_m=1.22, glass=((0.06, 0.5), (0.28, 0.465), (1.35, 0.465), (1.4, 0.5)),
        axles_m=(0.75, 4.3), wheel_m=0.38, front_plate=(-0.035, 0.58), rear_plate=(5.92, 0.62),
    ),
    Kind.BUS: _shape(
        2.4,
        [(0.02, 0.3, 0.49), (0.0, 0.72, 0.5), (0.0, 1.2, 0.5), (0.14, 2.55, 0.48), (0.2, 2.95, 0.46),
         (9.3, 2.98, 0.46), (9.5, 1.9, 0.49), (9.55, 0.8, 0.5), (9.5, 0.35, 0.49)],
        "bumper grille windscreen brow roof rear_window tail rear_bumper",
        belt_z_m=1.3, glass=((0.1, 0.505), (0.22, 0.487), (9.2, 0.487), (9.3, 0.505)),
        axles_m=(2.1, 6.9), wheel_m=0.48, front_plate=(-0.035, 0.5), rear_plate=(9.58, 0.72),
    ),
    Kind.MOTORCYCLE: _shape(
        0.74,
        [(0.0, 0.1, 0.5), (0.0, 1.6, 0.5), (1.95, 1.6, 0.5), (1.95, 0.1, 0.5)],
        "none none none",
        belt_z_m=0.7, glass=None,
        axles_m=(0.3, 1.55), wheel_m=0.28, front_plate=(0.12, 0.84), rear_plate=(1.98, 0.72),
    ),
}  # fmt: skip

CARGO = (1.72, 5.85, 0.72, 2.75, 0.99)
"""A truck's box: y from, y to, z from, z to, half width, metres."""
