"""The registry's signature over its snapshot: what it did not sign, or not so, never names an owner."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from dispatcher_world import NOW, OWNERS, write_config
from sqlalchemy import select

from dispatcher.cli import main
from dispatcher.keys import read_sealer
from dispatcher.owners import Match, SnapshotRegistry
from dispatcher.schema import owner_snapshot
from dispatcher.settings import load_settings
from dispatcher.store import Store
from wire.canonical import sha256_hex
from wire.signing import SigningKey

TAKEN = datetime(2026, 11, 20, 0, 0, tzinfo=UTC)
PRIVATE = Ed25519PrivateKey.generate()


@dataclass(frozen=True, slots=True)
class Centre:
    """A folder with a dispatcher's configuration, a snapshot, and the registry's keys."""

    folder: Path
    config: Path

    @property
    def snapshot(self) -> Path:
        return self.folder / "owners.csv"

    @property
    def signature(self) -> Path:
        return self.folder / "owners.csv.sig"

    def sign(self, as_of: datetime = TAKEN, key: str = "registry.pem") -> int:
        asked = ["--key", str(self.folder / key), "--as-of", as_of.isoformat()]
        return main(["owners", "sign", str(self.snapshot), *asked])

    def take(self) -> int:
        return main(["owners", "import", "--config", str(self.config), str(self.snapshot)])

    def in_service(self) -> tuple[datetime | None, int]:
        """The snapshot's signed date, and how many registrations it has."""
        with closing(Store.open(load_settings(self.config).database)) as store, store.reading() as connection:
            columns = (owner_snapshot.c.as_of, owner_snapshot.c.good_rows)
            (row,) = connection.execute(select(*columns).where(owner_snapshot.c.state == "current"))
        return row.as_of, row.good_rows


@pytest.fixture
def centre(tmp_path: Path) -> Centre:
    centre = Centre(tmp_path, write_config(tmp_path, owners={"signer": "registry.pub"}))
    centre.snapshot.write_text(OWNERS)
    (tmp_path / "registry.pem").write_bytes(SigningKey(PRIVATE).to_pem())
    (tmp_path / "another.pem").write_bytes(SigningKey.generate().to_pem())
    public = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "registry.pub").write_bytes(public)
    return centre


def test_a_signed_snapshot_is_as_old_as_the_registry_says(centre: Centre, capsys: pytest.CaptureFixture[str]) -> None:
    """An old copy imported today must not pass for fresh, and an operator must see whose word it is."""
    assert centre.sign() == 0
    assert centre.take() == 0
    key_id = SigningKey(PRIVATE).public.key_id
    assert f"signed by key {key_id}, as of 2026-11-20T00:00:00+00:00" in capsys.readouterr().out
    settings = load_settings(centre.config)
    with closing(Store.open(settings.database)) as store:
        registry = SnapshotRegistry(store, read_sealer(settings.data_key_file, None))
        found = registry.lookup("B1234XYZ", NOW, "notice", 7)
        assert isinstance(found, Match)
        assert found.snapshot_at == TAKEN
        assert registry.health() == {"status": "ok", "snapshot_at": TAKEN.isoformat()}


