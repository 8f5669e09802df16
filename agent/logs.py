"""What a unit says to whoever looks after it: one line an event, as text or as JSON.

A line is the event in words of ours with nothing filled in, and fields of `FIELDS`: no plate has a way into it. So a
call is `log.info("judged", extra={"event_id": event_id})`; `tests/unit/test_logs.py` refuses any other.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

Form: TypeAlias = Literal["text", "json"]

FIELDS = ("event_id", "kind", "outcome", "state", "reason", "signal", "topic", "protocol", "host", "port", "number")
"""What a line may tell beside its event; another field is left out."""


def configure(form: Form = "text") -> None:
    """Say everything on stderr in this form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(form))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class Lines(logging.Formatter):
    """Writes a record as one line."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        event, fields = record.getMessage().partition("\n")[0], dict(_fields(record))
        if self._form == "json":
            at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
            said = {"at": at, "level": record.levelname.lower(), "event": event, "logger": record.name}
            return json.dumps(said | fields, ensure_ascii=False, default=str)
        words = (f"{name}={value}" for name, value in fields.items())
        return " ".join((f"{record.levelname} {record.name}: {event}", *words))


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, Any]]:
    for name in FIELDS:
        value = record.__dict__.get(name)
        if value not in (None, ""):
            yield name, value
    if record.exc_info and record.exc_info[0]:
        yield "error", record.exc_info[0].__name__  # its words may quote what was being worked on
