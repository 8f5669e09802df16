"""WhatsApp templates as versioned data, held to WhatsApp's limits and to the trust rules of the domain.

A notice must not look like the scam it is warned of: no payment link, no bank detail, no file, no code asked for, one
official domain. What breaks a rule cannot be loaded, so it cannot be sent.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from dispatcher.errors import ConfigError
from dispatcher.settings import Section, load_yaml

PARAMETERS = 7
_PLACEHOLDER = re.compile(r"\{\{(\d+)\}\}")
_DOMAIN = re.compile(r"\b(?:[a-z0-9-]+\.)+[a-z]{2,}\b", re.IGNORECASE)
_MONEY = re.compile(r"\b(rekening\s*:?\s*\d+|virtual account|transfer ke|bayar (di|ke|melalui)|qris)\b", re.IGNORECASE)
_NEVER_ASKS = ("tidak pernah", "berkas", "pembayaran", "OTP", "PIN")
"""Words of the sentence that tells what this service never does; a template without it is not one of ours."""


def fill(text: str, parameters: tuple[str, ...]) -> str:
    """A text with `{{1}}` to `{{7}}` replaced by a notice's parameters."""
    return _PLACEHOLDER.sub(lambda match: parameters[int(match[1]) - 1], text.strip())


def trust_fault(text: str) -> str:
    """What makes a text look like the scam that owners are warned of, and the mend; empty when nothing does."""
    if missing := [word for word in _NEVER_ASKS if word not in text]:
        return f"body: does not say what the service never does ({', '.join(missing)}); say it"
    if _MONEY.search(text):
        return "body: asks for money or names an account; a notice never does, remove it"
    return ""


def domains_in(text: str) -> set[str]:
    """The domains that a text names."""
    return set(_DOMAIN.findall(text))


class UrlButton(Section):
    """Opens the owner's page; only the end of its address varies."""

    type: Literal["url"]
    text: str = Field(min_length=1, max_length=25)
    url: str = Field(pattern=r"^https://[a-z0-9.-]+/[a-z/]*\{\{1\}\}$")

    @property
    def host(self) -> str:
        return self.url.split("/")[2]


class QuickReply(Section):
    """One of the owner's answers."""

    type: Literal["quick_reply"]
    text: str = Field(min_length=1, max_length=25)
    answer: Literal["own", "other", "not_mine", "sold"]


class Template(Section):
    """One version of the notice in one language."""

    name: str = Field(pattern=r"^[a-z0-9_]{1,512}$")
    language: str
    category: Literal["UTILITY"]
    effective_from: date
    header: Literal["image"]
    body: str = Field(min_length=1, max_length=1024)
    footer: str = Field(max_length=60)
    buttons: tuple[Annotated[UrlButton | QuickReply, Field(discriminator="type")], ...] = Field(max_length=10)

    @model_validator(mode="after")
    def _whole(self) -> Template:
        numbers = {int(number) for number in _PLACEHOLDER.findall(self.body)}
        if numbers != set(range(1, PARAMETERS + 1)):
            raise ValueError(f"body: needs each of {{{{1}}}} to {{{{{PARAMETERS}}}}} and no other; mend the text")
        if [button.type for button in self.buttons[:1]] != ["url"] or not self.replies:
            raise ValueError("buttons: needs one url first, then quick replies; mend the list")
        if len(self.replies) != len(self.buttons) - 1:
            raise ValueError("buttons: has more than one url; keep the first")
        if fault := trust_fault(self.body) or trust_fault(self.body + self.footer):
            raise ValueError(fault)
        return self

    @property
    def url(self) -> UrlButton:
        first = self.buttons[0]
        assert isinstance(first, UrlButton)
        return first

    @property
    def replies(self) -> tuple[QuickReply, ...]:
        return tuple(button for button in self.buttons if isinstance(button, QuickReply))

    def fill(self, parameters: tuple[str, ...]) -> str:
        """The body as the owner reads it."""
        return fill(self.body, parameters)


def load_template(folder: Path, name: str, official_domain: str) -> Template:
    """The template of this name. Raises ConfigError, also for one that names another domain than the official."""
    path = folder / f"{name}.yaml"
    template = load_yaml(path, Template)
    if template.name != name:
        raise ConfigError(f"{path}: name: is {template.name}; name the file after the template")
    domains = domains_in(f"{template.body} {template.footer}") | {template.url.host}
    if foreign := sorted(domains - {official_domain}):
        raise ConfigError(f"{path}: names {', '.join(foreign)}; only {official_domain} (official_domain) may be named")
    return template
