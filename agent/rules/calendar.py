"""Days on which rules with hours are off: national holidays and joint leave (cuti bersama), from editable files.

Joint leave is decreed late (18 August 2025 was added in that month), so the files under `config/calendars` are what
counts. `python -m agent.rules.calendar YEAR` prints a first version of one from the `holidays` package, to be checked
against the decree (SKB 3 Menteri).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agent.errors import ConfigError
from agent.settings import load_yaml


class HolidayKind(StrEnum):
    NATIONAL = "national"
    JOINT_LEAVE = "joint_leave"


class Holiday(BaseModel):
    """A day off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    date: date
    kind: HolidayKind
    name: str


class CalendarYear(BaseModel):
    """A calendar file: all days off of one year."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    year: int = Field(ge=2000, le=2100)
    """The year the file covers: a rule that needs the calendar is silent in a year that no file covers."""
    days: tuple[Holiday, ...]

    @model_validator(mode="after")
    def _of_this_year(self) -> Self:
        for index, day in enumerate(self.days):
            if day.date.year != self.year:
                raise ValueError(f"days[{index}].date: {day.date} is not in {self.year}; move it to its year's file")
        return self


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days off of some years."""

    years: frozenset[int]
    days: frozenset[date]

    def covers(self, day: date) -> bool:
        """Whether it is known if that day is off."""
        return day.year in self.years

    def is_off(self, day: date) -> bool:
        return day in self.days


def load_calendar(folder: Path) -> Calendar:
    """The calendar of all files of a folder. Raises ConfigError."""
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise ConfigError(f"{folder}: holds no calendar (*.yaml); make one with `python -m agent.rules.calendar YEAR`")
    files = [load_yaml(path, CalendarYear) for path in paths]
    return Calendar(frozenset(f.year for f in files), frozenset(day.date for f in files for day in f.days))


def seed(year: int) -> str:
    """A calendar file of a year out of the `holidays` package."""
    import holidays  # a second to import, and only needed here

    days = {
        (day, kind, name)
        for kind, category in ((HolidayKind.NATIONAL, "public"), (HolidayKind.JOINT_LEAVE, "government"))
        for day, name in holidays.country_holidays("ID", years=year, categories=category, language="id").items()
    }
    return "".join(_lines(year, sorted(days)))


def _lines(year: int, days: Iterable[tuple[date, HolidayKind, str]]) -> Iterable[str]:
    yield f"# National holidays and joint leave of {year}. Seeded by the `holidays` package: check against the\n"
    yield "# decree, and add days that are decreed later. What stands here is what counts.\n"
    yield f"year: {year}\ndays:\n"
    for day, kind, name in days:
        yield f'  - {{date: {day}, kind: {kind}, name: "{name}"}}\n'


if __name__ == "__main__":
    sys.stdout.write(seed(int(sys.argv[1])))
