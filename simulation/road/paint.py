"""What stands on the faces of a vehicle: grille, lamps, glass, doors. A painter gets a sheet in the paint's colour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from simulation.road.light import Light
from simulation.road.sheet import Colour, Place, Sheet, mix, shade

PAINTS: Mapping[str, Colour] = {
    "white": (226, 228, 226),
    "silver": (176, 174, 170),
    "grey": (104, 102, 98),
    "black": (36, 34, 34),
    "red": (34, 30, 158),
    "maroon": (36, 26, 88),
    "blue": (140, 74, 28),
    "navy": (84, 48, 26),
    "green": (74, 104, 36),
    "yellow": (34, 172, 226),
    "orange": (34, 104, 222),
    "brown": (62, 82, 108),
    "sky": (206, 160, 84),
}
"""Colours a scenario can give its vehicles."""

DARK: Colour = (30, 29, 28)
TRIM: Colour = (46, 44, 43)
GLASS: Colour = (62, 54, 46)
CHROME: Colour = (196, 194, 188)
LAMP: Colour = (236, 234, 226)
AMBER: Colour = (40, 130, 230)
TAIL: Colour = (40, 32, 176)
SKY: Colour = (226, 206, 184)


@dataclass(frozen=True, slots=True)
class Look:
    """What tells one vehicle from another of its kind."""

    paint: Colour
    rng: np.random.Generator
    big: bool
    """A bus or a truck: upright glass, plain front."""
    light: Light


Painter = Callable[[Sheet, Look], None]


def bumper(sheet: Sheet, look: Look) -> None:
    """Lower front: air intake, fog lamps, a dark lip."""
    sheet.fade(0.95, 0.7)
    sheet.box(0.24, 0.1, 0.76, 0.86, DARK, 0.05)
    for row in (0.34, 0.6):
        sheet.line((0.26, row), (0.74, row), 0.018, TRIM)
    for x in (0.12, 0.88):
        sheet.box(x - 0.075, 0.2, x + 0.075, 0.75, TRIM, 0.04)
        sheet.disc(x, 0.46, 0.05, shade(LAMP, 0.9))
    sheet.box(0.0, 0.9, 1.0, 1.0, TRIM)


def grille(sheet: Sheet, look: Look) -> None:
    """Upper front: lamps at the corners, the grille between them with its badge."""
    sheet.fade(1.05, 0.9)
    wide = 0.16 if look.big else 0.24
    for mirrored in (False, True):
        _head_lamp(sheet, wide, mirrored)
    if look.rng.random() < 0.6:
        sheet.box(0.28, 0.18, 0.72, 0.84, DARK, 0.05)
        for row in np.linspace(0.3, 0.74, 4):
            sheet.line((0.3, float(row)), (0.7, float(row)), 0.02, mix(TRIM, CHROME, 0.55))
    else:
        sheet.box(0.26, 0.3, 0.74, 0.62, DARK, 0.04)
        sheet.line((0.27, 0.32), (0.73, 0.32), 0.025, CHROME)
    sheet.disc(0.5, 0.42, 0.055, CHROME)
    sheet.disc(0.5, 0.42, 0.035, shade(CHROME, 0.7))


def _head_lamp(sheet: Sheet, wide: float, mirrored: bool) -> None:
    """Housing, glass, two reflectors and the amber indicator at the outer edge."""

    def at(*places: Place) -> list[Place]:
        return [(1 - x, y) for x, y in places] if mirrored else list(places)

    sheet.poly(at((0.015, 0.14), (wide, 0.3), (wide - 0.02, 0.74), (0.03, 0.7)), TRIM)
    sheet.poly(at((0.03, 0.2), (wide - 0.02, 0.35), (wide - 0.04, 0.68), (0.045, 0.64)), shade(LAMP, 0.82))
    for x, y, radius, light in ((0.07 if wide < 0.2 else 0.09, 0.45, 0.055, 1.0), (wide - 0.06, 0.5, 0.045, 0.95)):
        sheet.disc(*at((x, y))[0], radius, shade(LAMP, light))
    sheet.poly(at((0.022, 0.3), (0.045, 0.3), (0.045, 0.6), (0.022, 0.6)), AMBER)


def hood(sheet: Sheet, look: Look) -> None:
    """Bonnet: curved, so lighter along two lines. Its upper edge is the one at the windscreen."""
    sheet.fade_across((0.84, 0.98, 1.08, 1.02, 1.0, 1.04, 1.1, 1.0, 0.86))
    sheet.fade(1.1, 0.94)
    for x, lean in ((0.2, 0.05), (0.8, -0.05)):
        sheet.line((x, 0.02), (x + lean, 0.98), 0.02, shade(look.paint, 0.82))
        sheet.line((x + 0.012, 0.02), (x + lean + 0.012, 0.98), 0.012, shade(look.paint, 1.12))
    sheet.soften(0.012)
    sheet.box(0.06, 0.0, 0.94, 0.06, DARK)


def windscreen(sheet: Sheet, look: Look) -> None:
    """Glass: the sky in its upper part, dashboard, seats and driver faintly behind, wipers, a tint along the top."""
    _glass(sheet, look, sky=0.55)
    seat = shade(GLASS, 0.62)
    for x in (0.3, 0.7):
        sheet.box(x - 0.1, 0.42, x + 0.1, 1.0, seat, 0.06)
        sheet.disc(x, 0.36, 0.1, seat)
    # Indonesia drives on the left, so the driver sits on the picture's left when the vehicle comes
    sheet.disc(0.3, 0.4, 0.095, (66, 86, 112))
    torso = [(0.18, 0.95), (0.2, 0.62), (0.27, 0.53), (0.33, 0.53), (0.4, 0.62), (0.42, 0.95)]
    sheet.poly(torso, shade(_shirt(look), 0.6))
    sheet.box(0.0, 0.86, 1.0, 1.0, shade(GLASS, 0.5))
    sheet.soften(0.02)
    _reflection(sheet, look)
    if not look.big:
        sheet.box(0.45, 0.07, 0.55, 0.16, DARK, 0.02)
    sheet.box(0.0, 0.0, 1.0, 0.05, shade(GLASS, 0.5))
    sheet.line((0.12, 0.99), (0.46, 0.86), 0.018, DARK)
    sheet.line((0.5, 0.99), (0.84, 0.86), 0.018, DARK)
    pillar = shade(look.paint, 0.9)
    sheet.poly([(0, 0), (0.035, 0), (0.03, 1), (0, 1)], pillar)
    sheet.poly([(1, 0), (0.965, 0), (0.97, 1), (1, 1)], pillar)
    sheet.box(0.0, 0.0, 1.0, 0.03, pillar)


def rear_window(sheet: Sheet, look: Look) -> None:
    """Glass at the back: darker film, a wiper, heads of the seats."""
    _glass(sheet, look, sky=0.3)
    for x in (0.28, 0.72):
        sheet.disc(x, 0.7, 0.1, shade(GLASS, 0.6))
    sheet.soften(0.02)
    _reflection(sheet, look)
    sheet.line((0.5, 0.96), (0.72, 0.8), 0.018, DARK)
    frame = shade(look.paint, 0.92)
    sheet.box(0.0, 0.0, 0.045, 1.0, frame)
    sheet.box(0.955, 0.0, 1.0, 1.0, frame)
    sheet.box(0.0, 0.0, 1.0, 0.05, frame)


def roof(sheet: Sheet, look: Look) -> None:
    """Roof: the sky's sheen and pressed lines along it."""
    sheet.fade_across((0.88, 1.0, 1.06, 1.06, 1.0, 0.88))
    for x in (0.2, 0.4, 0.6, 0.8):
        sheet.line((x, 0.0), (x, 1.0), 0.02, shade(look.paint, 0.93))
    sheet.soften(0.015)


