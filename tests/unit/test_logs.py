"""What the dispatcher says: events with known fields, in both forms, and nobody's data in any of them."""

from __future__ import annotations

import ast
import json
import logging
import sys
from collections.abc import Iterator

import pytest
from dispatcher_world import ROOT

import agent.logs
from dispatcher import logs
from dispatcher.errors import StoreError, UnstorableError

LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
PERSONAL = ("Budi Santoso", "B 1234 XYZ", "B1234XYZ", "0812-3456-7890", "+6281234567890", "3171000000000001")


def say(form: logs.Form, message: str = "case moved", error: BaseException | None = None, **fields: object) -> str:
    record = logging.LogRecord("dispatcher.worker", logging.INFO, "", 0, message, ("filled in",), None)
    record.exc_info = (type(error), error, error.__traceback__) if error else None
    record.__dict__.update(fields)
    return logs.Lines(form).format(record)


def raised(error: Exception) -> Exception:
    try:
        raise error from KeyError(*PERSONAL)
    except Exception as caught:  # noqa: BLE001
        return caught


def calls(package: str) -> Iterator[tuple[str, ast.Call]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
                owner = node.func.value
                if (isinstance(owner, ast.Name) and owner.id.startswith("log")) or isinstance(owner, ast.Call):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def fields(call: ast.Call) -> set[str]:
    """The names of what a call tells beside its event."""
    found: set[str] = set()
    for node in (node for keyword in call.keywords if keyword.arg == "extra" for node in ast.walk(keyword.value)):
        if isinstance(node, ast.Dict):
            found |= {key.value for key in node.keys if isinstance(key, ast.Constant)}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "in_log":
            found |= {keyword.arg for keyword in node.keywords if keyword.arg}
    return found


@pytest.mark.parametrize(("package", "known"), [("dispatcher", logs.FIELDS), ("agent", agent.logs.FIELDS)])
def test_no_call_fills_anything_into_its_event(package: str, known: tuple[str, ...]) -> None:
    """A plate in a log is there for years, on machines that nobody who erases it knows of."""
    found = list(calls(package))
    assert len(found) > 9
    for where, call in found:
        assert [type(text) for text in call.args] == [ast.Constant], f"{where}: one plain string, the rest in `extra`"
        assert {keyword.arg for keyword in call.keywords} <= {"extra", "exc_info"}, where
        assert fields(call) <= set(known), f"{where}: add the field to FIELDS, if it can be nobody's data"


def test_a_line_of_json_has_the_event_and_its_fields() -> None:
    """A collector of logs finds a case by its number, without taking sentences apart."""
    said = json.loads(say("json", case=7, unit="unit-01", from_state="queued", to_state="sending", plate="B1234XYZ"))
    assert said.pop("at").endswith("+00:00")
    assert said == {
        "level": "info",
        "event": "case moved",
        "logger": "dispatcher.worker",
        "case": 7,
        "unit": "unit-01",
        "from_state": "queued",
        "to_state": "sending",
    }


def test_a_unit_says_the_same_in_both_forms() -> None:
    """Who collects a thousand units' logs finds one violation in all of them; who stands before one just reads."""
    record = logging.LogRecord("cakra.agent", logging.INFO, "", 0, "judged", (), None)
    record.__dict__.update({"event_id": "7", "outcome": "accepted", "plate": "B1234XYZ"})
    said = json.loads(agent.logs.Lines("json").format(record))
    assert said.pop("at").endswith("+00:00")
    named = {"event_id": "7", "outcome": "accepted"}
    assert said == {"level": "info", "event": "judged", "logger": "cakra.agent", **named}
    assert agent.logs.Lines("text").format(record) == "INFO cakra.agent: judged event_id=7 outcome=accepted"


def test_a_line_of_text_reads_itself() -> None:
    """Whoever reads the journal at night needs no tool for it."""
    line = say("text", case=7, reason="no such host")
    assert line.endswith('INFO case moved logger=dispatcher.worker case=7 reason="no such host"')


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_exception_is_told_without_its_words(form: logs.Form) -> None:
    """Libraries quote in their errors what they were working on."""
    for error in (ValueError(*PERSONAL), UnstorableError(f"database: invalid input: {PERSONAL}")):
        line = say(form, error=raised(error))
        assert "\n" not in line
        assert f"{type(error).__name__} from KeyError" in line
        assert "test_logs.py:" in line
        assert [word for word in (*PERSONAL, "filled in") if word in line] == []


@pytest.mark.parametrize("form", ["text", "json"])
def test_our_own_faults_keep_their_words(form: logs.Form) -> None:
    """Without them nobody knows that the disk is full."""
    assert "database or disk is full" in say(form, error=raised(StoreError("database: database or disk is full")))


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("personal", PERSONAL[1:])
def test_what_looks_personal_is_masked_even_in_words_of_ours(form: logs.Form, personal: str) -> None:
    """The second lock on the door, for the call that somebody writes at midnight."""
    for line in (say(form, f"sent to {personal}"), say(form, reason=f"no owner of {personal}")):
        assert personal not in line
        assert "•••" in line


def test_what_ends_the_process_is_told_the_same_way(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's own traceback would print the error's words."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        logs.configure("text")
        error = raised(ValueError(*PERSONAL))
        sys.excepthook(type(error), error, error.__traceback__)
        said = capsys.readouterr().err
    finally:
        root.handlers[:], root.level = before
    assert "CRITICAL the process ends" in said
    assert [word for word in PERSONAL if word in said] == []
