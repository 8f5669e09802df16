"""The rules: each looks at one finished track and says whether, when and how far it broke the law (pure).

A rule is one file with one class, data-driven: the law's article, hours and exemptions come from `config/law`, the
site's settings from its site file. To add one: write its file, give it a line in `_BUILDERS`, a law file under
`config/law`, and a section in `agent.scene.Scene` for what it measures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from agent.errors import ConfigError
from agent.rules.calendar import Calendar, load_calendar
from agent.rules.law import Law, RuleLaw, load_law
from agent.rules.odd_even import OddEven
from agent.rules.wrong_way import WrongWay
from agent.scene import Scene
from agent.types import PlateVote, Track, Violation, ViolationKind

__all__ = ["Calendar", "Law", "Rule", "build_rules", "load_calendar", "load_law"]


class Rule(Protocol):
    """One violation a camera can see."""

    @property
    def kind(self) -> ViolationKind: ...

    def evaluate(self, track: Track, vote: PlateVote, scene: Scene, now: datetime) -> Violation | None:
        """What the track did against this rule, if anything. `now` is when it is judged, aware UTC; the moment that
        counts in law is taken from the track's points."""
        ...


_BUILDERS: Mapping[ViolationKind, Callable[[RuleLaw, Calendar], Rule]] = {
    ViolationKind.ODD_EVEN: OddEven,
    ViolationKind.WRONG_WAY: lambda law, _calendar: WrongWay(law),
}


def build_rules(scene: Scene, law: Law, calendar: Calendar) -> tuple[Rule, ...]:
    """The rules that are on at a site, in the site's order. Raises ConfigError for one without code or law."""
    return tuple(_build(scene.id, kind, law, calendar) for kind in scene.rules)


def _build(site_id: str, kind: ViolationKind, law: Law, calendar: Calendar) -> Rule:
    if kind not in _BUILDERS:
        known = ", ".join(_BUILDERS)
        raise ConfigError(f"site {site_id}: rules: this version has no rule `{kind}`; take it out (known: {known})")
    if kind not in law.by_kind:
        raise ConfigError(f"site {site_id}: rules: no law file describes `{kind}`; add config/law/{kind}.yaml")
    return _BUILDERS[kind](law.by_kind[kind], calendar)