def trunk(sheet: Sheet, look: Look) -> None:
    """Boot lid."""
    sheet.fade_across((0.86, 1.04, 1.08, 1.04, 0.86))


def tail(sheet: Sheet, look: Look) -> None:
    """Upper rear: tail lamps at the corners, the recess of the number plate."""
    sheet.fade(1.0, 0.92)
    for x1, x2 in ((0.01, 0.2), (0.8, 0.99)):
        sheet.box(x1, 0.08, x2, 0.72, shade(TAIL, 0.8), 0.04)
        sheet.box(x1 + 0.03, 0.16, x2 - 0.03, 0.4, TAIL, 0.03)
        sheet.box(x1 + 0.03, 0.46, x2 - 0.03, 0.62, AMBER if look.big else shade(LAMP, 0.8), 0.03)
    sheet.box(0.3, 0.16, 0.7, 0.9, shade(look.paint, 0.72), 0.04)
    sheet.line((0.3, 0.14), (0.7, 0.14), 0.03, CHROME)


def rear_bumper(sheet: Sheet, look: Look) -> None:
    """Lower rear: reflectors and a dark lip."""
    sheet.fade(0.92, 0.66)
    for x in (0.1, 0.9):
        sheet.box(x - 0.06, 0.4, x + 0.06, 0.56, shade(TAIL, 0.8))
    sheet.box(0.0, 0.72, 1.0, 1.0, TRIM)


def brow(sheet: Sheet, look: Look) -> None:
    """A bus's forehead: the dark box of its destination sign, unlit."""
    sheet.box(0.16, 0.2, 0.84, 0.85, DARK, 0.04)
    for x in np.linspace(0.24, 0.74, 18):
        sheet.disc(float(x), 0.5 + 0.16 * float(np.sin(x * 60)), 0.03, (40, 120, 190))


def cab_back(sheet: Sheet, look: Look) -> None:
    """A cab's rear wall."""
    sheet.fade(0.8, 0.6)


