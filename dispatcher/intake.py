"""From a unit's message to a stored case and the word the unit waits for.

A unit keeps what it said until it gets an `Ack`, so an ack is given only after the commit. The same report or picture
may come any number of times; it is stored once. Nothing is believed because of the topic it came on alone: a report
carries its unit's signature, as a manifest does, and a picture is believed when a signed report names its hash.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, select, update

from dispatcher import cases
from dispatcher.engine import hold
from dispatcher.errors import StoreError, UnstorableError
from dispatcher.evidence import EvidenceStore, place_of
from dispatcher.metrics import EVIDENCE_BYTES, MESSAGES
from dispatcher.schema import evidence, quarantine, unit_event, unit_status
from dispatcher.store import Store, count, insert_new
from dispatcher.units import Unit, UnitState
from dispatcher.workflow import Event, State
from wire.canonical import sha256_hex
from wire.codec import DecodeError, decode, decode_evidence
from wire.manifest import SignedManifest
from wire.messages import (
    UNREAD,
    Ack,
    AckResult,
    EvidenceHeader,
    EvidenceRole,
    SignedReport,
    UnitStatus,
    ViolationReport,
)
from wire.topics import Up, UpTopic

log = logging.getLogger(__name__)

_YEARS = range(1970, 2200)
"""Beyond them a moment can be written, but not be told in another time zone everywhere."""
_REASON_CHARACTERS = 200
"""A refusal may name a field as long as the message; its ack must stay one that can be read."""


class Refused(Exception):
    """A message that is not stored; `str()` is the code that is counted and told to the unit."""


class NotYet(Exception):
    """A message that the unit has to say again later; `str()` is the code that is told to the unit."""


class Intake:
    """Takes the units' messages in."""

    def __init__(self, store: Store, pieces: EvidenceStore, units: Mapping[str, Unit]) -> None:
        self._store = store
        self._pieces = pieces
        self._units = units

    def take(self, topic: UpTopic, payload: bytes, now: datetime) -> Ack | None:
        """Store one message and say what became of it; None for a status, which nobody waits for.

        Never raises: the broker would bring the same message again, and it would end the next dispatcher as well.
        """
        handlers = {Up.VIOLATION: self._report, Up.EVIDENCE: self._evidence, Up.STATUS: self._status}
        try:
            ack = handlers[topic.kind](topic.unit_id, payload, now)
        except UnstorableError:
            log.exception("a message cannot be stored", extra={"unit": topic.unit_id, "kind": topic.kind})
            return self._refuse(topic, payload, "unstorable")
        except StoreError:
            log.exception("a message is deferred", extra={"unit": topic.unit_id, "kind": topic.kind})
            return self._defer(topic.kind, payload, "store")
        except NotYet as reason:
            return self._defer(topic.kind, payload, str(reason))
        except (Refused, DecodeError) as refusal:
            return self._refuse(topic, payload, str(refusal))
        except Exception:
            log.exception("a message cannot be taken in", extra={"unit": topic.unit_id, "kind": topic.kind})
            return self._refuse(topic, payload, "failed")
        MESSAGES.labels(topic.kind, ack.result if ack else AckResult.STORED, ack.reason if ack else "").inc()
        return ack

    def _defer(self, kind: Up, payload: bytes, reason: str) -> Ack | None:
        """Have the unit say it again later."""
        MESSAGES.labels(kind, "deferred", reason).inc()
        return _rejected(kind, payload, reason, retryable=True)

    def _refuse(self, topic: UpTopic, payload: bytes, reason: str) -> Ack | None:
        """Refuse for good: what pydantic found wrong is told to the unit and counted by its kind alone."""
        code = reason.partition(":")[0]
        MESSAGES.labels(topic.kind, AckResult.REJECTED, code).inc()
        self._count(f"refused.{topic.kind}.{code}")
        log.warning("a message is refused", extra={"unit": topic.unit_id, "kind": topic.kind, "reason": code})
        return _rejected(topic.kind, payload, reason[:_REASON_CHARACTERS], retryable=False)

    def _count(self, name: str) -> None:
        try:
            with self._store.writing() as connection:
                count(connection, name)
        except StoreError:
            return  # a refusal that cannot be counted is still a refusal

    def _known(self, topic_unit: str, said_unit: str) -> Unit:
        unit = self._units.get(topic_unit)
        if unit is None:
            raise Refused("unknown_unit")
        if said_unit != topic_unit:
            raise Refused("foreign_unit")
        if unit.state is UnitState.QUARANTINED:
            raise Refused("unit_quarantined")
        if unit.state is UnitState.UNAPPROVED:
            raise NotYet("key_unapproved")
        return unit

    def _report(self, unit_id: str, payload: bytes, now: datetime) -> Ack:
        signed = decode(SignedReport, payload)
        unit = self._known(unit_id, signed.body.unit_id)
        if signed.key_id != unit.key.key_id:
            raise Refused("unknown_key")
        if not unit.key.verifies(signed):
            raise Refused("bad_signature")
        _check_moments(signed.body.occurred_at, signed.body.reported_at)
        digest = sha256_hex(payload)
        with self._store.writing() as connection:
            _one_at_a_time(connection, unit_id, signed.body.event_id)
            result = _store_report(connection, signed.body, payload, digest, now)
        if result is AckResult.REJECTED:
            self._count("refused.violation.other_content")
        reason = "other_content" if result is AckResult.REJECTED else ""
        return Ack(event_id=signed.body.event_id, sha256=digest, result=result, retryable=False, reason=reason)

    def _evidence(self, unit_id: str, payload: bytes, now: datetime) -> Ack:
        header, content = decode_evidence(payload)
        unit = self._known(unit_id, header.unit_id)
        if header.role is EvidenceRole.MANIFEST:
            _check_manifest(unit, header, content)
        with self._store.reading() as connection:
            _check_named(connection, header)
        place = place_of(header)
        self._pieces.put(place, content)
        with self._store.writing() as connection:
            _one_at_a_time(connection, unit_id, header.event_id)
            is_new = insert_new(connection, evidence, _evidence_row(header, place, now))
            _complete(connection, unit_id, str(header.event_id), now)
        if is_new:
            EVIDENCE_BYTES.inc(header.size_bytes)
        result = AckResult.STORED if is_new else AckResult.DUPLICATE
        return Ack(event_id=header.event_id, sha256=header.sha256, result=result, retryable=False)

    def _status(self, unit_id: str, payload: bytes, now: datetime) -> None:
        status = decode(UnitStatus, payload)
        self._known(unit_id, status.unit_id)
        _check_moments(status.at)
        said = status.model_dump(include={"online", "at", "software", "backlog", "dead"}) | {"seen_at": now}
        with self._store.writing() as connection:
            if not insert_new(connection, unit_status, {"unit_id": unit_id, **said}):
                connection.execute(update(unit_status).where(unit_status.c.unit_id == unit_id).values(**said))


