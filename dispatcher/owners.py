"""Who a vehicle is registered to, from a dated snapshot of the registry; `owners_http` asks the registry itself.

The look-up is exact: the plate as read, without blanks, or nothing. Whether an owner may be messaged without a person
is another question; `doubts` answers it by the rule of the domain (class, colour, status, date, mobile number).
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, Protocol, TypeAlias

import phonenumbers
from sqlalchemy import Row, func, select

from dispatcher.errors import ConfigError, StoreError
from dispatcher.keys import Sealer
from dispatcher.plate import normalise
from dispatcher.schema import lookup, owner, owner_snapshot
from dispatcher.store import Store, count, insert_all
from wire.messages import Plate

log = logging.getLogger(__name__)


CLASSES = frozenset({"passenger", "motorcycle", "bus", "goods", "special"})
"""The classes of vehicles, as the number ranges have them."""


class Status(StrEnum):
    """What the registry says of a registration."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    SOLD = "sold"
    TRANSFER = "transfer"
    EXEMPT = "exempt"


class Reason(StrEnum):
    """Why a case needs a person because of its owner; printed in the console and counted."""

    NOT_FOUND = "owner_not_found"
    AMBIGUOUS = "owner_ambiguous"
    SNAPSHOT_STALE = "snapshot_stale"
    CLASS_DIFFERS = "class_differs"
    COLOUR_DIFFERS = "colour_differs"
    NOT_ACTIVE = "registration_blocked"
    SOLD = "sold_or_in_transfer"
    EXEMPT = "exempt"
    OWNER_CHANGED = "registered_after_violation"
    NO_MOBILE = "no_mobile_number"
    WRONG_ANSWER = "registry_answers_wrongly"


OVERRULABLE: frozenset[Reason] = frozenset({Reason.SNAPSHOT_STALE, Reason.CLASS_DIFFERS, Reason.COLOUR_DIFFERS})
"""What a person who looked at the pictures may set aside; the rest needs the registry mended."""
OF_A_REGISTRATION = frozenset(Reason) - {Reason.NOT_FOUND, Reason.AMBIGUOUS, Reason.WRONG_ANSWER}
"""Said where a registration was found; whatever else is wrong with it is said beside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A registration and whom to write to."""

    name: str
    phone: str
    """As the registry has it."""
    vehicle_class: str
    plate_colour: str
    status: Status
    electric: bool
    valid_from: datetime | None
    """Since when this owner is the owner."""
    nik: str = ""
    """Identity number, where the registry gives it."""
    address: str = ""
    """For the post, line by line, where the registry gives it."""

    def __repr__(self) -> str:
        return f"Owner({self.status}, {self.vehicle_class})"


@dataclass(frozen=True, slots=True)
class Match:
    """One registration."""

    owner: Owner
    snapshot_at: datetime


@dataclass(frozen=True, slots=True)
class NotFound:
    """The registry knows no such plate."""


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """More than one registration has this plate."""

    matches: int


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The registry cannot be asked now."""

    why: str
    """A code, for log and counters."""
    answered: bool = False
    """It did answer, but not what was agreed: asking for ever would be of no use."""


Found: TypeAlias = Match | NotFound | Ambiguous | Unavailable


class OwnerRegistry(Protocol):
    """Where owners are looked up; every look-up leaves a trace."""

    def lookup(self, plate: str, at: datetime, purpose: str, case_id: int) -> Found:
        """The registration of exactly this plate."""
        ...

    def lookup_all(self, plates: Mapping[int, str], at: datetime, purpose: str) -> Mapping[int, Found]:
        """The registrations of several cases' plates, by case."""
        ...

    def health(self) -> Mapping[str, str]:
        """`status` is `ok` or `degraded`; what is degraded has its `why`. Raises StoreError."""
        ...

    def close(self) -> None: ...


def write_down(store: Store, found: Mapping[int, Found], trace: Mapping[str, Any]) -> Mapping[int, Found]:
    """The answers by case, once it is written down who asked for what; what cannot be written down is not handed
    out."""
    rows = [{"case_id": case_id, "outcome": type(each).__name__, **trace} for case_id, each in found.items()]
    faults = Counter(each.why for each in found.values() if isinstance(each, Unavailable))
    try:
        with store.writing() as connection:
            insert_all(connection, lookup, rows)
            for why, number in sorted(faults.items()):
                count(connection, f"registry.{why}", number)
    except StoreError as error:
        log.exception("look-ups cannot be written down")
        return dict.fromkeys(found, Unavailable(type(error).__name__))
    return found


