"""From a unit's message to a stored case and the word the unit waits for.

A unit keeps what it said until it gets an `Ack`, so an ack is given only after the commit. The same report or picture
may come any number of times; it is stored once. Nothing is believed because of the topic it came on alone: a report
carries its unit's signature, as a manifest does, and a picture is believed when a signed report names its hash; so is
the manifest of a report that was verified before its unit got another key.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from dispatcher import arrivals, cases
from dispatcher.arrivals import Piece, Report
from dispatcher.errors import AwayError, StoreError, UnstorableError
from dispatcher.evidence import EvidenceStore, place_of
from dispatcher.metrics import EVIDENCE_BYTES, MESSAGES
from dispatcher.store import Store, count
from dispatcher.units import Unit, UnitState
from wire.canonical import sha256_hex
from wire.codec import DecodeError, decode, decode_evidence
from wire.manifest import SignedManifest
from wire.messages import (
    ERASED,
    UNREAD,
    Ack,
    AckResult,
    EvidenceHeader,
    EvidenceRef,
    EvidenceRole,
    SignedReport,
    UnitStatus,
)
from wire.topics import Up, UpTopic

log = logging.getLogger(__name__)

HELD = "held"
"""Told to a unit whose report is stored and not judged for now."""
_YEARS = range(1970, 2200)
"""Beyond them a moment can be written, but not be told in another time zone everywhere."""
_REASON_CHARACTERS = 200
"""A refusal may name a field as long as the message; its ack must stay one that can be read."""


class Refused(Exception):
    """A message that is not stored; `str()` is the code that is counted and told to the unit."""


class NotYet(Exception):
    """A message that the unit has to say again later; `str()` is the code that is told to the unit."""


Refusal: TypeAlias = Refused | NotYet | DecodeError


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message as the broker brings it."""

    topic: UpTopic
    payload: bytes

    def in_log(self, **more: object) -> dict[str, object]:
        return {"unit": self.topic.unit_id, "kind": self.topic.kind, **more}


