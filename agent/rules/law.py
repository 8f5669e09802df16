"""The law behind the rules, as versioned data: article, wording, fine, and from which day to which day it holds.

One file a rule under `config/law`. A change of the law is a new version in the file, never a change of code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agent.errors import ConfigError
from agent.settings import load_yaml
from agent.types import ViolationKind


class LawPart(BaseModel):
    """What all parts of a law file share."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class NoTerms(LawPart):
    """For rules that need to know nothing but the article."""


Terms = TypeVar("Terms", bound=LawPart)
"""What a rule itself needs to know of the law, such as hours and exemptions; declared in the rule's file."""


class LawVersion(LawPart, Generic[Terms]):
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
    terms: Terms
    """What the rule itself needs to know; left out where that is nothing."""

    @model_validator(mode="before")
    @classmethod
    def _terms_may_be_left_out(cls, content: Any) -> Any:
        return {"terms": {}} | content if isinstance(content, dict) else content

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.effective_to and self.effective_to < self.effective_from:
            raise ValueError("effective_to: is before effective_from; correct one of them")
        return self

    def holds_on(self, day: date) -> bool:
        return self.effective_from <= day and (self.effective_to is None or day <= self.effective_to)


class RuleLaw(LawPart, Generic[Terms]):
    """A law file: all versions of the law behind one rule."""

    kind: ViolationKind
    """The rule."""
    name: str
    """The rule's everyday name."""
    versions: tuple[LawVersion[Terms], ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        ordered = sorted(self.versions, key=lambda version: version.effective_from)
        for earlier, later in pairwise(ordered):
            if earlier.holds_on(later.effective_from):
                raise ValueError(f"versions: two hold on {later.effective_from}; end the earlier the day before")
        return self

    def on(self, day: date) -> LawVersion[Terms] | None:
        """The version in force on a day."""
        return next((version for version in self.versions if version.holds_on(day)), None)


class _AnyLaw(BaseModel):
    """A law file before it is known which rule it is of."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: ViolationKind


@dataclass(frozen=True, slots=True)
class Law:
    """The law behind all rules."""

    by_kind: Mapping[ViolationKind, RuleLaw[Any]]


def load_law(folder: Path, terms: Mapping[ViolationKind, type[LawPart]]) -> Law:
    """The law of all files of a folder; `terms` says what each rule needs to know. Raises ConfigError."""
    by_kind: dict[ViolationKind, RuleLaw[Any]] = {}
    for path in sorted(folder.glob("*.yaml")):
        kind = load_yaml(path, _AnyLaw).kind
        if kind in by_kind:
            raise ConfigError(f"{path}: kind: another file holds `{kind}` already; put all versions in one")
        by_kind[kind] = load_yaml(path, RuleLaw[terms[kind]])  # type: ignore[valid-type]
    if not by_kind:
        raise ConfigError(f"{folder}: holds no law file (*.yaml); take those of the distribution's config/law")
    return Law(by_kind)
