"""From a finding to what goes to the centre: its bundle on disk and a signed report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid5

from agent.bundle import Bundler, Link, facts
from agent.pipeline import Finding
from agent.plate import voted_class
from agent.types import PlateVote, Violation
from wire.manifest import Piece
from wire.messages import EvidenceRef, Expiry, Plate, SignedReport, Verdict, ViolationReport

EVENTS = UUID("6f1b2a52-5f0c-5d43-9b1e-0c7a3ad0a0f1")
"""Namespace of event ids: never changed, or a replay would report old violations anew."""


def event_id(unit_id: str, violation: Violation) -> UUID:
    """An id made of facts that survive a restart: the same violation always gets the same id."""
    moment = violation.at.astimezone(UTC).isoformat(timespec="milliseconds")
    return uuid5(EVENTS, f"{unit_id}|{violation.kind}|{moment}|{violation.vote.text}")


@dataclass(frozen=True, slots=True)
class Reporter:
    """Turns findings into bundles and reports of one unit at one site."""

    bundler: Bundler

    def event_id(self, finding: Finding) -> UUID:
        return event_id(self.bundler.unit_id, finding.violation)

    def save_pieces(self, finding: Finding) -> tuple[Piece, ...]:
        """Write the bundle but for its manifest. Raises StoreError."""
        return self.bundler.save_pieces(self.event_id(finding), finding)

    def seal(self, finding: Finding, pieces: tuple[Piece, ...], link: Link) -> tuple[EvidenceRef, ...]:
        """Write the manifest; all of the bundle as a report names it. Raises StoreError."""
        manifest = self.bundler.seal(self.event_id(finding), finding, pieces, link)
        return (*(EvidenceRef(**piece.model_dump(exclude={"frames"})) for piece in pieces), manifest)

    def report(
        self, finding: Finding, pieces: tuple[Piece, ...], clock: Callable[[], datetime]
    ) -> Callable[[int, str | None], SignedReport]:
        """The report but for its place in the unit's chain and the moment it is written: the outbox's transaction."""

        def build(sequence: int, previous: str | None) -> SignedReport:
            evidence = self.seal(finding, pieces, Link(sequence, previous))
            return self.bundler.key.sign(self._report(finding, sequence, evidence, clock()))

        return build

    def _report(
        self, finding: Finding, sequence: int, evidence: tuple[EvidenceRef, ...], now: datetime
    ) -> ViolationReport:
        violation, scene = finding.violation, self.bundler.scene
        return ViolationReport(
            event_id=self.event_id(finding),
            unit_id=self.bundler.unit_id,
            sequence=sequence,
            site_id=scene.id,
            lane_id=violation.lane_id,
            location=scene.location,
            kind=violation.kind.value,
            article=violation.article,
            occurred_at=violation.at,
            reported_at=now,
            verdict=Verdict(finding.decision.outcome.value),
            reasons=finding.decision.reasons,
            margin=violation.margin,
            facts=facts(violation),
            plate=plate(violation.vote),
            evidence=evidence,
            provenance=self.bundler.provenance,
        )


def plate(vote: PlateVote) -> Plate:
    """The wire's form of a fused plate."""
    return Plate(
        text=vote.text,
        confidence=round(vote.confidence, 6),
        runner_up=vote.runner_up,
        runner_up_confidence=round(vote.runner_up_confidence, 6),
        support=vote.support,
        reads=vote.reads,
        colour=vote.colour.value,
        vehicle_class=voted_class(vote).value,
        expiry=Expiry(month=vote.expiry.month, year=vote.expiry.year) if vote.expiry else None,
    )
