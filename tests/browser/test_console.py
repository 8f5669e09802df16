"""The console in a real browser: by keyboard alone, with nothing that the browser complains about."""

from __future__ import annotations

import shutil
from pathlib import Path

from console_world import World
from dispatcher_world import PASSWORD, enter

from dispatcher.access.roles import Role
from simulation.browser import Page
from simulation.whatsapp.server import running
from wire.messages import Verdict

FAINT = """
(() => {
  const parts = text => text.match(/[\\d.]+/g).map(Number);
  const light = text => { const [r, g, b] = parts(text).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if ((parts(c)[3] ?? 1) > 0) return c; } return "rgb(255, 255, 255)"; };
  const faint = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) { const e = walk.currentNode.parentElement, text = walk.currentNode.data.trim();
    if (!text || e.closest("svg, .skip, [aria-hidden], .ticks") || !e.getClientRects().length) continue;
    const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faint.push(text.slice(0, 30) + " " + ratio.toFixed(2)); }
  return faint;
})()
"""
"""Texts with less contrast than WCAG 2.2 AA asks of small text (4.5 : 1)."""
UNNAMED = """
[...document.querySelectorAll("input:not([type=hidden], [hidden]), select, button, a, img")].filter(e =>
  !(e.labels && e.labels.length) && !e.getAttribute("aria-label") && !e.textContent.trim() && e.alt === undefined &&
  !e.querySelector("img[alt]:not([alt=''])")
).map(e => e.outerHTML.slice(0, 60))
"""
"""Controls and pictures that a screen reader has no name for."""


def test_a_case_is_decided_by_keyboard_alone(page: Page, tmp_path: Path) -> None:
    """An operator who decides hundreds of cases a day never has to reach for the mouse, and sees where they are."""
    folder = tmp_path / "dispatcher"
    folder.mkdir()
    world = World(folder)
    reference = world.arrive(verdict=Verdict.REVIEW)
    enter(world.store, Role.SUPERVISOR, "ana")
    with running(world.dispatcher.web) as address:
        page.open(f"{address}/cases/{reference}")
        look(page)
        for text, key in (("ana", "Tab"), (PASSWORD, "Enter")):
            page.type(text)
            page.press(key)
        page.settle()
        assert page.run("location.pathname") == f"/cases/{reference}"
        look(page)
        tab_to(page, "Approve and send")
        page.press("Enter")
        page.settle()
        look(page)
        tab_to(page, "")
        page.type("read it myself")
        page.press("Enter")
        page.settle()
        assert page.run("location.pathname") == f"/cases/{reference}"
        assert "read it myself" in page.run("document.body.innerText")
        for path in ("/", "/units", "/audit", "/account", "/account/password", "/account/totp"):
            page.open(address + path)
            look(page)
    world.close()
    assert page.complaints == []


def test_a_picture_that_is_gone_leaves_one_that_says_so(page: Page, tmp_path: Path) -> None:
    """An operator who sees a broken picture does not know whether it is the browser, the network or the evidence."""
    world = World(tmp_path)
    reference = world.arrive(verdict=Verdict.REVIEW)
    shutil.rmtree(tmp_path / "evidence")
    enter(world.store, Role.SUPERVISOR, "ana")
    with running(world.dispatcher.web) as address:
        page.open(f"{address}/cases/{reference}")
        page.type("ana")
        page.press("Tab")
        page.type(PASSWORD)
        page.press("Enter")
        page.settle()
        shown = page.run("[...document.querySelectorAll('main img')].map(e => e.naturalWidth)")
    world.close()
    assert shown
    assert set(shown) == {320}
    assert [said for said in page.complaints if "404" not in said] == []


def look(page: Page) -> None:
    """What must hold on every page."""
    where = page.run("location.pathname")
    assert page.run(FAINT) == [], where
    assert page.run(UNNAMED) == [], where
    assert page.run("document.documentElement.lang"), where


def tab_to(page: Page, text: str) -> None:
    """Press Tab until the focus is on the control of this text (an input has none); it must be seen there."""
    for _ in range(40):
        page.press("Tab")
        seen, is_input, outline = page.run(
            "(e => [e.textContent.trim(), e.tagName === 'INPUT', getComputedStyle(e).outlineStyle])"
            "(document.activeElement)"
        )
        assert outline != "none", seen
        if seen == text and (text or is_input):
            return
    raise AssertionError(f"Tab does not lead to {text or 'an input'}")
