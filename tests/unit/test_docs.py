"""Documents that are drawn from the code stay in step with it."""

from __future__ import annotations

import re
from pathlib import Path

from dispatcher.workflow import diagram

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)\)")


def test_the_workflow_in_the_docs_is_the_table() -> None:
    """An operator who looks up what a state leads to must not be told what it led to last year."""
    shown = (ROOT / "docs" / "reference" / "workflow.md").read_text().partition("```mermaid\n")[2]
    assert shown.partition("```")[0].strip() == diagram().strip()


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
