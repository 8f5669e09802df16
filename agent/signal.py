"""What a traffic light showed when (pure).

Samples come from the picture, from GPIO or from MQTT (`agent.lights`); here they become spells of one colour, from its
first sight to its last. Between the last red and the first green nobody knows, and beyond the last sight a spell holds
for as long as the site says the light stays fresh. Whatever is not known accuses nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from agent.types import LightSample, LightState

NS = 1_000_000_000
_KEPT_SPELLS = 64
"""Three colours a minute and a half: ten minutes at least, longer than any vehicle is followed."""


@dataclass(frozen=True, slots=True)
class Spell:
    """A light's colour from its first sight to its last."""

    state: LightState
    first_ns: int
    last_ns: int


@dataclass(frozen=True, slots=True)
class LightHistory:
    """The spells of one light, oldest first."""

    fresh_s: float
    """How long a sight holds."""
    spells: tuple[Spell, ...] = ()

    def seen(self, state: LightState, mono_ns: int) -> LightHistory:
        """With one more sight. An unknown state is no sight; one older than the last is not taken in."""
        last = self.spells[-1] if self.spells else None
        if state is LightState.UNKNOWN or (last and mono_ns <= last.last_ns):
            return self
        if last and last.state is state and mono_ns - last.last_ns <= self.fresh_s * NS:
            return replace(self, spells=(*self.spells[:-1], replace(last, last_ns=mono_ns)))
        return replace(self, spells=(*self.spells, Spell(state, mono_ns, mono_ns))[-_KEPT_SPELLS:])

    def at(self, mono_ns: int) -> Spell | None:
        """The spell at a moment; None where the light is unknown or its last sight is stale."""
        begun = [spell for spell in self.spells if spell.first_ns <= mono_ns]
        if not begun:
            return None
        spell = begun[-1]
        is_newest = spell is self.spells[-1]
        if mono_ns <= spell.last_ns or (is_newest and mono_ns - spell.last_ns <= self.fresh_s * NS):
            return spell
        return None

    def red_for_s(self, mono_ns: int) -> float | None:
        """For how long it has surely been red at a moment; None where it is not, or is unknown."""
        spell = self.at(mono_ns)
        return (mono_ns - spell.first_ns) / NS if spell and spell.state is LightState.RED else None

    def red_within_s(self, begin_ns: int, end_ns: int) -> float:
        """For how long of a time it was surely red."""
        red = [spell for spell in self.spells if spell.state is LightState.RED]
        shared = (min(end_ns, spell.last_ns) - max(begin_ns, spell.first_ns) for spell in red)
        return sum(max(0, each) for each in shared) / NS


Signals: TypeAlias = Mapping[str, LightHistory]
"""The lights of a site by their ids."""


def with_samples(signals: Signals, samples: Iterable[LightSample]) -> Signals:
    """The histories with what was just seen; samples of lights the site does not know are passed over."""
    changed = dict(signals)
    for sample in samples:
        if sample.signal_id in changed:
            changed[sample.signal_id] = changed[sample.signal_id].seen(sample.state, sample.mono_ns)
    return changed