def _one_at_a_time(connection: Connection, unit_id: str, event_id: UUID) -> None:
    """Two dispatchers with a case's last two pieces at once would each miss the other's, and it would never move."""
    hold(connection, f"{unit_id}/{event_id}")


def _check_moments(*moments: datetime) -> None:
    if any(moment.year not in _YEARS for moment in moments):
        raise Refused("impossible_moment")


def _rejected(kind: Up, payload: bytes, reason: str, *, retryable: bool) -> Ack | None:
    """The refusal of a message, naming it as its sender does; None when it cannot even be named."""
    event_id, digest = UNREAD, sha256_hex(payload)
    try:
        if kind is Up.VIOLATION:
            event_id = decode(SignedReport, payload).body.event_id
        elif kind is Up.EVIDENCE:
            header, _ = decode_evidence(payload)
            event_id, digest = header.event_id, header.sha256
        else:
            return None
    except DecodeError:
        pass  # the hash of the bytes is all there is to name it by
    return Ack(event_id=event_id, sha256=digest, result=AckResult.REJECTED, retryable=retryable, reason=reason)


def _store_report(
    connection: Connection, report: ViolationReport, payload: bytes, digest: str, now: datetime
) -> AckResult:
    event_id = str(report.event_id)
    key = {"unit_id": report.unit_id, "event_id": event_id}
    row = {"sha256": digest, "body": payload, "received_at": now}
    if insert_new(connection, unit_event, {**key, **row, "sequence": report.sequence}):
        cases.open_case(connection, report, now)
        _complete(connection, report.unit_id, event_id, now)
        return AckResult.STORED
    where = (unit_event.c.unit_id == report.unit_id) & (unit_event.c.event_id == event_id)
    if connection.execute(select(unit_event.c.sha256).where(where)).scalar_one() == digest:
        return AckResult.DUPLICATE
    insert_new(connection, quarantine, {**key, **row})
    return AckResult.REJECTED


def _check_manifest(unit: Unit, header: EvidenceHeader, content: bytes) -> None:
    """A manifest is stored only if the unit's signature holds: one that is here was verified."""
    try:
        signed = decode(SignedManifest, content)
    except DecodeError:
        raise Refused("manifest_invalid") from None
    if signed.key_id != unit.key.key_id:
        raise Refused("manifest_unknown_key")
    if not unit.key.verifies_manifest(signed):
        raise Refused("manifest_bad_signature")
    if (signed.body.unit_id, signed.body.event_id) != (header.unit_id, header.event_id):
        raise Refused("manifest_of_another_event")


def _check_named(connection: Connection, header: EvidenceHeader) -> None:
    """A piece for a report that is here must be one that the report names; one that comes before is kept for it."""
    case = cases.by_event(connection, header.unit_id, str(header.event_id))
    if case is None:
        return
    pieces = cases.report_of(connection, case).evidence
    if not any((piece.role, piece.sha256) == (header.role, header.sha256) for piece in pieces):
        raise Refused("not_named")


def _evidence_row(header: EvidenceHeader, place: str, now: datetime) -> dict[str, object]:
    row = header.model_dump(include={"unit_id", "sha256", "role", "media_type", "size_bytes"})
    return row | {"event_id": str(header.event_id), "path": place, "received_at": now}


def _complete(connection: Connection, unit_id: str, event_id: str, now: datetime) -> None:
    """Move the case on when all pieces that its report names are here."""
    case = cases.by_event(connection, unit_id, event_id)
    if case is None or case.state is not State.RECEIVED:
        return
    where = (evidence.c.unit_id == unit_id) & (evidence.c.event_id == event_id)
    here = set(connection.scalars(select(evidence.c.sha256).where(where)))
    if {piece.sha256 for piece in cases.report_of(connection, case).evidence} <= here:
        cases.move(connection, case.case_id, Event.EVIDENCE_ARRIVED, now)
