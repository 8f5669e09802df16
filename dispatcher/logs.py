"""What the dispatcher says to whoever runs it: one line an event, as text or as JSON.

Nobody's data is in a line, because there is no way into it: a line is the event in words of ours with nothing filled
in, fields of `FIELDS`, and of an exception its type and the places it came through. Its words are left out, for they
may quote what was being worked on; those of our own faults are of ours. Of other libraries only warnings are said, the
same way. What still looks like a plate, a telephone number or a NIK in a field that holds words is masked.

So a call is `log.info("case moved", extra={"case": 7})`; `tests/unit/test_logs.py` refuses any other.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeAlias

from dispatcher.errors import CakraError, UnstorableError

Form: TypeAlias = Literal["text", "json"]

FIELDS = (
    "case",
    "unit",
    "event_id",
    "kind",
    "from_state",
    "to_state",
    "outcome",
    "reason",
    "code",
    "number",
    "scope",
    "part",
    "host",
    "port",
    "protocol",
)
"""What a line may tell beside its event; another field is left out."""
_WORDS = ("reason",)
"""Fields in which somebody else's words may stand."""
_PERSONAL = re.compile(r"\+?\d(?:[ .-]?\d){8,}|\b[A-Z]{1,2} ?\d{1,4} ?[A-Z]{1,3}\b")
"""Telephone numbers and NIK are nine digits and more; plates are letters, digits, letters."""
_MASK = "•••"
_OURS = Path(__file__).parent


def configure(form: Form = "text") -> None:
    """Say everything on stderr in this form, also what ends the process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(form))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("dispatcher").setLevel(logging.INFO)
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)  # a lost connection is told by whoever needed it
    sys.excepthook = _end


def _end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    logging.getLogger(__name__).critical("the process ends", exc_info=(kind, error, trace))


class Lines(logging.Formatter):
    """Writes a record as one line."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        said = dict(_said(record))
        if self._form == "json":
            return json.dumps(said, ensure_ascii=False, default=str)
        at, level, event = said.pop("at"), said.pop("level"), said.pop("event")
        fields = (f"{name}={_quoted(value)}" for name, value in said.items())
        return " ".join((at, level.upper(), event, *fields))


def _said(record: logging.LogRecord) -> Iterator[tuple[str, Any]]:
    yield "at", datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    yield "level", record.levelname.lower()
    yield "event", _masked(str(record.msg).partition("\n")[0])
    yield "logger", record.name
    for name in FIELDS:
        value = record.__dict__.get(name)
        if value not in (None, ""):
            yield name, _masked(str(value)) if name in _WORDS else value
    if record.exc_info and record.exc_info[1]:
        yield from _fault(record.exc_info[1]).items()


def _fault(error: BaseException) -> Mapping[str, str]:
    """An exception: its type and its cause's, our places it came through and where it began; its words if ours."""
    cause = f" from {type(error.__cause__).__name__}" if error.__cause__ else ""
    *outer, innermost = traceback.extract_tb(error.__traceback__) or [traceback.FrameSummary("", 0, "")]
    frames = [*(frame for frame in outer if Path(frame.filename).is_relative_to(_OURS)), innermost]
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    said = {"error": type(error).__name__ + cause, "places": " > ".join(places)}
    if isinstance(error, CakraError) and not isinstance(error, UnstorableError):
        said["words"] = _masked(str(error))
    return said


def _masked(words: str) -> str:
    return _PERSONAL.sub(_MASK, words)


def _quoted(value: Any) -> str:
    words = str(value)
    return json.dumps(words, ensure_ascii=False) if re.search(r'[\s"=]', words) or not words else words
