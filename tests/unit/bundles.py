"""What the tests of bundles share: a unit that writes some, and a way to touch them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from test_pipeline import DOWN, JUNCTION, SCENE, UP, findings, pipeline

from agent.bundle import Bundler
from agent.evidence import EvidenceStore
from agent.outbox import Outbox
from agent.pipeline import Finding
from agent.report import Reporter
from agent.scene import Scene
from wire.manifest import SignedManifest
from wire.messages import Provenance
from wire.signing import SigningKey

KEY = SigningKey.from_seed(bytes(32))
NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
SITE = Scene.model_validate(SCENE.model_dump() | {"calibration": JUNCTION["calibration"]})


def found() -> list[Finding]:
    """Three findings about two vehicles."""
    return findings(pipeline(UP, "B1234XYZ")) + findings(pipeline(DOWN, "B1236XYZ"))


def reporter(root: Path) -> Reporter:
    provenance = Provenance(software="1", models={"detector": "0" * 64}, config="1" * 64, clock_synchronised=True)
    return Reporter(Bundler("unit-01", SITE, provenance, KEY, EvidenceStore(root)))


def owe(outbox: Outbox, reporter: Reporter, finding: Finding) -> Path:
    """Report a finding as the agent does; its bundle."""
    event_id = reporter.event_id(finding)
    outbox.add(event_id, reporter.report(finding, reporter.save_pieces(finding), lambda: NOW))
    name = str(event_id)
    return next(folder for folder in reporter.bundler.store.bundles() if folder.name == name)


def write_bundles(folder: Path) -> list[Path]:
    """A unit's three bundles under `folder`, in the order of their numbers."""
    with Outbox(folder / "outbox.sqlite") as outbox:
        return [owe(outbox, reporter(folder / "evidence"), finding) for finding in found()]


def manifest_file(bundle: Path) -> Path:
    (path,) = bundle.glob("*.json")
    return path


def manifest(bundle: Path) -> SignedManifest:
    return SignedManifest.model_validate_json(manifest_file(bundle).read_bytes())
