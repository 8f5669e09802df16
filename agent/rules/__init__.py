"""The rules: each looks at one finished track and says whether, when and how far it broke the law (pure).

A rule is one file with one class, and what it needs of the law (`Terms`) beside it. The law's article, hours and
exemptions come from `config/law`, the site's lanes, zones and settings from its site file.

To add one, say `helmet`:
  agent/rules/helmet.py     the class, and `HelmetTerms` if the law has figures or exemptions
  `_RULES` below            its line
  `ViolationKind`           its name (agent/types.py; it goes over the wire)
  config/law/helmet.yaml    article, wording, fine, first day
  agent/rule_settings.py    a section for how sure it has to be, and its field in `agent.scene.Scene`
  agent/scene_faults.py     a line in `_NEEDS`, if it needs more than lanes
  agent/validate.py         a line in `_TIME_BOUND`, if it goes by the clock; its least margin in config/validation.yaml
  tests/unit/rules/, docs/reference/rules.md
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from agent.errors import ConfigError
from agent.rules import law as law_files
from agent.rules.bus_lane import BusLane
from agent.rules.calendar import Calendar, load_calendar
from agent.rules.expiry import Expiry, ExpiryTerms
from agent.rules.law import Law, LawPart, NoTerms, RuleLaw
from agent.rules.odd_even import OddEven, OddEvenTerms
from agent.rules.red_light import RedLight, RedLightTerms
from agent.rules.speed import Speed, SpeedTerms
from agent.rules.stop_line import StopLine
from agent.rules.stopping import Stopping
from agent.rules.wrong_way import WrongWay
from agent.scene import Scene
from agent.signal import Signals
from agent.types import PlateVote, Track, Violation, ViolationKind

__all__ = ["Calendar", "Law", "Rule", "build_rules", "load_calendar", "load_law"]


class Rule(Protocol):
    """One violation a camera can see."""

    @property
    def kind(self) -> ViolationKind: ...

    def evaluate(self, track: Track, vote: PlateVote, scene: Scene, signals: Signals) -> Violation | None:
        """What the track did against this rule, if anything. The moment that counts in law is taken from the track's
        points, never from a clock."""
        ...


@dataclass(frozen=True, slots=True)
class _Entry:
    """A rule: what it needs to know of the law, and how it is made of that and the days off."""

    terms: type[LawPart]
    build: Callable[[RuleLaw[Any], Calendar], Rule]


_RULES: Mapping[ViolationKind, _Entry] = {
    ViolationKind.ODD_EVEN: _Entry(OddEvenTerms, OddEven),
    ViolationKind.WRONG_WAY: _Entry(NoTerms, lambda law, _calendar: WrongWay(law)),
    ViolationKind.RED_LIGHT: _Entry(RedLightTerms, lambda law, _calendar: RedLight(law)),
    ViolationKind.STOP_LINE: _Entry(NoTerms, lambda law, _calendar: StopLine(law)),
    ViolationKind.BUS_LANE: _Entry(NoTerms, BusLane),
    ViolationKind.SPEED: _Entry(SpeedTerms, lambda law, _calendar: Speed(law)),
    ViolationKind.STOPPING: _Entry(NoTerms, Stopping),
    ViolationKind.EXPIRY: _Entry(ExpiryTerms, lambda law, _calendar: Expiry(law)),
}


def load_law(folder: Path) -> Law:
    """The law of all files of a folder. Raises ConfigError."""
    return law_files.load_law(folder, {kind: entry.terms for kind, entry in _RULES.items()})


def build_rules(scene: Scene, law: Law, calendar: Calendar) -> tuple[Rule, ...]:
    """The rules that are on at a site, in the site's order. Raises ConfigError for one without law."""
    return tuple(_build(scene.id, kind, law, calendar) for kind in scene.rules)


def _build(site_id: str, kind: ViolationKind, law: Law, calendar: Calendar) -> Rule:
    if kind not in law.by_kind:
        raise ConfigError(f"site {site_id}: rules: no law file describes `{kind}`; add config/law/{kind}.yaml")
    return _RULES[kind].build(law.by_kind[kind], calendar)
