"""What a letter says around its facts: versioned data, held to the trust rules of the notice."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pydantic import Field, model_validator

from dispatcher.errors import ConfigError
from dispatcher.settings import Section, load_yaml
from dispatcher.template import domains_in, fill, trust_fault


class Wording(Section):
    """One version of the letter. `{{1}}` to `{{7}}` stand for the notice's parameters."""

    name: str = Field(pattern=r"^[a-z0-9_]{1,64}$")
    effective_from: date
    sender: tuple[str, ...] = Field(min_length=1)
    """Letterhead, line by line."""
    subject: str = Field(min_length=1)
    opening: str = Field(min_length=1)
    """Paragraphs before facts and pictures, a blank line between them."""
    closing: str = Field(min_length=1)
    """Paragraphs after them."""

    @model_validator(mode="after")
    def _is_no_trap(self) -> Wording:
        if fault := trust_fault(self.text):
            raise ValueError(fault)
        return self

    @property
    def text(self) -> str:
        return "\n\n".join((*self.sender, self.subject, self.opening, self.closing))

    def paragraphs(self, text: str, parameters: tuple[str, ...]) -> tuple[str, ...]:
        """The paragraphs of `opening` or `closing` with a notice's parameters filled in."""
        return tuple(" ".join(part.split()) for part in fill(text, parameters).split("\n\n"))


def load_wording(folder: Path, name: str, official_domain: str) -> Wording:
    """The wording of this name. Raises ConfigError, also for one that names another domain than the official."""
    path = folder / f"{name}.yaml"
    wording = load_yaml(path, Wording)
    if wording.name != name:
        raise ConfigError(f"{path}: name: is {wording.name}; name the file after the letter")
    if foreign := sorted(domains_in(wording.text) - {official_domain}):
        raise ConfigError(f"{path}: names {', '.join(foreign)}; only {official_domain} (official_domain) may be named")
    return wording