PAINTERS: Mapping[str, Painter] = {
    painter.__name__: painter
    for painter in (
        bumper, grille, hood, windscreen, rear_window, roof, trunk, tail, rear_bumper, brow, cab_back,
    )
}  # fmt: skip


def flank(sheet: Sheet, look: Look, doors: tuple[float, ...], arches: tuple[float, ...], arch_m: float) -> None:
    """A side below the windows: doors, handles, a crease, wheel arches; shares along the length from the front."""
    sheet.fade(1.08, 0.74)
    length_m = sheet.width / sheet.px_per_m
    sheet.line((0.02, 0.34), (0.98, 0.34), 0.03, shade(look.paint, 1.08))
    sheet.line((0.02, 0.4), (0.98, 0.4), 0.03, shade(look.paint, 0.82))
    sheet.soften(0.012)
    for x in doors:
        sheet.line((x, 0.0), (x, 0.86), 0.014, shade(look.paint, 0.45))
    for x in doors[1:]:
        sheet.box(x - 0.22 / length_m, 0.16, x - 0.06 / length_m, 0.24, shade(look.paint, 0.6), 0.01)
    sheet.box(0.0, 0.88, 1.0, 1.0, TRIM)
    sheet.box(0.0, 0.24, 0.3 / length_m, 0.42, shade(LAMP, 0.75), 0.02)
    sheet.box(1 - 0.25 / length_m, 0.16, 1.0, 0.42, TAIL, 0.02)
    for x in arches:
        sheet.disc(x, 1.0, arch_m, DARK)


def side_glass(sheet: Sheet, look: Look, pillars: tuple[float, ...]) -> None:
    """Side windows with their pillars."""
    _glass(sheet, look, sky=0.35)
    sheet.soften(0.02)
    _reflection(sheet, look)
    frame = shade(look.paint, 0.85)
    sheet.box(0.0, 0.0, 1.0, 0.1, frame)
    width_m = sheet.width / sheet.px_per_m
    for x in pillars:
        half = 0.035 / width_m
        sheet.box(x - half, 0.0, x + half, 1.0, TRIM)
    for x1, x2 in ((0.0, 0.05 / width_m * 1.5), (1 - 0.075 / width_m, 1.0)):
        sheet.box(x1, 0.0, x2, 1.0, frame)


def cargo(sheet: Sheet, look: Look) -> None:
    """A truck's box: upright ribs and dirt that runs down from them."""
    for x in np.arange(0.04, 1.0, 0.16 * sheet.px_per_m / sheet.width):
        sheet.line((float(x), 0.0), (float(x), 1.0), 0.022, shade(look.paint, 0.82))
        sheet.line((float(x) + 0.008, 0.0), (float(x) + 0.008, 1.0), 0.014, shade(look.paint, 1.1))
    sheet.fade(1.03, 0.86)
    sheet.grain(look.rng, 3.0)
    sheet.box(0.0, 0.95, 1.0, 1.0, TRIM)
    sheet.box(0.0, 0.0, 1.0, 0.03, shade(CHROME, 0.8))


def cargo_doors(sheet: Sheet, look: Look) -> None:
    """A truck's rear: two doors with bars and hinges, lamps below."""
    cargo(sheet, look)
    sheet.line((0.5, 0.02), (0.5, 0.94), 0.03, DARK)
    for x in (0.32, 0.44, 0.56, 0.68):
        sheet.line((x, 0.03), (x, 0.93), 0.03, shade(CHROME, 0.7))
    for x1, x2 in ((0.02, 0.14), (0.86, 0.98)):
        sheet.box(x1, 0.955, x2, 0.995, TAIL)


def _glass(sheet: Sheet, look: Look, sky: float) -> None:
    sheet.box(0.0, 0.0, 1.0, 1.0, GLASS)
    for step in range(24):
        y = step / 24
        tone = mix(GLASS, SKY, sky * max(0.0, 1 - y * 1.35) ** 1.4)
        sheet.box(0.0, y, 1.0, y + 1 / 23, tone)


def _reflection(sheet: Sheet, look: Look) -> None:
    """Trees and houses mirrored in the glass: slanted bands, lighter than what is behind it."""
    clear = sheet.picture.copy()
    for _ in range(3):
        x, width = look.rng.uniform(0.0, 0.9), look.rng.uniform(0.05, 0.16)
        sheet.poly([(x, 0.0), (x + width, 0.0), (x + width - 0.18, 1.0), (x - 0.18, 1.0)], shade(SKY, 0.85))
    sheet.soften(0.03)
    sheet.picture = (clear * 0.84 + sheet.picture * 0.16).astype(np.uint8)


def _shirt(look: Look) -> Colour:
    shirts: tuple[Colour, ...] = ((210, 208, 204), (120, 70, 40), (50, 46, 44), (70, 90, 170), (90, 130, 80))
    return shirts[int(look.rng.integers(len(shirts)))]
