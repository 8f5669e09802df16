"""From a finding to what goes to the centre: evidence on disk and a signed report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid5

from agent.evidence import EvidenceStore
from agent.pipeline import Finding, crop_plate
from agent.plate import parse, vehicle_class
from agent.scene import Scene
from agent.types import PlateVote, Violation
from wire.messages import EvidenceRef, EvidenceRole, Expiry, Fact, Plate, Provenance, Verdict, ViolationReport

EVENTS = UUID("6f1b2a52-5f0c-5d43-9b1e-0c7a3ad0a0f1")
"""Namespace of event ids: never changed, or a replay would report old violations anew."""


def event_id(unit_id: str, violation: Violation) -> UUID:
    """An id made of facts that survive a restart: the same violation always gets the same id."""
    moment = violation.at.astimezone(UTC).isoformat(timespec="milliseconds")
    return uuid5(EVENTS, f"{unit_id}|{violation.kind}|{moment}|{violation.vote.text}")


@dataclass(frozen=True, slots=True)
class Reporter:
    """Turns findings into reports of one unit at one site."""

    unit_id: str
    scene: Scene
    provenance: Provenance
    evidence: EvidenceStore

    def event_id(self, finding: Finding) -> UUID:
        return event_id(self.unit_id, finding.violation)

    def save_evidence(self, finding: Finding) -> tuple[EvidenceRef, ...]:
        """Write context picture, plate crop and manifest. Raises StoreError."""
        pictures = (
            self.evidence.save_image(finding.context.image, EvidenceRole.CONTEXT),
            self.evidence.save_image(crop_plate(finding), EvidenceRole.PLATE),
        )
        manifest = self.evidence.save_manifest(self._manifest(finding, pictures))
        return (*pictures, manifest)

    def report(self, finding: Finding, evidence: tuple[EvidenceRef, ...]) -> Callable[[int, datetime], ViolationReport]:
        """The report but for its sequence number and the moment it is written, which the outbox's transaction gives."""

        def build(sequence: int, now: datetime) -> ViolationReport:
            violation = finding.violation
            return ViolationReport(
                event_id=self.event_id(finding),
                unit_id=self.unit_id,
                sequence=sequence,
                site_id=self.scene.id,
                lane_id=violation.lane_id,
                location=self.scene.location,
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
                provenance=self.provenance,
            )

        return build

    def _manifest(self, finding: Finding, pictures: tuple[EvidenceRef, ...]) -> dict[str, object]:
        violation = finding.violation
        return {
            "event_id": str(self.event_id(finding)),
            "unit_id": self.unit_id,
            "kind": violation.kind.value,
            "occurred_at": violation.at.isoformat(),
            "frame_index": finding.context.index,
            "frame_at": finding.context.at.isoformat(),
            "verdict": finding.decision.outcome.value,
            "reasons": list(finding.decision.reasons),
            "facts": [fact.model_dump() for fact in facts(violation)],
            "plate": reading(violation.vote),
            "pieces": [piece.model_dump(mode="json") for piece in pictures],
            "provenance": self.provenance.model_dump(mode="json"),
        }


def facts(violation: Violation) -> tuple[Fact, ...]:
    return tuple(Fact(name=name, value=value) for name, value in violation.facts)


def reading(vote: PlateVote) -> dict[str, object]:
    """A fused plate as manifests and decisions print it; unlike the wire's form, it may be unreadable."""
    return {
        "text": vote.text,
        "confidence": round(vote.confidence, 4),
        "runner_up": vote.runner_up,
        "runner_up_confidence": round(vote.runner_up_confidence, 4),
        "support": vote.support,
        "reads": vote.reads,
        "colour": vote.colour.value,
    }


def plate(vote: PlateVote) -> Plate:
    """The wire's form of a fused plate."""
    number = parse(vote.text)
    return Plate(
        text=vote.text,
        confidence=round(vote.confidence, 6),
        runner_up=vote.runner_up,
        runner_up_confidence=round(vote.runner_up_confidence, 6),
        support=vote.support,
        reads=vote.reads,
        colour=vote.colour.value,
        vehicle_class=vehicle_class(number).value if number else "unknown",
        expiry=Expiry(month=vote.expiry.month, year=vote.expiry.year) if vote.expiry else None,
    )
