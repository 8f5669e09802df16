"""`cakra-agent verify`: one byte touched anywhere is found, and named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from bundles import KEY, manifest, manifest_file, write_bundles
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.cli import main
from agent.examine import Bundle, Result, examine
from wire.canonical import canonical_json, sha256_hex
from wire.manifest import digests_of
from wire.signing import SigningKey

PUB = KEY.public.to_base64()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A unit's three bundles; nobody touches these."""
    return write_bundles(tmp_path_factory.mktemp("unit"))


@pytest.fixture
def unit(written: list[Path], tmp_path: Path) -> list[Path]:
    """A copy of them to touch."""
    root = written[0].parents[1]
    shutil.copytree(root, tmp_path / "evidence")
    return [tmp_path / "evidence" / bundle.relative_to(root) for bundle in written]


def touched(bundle: Bundle) -> dict[str, str]:
    return {check.what: check.note for check in bundle.checks if check.result is Result.TOUCHED}


def examined(folder: Path) -> dict[str, str]:
    return touched(examine(folder, KEY.public))


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Exit code and last line of the command."""
    code = main(["verify", *map(str, arguments)])
    return code, capsys.readouterr().out.strip().splitlines()[-1]


def test_untouched_bundles_are_ok(unit: list[Path], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A tool that doubts good evidence is as useless as one that believes bad."""
    (tmp_path / "unit.pub").write_text(PUB + "\n")
    assert said(capsys, tmp_path / "evidence", "--key", PUB) == (0, "OK")
    assert said(capsys, unit[0], "--key", tmp_path / "unit.pub") == (0, "OK")
    previous = manifest_file(unit[1])
    assert said(capsys, manifest_file(unit[2]), "--key", PUB, "--previous", previous) == (0, "OK")


