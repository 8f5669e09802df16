"""The bundle of a finding: what it shows, its place in the chain, and the same bytes each time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from bundles import KEY, NOW, found, manifest, manifest_file, owe, reporter, write_bundles
from test_pipeline import DOWN, START, UP, findings, frames, pipeline

from agent.outbox import Outbox
from agent.replay import KEY as REPLAY_KEY
from agent.replay import ReplayFolder
from agent.retention import Limits, sweep
from agent.scene import Scene
from agent.signal import Signals
from agent.types import PlateVote, Track, Violation, ViolationKind
from wire.canonical import sha256_hex
from wire.messages import MAX_EVIDENCE_BYTES, EvidenceRole, SignedReport


class Crossing:
    """A rule that finds something in the middle of each track."""

    kind = ViolationKind.RED_LIGHT

    def evaluate(self, track: Track, vote: PlateVote, scene: Scene, signals: Signals) -> Violation:
        point = track.points[len(track.points) // 2]
        return Violation(
            self.kind, "Pasal 287", track.track_id, "L1", point.at, point.frame_index, vote, 0.5, (("red_s", "2.0 s"),)
        )


def test_a_bundle_shows_before_at_and_after(tmp_path: Path) -> None:
    """A picture of one moment does not show that a vehicle moved, nor where it came from."""
    built = pipeline(DOWN, "B1234XYZ")
    built._rules = [Crossing()]
    (finding,) = findings(built)
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        body = manifest(owe(outbox, reporter(tmp_path / "evidence"), finding)).body
    index = {piece.role: [frame.index for frame in piece.frames] for piece in body.pieces}
    assert index == {
        EvidenceRole.CONTEXT: [25],
        EvidenceRole.PLATE: [0],
        EvidenceRole.VEILED: [25],
        EvidenceRole.BEFORE: [0],
        EvidenceRole.AFTER: [45],
        EvidenceRole.PATH: [25],
        EvidenceRole.CLIP: list(range(0, 50, 5)),
    }
    assert body.frame_index == 25
    assert body.occurred_at == START + timedelta(seconds=1)


def test_who_stood_for_long_is_shown_from_the_begin(tmp_path: Path) -> None:
    """Pictures of four seconds do not show that a car stood in a junction for two minutes."""
    built = pipeline(DOWN, "B1234XYZ")
    built._rules = [Crossing()]
    (finding,) = findings(built)
    long_ago = finding.violation.at - timedelta(seconds=120)
    stills = tuple(replace(still, at=still.at - timedelta(seconds=120)) for still in finding.around[:1])
    stood = replace(finding, began=long_ago, around=(*stills, *finding.around[1:]))
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        body = manifest(owe(outbox, reporter(tmp_path / "evidence"), stood)).body
    shown = {piece.role: piece.frames for piece in body.pieces}
    assert [frame.at for frame in shown[EvidenceRole.BEFORE]] == [stills[0].at]
    assert shown[EvidenceRole.CLIP][0].at == stills[0].at


def test_what_was_not_filmed_is_not_made_up(tmp_path: Path) -> None:
    """The first frame of a clip has nothing before it; a picture put there would lie."""
    roles = {piece.role for piece in manifest(write_bundles(tmp_path)[1]).body.pieces}
    assert roles == set(EvidenceRole) - {EvidenceRole.MANIFEST, EvidenceRole.BEFORE}


def test_the_manifest_says_how_the_finding_came_about(tmp_path: Path) -> None:
    """Who doubts a violation asks with what it was found, by which clock, under which calibration."""
    signed = manifest(write_bundles(tmp_path)[0])
    assert KEY.public.verifies_manifest(signed)
    body = signed.body
    assert (body.unit_id, body.kind, body.verdict, body.plate.text) == ("unit-01", "odd_even", "accepted", "B1234XYZ")
    assert {"parity_posterior", "day_of_month"} <= {fact.name for fact in body.facts}
    assert body.calibration is not None
    assert body.provenance.models == {"detector": "0" * 64}


def test_every_piece_fits_a_message_and_is_named_by_the_report(tmp_path: Path) -> None:
    """A piece that no report names never reaches the centre; one too large never arrives."""
    finding = found()[0]
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        bundle = owe(outbox, reporter(tmp_path / "evidence"), finding)
        (report,) = outbox.rows(0.0)
        body = SignedReport.model_validate_json(outbox.report(report.event_id)).body
    assert {piece.sha256 for piece in body.evidence} == {path.stem for path in bundle.iterdir()}
    assert all(path.stat().st_size <= MAX_EVIDENCE_BYTES for path in bundle.iterdir())
    assert all(sha256_hex(path.read_bytes()) == path.stem for path in bundle.iterdir())


def test_the_chain_goes_on_after_a_restart(tmp_path: Path) -> None:
    """A bundle taken out of the row would not be missed."""
    previous = None
    for number, finding in enumerate(found(), start=1):
        with Outbox(tmp_path / "outbox.sqlite") as outbox:
            bundle = owe(outbox, reporter(tmp_path / "evidence"), finding)
            assert not outbox.add(manifest(bundle).body.event_id, lambda *_: pytest.fail("a known event is built"))
        body = manifest(bundle).body
        assert (body.sequence, body.previous) == (number, previous)
        previous = manifest_file(bundle).stem


def test_an_outbox_of_an_older_version_begins_a_chain(tmp_path: Path) -> None:
    """An update must not stop a unit, nor make up a bundle that never was."""
    first, second, _ = found()
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        owe(outbox, reporter(tmp_path / "evidence"), first)
        outbox._db.execute("drop table chain")
        outbox._db.execute("pragma user_version = 1")
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        body = manifest(owe(outbox, reporter(tmp_path / "evidence"), second)).body
    assert (body.sequence, body.previous) == (2, None)


def test_a_kill_between_bundle_and_report_leaves_no_hole(tmp_path: Path) -> None:
    """The next bundle would name one that was never reported, or a folder would hold two manifests."""
    first, second, _ = found()
    writer = reporter(tmp_path / "evidence")

    def killed() -> None:
        raise KeyboardInterrupt

    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        build = writer.report(first, writer.save_pieces(first), killed)  # type: ignore[arg-type]
        with pytest.raises(KeyboardInterrupt):
            outbox.add(writer.event_id(first), build)
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        bundles = [owe(outbox, writer, finding) for finding in (second, first)]
    assert [manifest(bundle).body.sequence for bundle in bundles] == [1, 2]
    assert manifest(bundles[1]).body.previous == manifest_file(bundles[0]).stem


def test_retention_keeps_what_is_owed_whole(tmp_path: Path) -> None:
    """A bundle without one of its pieces proves nothing."""
    bundles = write_bundles(tmp_path)
    before = sorted(path for bundle in bundles for path in bundle.iterdir())
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        store = reporter(tmp_path / "evidence").bundler.store
        assert sweep(outbox, store, NOW + timedelta(days=3650), Limits(), lambda: 1.0).files == 0
    assert sorted(path for bundle in bundles for path in bundle.iterdir()) == before


def replay(folder: Path) -> dict[Path, bytes]:
    """All files of a replay of a vehicle that breaks two laws."""
    with ReplayFolder(folder, reporter(folder / "evidence")) as kept:
        for followed in pipeline(UP, "B1234XYZ").run(iter(frames(50))):
            kept.add(followed)
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_replay_twice_writes_the_same_bundles(tmp_path: Path) -> None:
    """A replay is a proof: whoever repeats it holds the same bytes, manifests and signatures too."""
    first = replay(tmp_path / "a")
    assert first == replay(tmp_path / "b")
    assert len([path for path in first if path.suffix == ".json"]) == 2


def test_the_replay_key_is_the_one_in_the_documents() -> None:
    """Who verifies a replay's bundles by the documented key would find them forged."""
    page = Path(__file__).parents[2] / "docs" / "reference" / "evidence.md"
    assert REPLAY_KEY.public.to_base64() in page.read_text()
