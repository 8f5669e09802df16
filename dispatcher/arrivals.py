"""What units said and what was checked of it, put into the database: each report and each piece once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select, tuple_

from dispatcher import cases, numbering
from dispatcher.cases import Key, Moves
from dispatcher.engine import hold
from dispatcher.evidence import place_of
from dispatcher.privacy.tables import remnant
from dispatcher.schema import evidence, quarantine, unit_event, unit_status
from dispatcher.store import insert_all, insert_all_new, insert_new, upsert
from dispatcher.workflow import Event
from wire.messages import AckResult, EvidenceHeader, UnitStatus, ViolationReport

_OF_STATUS = ("online", "at", "software", "backlog", "dead")


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """A report whose signature holds."""

    body: ViolationReport
    payload: bytes
    sha256: str

    @property
    def event_id(self) -> UUID:
        return self.body.event_id

    @property
    def key(self) -> Key:
        return self.body.unit_id, str(self.body.event_id)


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A piece of evidence that is what its header says."""

    header: EvidenceHeader
    content: bytes
    other_key_id: str = ""
    """Of a manifest: by which key it says it is signed, if that is not its unit's present one."""

    @property
    def event_id(self) -> UUID:
        return self.header.event_id

    @property
    def sha256(self) -> str:
        return self.header.sha256

    @property
    def key(self) -> Key:
        return self.header.unit_id, str(self.header.event_id)


def keep(
    connection: Connection, reports: Sequence[Report], pieces: Sequence[Piece], now: datetime
) -> Mapping[Report | Piece, AckResult]:
    """Store reports, and pieces whose bytes are stored; a case is complete once all is here that its report names."""
    keys = {report.key for report in reports} | {piece.key for piece in pieces}
    # Two dispatchers with a case's last two pieces at once would each miss the other's, and it would never move; and of
    # two that count a unit's reports at once, each would miss what the other counted.
    held = {f"{unit_id}/{event_id}" for unit_id, event_id in keys} | {report.body.unit_id for report in reports}
    hold(connection, *held)
    of_reports = _keep_reports(connection, reports, now)
    of_pieces = _keep_pieces(connection, pieces, now)
    _complete(connection, keys, now)
    return dict([*of_reports.items(), *of_pieces.items()])


def expect(connection: Connection, late: Sequence[Piece]) -> None:
    """Pieces whose bytes may come to lie in the store although their unit was asked to say them again: if it never
    does, the next sweep removes them."""
    named = [piece.header.model_dump(mode="json", include={"unit_id", "event_id", "sha256"}) for piece in late]
    rows = [name | {"path": place_of(piece.header)} for name, piece in zip(named, late, strict=True)]
    insert_all(connection, remnant, rows)


def keep_statuses(connection: Connection, statuses: Sequence[UnitStatus], now: datetime) -> None:
    """What each unit said of itself last."""
    said = {status.unit_id: status.model_dump(include={"unit_id", *_OF_STATUS}) for status in statuses}
    rows = [said[unit_id] | {"seen_at": now} for unit_id in sorted(said)]
    upsert(connection, unit_status, rows, (*_OF_STATUS, "seen_at"))


def _keep_reports(connection: Connection, reports: Sequence[Report], now: datetime) -> Mapping[Report, AckResult]:
    rows = {report: _report_row(report, now) for report in reports}
    new = insert_all_new(connection, unit_event, list(rows.values()))
    first = {report.key: report for report in reversed(reports) if report.key in new}
    cases.open_cases(connection, [report.body for report in first.values()], now)
    numbering.count(connection, [(report.body.unit_id, report.body.sequence) for report in first.values()], now)
    results = dict.fromkeys(first.values(), AckResult.STORED)
    others = [report for report in reports if report not in results]
    digests = _digests(connection, {report.key for report in others})
    for report in others:
        is_same = digests[report.key] == report.sha256
        results[report] = AckResult.DUPLICATE if is_same else AckResult.REJECTED
        if not is_same:
            row = {name: value for name, value in rows[report].items() if name in quarantine.c}
            insert_new(connection, quarantine, row)
    return results


def _report_row(report: Report, now: datetime) -> dict[str, Any]:
    unit_id, event_id = report.key
    row = {"sha256": report.sha256, "body": report.payload, "sequence": report.body.sequence}
    return {"unit_id": unit_id, "event_id": event_id, **row, "received_at": now}


def _digests(connection: Connection, keys: Collection[Key]) -> Mapping[Key, str]:
    if not keys:
        return {}
    columns = unit_event.c
    statement = select(columns.unit_id, columns.event_id, columns.sha256)
    rows = connection.execute(statement.where(tuple_(columns.unit_id, columns.event_id).in_(keys)))
    return {(row.unit_id, row.event_id): row.sha256 for row in rows}


def _keep_pieces(connection: Connection, pieces: Sequence[Piece], now: datetime) -> Mapping[Piece, AckResult]:
    rows = []
    for piece in pieces:
        row = piece.header.model_dump(include={"unit_id", "sha256", "role", "media_type", "size_bytes"})
        rows.append(row | {"event_id": str(piece.event_id), "path": place_of(piece.header), "received_at": now})
    new = insert_all_new(connection, evidence, rows)
    first = {(*piece.key, piece.sha256): piece for piece in reversed(pieces) if (*piece.key, piece.sha256) in new}
    stored = set(first.values())
    return {piece: AckResult.STORED if piece in stored else AckResult.DUPLICATE for piece in pieces}


def _complete(connection: Connection, keys: Collection[Key], now: datetime) -> None:
    """Move the cases on of which all pieces that their reports name are here."""
    waiting = cases.unfinished(connection, keys)
    named = cases.signed_reports(connection, waiting)
    here = _pieces(connection, waiting)
    complete = [
        case_id
        for key, case_id in waiting.items()
        if (signed := named[key]) and {piece.sha256 for piece in signed.body.evidence} <= here[key]
    ]
    moves = Moves(connection, complete)
    for case_id in complete:
        moves.move(case_id, Event.EVIDENCE_ARRIVED, now)
    moves.write()


def _pieces(connection: Connection, keys: Collection[Key]) -> Mapping[Key, set[str]]:
    """By event: the hashes of the pieces that are here."""
    here: dict[Key, set[str]] = {key: set() for key in keys}
    if keys:
        columns = evidence.c
        statement = select(columns.unit_id, columns.event_id, columns.sha256)
        for row in connection.execute(statement.where(tuple_(columns.unit_id, columns.event_id).in_(list(keys)))):
            here[row.unit_id, row.event_id].add(row.sha256)
    return here
