"""What the pages show, read from the database in one go; personal data is masked here, before any template sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from dispatcher import cases, decisions, numbering, proposals, sends, sightings
from dispatcher.cases import Case, Entry
from dispatcher.census import Census
from dispatcher.numbering import Numbering
from dispatcher.owners import Match, OwnerRegistry, mobile
from dispatcher.plate import mask_name, mask_nik, mask_phone, mask_plate
from dispatcher.proposals import Proposal, TwoPersons
from dispatcher.schema import unit_status
from dispatcher.sends import Attempt, Pause
from dispatcher.sightings import Sighting
from dispatcher.store import Store, counters
from dispatcher.units import Unit
from dispatcher.workflow import State
from dispatcher.writer import Writer
from wire.messages import ViolationReport

PAGE_ROWS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the list."""

    case: Case
    location: str
    has_plate_picture: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitLine:
    """A unit and what it said last."""

    unit: Unit
    online: bool
    seen_at: datetime | None
    backlog: int
    held: int
    """Its cases that nobody judges before it is believed."""
    numbers: Numbering


@dataclass(frozen=True, slots=True, kw_only=True)
class ListView:
    rows: tuple[Row, ...]
    tally: Mapping[State, tuple[int, datetime]]
    reasons: Mapping[str, tuple[int, datetime]]
    """Of the chosen state."""
    pauses: tuple[Pause, ...]
    units: tuple[UnitLine, ...]
    refused: Mapping[str, int]
    page: int
    has_more: bool

    @property
    def total(self) -> int:
        return sum(number for number, _ in self.tally.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerView:
    """The registration, masked."""

    found: str
    name: str = ""
    phone: str = ""
    nik: str = ""
    vehicle_class: str = ""
    plate_colour: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    case: Case
    report: ViolationReport
    history: tuple[Entry, ...]
    attempts: tuple[Attempt, ...]
    pictures: Mapping[str, str]
    owner: OwnerView
    message: str
    """The notice's body as the owner reads it; empty when none can be written."""
    buttons: tuple[str, ...]
    proposal: Proposal | None
    possible: tuple[str, ...]
    elsewhere: Sequence[Sighting]
    """Where the plate was seen although its vehicle cannot have been there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """Reads what the pages show."""

    store: Store
    census: Census
    units: Mapping[str, Unit]
    registry: OwnerRegistry
    writer: Writer
    two: TwoPersons

    def listed(self, state: State | None, reason: str, page: int) -> ListView:
        """One page of the list: of all cases, or of those in a state, or of those that are there for a reason."""
        states = (state,) if state else ()
        with self.store.reading() as connection:
            found = cases.listed(connection, states, PAGE_ROWS + 1, page * PAGE_ROWS, reason=reason)
            refused = {name: value for name, value in counters(connection).items() if value}
            return ListView(
                rows=tuple(_row(connection, case) for case in found[:PAGE_ROWS]),
                tally=self.census.tally(connection),
                reasons=cases.tally_reasons(connection, state) if state else {},
                pauses=sends.pauses(connection),
                units=_unit_lines(connection, self.units),
                refused=refused,
                page=page,
                has_more=len(found) > PAGE_ROWS,
            )

    def units_now(self) -> tuple[UnitLine, ...]:
        """All units and what they said last."""
        with self.store.reading() as connection:
            return _unit_lines(connection, self.units)

    def case(self, reference: str, who: str, now: datetime) -> CaseView | None:
        """One case whole, as somebody may decide it; the look at its owner leaves a trace like any other look-up."""
        with self.store.reading() as connection:
            case = cases.by_reference(connection, reference)
            if case is None:
                return None
            report = cases.report_of(connection, case)
            history = cases.history(connection, case.case_id)
            attempts = sends.attempts_of(connection, case.case_id)
            pictures = cases.evidence_paths(connection, case)
            proposal = proposals.find(connection, case) if self.two.decide(case) else None
            seen = sightings.of_plates(connection, [case])
        return CaseView(
            case=case,
            report=report,
            history=history,
            attempts=attempts,
            pictures=pictures,
            owner=self._owner(case, now),
            message=self._message(case, report, now),
            buttons=tuple(button.text for button in self.writer.template.buttons),
            proposal=proposal,
            possible=decisions.possible(case, proposal, who),
            elsewhere=sightings.elsewhere(case, seen.get(case.plate, ()), self.units),
        )

    def picture(self, reference: str, role: str) -> str | None:
        """Where a case's picture lies in the evidence folder."""
        with self.store.reading() as connection:
            case = cases.by_reference(connection, reference)
            return cases.evidence_paths(connection, case).get(role) if case else None

    def find(self, reference: str) -> Case | None:
        with self.store.reading() as connection:
            return cases.by_reference(connection, reference)

    def _owner(self, case: Case, now: datetime) -> OwnerView:
        found = self.registry.lookup(case.plate, now, "console", case.case_id)
        if not isinstance(found, Match):
            return OwnerView(found=type(found).__name__)
        number = mobile(found.owner.phone)
        return OwnerView(
            found="Match",
            name=mask_name(found.owner.name),
            phone=mask_phone(number) if number else "",
            nik=mask_nik(found.owner.nik),
            vehicle_class=found.owner.vehicle_class,
            plate_colour=found.owner.plate_colour,
            status=found.owner.status,
        )

    def _message(self, case: Case, report: ViolationReport, now: datetime) -> str:
        notice = self.writer.written(case, report, now)
        return self.writer.template.fill(notice.parameters) if notice else ""


def _row(connection: Connection, case: Case) -> Row:
    report = cases.report_of(connection, case)
    pictures = cases.evidence_paths(connection, case)
    return Row(case=case, location=report.location, has_plate_picture="plate" in pictures)


def _unit_lines(connection: Connection, units: Mapping[str, Unit]) -> tuple[UnitLine, ...]:
    said = {row.unit_id: row for row in connection.execute(select(unit_status))}
    held = cases.tally_units(connection, State.HELD)
    numbered = numbering.of_units(connection)

    def line(unit: Unit) -> UnitLine:
        row = said.get(unit.unit_id)
        return UnitLine(
            unit=unit,
            online=bool(row and row.online),
            seen_at=row.seen_at if row else None,
            backlog=row.backlog if row else 0,
            held=held.get(unit.unit_id, 0),
            numbers=numbered.get(unit.unit_id, Numbering()),
        )

    return tuple(map(line, units.values()))


def case_json(case: Case, times: Mapping[State, datetime]) -> dict[str, Any]:
    """A case for the machines beside the dispatcher: states and moments, the plate masked.

    `delivered_at` is when the message was delivered or, where WhatsApp skipped that, read or answered.
    `seconds_to_message` runs from the unit's report, which it writes at the violation, to the delivery.
    """
    answered = min((times[state] for state in (State.CONFIRMED, State.DISPUTED) if state in times), default=None)
    delivered = times.get(State.DELIVERED) or times.get(State.READ) or answered
    seconds = (delivered - case.reported_at).total_seconds() if delivered else None
    moments = {
        "occurred_at": case.occurred_at,
        "reported_at": case.reported_at,
        "received_at": case.received_at,
        "accepted_at": times.get(State.ACCEPTED) or times.get(State.SENT) or delivered,
        "delivered_at": delivered,
        "answered_at": answered,
        "changed_at": case.changed_at,
    }
    return {
        "event_id": case.event_id,
        "unit_id": case.unit_id,
        "reference": case.reference,
        "kind": case.kind,
        "plate": mask_plate(case.plate),
        "state": case.state,
        "reasons": list(case.reasons),
        **{name: moment.isoformat() if moment else None for name, moment in moments.items()},
        "seconds_to_message": seconds,
    }
