"""The numbers that units give their reports: which have not come, and how many came twice.

A unit counts its reports without gaps. A number that does not come is a report that was lost, refused or kept back; one
that comes with two reports tells of a unit that has lost its memory, or of a key in two hands. Neither says anything
against the other reports, so both are told of the unit, and no case waits for them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select

from dispatcher.schema import missing_reports, unit_count
from dispatcher.store import upsert


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbering:
    """What is wrong with a unit's numbers."""

    missing: int = 0
    since: datetime | None = None
    """When the first of the missing ones was missed."""
    repeated: int = 0


def count(connection: Connection, said: Collection[tuple[str, int]], now: datetime) -> None:
    """New reports came, each a unit and its number. The caller lets no other transaction count the same units."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for unit_id, number in sorted(said):
        numbers[unit_id].append(number)
    known = select(unit_count).where(unit_count.c.unit_id.in_(list(numbers)))
    before = {row.unit_id: row for row in connection.execute(known)} if numbers else {}
    rows = []
    for unit_id, each in numbers.items():
        row = before.get(unit_id)
        last, repeated = _count(connection, unit_id, each, row.last if row else 0, now)
        rows.append({"unit_id": unit_id, "last": last, "repeated": repeated + (row.repeated if row else 0)})
    upsert(connection, unit_count, rows, ("last", "repeated"))


def _count(connection: Connection, unit_id: str, numbers: Sequence[int], last: int, now: datetime) -> tuple[int, int]:
    """The unit's highest number after these, and how many of them had come before."""
    repeated = 0
    for number in numbers:
        if number <= last:
            repeated += not _fill(connection, unit_id, number)
            continue
        _miss(connection, unit_id, last + 1, number - 1, now)
        last = number
    return last, repeated


def _miss(connection: Connection, unit_id: str, first: int, last: int, since: datetime) -> None:
    if first <= last:
        row = {"unit_id": unit_id, "first": first, "last": last, "since": since}
        connection.execute(insert(missing_reports).values(row))


def _fill(connection: Connection, unit_id: str, number: int) -> bool:
    """A number below the highest has come; whether it was missing."""
    gap = missing_reports.c
    where = (gap.unit_id == unit_id) & (gap.first <= number) & (gap.last >= number)
    found = connection.execute(delete(missing_reports).where(where).returning(gap.first, gap.last, gap.since)).first()
    if found is None:
        return False
    _miss(connection, unit_id, found.first, number - 1, found.since)
    _miss(connection, unit_id, number + 1, found.last, found.since)
    return True


def of_units(connection: Connection) -> Mapping[str, Numbering]:
    """By unit that has ever reported."""
    gap, number = missing_reports.c, func.sum(missing_reports.c.last - missing_reports.c.first + 1)
    missing = select(gap.unit_id, number.label("number"), func.min(gap.since).label("since")).group_by(gap.unit_id)
    gaps = {row.unit_id: (int(row.number), row.since) for row in connection.execute(missing)}
    found = {}
    for row in connection.execute(select(unit_count)):
        number_missing, since = gaps.get(row.unit_id, (0, None))
        found[row.unit_id] = Numbering(missing=number_missing, since=since, repeated=row.repeated)
    return found