class Intake:
    """Takes the units' messages in."""

    def __init__(self, store: Store, pieces: EvidenceStore, units: Mapping[str, Unit]) -> None:
        self._store = store
        self._pieces = pieces
        self._units = units

    def take(self, topic: UpTopic, payload: bytes, now: datetime) -> Ack | None:
        """`take_all` of one message."""
        return self.take_all([Incoming(topic, payload)], now)[0]

    def take_all(self, messages: Sequence[Incoming], now: datetime) -> Sequence[Ack | None]:
        """Store messages in one transaction and say what became of each; None for a status, which nobody waits for.

        Raises AwayError while the database is away, and nothing else: the broker would bring the same messages again,
        and they would end the next dispatcher as well.
        """
        try:
            return self._take_all(messages, now)
        except AwayError:
            raise
        except Exception as fault:
            if len(messages) == 1:
                log.exception("a message cannot be taken in", extra=messages[0].in_log())
                return [self._at_fault(messages[0], fault)]
            # One of them is at fault, and alone suffers for it.
            return [self.take_all([message], now)[0] for message in messages]

    def _take_all(self, messages: Sequence[Incoming], now: datetime) -> Sequence[Ack | None]:
        read = [self._read(message) for message in messages]
        with self._store.reading() as connection:
            there = cases.signed_reports(connection, {each.key for each in read if isinstance(each, Piece)})
        named = {each.key: each.body.evidence for each in reversed(read) if isinstance(each, Report)}
        named |= {key: signed.body.evidence if signed else () for key, signed in there.items()}
        found = [_named(each, named.get(each.key)) if isinstance(each, Piece) else each for each in read]
        found = [_vouched(each, there.get(each.key)) if isinstance(each, Piece) else each for each in found]
        pieces = [each for each in found if isinstance(each, Piece)]
        away = self._pieces.put_all({place_of(each.header): each.content for each in pieces})
        found = [_kept(each, away) if isinstance(each, Piece) else each for each in found]
        with self._store.writing() as connection:
            reports = [each for each in found if isinstance(each, Report)]
            results = arrivals.keep(connection, reports, [each for each in found if isinstance(each, Piece)], now)
            arrivals.expect(connection, [each for each in pieces if away.get(place_of(each.header))])
            arrivals.keep_statuses(connection, [each for each in found if isinstance(each, UnitStatus)], now)
        return [self._answer(message, each, results) for message, each in zip(messages, found, strict=True)]

    def _read(self, message: Incoming) -> Report | Piece | UnitStatus | Refusal:
        """A message that may be stored, or why it may not."""
        unit_id, payload = message.topic.unit_id, message.payload
        try:
            match message.topic.kind:
                case Up.VIOLATION:
                    return self._report(unit_id, payload)
                case Up.EVIDENCE:
                    return self._evidence(unit_id, payload)
                case Up.STATUS:
                    return self._status(unit_id, payload)
        except (Refused, NotYet, DecodeError) as refusal:
            return refusal

    def _answer(
        self,
        message: Incoming,
        found: Report | Piece | UnitStatus | Refusal,
        results: Mapping[Report | Piece, AckResult],
    ) -> Ack | None:
        """What the unit is told, and what is counted."""
        kind = message.topic.kind
        if isinstance(found, NotYet):
            return self._defer(kind, message.payload, str(found))
        if isinstance(found, Refused | DecodeError):
            return self._refuse(message.topic, message.payload, str(found))
        if isinstance(found, UnitStatus):
            MESSAGES.labels(kind, AckResult.STORED, "").inc()
            return None
        result = results[found]
        reason = "other_content" if result is AckResult.REJECTED else ""
        if reason:
            self._count(f"refused.{kind}.{reason}")
        if isinstance(found, Report) and result is AckResult.STORED and self._is_held(found):
            reason = HELD
            self._count(f"held.{kind}")
        if isinstance(found, Piece) and result is AckResult.STORED:
            EVIDENCE_BYTES.inc(found.header.size_bytes)
        MESSAGES.labels(kind, result, reason).inc()
        return Ack(event_id=found.event_id, sha256=found.sha256, result=result, retryable=False, reason=reason)

    def _is_held(self, report: Report) -> bool:
        return self._units[report.body.unit_id].state is UnitState.QUARANTINED

    def _at_fault(self, message: Incoming, fault: Exception) -> Ack | None:
        """The answer to a message that cannot be stored: for all we know for ever, unless the fault is the store's."""
        if isinstance(fault, StoreError) and not isinstance(fault, UnstorableError):
            return self._defer(message.topic.kind, message.payload, "store")
        code = "unstorable" if isinstance(fault, UnstorableError) else "failed"
        return self._refuse(message.topic, message.payload, code)

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
        except AwayError:
            raise
        except StoreError:
            return  # a refusal that cannot be counted is still a refusal

    def _known(self, topic_unit: str, said_unit: str) -> Unit:
        unit = self._units.get(topic_unit)
        if unit is None:
            raise Refused("unknown_unit")
        if said_unit != topic_unit:
            raise Refused("foreign_unit")
        if unit.state is UnitState.UNAPPROVED:
            raise NotYet("key_unapproved")
        return unit

    def _report(self, unit_id: str, payload: bytes) -> Report:
        signed = decode(SignedReport, payload)
        unit = self._known(unit_id, signed.body.unit_id)
        if signed.key_id != unit.key.key_id:
            raise Refused("unknown_key")
        if not unit.key.verifies(signed):
            raise Refused("bad_signature")
        _check_moments(signed.body.occurred_at, signed.body.reported_at)
        return Report(signed.body, payload, sha256_hex(payload))

    def _evidence(self, unit_id: str, payload: bytes) -> Piece:
        header, content = decode_evidence(payload)
        unit = self._known(unit_id, header.unit_id)
        other_key_id = _check_manifest(unit, header, content) if header.role is EvidenceRole.MANIFEST else ""
        return Piece(header, content, other_key_id)

    def _status(self, unit_id: str, payload: bytes) -> UnitStatus:
        status = decode(UnitStatus, payload)
        self._known(unit_id, status.unit_id)
        _check_moments(status.at)
        return status


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


def _check_manifest(unit: Unit, header: EvidenceHeader, content: bytes) -> str:
    """Verify a manifest by its unit's key; the id of the other key that it names where it is not verified."""
    try:
        signed = decode(SignedManifest, content)
    except DecodeError:
        raise Refused("manifest_invalid") from None
    is_other = signed.key_id != unit.key.key_id
    if not is_other and not unit.key.verifies_manifest(signed):
        raise Refused("manifest_bad_signature")
    if (signed.body.unit_id, signed.body.event_id) != (header.unit_id, header.event_id):
        raise Refused("manifest_of_another_event")
    return signed.key_id if is_other else ""


def _kept(piece: Piece, away: Container[str]) -> Piece | NotYet:
    """A piece whose bytes are stored; another is said again later."""
    return NotYet("store") if place_of(piece.header) in away else piece


def _named(piece: Piece, named: Sequence[EvidenceRef] | None) -> Piece | Refused:
    """A piece for a report that is here must be one that the report names; one that comes before is kept for it."""
    if named is None or any(each.role is piece.header.role and each.sha256 == piece.sha256 for each in named):
        return piece
    return Refused("not_named" if named else ERASED)


def _vouched(piece: Piece, report: SignedReport | None) -> Piece | Refused:
    """A manifest of another key than its unit's present one is believed for a report, which names its hash, that was
    verified by that key."""
    if not piece.other_key_id or (report and report.key_id == piece.other_key_id):
        return piece
    return Refused("manifest_unknown_key")