def test_an_import_without_a_signer_says_that_nothing_was_checked(
    centre: Centre, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody may believe a file to be the registry's because a signature lies beside it."""
    centre.config.write_text(centre.config.read_text().replace("signer: registry.pub", "max_age_days: 30"))
    assert centre.sign() == 0
    assert centre.take() == 0
    assert "no signature was checked: anybody may have written this file" in capsys.readouterr().out
    assert centre.in_service() == (None, 1)


def rewritten(centre: Centre, old: str, new: str) -> None:
    said = centre.signature.read_text()
    assert old in said
    centre.signature.write_text(said.replace(old, new))


@pytest.mark.parametrize(
    ("happens", "told"),
    [
        (lambda centre: centre.signature.unlink(), "owners.csv.sig: No such file"),
        (lambda centre: centre.snapshot.write_text(OWNERS + " "), "owners.csv: not the file that owners.csv.sig was"),
        (lambda centre: centre.sign(key="another.pem"), "owners.csv.sig: signature: not by the key of owners.signer"),
        (lambda centre: rewritten(centre, "2026-11-20", "2026-11-21"), "owners.csv.sig: signature: not by the key"),
        (lambda centre: rewritten(centre, '"signature":"', '"signature":"?'), "owners.csv.sig: signature: not by the"),
        (lambda centre: rewritten(centre, '"as_of"', '"by":"x","as_of"'), "owners.csv.sig: by: unknown key; remove"),
        (lambda centre: rewritten(centre, "+00:00", ""), "owners.csv.sig: as_of: not a moment with its zone"),
        (lambda centre: centre.signature.write_bytes(b"\xff"), "owners.csv.sig: file: Invalid JSON"),
        (lambda centre: centre.sign(TAKEN - timedelta(seconds=1)), "owners.csv.sig: as_of: older than the snapshot in"),
        (lambda centre: centre.sign(datetime.now(UTC) + timedelta(hours=1)), "owners.csv.sig: as_of: "),
    ],
)
def test_a_snapshot_that_the_registry_did_not_sign_so_is_refused(
    centre: Centre, capsys: pytest.CaptureFixture[str], happens: Callable[[Centre], object], told: str
) -> None:
    """Whoever can put a file in place of the registry's would choose who is accused; the old one stays in service."""
    assert centre.sign() == 0
    assert centre.take() == 0
    happens(centre)
    capsys.readouterr()
    assert centre.take() == 78
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"cakra-dispatcher: {centre.folder}/{told}")
    assert centre.in_service() == (TAKEN, 1)


def test_a_later_snapshot_or_the_same_again_is_taken(centre: Centre) -> None:
    """An import that broke off is repeated; the next one follows it."""
    for as_of in (TAKEN, TAKEN, TAKEN + timedelta(days=1)):
        assert centre.sign(as_of) == 0
        assert centre.take() == 0
        assert centre.in_service() == (as_of, 1)


def test_the_documented_signature_is_taken(centre: Centre) -> None:
    """A registry signs with what it has; the page tells it which bytes."""
    said = f'"as_of":"2026-11-20T07:00:00+07:00","sha256":"{sha256_hex(OWNERS.encode())}"'
    signature = base64.b64encode(PRIVATE.sign(f"{{{said}}}".encode())).decode()
    centre.signature.write_text(f'{{{said},"signature":"{signature}"}}\n')
    assert centre.take() == 0
    assert centre.in_service() == (TAKEN, 1)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--key", "registry.pem", "--as-of", "2026-11-20"], "--as-of 2026-11-20: not a moment with its zone"),
        (["--key", "none.pem", "--as-of", "2026-11-20T07:00:00+07:00"], "--key none.pem: No such file"),
        (["--key", "owners.csv", "--as-of", "2026-11-20T07:00:00+07:00"], "--key owners.csv: not an unencrypted PEM"),
    ],
)
def test_what_cannot_sign_is_told(
    centre: Centre,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    told: str,
) -> None:
    """Whoever runs the registry does not know this software."""
    monkeypatch.chdir(centre.folder)
    assert main(["owners", "sign", "owners.csv", *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"cakra-dispatcher: {told}")


@pytest.mark.parametrize(("content", "told"), [(None, "No such file"), ("registry", "not a PEM public key")])
def test_check_reads_the_registrys_key(
    centre: Centre, capsys: pytest.CaptureFixture[str], content: str | None, told: str
) -> None:
    """What `check` finds good must not fail at the next import, weeks later."""
    assert main(["check", "--config", str(centre.config)]) == 0
    public = centre.folder / "registry.pub"
    public.unlink()
    if content:
        public.write_text(content)
    assert main(["check", "--config", str(centre.config)]) == 78
    assert f"{public}: owners.signer: {told}" in capsys.readouterr().err
