"""Config files: what is wrong is said in one line, with the mend."""

from __future__ import annotations

from datetime import date, time
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator

from agent.errors import ConfigError
from agent.settings import load_yaml


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    count: int = Field(default=1, ge=1)

    @field_validator("name")
    @classmethod
    def _not_bad(cls, name: str) -> str:
        if name == "bad":
            raise ValueError("`bad` is taken; choose another")
        return name


class Whole(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    parts: tuple[Part, ...] = ()
    opens: time | None = None
    day: date | None = None
    word: str = ""


def load(tmp_path: Path, text: str | bytes) -> Whole:
    path = tmp_path / "some.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_yaml(path, Whole)


def test_values(tmp_path: Path) -> None:
    """Hours, days and words in a config mean what they look like, whatever YAML 1.1 makes of them."""
    whole = load(tmp_path, "opens: 16:00\nday: 2026-11-23\nword: no\nparts: [{name: '0812', count: 2}]\n")
    assert whole == Whole(opens=time(16), day=date(2026, 11, 23), word="no", parts=(Part(name="0812", count=2),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"word: \xff", "byte 6 is not UTF-8; save the file as UTF-8"),
        ("word: [1", "line 1, column 9: expected ',' or ']', but got '<stream end>'; correct the YAML there"),
        ("word: a\nword: b", "line 2, column 1: `word` is given twice; correct the YAML there"),
        ("? [a]\n: 1", "line 1, column 3: a key must be a word; correct the YAML there"),
        ("day: 2026-13-01", "not YAML (month must be in 1..12); correct or rewrite the file"),
        ("- 1", "the file holds no `key: value` mapping; see the example beside it"),
        ("", "the file holds no `key: value` mapping; see the example beside it"),
        ("wrod: a", "wrod: unknown key; did you mean `word`?"),
        ("zzz: a", "zzz: unknown key; known are day, opens, parts, word"),
        ("parts: [{name: a, cuont: 1}]", "parts[0].cuont: unknown key; did you mean `count`?"),
        ("parts: [{}]", "parts[0].name: is missing; add it"),
        ("parts: [{name: bad}]", "parts[0].name: `bad` is taken; choose another"),
        (
            "parts: [{name: a, count: 0}]",
            "parts[0].count: should be greater than or equal to 1, is 0; correct the value",
        ),
        ("parts: [{name: 5}]", "parts[0].name: should be a valid string, is 5; correct the value"),
        ("parts: [{}, {}]", "parts[0].name: is missing; add it (and 1 more)"),
    ],
)
def test_errors_name_field_and_mend(tmp_path: Path, text: str | bytes, message: str) -> None:
    """A technician who mistyped a config learns the file, the field and what to do, in one line."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert str(caught.value) == f"{tmp_path / 'some.yaml'}: {message}"


def test_missing_file(tmp_path: Path) -> None:
    """A wrong path on the command line is named."""
    with pytest.raises(ConfigError, match=r"none\.yaml: there is no such file; check the path"):
        load_yaml(tmp_path / "none.yaml", Whole)
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory\)"):
        load_yaml(tmp_path, Whole)


def test_texts_are_not_shown(tmp_path: Path) -> None:
    """A password in the wrong field does not end up in a log."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "parts: hunter2")
    assert "hunter2" not in str(caught.value)