FRESH_AT = func.coalesce(owner_snapshot.c.as_of, owner_snapshot.c.imported_at)
"""How fresh a snapshot is: its signed date; without one nothing better is known than when it came."""

_CURRENT = select(owner_snapshot.c.snapshot_id, FRESH_AT.label("fresh_at")).where(owner_snapshot.c.state == "current")


class SnapshotRegistry:
    """The snapshot that `cakra-dispatcher owners import` put into the database."""

    def __init__(self, store: Store, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer

    def lookup(self, plate: str, at: datetime, purpose: str, case_id: int) -> Found:
        return self.lookup_all({case_id: plate}, at, purpose)[case_id]

    def lookup_all(self, plates: Mapping[int, str], at: datetime, purpose: str) -> Mapping[int, Found]:
        try:
            snapshot_id, found = self._find({case_id: normalise(plate) for case_id, plate in plates.items()})
        except (StoreError, ConfigError) as error:
            log.exception("the owner registry cannot be asked")
            return dict.fromkeys(plates, Unavailable(type(error).__name__))
        return write_down(self._store, found, {"at": at, "purpose": purpose, "snapshot_id": snapshot_id})

    def health(self) -> Mapping[str, str]:
        with self._store.reading() as connection:
            current = connection.execute(_CURRENT).first()
        if current is None:
            return {"status": "degraded", "why": "no_snapshot"}
        return {"status": "ok", "snapshot_at": current.fresh_at.isoformat()}

    def close(self) -> None:
        """Nothing is open."""

    def _find(self, plates: Mapping[int, str]) -> tuple[int | None, Mapping[int, Found]]:
        with self._store.reading() as connection:
            current = connection.execute(_CURRENT).first()
            if current is None:
                return None, dict.fromkeys(plates, Unavailable("no_snapshot"))
            where = (owner.c.snapshot_id == current.snapshot_id) & owner.c.plate.in_(set(plates.values()))
            by_plate: dict[str, list[Row[Any]]] = defaultdict(list)
            for row in connection.execute(select(owner).where(where)):
                by_plate[row.plate].append(row)
        found = {key: self._opened(by_plate[plate], plate, current.fresh_at) for key, plate in plates.items()}
        return current.snapshot_id, found

    def _opened(self, rows: Sequence[Row[Any]], plate: str, fresh_at: datetime) -> Found:
        if len(rows) != 1:
            return Ambiguous(len(rows)) if rows else NotFound()
        row = rows[0]
        private = self._sealer.open(row.sealed, bound_to=plate)
        return Match(
            Owner(
                name=private["name"],
                phone=private["phone"],
                vehicle_class=row.vehicle_class,
                plate_colour=row.plate_colour,
                status=Status(row.status),
                electric=row.electric,
                valid_from=row.valid_from,
                nik=private.get("nik", ""),
                address=private.get("address", ""),
            ),
            fresh_at,
        )


@lru_cache(maxsize=256)
def mobile(phone: str) -> str | None:
    """An Indonesian mobile number as E.164 (`+62...`) from the forms people write; None for anything else."""
    try:
        number = phonenumbers.parse(phone, "ID")
    except phonenumbers.NumberParseException:
        return None
    if number.country_code != 62:
        return None
    if phonenumbers.number_type(number) is not phonenumbers.PhoneNumberType.MOBILE:
        return None
    e164: str = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return e164


_BY_STATUS = {
    Status.BLOCKED: Reason.NOT_ACTIVE,
    Status.SOLD: Reason.SOLD,
    Status.TRANSFER: Reason.SOLD,
    Status.EXEMPT: Reason.EXEMPT,
}


def doubts(found: Found, seen: Plate, occurred_at: datetime, now: datetime, max_age: timedelta) -> tuple[Reason, ...]:
    """Why this owner may not be messaged without a person; empty when they may. `found` is not Unavailable."""
    if not isinstance(found, Match):
        return (Reason.AMBIGUOUS if isinstance(found, Ambiguous) else Reason.NOT_FOUND,)
    registered = found.owner
    held = (
        (Reason.SNAPSHOT_STALE, now - found.snapshot_at > max_age),
        (Reason.CLASS_DIFFERS, registered.vehicle_class != seen.vehicle_class),
        (Reason.COLOUR_DIFFERS, registered.plate_colour != seen.colour),
        (_BY_STATUS.get(registered.status, Reason.NOT_ACTIVE), registered.status is not Status.ACTIVE),
        (Reason.OWNER_CHANGED, registered.valid_from is not None and registered.valid_from > occurred_at),
        (Reason.NO_MOBILE, mobile(registered.phone) is None),
    )
    return tuple(reason for reason, applies in held if applies)
