"""One contract for evidence in a folder and in an S3 bucket, and what happens while the bucket is away."""

from __future__ import annotations

import json
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from console_world import World
from dispatcher_world import NOW, PICTURES, ROOT, UNIT, Answering, evidence, report, signed, write_config
from s3_server import S3Server
from sqlalchemy import func, select

from dispatcher import cases
from dispatcher.app import open_evidence
from dispatcher.cli import main
from dispatcher.errors import ConfigError, StoreError
from dispatcher.evidence import EvidenceStore, place_of
from dispatcher.evidence_s3 import EvidenceBucket
from dispatcher.intake import Incoming
from dispatcher.metrics import REGISTRY
from dispatcher.privacy.erasure import Eraser
from dispatcher.privacy.tables import remnant
from dispatcher.schema import evidence as evidence_table
from dispatcher.settings import load_settings
from wire.codec import decode_evidence
from wire.messages import AckResult, EvidenceRole
from wire.topics import Up, UpTopic

PAGE = ROOT / "docs" / "reference" / "evidence-storage.md"
HEADER, CONTENT = decode_evidence(evidence(EvidenceRole.PLATE))
PLACE = place_of(HEADER)
PREFIX = "jakarta"


def policy(bucket: str, without: str = "") -> dict[str, Any]:
    """What the documentation says the dispatcher needs."""
    (found,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    said: dict[str, Any] = json.loads(found.replace("cakra-evidence", bucket))
    allowed = [action for action in said["Statement"][0]["Action"] if action != without]
    said["Statement"][0]["Action"] = allowed
    return said


class Bucket:
    """A bucket of one test's own, and a configuration that names it."""

    def __init__(self, server: S3Server, folder: Path) -> None:
        self.server, self.name = server, server.bucket()
        self.folder = folder

    def changes(self, without: str = "", **s3: Any) -> dict[str, Any]:
        """For `write_config`."""
        access_key, secret_key = self.server.user(policy(self.name, without))
        (self.folder / "s3.secret").write_text(secret_key)
        reached = {"endpoint": self.server.endpoint, "access_key": access_key, "secret_key_file": "s3.secret"}
        return {"evidence": f"s3://{self.name}/{PREFIX}", "s3": {**reached, "timeout_s": 0.5, **s3}}

    def open(self, **changes: Any) -> EvidenceStore:
        for key in self.folder.glob("*.key"):
            key.unlink()
        return open_evidence(load_settings(write_config(self.folder, **self.changes(**changes))))

    def keys(self) -> set[str]:
        found = self.server.admin.list_objects_v2(Bucket=self.name)
        return {each["Key"] for each in found.get("Contents", ())}


@pytest.fixture
def bucket(s3_server: S3Server, tmp_path: Path) -> Iterator[Bucket]:
    yield Bucket(s3_server, tmp_path)
    s3_server.go_on()


@pytest.fixture(params=["folder", "s3"])
def changes(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What a configuration says of each kind of store in turn."""
    return {} if request.param == "folder" else request.getfixturevalue("bucket").changes()


@pytest.fixture
def store(changes: dict[str, Any], tmp_path: Path) -> EvidenceStore:
    return open_evidence(load_settings(write_config(tmp_path, **changes)))


def test_what_is_saved_is_there_until_it_is_removed(store: EvidenceStore) -> None:
    """A picture decides about an accusation; an erased one must be gone."""
    assert store.is_empty()
    for _ in range(2):
        store.put(PLACE, CONTENT)
        assert store.read(PLACE) == CONTENT
    assert not store.is_empty()
    for _ in range(2):
        store.remove(PLACE)
        assert store.read(PLACE) is None
    assert store.is_empty()


@pytest.mark.parametrize("place", ["../dispatcher.yaml", "/etc/passwd", "unit-01/../../data.key", ".", "", "unit-01"])
def test_nothing_outside_is_read_or_removed(store: EvidenceStore, tmp_path: Path, place: str) -> None:
    """A row that somebody has written into the database must not open or delete another file."""
    store.put(PLACE, CONTENT)
    assert store.read(place) is None
    store.remove(place)
    assert (tmp_path / "dispatcher.yaml").exists()
    assert store.read(PLACE) == CONTENT


def test_pieces_are_copied_from_a_folder_to_a_bucket_as_they_are(bucket: Bucket, tmp_path: Path) -> None:
    """A service that grows moves its evidence without touching a row."""
    open_evidence(load_settings(write_config(tmp_path))).put(PLACE, CONTENT)
    bucket.server.admin.upload_file(str(tmp_path / "evidence" / PLACE), bucket.name, f"{PREFIX}/{PLACE}")
    assert bucket.open().read(PLACE) == CONTENT


def test_the_policy_in_the_docs_is_enough_and_needed(bucket: Bucket) -> None:
    """A policy that allows too little shows when the first owner asks to be erased; one that allows too much, later."""
    bucket.open().put(PLACE, CONTENT)
    calls: dict[str, Callable[[EvidenceStore], object]] = {
        "s3:PutObject": lambda store: store.put(PLACE, CONTENT),
        "s3:GetObject": lambda store: store.read(PLACE),
        "s3:DeleteObject": lambda store: store.remove(PLACE),
    }
    for action, call in calls.items():
        with pytest.raises(StoreError, match=r"^evidence: S3 answers AccessDenied; check the bucket, its policy"):
            call(bucket.open(without=action))
    for call in calls.values():
        call(bucket.open())


def test_a_wrong_key_is_told_without_the_piece(bucket: Bucket) -> None:
    """The log must say what to mend, and nothing of whose picture it was."""
    with pytest.raises(StoreError, match=r"^evidence: S3 answers \w+; check") as told:
        bucket.open(access_key="AKIANOBODYNOBODY").put(PLACE, CONTENT)
    assert HEADER.sha256 not in str(told.value)
    store = bucket.open()
    bucket.server.admin.delete_bucket(Bucket=bucket.name)
    with pytest.raises(StoreError, match=r"S3 answers NoSuchBucket"):
        store.read("unit-01/x")


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_a_piece_that_is_not_what_it_was_is_none(kind: str, tmp_path: Path, bucket: Bucket) -> None:
    """A picture that is not the one the unit took must accuse nobody."""
    store = bucket.open() if kind == "s3" else open_evidence(load_settings(write_config(tmp_path)))
    store.put(PLACE, CONTENT)
    if kind == "s3":
        bucket.server.admin.put_object(Bucket=bucket.name, Key=f"{PREFIX}/{PLACE}", Body=b"another")
    else:
        (tmp_path / "evidence" / PLACE).write_bytes(b"another")
    assert store.read(PLACE) is None
    store.put(PLACE, CONTENT)
    assert store.read(PLACE) == CONTENT


def test_a_bucket_that_keeps_versions_is_told_at_the_erasure(bucket: Bucket) -> None:
    """An owner who is told that a picture is erased must not be lied to."""
    status = {"Status": "Enabled"}
    bucket.server.admin.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration=status)
    store = bucket.open()
    store.put(PLACE, CONTENT)
    with pytest.raises(StoreError, match="keeps versions of what is erased"):
        store.remove(PLACE)


@pytest.mark.parametrize("encryption", [None, "AES256", "aws:kms"])
def test_encryption_at_rest_is_asked_for(bucket: Bucket, encryption: str | None) -> None:
    """Where the bucket does not encrypt by itself, the dispatcher has it do so."""
    bucket.open(**({"encryption": encryption} if encryption else {})).put(PLACE, CONTENT)
    said = bucket.server.admin.head_object(Bucket=bucket.name, Key=f"{PREFIX}/{PLACE}")
    assert said.get("ServerSideEncryption") in ({encryption} if encryption else {None, "AES256"})
    assert said["ContentType"] == "image/jpeg"


@pytest.mark.parametrize("how", ["hangs", "is gone"])
def test_a_server_that_is_away_is_told(bucket: Bucket, how: str) -> None:
    """Whatever is wrong with the network, each call ends, in one line, and the next one may work."""
    store = bucket.open()
    store.put(PLACE, CONTENT)
    if how == "hangs":
        bucket.server.hang()
        away = store
    else:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            away = bucket.open(endpoint=f"http://127.0.0.1:{probe.getsockname()[1]}")
    for call in (lambda: away.put(PLACE, CONTENT), lambda: away.read(PLACE), lambda: away.remove("a/b.jpg")):
        with pytest.raises(StoreError, match=r"^evidence: S3: \w+; check s3\.endpoint and the server$"):
            call()
    bucket.server.go_on()
    assert store.read(PLACE) == CONTENT


def test_files_that_are_not_there_are_named(bucket: Bucket) -> None:
    """A typing error must be found when the dispatcher starts."""
    with pytest.raises(ConfigError, match=r"/no\.ca: s3\.ca: there is no such file; check the path"):
        bucket.open(ca="no.ca")
    with pytest.raises(ConfigError, match=r"/no\.secret: s3\.secret_key_file: No such file"):
        bucket.open(secret_key_file="no.secret")


def accepting(uploaded: list[bytes]) -> Answering:
    """A WhatsApp that takes everything, and keeps the pictures."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/media"):
            uploaded.append(request.read())
            return httpx.Response(200, json={"id": "7"})
        return httpx.Response(200, json={"messages": [{"id": "wamid.1"}]})

    return Answering(answer)


def test_a_case_lives_from_its_pictures_to_its_erasure(changes: dict[str, Any], tmp_path: Path) -> None:
    """Whoever changes the store changes nothing else."""
    uploaded: list[bytes] = []
    world = World(tmp_path, accepting(uploaded), **changes)
    reference = world.arrive()
    assert world.cases()[0]["state"] == "accepted"
    assert len(uploaded) == 1
    assert PICTURES[EvidenceRole.VEILED] in uploaded[0]
    shown = world.web.get(f"/cases/{reference}/evidence/plate")
    assert (shown.status_code, shown.content) == (200, PICTURES[EvidenceRole.PLATE])
    assert shown.headers["Content-Type"] == "image/jpeg"
    path = world.browser().post("/k", data={"reference": reference, "plate": "B 1234 XYZ"}).headers["location"]
    assert world.browser().get(f"{path}/plate").content == PICTURES[EvidenceRole.PLATE]
    kept = open_evidence(load_settings(tmp_path / "dispatcher.yaml"))
    with world.store.reading() as connection:
        places = connection.scalars(select(evidence_table.c.path)).all()
        case = cases.by_reference(connection, reference)
    assert case is not None
    assert {kept.read(place) for place in places} == set(PICTURES.values())
    eraser = Eraser(world.store, kept)
    assert eraser.drop_case(case)
    assert eraser.sweep() == 0
    assert {kept.read(place) for place in places} == {None}
    world.close()


def test_a_bucket_that_hangs_holds_up_nobody(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Piece by piece, each waiting for a dead server, no unit would be heard for minutes, and the broker would hang
    up."""
    world = World(tmp_path, **bucket.changes())
    numbers = range(1, 10)
    pieces = [Incoming(UpTopic(UNIT, Up.EVIDENCE), evidence(role, number)) for role in PICTURES for number in numbers]
    reports = [Incoming(UpTopic(UNIT, Up.VIOLATION), signed(report(number))) for number in numbers]
    bucket.server.hang()
    began: list[str] = []
    put = EvidenceBucket.put
    monkeypatch.setattr(EvidenceBucket, "put", lambda *piece: began.append(piece[1]) or put(*piece))
    acks = world.dispatcher.intake.take_all([*pieces, *reports], NOW)
    assert 0 < len(began) < len(pieces)  # nobody waited for the first, to begin with the next
    with world.store.reading() as connection:
        assert set(connection.scalars(select(remnant.c.path))) <= set(began)  # what may lie there late is known
    assert [(ack.result, ack.retryable, ack.reason) for ack in acks if ack] == [
        *[(AckResult.REJECTED, True, "store")] * len(pieces),
        *[(AckResult.STORED, False, "")] * len(reports),
    ]
    asked: list[str] = []
    monkeypatch.setattr(EvidenceBucket, "put", lambda _store, place, _content: asked.append(place))
    deferred = {"kind": "evidence", "outcome": "deferred", "reason": "store"}
    before = REGISTRY.get_sample_value("cakra_messages_total", deferred) or 0.0
    world.dispatcher.intake.take_all(pieces, NOW)
    assert REGISTRY.get_sample_value("cakra_messages_total", deferred) == before + len(pieces)
    assert asked == []
    world.close()


def test_while_the_bucket_is_away_nothing_is_lost(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A night without the storage costs a night, and no violation."""
    monkeypatch.setattr("dispatcher.evidence_s3._PAUSE", timedelta())
    uploaded: list[bytes] = []
    world = World(tmp_path, accepting(uploaded), **bucket.changes())
    take = world.dispatcher.intake.take
    bucket.server.hang()
    take(UpTopic(UNIT, Up.VIOLATION), signed(report()), NOW)
    for role in PICTURES:
        ack = take(UpTopic(UNIT, Up.EVIDENCE), evidence(role), NOW)
        assert ack is not None
        assert (ack.result, ack.retryable, ack.reason) == (AckResult.REJECTED, True, "store")
    with world.store.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(evidence_table)) == 0
    assert [case["state"] for case in world.cases()] == ["received"]
    bucket.server.go_on()
    deadline = time.monotonic() + 60
    for role in PICTURES:
        while (ack := take(UpTopic(UNIT, Up.EVIDENCE), evidence(role), NOW)) and ack.retryable:
            assert time.monotonic() < deadline
        assert ack is not None
        assert ack.result is AckResult.STORED
    bucket.server.hang()
    world.work()
    (case,) = world.cases()
    assert case["state"] == "queued"
    shown = world.web.get(f"/cases/{case['reference']}/evidence/plate")
    assert (shown.status_code, shown.headers["Content-Type"]) == (503, "image/svg+xml")
    assert "This picture cannot be shown now" in shown.text
    assert shown.headers["Cache-Control"] == "no-store"
    bucket.server.go_on()
    world.now = NOW + timedelta(minutes=1)
    world.work()
    assert [case["state"] for case in world.cases()] == ["accepted"]
    assert len(uploaded) == 1
    owner = world.browser()
    path = owner.post("/k", data={"reference": case["reference"], "plate": "B 1234 XYZ"}).headers["location"]
    bucket.server.hang()
    shown = owner.get(f"{path}/plate")
    assert (shown.status_code, shown.headers["Content-Type"]) == (503, "image/svg+xml")
    assert "Gambar belum dapat ditampilkan" in shown.text
    assert owner.get(path).status_code == 200
    world.close()


def test_a_backup_of_a_bucket_is_restored_into_a_folder(bucket: Bucket, tmp_path: Path) -> None:
    """A provider that ends its service must not end the evidence."""
    old, new, saved = tmp_path / "old", tmp_path / "new", tmp_path / "saved"
    old.mkdir()
    bucket.folder = old
    world = World(old, **bucket.changes())
    world.arrive()
    world.close()
    assert main(["backup", "--evidence", "copy", "--config", str(old / "dispatcher.yaml"), str(saved)]) == 0
    shutil.copytree(old, new, ignore=shutil.ignore_patterns("dispatcher.db*"))
    config = new / "dispatcher.yaml"
    back = ["restore", "--config", str(config), str(saved)]
    assert main(back) == 2  # into the bucket that is not empty
    config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | {"evidence": "evidence"}))
    assert main(back) == 0
    assert {path.read_bytes() for path in (new / "evidence").rglob("*.jpg")} == set(PICTURES.values())