def test_what_was_not_checked_is_told(unit: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Who gives no key must not believe that the signature was checked."""
    assert said(capsys, unit[0]) == (0, "OK; 1 not checked")
    assert said(capsys, unit[1]) == (0, "OK; 2 not checked")


@pytest.mark.parametrize("role", ["context", "plate", "after", "path", "clip"])
def test_a_dropped_renamed_or_changed_piece_is_named(unit: list[Path], role: str) -> None:
    """The judge must know which picture cannot be believed, and that the others can."""
    (piece,) = (each for each in manifest(unit[1]).body.pieces if each.role == role)
    (file,) = unit[1].glob(f"{piece.sha256}.*")
    content = file.read_bytes()
    file.unlink()
    assert examined(unit[1]) == {role: f"{file.name}: is missing"}
    (unit[1] / "other.jpg").write_bytes(content)
    assert examined(unit[1]) == {role: f"{file.name}: was renamed to other.jpg"}
    (unit[1] / "other.jpg").rename(file)
    assert examined(unit[1]) == {}
    file.write_bytes(content + b"\0")
    assert examined(unit[1]) == {role: f"{file.name}: its content was changed"}


def test_an_added_file_is_named(unit: list[Path]) -> None:
    """A picture that no camera took would pass for evidence."""
    (unit[0] / "added.jpg").write_bytes(b"added")
    assert examined(unit[0]) == {"folder": "added.jpg: is not of this bundle"}
    (unit[0] / "added.jpg").rename(unit[0] / "added.json")
    assert examined(unit[0]) == {"folder": "added.json: is not of this bundle"}


def test_a_manifest_that_is_dropped_renamed_or_exchanged_is_named(unit: list[Path]) -> None:
    """Without it nothing holds the pieces together."""
    file = manifest_file(unit[0])
    file.rename(unit[0] / "manifest.txt")
    assert examined(unit[0]) == {"manifest": "manifest.txt: is not named by its content: renamed"}
    (unit[0] / "manifest.txt").unlink()
    assert examined(unit[0]) == {"manifest": "is missing"}
    shutil.copy(manifest_file(unit[1]), unit[0])
    assert set(examined(unit[0])) == {"manifest"}


@settings(max_examples=150, deadline=None)
@given(data=st.data(), change=st.integers(1, 255))
def test_one_changed_byte_of_any_piece_is_found_and_named(
    written: list[Path], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, change: int
) -> None:
    """Whoever touches evidence is found out, however little it was."""
    copy = tmp_path_factory.getbasetemp() / "one-byte"
    if not copy.exists():
        shutil.copytree(written[0], copy)
    file = data.draw(st.sampled_from([path for path in sorted(copy.iterdir()) if path.suffix != ".json"]))
    with Changed(file, data.draw(st.integers(0, file.stat().st_size - 1)), change):
        ((what, note),) = examined(copy).items()
    assert note == f"{file.name}: its content was changed"
    assert what in {piece.role for piece in manifest(copy).body.pieces if file.stem == piece.sha256}


class Changed:
    """A file with one byte changed, for a while."""

    def __init__(self, file: Path, at: int, change: int) -> None:
        self._file, self._content = file, file.read_bytes()
        self._touched = bytearray(self._content)
        self._touched[at] ^= change

    def __enter__(self) -> None:
        self._file.write_bytes(self._touched)

    def __exit__(self, *_: object) -> None:
        self._file.write_bytes(self._content)


def places(content: bytes) -> list[str]:
    """For each byte of a manifest file: the name of what it belongs to."""
    owner = ["manifest"] * len(content)
    whole = json.loads(content)

    def mark(name: str, key: str, value: object, start: int) -> int:
        at = content.index(canonical_json(key) + b":" + canonical_json(value), start)
        end = at + len(canonical_json(key) + b":" + canonical_json(value))
        owner[at + len(key) + 3 : end] = [name] * (end - at - len(key) - 3)
        return end

    for group in ("body", "digests"):
        at = content.index(canonical_json(group) + b":{")
        for key, value in sorted(whole[group].items()):
            at = mark(f"{group}.{key}", key, value, at)
    for key in ("key_id", "signature"):
        mark(key, key, whole[key], 0)
    return owner


@pytest.mark.parametrize(("change", "step", "least"), [(0x01, 3, 0.6), (0x20, 11, 0.3)])
def test_one_changed_byte_of_the_manifest_is_found_and_its_field_named(
    unit: list[Path], change: int, step: int, least: float, tmp_path: Path
) -> None:
    """Which field was touched says who gains by it; only where the file is no JSON any more the file alone is named."""
    file = manifest_file(unit[0])
    content = file.read_bytes()
    alone = tmp_path / "alone"
    alone.mkdir()
    named = 0
    looked_at = list(enumerate(places(content)))[::step]
    for at, owner in looked_at:
        one = bytearray(content)
        one[at] ^= change
        (alone / file.name).write_bytes(one)
        found = examined(alone)
        assert found, at
        assert owner in found or "manifest" in found or owner == "manifest", (at, owner, found)
        named += owner in found and owner != "manifest"
    assert named > least * len(looked_at)


def test_a_byte_that_is_no_text_is_named_by_its_place(unit: list[Path]) -> None:
    """A worn memory card flips bits, too: what it did is told, not a traceback."""
    file = manifest_file(unit[0])
    at = file.read_bytes().index(b'"margin":') + len(b'"margin":')
    with Changed(file, at, 0x80):
        assert examined(unit[0]) == {
            "manifest": f"is not JSON: byte {at}, in `margin`, is the first that cannot be read"
        }
    file.write_bytes(b"")
    assert examined(unit[0]) == {"manifest": "is not JSON: byte 0 is the first that cannot be read"}


def rewritten(bundle: Path, key: SigningKey, **changes: object) -> None:
    """Forge a manifest: change fields, make the digests fit, sign with a key, and name the file by its content."""
    file = manifest_file(bundle)
    whole = json.loads(file.read_bytes())
    body = whole["body"] | changes
    forged = key.sign_manifest(type(manifest(bundle).body).model_validate(body))
    file.unlink()
    content = canonical_json(forged)
    (bundle / f"{sha256_hex(content)}.json").write_bytes(content)


def test_a_forger_needs_the_units_key(unit: list[Path]) -> None:
    """Somebody who makes all the hashes fit still cannot sign."""
    stranger = SigningKey.from_seed(bytes([1] * 32))
    rewritten(unit[0], stranger, margin=0.9)
    assert set(examined(unit[0])) == {"signature"}
    file = manifest_file(unit[0])
    whole = json.loads(file.read_bytes()) | {"key_id": KEY.public.key_id}
    whole["digests"] = digests_of(whole["body"])
    file.unlink()
    content = canonical_json(whole)
    (unit[0] / f"{sha256_hex(content)}.json").write_bytes(content)
    assert examined(unit[0]) == {"signature": "is not the unit's"}


def drop_the_second(unit: list[Path]) -> str:
    shutil.rmtree(unit[1])
    return "unit-01: number 2 is missing"


def double_the_second(unit: list[Path]) -> str:
    shutil.copytree(unit[1], unit[1].parent / "copy")
    return "unit-01: number 2 does not come after number 2"


def replace_the_first(unit: list[Path]) -> str:
    rewritten(unit[0], KEY, margin=0.9)
    return "unit-01: number 2 names another bundle before it than number 1"


@pytest.mark.parametrize("touch", [drop_the_second, double_the_second, replace_the_first])
def test_a_broken_chain_is_named(
    unit: list[Path], touch: Callable[[list[Path]], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A unit's operator could take out the one bundle that must not be seen, or make it anew."""
    why = touch(unit)
    assert main(["verify", str(unit[0].parents[1]), "--key", PUB]) == 1
    out = capsys.readouterr().out
    assert why in out
    assert out.strip().endswith("TOUCHED in 1 places")


def test_another_previous_manifest_is_found(unit: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    """A bundle would pass for the successor of one that it never knew."""
    assert said(capsys, unit[2], "--key", PUB, "--previous", unit[0])[0] == 1
    assert said(capsys, unit[1], "--key", PUB, "--previous", unit[2])[0] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing"], "missing: no such bundle; give its folder"),
        (["empty"], "empty: holds no bundle"),
        (["bundle", "--key", "no key"], "--key: not base64 of a 32-byte Ed25519 public key; give what"),
        (["bundle", "--previous", "missing"], "missing: no such bundle"),
        (["bundle", "--previous", "note.txt"], "--previous: note.txt: not an untouched manifest"),
    ],
)
def test_bad_use_is_told(
    unit: list[Path],
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A mistyped path must not look like forged evidence."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "note.txt").write_text("{}")
    shutil.copytree(unit[0], tmp_path / "bundle")
    assert main(["verify", *arguments]) == 2
    assert words in capsys.readouterr().err
