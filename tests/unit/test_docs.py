"""Documents that are drawn from the code stay in step with it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from agent.calibration import Calibration
from agent.markings import GpioLamps, Lamps, Lane, SignalHead, SitePart, Zone
from agent.scene import Scene
from agent.types import ViolationKind
from agent.validate import Reason
from dispatcher import logs
from dispatcher.access.roles import RIGHTS, Right
from dispatcher.workflow import diagram

ROOT = Path(__file__).parents[2]
SETTINGS: list[type[SitePart]] = [
    type(value) for field in Scene.model_fields.values() if isinstance(value := field.default, SitePart)
]
ANCHOR = re.compile(r"\]\((?!https?:)([^)#]*)#([^)]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)\)")


def test_each_threat_names_tests_that_exist() -> None:
    """A threat whose test was renamed or dropped is one that nobody tries any more."""
    page = (ROOT / "docs" / "security.md").read_text()
    for line in page.splitlines():
        if line.startswith("| ") and not line.startswith("| Threat"):
            named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", line)
            assert named, line
            for file, name in named:
                (found,) = (ROOT / "tests").rglob(file)
                assert f"def {name}(" in found.read_text(), (file, name)


def test_the_workflow_in_the_docs_is_the_table() -> None:
    """An operator who looks up what a state leads to must not be told what it led to last year."""
    shown = (ROOT / "docs" / "reference" / "workflow.md").read_text().partition("```mermaid\n")[2]
    assert shown.partition("```")[0].strip() == diagram().strip()


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("rules.md", ViolationKind),
        ("validation.md", Reason),
        ("metrics.md", logs.FIELDS),
        ("site.md", (*Scene.model_fields, *Lane.model_fields, *Zone.model_fields, *SignalHead.model_fields)),
        ("site.md", (*Calibration.model_fields, *Lamps.model_fields, *GpioLamps.model_fields)),
        ("site.md", [name for part in SETTINGS for name in part.model_fields]),
    ],
)
def test_the_reference_leaves_nothing_out(page: str, words: Iterable[str]) -> None:
    """A technician finds every field, rule and reason in its table, also the one that came last."""
    text = (ROOT / "docs" / "reference" / page).read_text()
    assert [word for word in words if f"`{word}`" not in text] == []


def test_no_link_in_the_docs_is_dead() -> None:
    """A reader who follows a link or looks for a picture finds it."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    dead = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in LINK.findall(page.read_text())
        if not (page.parent / target).exists()
    ]
    assert dead == []


def test_no_link_leads_to_a_heading_that_is_gone() -> None:
    """At night nobody reads a whole runbook for the part that an alert points to."""
    dead = []
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target, heading in ANCHOR.findall(page.read_text()):
            there = (page.parent / target if target else page).read_text()
            if heading not in map(anchor, HEADING.findall(there)):
                dead.append(f"{page.relative_to(ROOT)}: {target}#{heading}")
    assert dead == []


def anchor(heading: str) -> str:
    """What a heading is linked by."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_threat_in_the_docs_has_its_test() -> None:
    """Whoever audits the service reads what stands against a threat, and can run the proof."""
    rows = [line for line in (ROOT / "docs" / "security.md").read_text().splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 15
    for row in rows:
        named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", row)
        assert named, row
        for file, test in named:
            (path,) = (ROOT / "tests").rglob(file)
            assert f"def {test}(" in path.read_text(), test


def test_the_roles_in_the_docs_are_the_table() -> None:
    """Whoever decides which role somebody gets reads this page, not the code."""
    page = (ROOT / "docs" / "reference" / "access.md").read_text()
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")
    ]
    said = {lines[0][column]: [line[column] == "yes" for line in lines[2:]] for column in (1, 2, 3)}
    in_order = (
        Right.SEE_CASES,
        Right.JUDGE,
        Right.REVEAL,
        Right.RESEND,
        Right.SEE_UNITS,
        Right.HOLD_UNITS,
        Right.READ_AUDIT,
        Right.MANAGE_USERS,
    )
    assert said == {role.value: [right in rights for right in in_order] for role, rights in RIGHTS.items()}
    assert all((Right.APPROVE_KEYS in rights) == (Right.HOLD_UNITS in rights) for rights in RIGHTS.values())
