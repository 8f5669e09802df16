"""YAML files into pydantic models, with errors a technician can act on: `FILE: FIELD: what is wrong; the mend`.

YAML is read more strictly than by default: a key given twice is an error, `16:00` is a time and not the number 960,
and `no` is a word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from agent.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """Safe YAML without YAML 1.1's base-60 numbers and yes/no/on/off booleans, and without repeated keys."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float | bool):
                raise yaml.MarkedYAMLError(problem="a key must be a word", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"`{key}` is given twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


_PLAIN = {
    "bool": (r"true|True|false|False", "tTfF"),
    "int": (r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    "float": (r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?", "-+.0123456789"),
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "timestamp": (r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "0123456789"),
    "merge": (r"<<", "<"),
}
for _tag, (_pattern, _first) in _PLAIN.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))


def load_yaml(path: Path, model: type[Model]) -> Model:
    """The file's content as a `model`. Raises ConfigError, one line, for whatever keeps it from being one."""
    content = _parse(path, _text(path))
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: the file holds no `key: value` mapping; see the example beside it")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{path}: {explain(error, model)}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; check the path") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check its kind and rights") from None


def _parse(path: Path, text: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "YAML"
        raise ConfigError(f"{path}: {where}: {error.problem}; correct the YAML there") from None
    except (yaml.YAMLError, ValueError) as error:
        first_line = str(error).splitlines()[0]
        raise ConfigError(f"{path}: not YAML ({first_line}); correct or rewrite the file") from None


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """The first thing wrong, `FIELD: what is wrong; the mend`, and how many more there are."""
    errors = error.errors(include_url=False)
    # pydantic also counts a list as too short when its items are wrong: only the innermost faults are the user's
    inner = {e["loc"][:depth] for e in errors for depth in range(len(e["loc"]))}
    details = [e for e in errors if e["loc"] not in inner]
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return _explain_one(details[0], model) + more


def _explain_one(detail: ErrorDetails, model: type[BaseModel]) -> str:
    loc = detail["loc"]
    field = f"{_printed(loc)}: " if loc else ""
    match detail["type"]:
        case "missing":
            return f"{field}is missing; add it"
        case "extra_forbidden":
            return f"{field}unknown key; {_advice(str(loc[-1]), _known_keys(model, loc[:-1]))}"
        case "value_error" | "assertion_error":
            return field + detail["msg"].split(", ", 1)[1]
        case _:
            return f"{field}{_plain_message(detail['msg'])}, is {_shown(detail['input'])}; correct the value"


def _printed(loc: Sequence[str | int]) -> str:
    """`lanes[0].polygon` for ("lanes", 0, "polygon")."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return "".join(parts).removeprefix(".")


def _plain_message(message: str) -> str:
    return message.removeprefix("Input ").replace("\n", " ")


def _shown(value: object) -> str:
    """The value, where it cannot be a secret; its kind, where it could."""
    match value:
        case None:
            return "empty"
        case bool() | int() | float():
            return str(value).lower()
        case str():
            return "a text"
        case list() | tuple():
            return f"a list of {len(value)}"
        case _:
            return "a mapping" if isinstance(value, dict) else type(value).__name__


def _advice(key: str, known: Sequence[str]) -> str:
    near = get_close_matches(key, known, n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else f"known are {', '.join(known) or 'none'}"


def _known_keys(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """Field names of the model that stands at `loc` inside `model`."""
    found: type[BaseModel] | None = model
    for part in loc:
        field = found.model_fields.get(part) if found and isinstance(part, str) else None
        if field is not None:
            found = _model_in(field.annotation)
    return sorted(found.model_fields) if found else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