def test_a_backup_lists_what_stays_in_a_bucket_and_a_restore_looks_for_it(
    bucket: Bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bucket has terabytes and copies of its own; what a backup owes is to know what must be in it."""
    old, new, saved = tmp_path / "old", tmp_path / "new", tmp_path / "saved"
    old.mkdir()
    bucket.folder = old
    world = World(old, **bucket.changes())
    world.arrive()
    world.close()
    assert main(["backup", "--config", str(old / "dispatcher.yaml"), str(saved)]) == 0
    assert f"{len(PICTURES)} stay in s3://{bucket.name}/{PREFIX}" in capsys.readouterr().out
    assert [path for path in saved.rglob("*") if path.suffix == ".jpg"] == []
    shutil.copytree(old, new, ignore=shutil.ignore_patterns("dispatcher.db*"))
    config = new / "dispatcher.yaml"
    back = ["restore", "--config", str(config), str(saved)]
    assert main([*back, "--check"]) == 0
    bucket.server.admin.delete_object(Bucket=bucket.name, Key=min(bucket.keys()))
    assert main([*back, "--check"]) == 1
    assert "1 pieces of evidence are lost" in capsys.readouterr().out
    elsewhere = yaml.safe_load(config.read_text()) | {"evidence": "evidence"}
    (new / "folder.yaml").write_text(yaml.safe_dump(elsewhere))
    assert main(["restore", "--config", str(new / "folder.yaml"), str(saved)]) == 2
    assert f"is empty; the evidence is in s3://{bucket.name}/{PREFIX}" in capsys.readouterr().err
    assert main(back) == 0
