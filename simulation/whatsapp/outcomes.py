"""Scripted outcomes: what happens to the messages sent to one phone number.

A script names each recipient's outcome, or spells it out:

```yaml
"6281200000001": undeliverable
"6281200000002": {like: throttled, times: 2}
"6281200000003": {reports: [read, sent], duplicates: 1, reply: own}
"*": shuffled
```
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

from agent.errors import ConfigError
from simulation.whatsapp.faults import FAULTS

EVERYONE = "*"


class Status(StrEnum):
    """What WhatsApp reports of a message; sent < delivered < read, failed stands apart."""

    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


class Answer(StrEnum):
    """What the sender gets back."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    """An error in Meta's JSON with `code`."""
    BAD_GATEWAY = "bad_gateway"
    """502 with a page that is not JSON, as proxies make them."""
    HANG_UP = "hang_up"
    """The connection closes without an answer; the message is lost."""
    ACCEPT_THEN_HANG_UP = "accept_then_hang_up"
    """The connection closes without an answer; the message is on its way."""


PRESETS: dict[str, dict[str, Any]] = {
    "delivered": {},
    "undeliverable": {"fails_with": 131026},
    "throttled": {"answer": "refuse", "code": 130429, "times": 1},
    "server_error": {"answer": "refuse", "code": 131000, "times": 1},
    "bad_gateway": {"answer": "bad_gateway", "times": 1},
    "hang_up": {"answer": "hang_up", "times": 1},
    "accept_then_hang_up": {"answer": "accept_then_hang_up", "times": 1},
    "no_status": {"reports": []},
    "out_of_order": {"reports": ["delivered", "sent"]},
    "skips_delivered": {"reports": ["sent", "read"]},
    "duplicated": {"duplicates": 2},
    "shuffled": {"duplicates": 1, "shuffle": True},
    "late": {"delay_s": 30.0},
}


class Outcome(BaseModel):
    """What happens to a message to one phone number."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answer: Answer = Answer.ACCEPT
    code: int = 131000
    """Of the error when the answer is `refuse`."""
    times: int | None = Field(default=None, ge=0)
    """How many sends meet this outcome; those after it go well. None: all."""
    fails_with: int | None = None
    """Accepted, then reported failed with this code."""
    reports: tuple[Status, ...] | None = None
    """Exactly these statuses, in this order, instead of sent, delivered and read as they happen."""
    duplicates: int = Field(default=0, ge=0, le=10)
    """How many more times each status is reported."""
    shuffle: bool = False
    delay_s: float = Field(default=0.0, ge=0)
    """From accepting the message to the first report."""
    reply: str | None = None
    """The owner answers at once with the button of this answer (`own`, `other`, `not_mine`)."""

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {"like": value}
        if not isinstance(value, Mapping) or "like" not in value:
            return value
        fields = dict(value)
        name = fields.pop("like")
        if name not in PRESETS:
            raise ValueError(f"no outcome is called {name!r}; known are {', '.join(PRESETS)}")
        return PRESETS[name] | fields

    @field_validator("code", "fails_with")
    @classmethod
    def _known_code(cls, code: int | None) -> int | None:
        if code is not None and code not in FAULTS:
            raise ValueError(f"{code} is not an error code of the API")
        return code

    def happens(self) -> tuple[Status, ...]:
        """What becomes of an accepted message before its owner looks at it."""
        if self.fails_with is not None:
            return (Status.FAILED,)
        if self.reports is not None and Status.READ in self.reports:
            return (Status.SENT, Status.DELIVERED, Status.READ)
        return (Status.SENT, Status.DELIVERED)

    def told(self, rng: random.Random) -> tuple[Status, ...]:
        """What is reported of it, in the order of the reports."""
        once = self.happens() if self.reports is None else self.reports
        reports = [status for status in once for _ in range(1 + self.duplicates)]
        if self.shuffle:
            rng.shuffle(reports)
        return tuple(reports)


OUTCOMES = TypeAdapter(dict[str, Outcome])
"""A script as it stands in a file or comes to the admin page: outcome by recipient."""


class Script:
    """The outcomes in force, counted down as sends meet them."""

    def __init__(self, outcomes: Mapping[str, Outcome]) -> None:
        self.outcomes = dict(outcomes)

    def meet(self, recipient: str) -> Outcome:
        """The outcome of the next send to this recipient."""
        key = recipient if recipient in self.outcomes else EVERYONE
        outcome = self.outcomes.get(key, Outcome())
        if outcome.times == 0:
            return Outcome()
        if outcome.times is not None:
            self.outcomes[key] = outcome.model_copy(update={"times": outcome.times - 1})
        return outcome


def load_outcomes(path: Path) -> dict[str, Outcome]:
    """Read a script, YAML or JSON; raises `ConfigError`."""
    try:
        return OUTCOMES.validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read ({type(error).__name__}); give a YAML or JSON script") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"]) or "script"
        raise ConfigError(f"{path}: {place}: {first['msg']}; see simulation/whatsapp/outcomes.py") from error
