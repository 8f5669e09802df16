"""The message templates WhatsApp has approved, read from the same YAML the sender uses.

A template that WhatsApp would not approve is refused here, so that the mistake shows before Meta's review.
"""

from __future__ import annotations

import re
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agent.errors import ConfigError

_PLACEHOLDER = re.compile(r"\{\{(\d+)\}\}")


BODY_LENGTH = 1024
"""Characters of a body, as written and as filled."""


class _Border(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class UrlButton(_Border):
    """Opens a page; a message can vary only the end of its address."""

    type: Literal["url"]
    text: str = Field(min_length=1, max_length=25)
    url: str = Field(max_length=2000, pattern=r"^https://[^{}]+(\{\{1\}\})?$")

    @property
    def varies(self) -> bool:
        return self.url.endswith("{{1}}")

    def address(self, suffix: str) -> str:
        return self.url.replace("{{1}}", suffix)


class QuickReply(_Border):
    """Sends its payload back to the business."""

    type: Literal["quick_reply"]
    text: str = Field(min_length=1, max_length=25)
    answer: str
    """The sender's own word for what the owner says with it."""


Button = Annotated[UrlButton | QuickReply, Field(discriminator="type")]


class Template(_Border):
    """One approved template in one language."""

    name: str = Field(pattern=r"^[a-z0-9_]{1,512}$")
    language: str
    category: Literal["UTILITY", "MARKETING", "AUTHENTICATION"]
    effective_from: date
    header: Literal["image"] | None = None
    body: str = Field(min_length=1, max_length=BODY_LENGTH)
    footer: str | None = Field(default=None, max_length=60)
    buttons: tuple[Button, ...] = Field(default=(), max_length=10)

    @model_validator(mode="after")
    def _approvable(self) -> Template:
        found = {int(number) for number in _PLACEHOLDER.findall(self.body)}
        if found != set(range(1, len(found) + 1)):
            raise ValueError(f"body has the parameters {sorted(found)}; number them 1, 2, 3 without a gap")
        body = self.body.strip()
        if _PLACEHOLDER.match(body) or re.search(r"\{\{\d+\}\}$", body):
            raise ValueError("body starts or ends with a parameter; WhatsApp wants words there")
        if len(list(groupby(button.type for button in self.buttons))) > 2:
            raise ValueError("quick replies and other buttons are mixed; group them")
        return self

    @property
    def parameter_count(self) -> int:
        return len(set(_PLACEHOLDER.findall(self.body)))

    def fill(self, parameters: tuple[str, ...]) -> str:
        """The body as the user reads it, still with WhatsApp's marks for bold and italic."""
        return _PLACEHOLDER.sub(lambda match: parameters[int(match[1]) - 1], self.body.strip())


def load_templates(path: Path) -> tuple[Template, ...]:
    """Read one template file or all of a folder; raises `ConfigError` when one does not hold together."""
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    if not files:
        raise ConfigError(f"{path}: holds no *.yaml; give a template file or a folder of them")
    return tuple(_load(file) for file in files)


def _load(file: Path) -> Template:
    try:
        content: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        return Template.model_validate(content)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file}: cannot be read ({type(error).__name__}); give a template in YAML") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"]) or "template"
        raise ConfigError(f"{file}: {place}: {first['msg']}") from error
