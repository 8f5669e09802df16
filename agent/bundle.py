"""The bundle of a finding: which pictures show it, and the signed manifest that names them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from agent.clip import clip
from agent.evidence import EvidenceStore, jpeg
from agent.overlay import draw_path
from agent.pipeline import Finding, crop_plate
from agent.ring import Still
from agent.scene import Scene
from agent.types import Frame, PlateVote, Violation
from agent.veil import veil
from wire.canonical import canonical_json, sha256_hex
from wire.manifest import FrameRef, Manifest, Piece, Reading
from wire.messages import EvidenceRef, EvidenceRole, Fact, MediaType, Provenance
from wire.signing import SigningKey

STEP = timedelta(seconds=1)
"""From the moment to the pictures before and after it, at least: 14 m at 50 km/h."""


@dataclass(frozen=True, slots=True)
class Link:
    """A bundle's place in the unit's chain of bundles."""

    sequence: int
    previous: str | None
    """Hash of the manifest before it."""


@dataclass(frozen=True, slots=True)
class _Content:
    """A piece before it is a file."""

    role: EvidenceRole
    content: bytes
    frames: Sequence[Frame | Still]
    media_type: MediaType = "image/jpeg"


@dataclass(frozen=True, slots=True)
class Bundler:
    """Writes the bundles of one unit at one site."""

    unit_id: str
    scene: Scene
    provenance: Provenance
    key: SigningKey
    store: EvidenceStore

    def save_pieces(self, event_id: UUID, finding: Finding) -> tuple[Piece, ...]:
        """Write all but the manifest. Raises StoreError."""
        return tuple(self._save(event_id, content) for content in _contents(finding))

    def seal(self, event_id: UUID, finding: Finding, pieces: tuple[Piece, ...], link: Link) -> EvidenceRef:
        """Write the manifest. Raises StoreError."""
        signed = self.key.sign_manifest(self._manifest(event_id, finding, pieces, link))
        return self.store.seal(event_id, canonical_json(signed), [piece.sha256 for piece in pieces])

    def _save(self, event_id: UUID, content: _Content) -> Piece:
        ref = self.store.save(event_id, content.content, content.role, content.media_type)
        frames = tuple(FrameRef(index=frame.index, at=frame.at) for frame in content.frames)
        return Piece(**ref.model_dump(), frames=frames)

    def _manifest(self, event_id: UUID, finding: Finding, pieces: tuple[Piece, ...], link: Link) -> Manifest:
        violation, calibration = finding.violation, self.scene.calibration
        return Manifest(
            event_id=event_id,
            unit_id=self.unit_id,
            sequence=link.sequence,
            previous=link.previous,
            site_id=self.scene.id,
            lane_id=violation.lane_id,
            kind=violation.kind.value,
            article=violation.article,
            occurred_at=violation.at,
            frame_index=violation.frame_index,
            verdict=finding.decision.outcome.value,
            reasons=finding.decision.reasons,
            margin=violation.margin,
            facts=facts(violation),
            plate=reading(violation.vote),
            pieces=pieces,
            site=sha256_hex(canonical_json(self.scene)),
            calibration=sha256_hex(canonical_json(calibration)) if calibration else None,
            provenance=self.provenance,
        )


def _contents(finding: Finding) -> Iterator[_Content]:
    """The pieces, those first that the centre cannot do without."""
    context, around = finding.context, finding.around
    yield _Content(EvidenceRole.CONTEXT, jpeg(context.image), (context,))
    yield _Content(EvidenceRole.PLATE, jpeg(crop_plate(finding)), (finding.portrait,))
    yield _Content(EvidenceRole.VEILED, jpeg(veil(context.image, finding.point.detection.box)), (context,))
    earlier = [still for still in around if still.index < context.index]
    if earlier:
        before = min(finding.began, finding.violation.at - STEP)
        yield _still(EvidenceRole.BEFORE, min(earlier, key=lambda s: abs(before - s.at)))
    later = [still for still in around if still.index > context.index]
    if later:
        yield _still(EvidenceRole.AFTER, min(later, key=lambda s: abs(finding.violation.at + STEP - s.at)))
    path = [point.detection.box.centre for point in finding.track.points]
    yield _Content(EvidenceRole.PATH, jpeg(draw_path(context.image, path)), (context,))
    if len(around) > 1:
        yield _Content(EvidenceRole.CLIP, clip(around), around, "video/x-msvideo")


def _still(role: EvidenceRole, still: Still) -> _Content:
    return _Content(role, still.jpeg, (still,))


def facts(violation: Violation) -> tuple[Fact, ...]:
    return tuple(Fact(name=name, value=value) for name, value in violation.facts)


def reading(vote: PlateVote) -> Reading:
    """A fused plate as manifests and decisions print it; unlike the wire's form, it may be unreadable."""
    return Reading(
        text=vote.text,
        confidence=round(vote.confidence, 4),
        runner_up=vote.runner_up,
        runner_up_confidence=round(vote.runner_up_confidence, 4),
        support=vote.support,
        reads=vote.reads,
        colour=vote.colour.value,
    )
