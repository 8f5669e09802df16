"""The law behind the rules, as versioned data: article, wording, fine, and from which day to which day it holds.

One file a rule under `config/law`. A change of the law is a new version in the file, never a change of code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agent.errors import ConfigError
from agent.hours import Hours
from agent.plate import VehicleClass
from agent.settings import load_yaml
from agent.types import PlateColour, ViolationKind


class LawPart(BaseModel):
    """What all parts of a law file share."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class OddEvenTerms(LawPart):
    """When odd-even holds, and for whom it does not."""

    hours: tuple[Hours, ...] = Field(min_length=1)
    off_on_holidays: bool = True
    """Whether national holidays and joint leave are free."""
    exempt_colours: tuple[PlateColour, ...] = ()
    """Plate colours the rule is not for."""
    exempt_classes: tuple[VehicleClass, ...] = ()
    """Classes by the number's range the rule is not for."""


class LawVersion(LawPart):
    """The law as it stands for a time."""

    effective_from: date
    """First day."""
    effective_to: date | None = None
    """Last day; empty while in force."""
    pasal: str = Field(min_length=1)
    """Article, as printed in the notice."""
    uraian: str = Field(min_length=1)
    """The violation in words, as printed in the notice."""
    denda_maksimal_idr: int = Field(ge=0)
    """Maximum fine, rupiah."""
    source: str
    """Where this is written."""
    terms: OddEvenTerms | None = None
    """What the rule itself needs to know."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.effective_to and self.effective_to < self.effective_from:
            raise ValueError("effective_to: is before effective_from; correct one of them")
        return self

    def holds_on(self, day: date) -> bool:
        return self.effective_from <= day and (self.effective_to is None or day <= self.effective_to)


class RuleLaw(LawPart):
    """A law file: all versions of the law behind one rule."""

    kind: ViolationKind
    """The rule."""
    name: str
    """The rule's everyday name."""
    versions: tuple[LawVersion, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        ordered = sorted(self.versions, key=lambda version: version.effective_from)
        for earlier, later in pairwise(ordered):
            if earlier.holds_on(later.effective_from):
                raise ValueError(f"versions: two hold on {later.effective_from}; end the earlier the day before")
        if self.kind is ViolationKind.ODD_EVEN and not all(version.terms for version in self.versions):
            raise ValueError("versions: odd_even needs `terms` with its hours; add them")
        return self

    def on(self, day: date) -> LawVersion | None:
        """The version in force on a day."""
        return next((version for version in self.versions if version.holds_on(day)), None)


@dataclass(frozen=True, slots=True)
class Law:
    """The law behind all rules."""

    by_kind: Mapping[ViolationKind, RuleLaw]


def load_law(folder: Path) -> Law:
    """The law of all files of a folder. Raises ConfigError."""
    by_kind: dict[ViolationKind, RuleLaw] = {}
    for path in sorted(folder.glob("*.yaml")):
        law = load_yaml(path, RuleLaw)
        if law.kind in by_kind:
            raise ConfigError(f"{path}: kind: another file holds `{law.kind}` already; put all versions in one")
        by_kind[law.kind] = law
    if not by_kind:
        raise ConfigError(f"{folder}: holds no law file (*.yaml); take those of the distribution's config/law")
    return Law(by_kind)
