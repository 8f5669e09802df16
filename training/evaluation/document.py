"""The whole of an evaluation: which networks, how they were asked, and what came of it, in code and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

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


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return round(value, 6)
        case dict():
            return {key: _rounded(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_rounded(inner) for inner in value]
    return value
