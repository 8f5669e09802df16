"""The whole of an evaluation: which networks, how they were asked, and what came of it, in code and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from agent.errors import UsageError
from training.evaluation.results import FolderResult


@dataclass(frozen=True, slots=True)
class Model:
    """A network that was evaluated."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Document:
    """What `evaluation.json` holds."""

    software: str
    machine: str
    """Whose times these are."""
    mode: Literal["end_to_end", "crop"]
    grammar: str
    threads: int
    held_back: bool
    single_line: bool
    accept_confidence: float
    """The thresholds of acceptance, as shipped."""
    max_runner_up: float
    models: tuple[Model, ...]
    folders: tuple[FolderResult, ...]
    all: FolderResult


def to_json(document: Document) -> str:
    """Figures rounded to six digits; the plates stand with their folders, not again with all."""
    content = asdict(document)
    del content["all"]["plates"]
    return json.dumps(_rounded(content), ensure_ascii=False, indent=1)


def load(path: Path) -> Document:
    """The document of an `evaluation.json`. Raises UsageError."""
    try:
        return TypeAdapter(Document).validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; give a file that cakra-evaluate --out wrote") from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise UsageError(f"{path}: {field}: {first['msg']}; make the file again with cakra-evaluate --out") from None


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return round(value, 6)
        case dict():
            return {key: _rounded(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_rounded(inner) for inner in value]
    return value
