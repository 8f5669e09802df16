"""The law as the notice prints it, and the days off that a deadline skips: versioned data under `config/`.

The files serve units too; what only a unit's rule needs to know (`terms`) is let pass here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from dispatcher.errors import ConfigError
from dispatcher.settings import load_yaml


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Version(_Part):
    effective_from: date
    effective_to: date | None = None
    pasal: str = Field(min_length=1)
    uraian: str = Field(min_length=1)
    denda_maksimal_idr: int = Field(ge=0)


class _LawFile(_Part):
    kind: str
    versions: tuple[_Version, ...] = Field(min_length=1)


class _Day(_Part):
    date: date


class _CalendarFile(_Part):
    days: tuple[_Day, ...]


@dataclass(frozen=True, slots=True)
class Offence:
    """A violation as the law words it."""

    article: str
    description: str
    max_fine_idr: int


@dataclass(frozen=True, slots=True)
class Law:
    """The law behind each kind of violation, with the days on which it holds."""

    by_kind: Mapping[str, tuple[_Version, ...]]

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(sorted(self.by_kind))

    def offence(self, kind: str, day: date) -> Offence | None:
        """The law in force on a day; None when none describes this kind."""
        for version in self.by_kind.get(kind, ()):
            if version.effective_from <= day and (version.effective_to is None or day <= version.effective_to):
                return Offence(version.pasal, version.uraian, version.denda_maksimal_idr)
        return None


def load_law(folder: Path) -> Law:
    """The law of all files of a folder. Raises ConfigError."""
    files = [load_yaml(path, _LawFile) for path in sorted(folder.glob("*.yaml"))]
    if not files:
        raise ConfigError(f"{folder}: law: holds no law file (*.yaml); take those of the distribution's config/law")
    return Law({file.kind: file.versions for file in files})


def load_holidays(folder: Path) -> frozenset[date]:
    """The days off of all calendars of a folder. Raises ConfigError."""
    files = [load_yaml(path, _CalendarFile) for path in sorted(folder.glob("*.yaml"))]
    if not files:
        raise ConfigError(f"{folder}: calendars: holds no calendar (*.yaml); take those of config/calendars")
    return frozenset(day.date for file in files for day in file.days)
