"""What is to happen to a case in hand next: decided from its report and the owner registry's answer, not done yet."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from dispatcher import validation
from dispatcher.cases import Case, Changes
from dispatcher.metrics import LOOKUPS, word
from dispatcher.notice import Notice, NoticeTooLong
from dispatcher.owners import OVERRULABLE, Found, Match, OwnerRegistry, Reason, Unavailable, doubts, mobile
from dispatcher.pacing import wait_for_registry
from dispatcher.sightings import Sighting, elsewhere
from dispatcher.units import Unit, believed
from dispatcher.workflow import Event, State
from dispatcher.writer import Writer
from wire.messages import SignedReport, ViolationReport

WAY: Mapping[State, Event] = {
    State.EVIDENCE_COMPLETE: Event.PASSED,
    State.VALIDATED: Event.OWNER_FOUND,
    State.OWNER_RESOLVED: Event.COMPOSED,
}
"""The way to the queue of a case that nobody doubts."""
_MEDIA_LIFE = timedelta(days=25)
"""WhatsApp keeps a picture for 30 days."""
_ODD_EVEN = "odd_even"


@dataclass(frozen=True, slots=True)
class Ends:
    """The case leaves its way."""

    event: Event
    why: str
    changes: Changes = field(default_factory=Changes)


@dataclass(frozen=True, slots=True)
class Waits:
    """The case is to be looked at again later; it stays where it is."""

    until: datetime
    tried: bool = False


@dataclass(frozen=True, slots=True)
class Ready:
    """The notice can go out."""

    notice: Notice
    phone: str
    deadline: datetime
    tries: int
    """That failed before."""
    media_id: str | None
    """The picture, once it is uploaded."""


Then: TypeAlias = Ends | Waits | Ready


@dataclass(frozen=True, slots=True)
class Plan:
    """How far a case comes on its way, and what then."""

    case: Case
    comes_to: State
    then: Then


def doubted(*reasons: str) -> Ends:
    """To a person, who is told why."""
    listed = ",".join(reasons)
    return Ends(Event.DOUBTED, listed, {"reasons": listed, "tries": 0})


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """Decides by law, registry and calendar."""

    registry: OwnerRegistry
    units: Mapping[str, Unit]
    writer: Writer
    most_tries: int
    report_max_age: timedelta
    snapshot_max_age: timedelta
    chance: Callable[[], float] = random.random

    def plans(
        self,
        held: Sequence[Case],
        signed: Mapping[int, SignedReport],
        seen: Mapping[str, Sequence[Sighting]],
        now: datetime,
    ) -> Mapping[int, Plan]:
        """By case: what is to happen to it. `seen` is where each plate was seen. Looks the owners up."""
        plans = {
            case.case_id: self._before_lookup(case, signed[case.case_id], seen.get(case.plate, ()), now)
            for case in held
        }
        asked = [case for case in held if plans[case.case_id] is None]
        found = {
            **self._owners([case for case in asked if case.state is not State.QUEUED], "notice", now),
            **self._owners([case for case in asked if case.state is State.QUEUED], "send", now),
        }
        return {
            case.case_id: plans[case.case_id]
            or self._after_lookup(case, signed[case.case_id].body, found[case.case_id], now)
            for case in held
        }

    def _doubts(self, signed: SignedReport, unit: Unit, now: datetime) -> tuple[str, ...]:
        """The second validation: why a report needs a person, as codes. The intake has verified the signature by the
        key it names, but that may have been long ago, and the key may be the unit's no more."""
        has_law = self.writer.offence(signed.body) is not None
        is_replaced = signed.key_id != unit.key.key_id
        return validation.doubts(signed.body, now, self.report_max_age, has_law, is_replaced)

    def _owners(self, asked: Sequence[Case], purpose: str, now: datetime) -> Mapping[int, Found]:
        if not asked:
            return {}
        began_s = time.monotonic()
        found = self.registry.lookup_all({case.case_id: case.plate for case in asked}, now, purpose)
        for each in found.values():
            is_wrong = isinstance(each, Unavailable) and each.answered  # of one plate; nobody is woken for it
            LOOKUPS.labels("wrong_answer" if is_wrong else word(each)).observe(time.monotonic() - began_s)
        return found

    def _before_lookup(self, case: Case, signed: SignedReport, seen: Sequence[Sighting], now: datetime) -> Plan | None:
        """What is to happen to a case whose owner is not to be looked up; None for the others."""
        is_elsewhere = not case.approved and bool(elsewhere(case, seen, self.units))
        cloned = (validation.Doubt.SEEN_ELSEWHERE,) if is_elsewhere else ()
        if case.state is State.EVIDENCE_COMPLETE:
            unit = believed(self.units.get(case.unit_id))
            if unit is None:
                return Plan(case, case.state, Ends(Event.SET_ASIDE, ""))
            reasons = self._doubts(signed, unit, now) + cloned
            return Plan(case, case.state, doubted(*reasons)) if reasons else None
        if cloned:
            return Plan(case, case.state, doubted(*cloned))
        if self.writer.offence(signed.body) is None:  # a person cannot approve what no law describes
            return Plan(case, case.state, doubted(validation.Doubt.NO_LAW))
        if case.state is State.QUEUED and case.tries >= self.most_tries:
            return Plan(
                case, case.state, Ends(Event.REFUSED, f"tried {case.tries} times", {"reasons": "tried_too_often"})
            )
        return None

    def _after_lookup(self, case: Case, report: ViolationReport, found: Found, now: datetime) -> Plan:
        asked_in = State.VALIDATED if case.state is State.EVIDENCE_COMPLETE else case.state
        if isinstance(found, Unavailable):
            return Plan(case, asked_in, self._ask_again(case, found, now))
        if isinstance(found, Match) and found.owner.electric and case.kind == _ODD_EVEN:
            return Plan(case, asked_in, Ends(Event.WAS_WITHDRAWN, "electric vehicle: exempt from odd-even"))
        reasons = doubts(found, report.plate, case.occurred_at, now, self.snapshot_max_age)
        if case.approved:
            reasons = tuple(reason for reason in reasons if reason not in OVERRULABLE)
        if case.approved and case.state is State.VALIDATED and reasons == (Reason.NO_MOBILE,):
            return Plan(case, asked_in, Ends(Event.UNREACHABLE, "", {"reasons": Reason.NO_MOBILE}))
        if reasons:
            return Plan(case, asked_in, doubted(*reasons))
        assert isinstance(found, Match)
        return self._composed(case, report, mobile(found.owner.phone) or "", now)

    def _ask_again(self, case: Case, unavailable: Unavailable, now: datetime) -> Waits | Ends:
        """Later, as often as it takes; but not for ever when the registry answers wrongly."""
        if unavailable.answered and case.tries + 1 >= self.most_tries:
            return doubted(Reason.WRONG_ANSWER)
        until = now + wait_for_registry(now - case.changed_at, self.chance())
        return Waits(until, tried=unavailable.answered)

    def _composed(self, case: Case, report: ViolationReport, phone: str, now: datetime) -> Plan:
        last_day = self.writer.last_day(now)
        try:
            notice = self.writer.write(case, report, last_day)
        except NoticeTooLong:
            found_in = case.state if case.state is State.QUEUED else State.OWNER_RESOLVED
            return Plan(case, found_in, doubted("notice_too_long"))
        tries = case.tries if case.state is State.QUEUED else 0
        is_kept = case.media_at is not None and now - case.media_at < _MEDIA_LIFE
        media_id = case.media_id if is_kept else None
        return Plan(case, State.QUEUED, Ready(notice, phone, self.writer.deadline(last_day), tries, media_id))
