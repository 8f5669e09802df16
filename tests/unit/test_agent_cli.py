"""`cakra-agent`: a mistake is one line with its mend, and an exit code that means something."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from agent.cli import main
from agent.config import load_unit
from wire.signing import SigningKey, VerifyKey

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config" / "units" / "example.yaml"


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """A unit's folder in which everything is right but the clip, which is not there."""
    shutil.copy(ROOT / "config" / "sites" / "demo.example.yaml", tmp_path / "site.yaml")
    (tmp_path / "unit.key").write_bytes(SigningKey.generate().to_pem())
    content = yaml.safe_load(EXAMPLE.read_text()) | {"site": "site.yaml"}
    content["source"]["start"] = "2026-11-23T07:30:00+07:00"
    (tmp_path / "unit.yaml").write_text(yaml.safe_dump(content))
    return tmp_path / "unit.yaml"


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error."""
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def change(unit: Path, **changes: object) -> None:
    unit.write_text(yaml.safe_dump(yaml.safe_load(unit.read_text()) | changes))


def test_the_example_configuration_loads() -> None:
    """A technician starts from the shipped example; it must be right, with paths from its own folder."""
    config = load_unit(EXAMPLE)
    assert config.data == EXAMPLE.parent.resolve() / "data"
    assert config.mqtt.port == 1883


def test_the_configuration_in_force_has_one_digest(unit: Path) -> None:
    """Evidence names the configuration it was made under; another site file is another configuration."""
    before = load_unit(unit).digest
    assert load_unit(unit).digest == before
    site = unit.parent / "site.yaml"
    site.write_text(site.read_text().replace("min_frames: 2", "min_frames: 3"))
    assert load_unit(unit).digest != before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"unit_idd": "x"}, "unit_idd: unknown key; did you mean `unit_id`?"),
        ({"unit_id": "Unit 1"}, "unit_id: "),
        ({"site": "missing.yaml"}, "missing.yaml: there is no such file"),
        ({"key": "missing.key"}, "missing.key: key: No such file or directory; make one with `cakra-agent keygen"),
        ({"key": "unit.yaml"}, "unit.yaml: key: not an unencrypted PEM private key"),
        ({"models": {"detector": "missing.tflite"}}, "missing.tflite"),
        ({"mqtt": {"host": "b", "tls": {"ca": "no.ca", "cert": "a", "key": "a"}}}, "no.ca: mqtt.tls.ca: there is no"),
        ({"mqtt": {"host": "b", "username": "u", "password_file": "no.pass"}}, "no.pass: mqtt.password_file: No such"),
        ({"source": {"path": "clip.mp4", "start": "2026-11-23T07:30:00"}}, "source.start: "),
    ],
)
def test_a_wrong_configuration_ends_with_78_and_one_line(
    unit: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, object], words: str
) -> None:
    """systemd does not restart on 78, and the technician reads what to mend where."""
    change(unit, **changes)
    assert main(["check", "--config", str(unit)]) == 78
    assert words in told(capsys)


def test_a_missing_clip_ends_with_2(unit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped path is bad use, told before anything is made."""
    site = unit.parent / "site.yaml"
    assert main(["replay", str(unit.parent / "clip.mp4"), "--site", str(site)]) == 2
    assert "clip.mp4: no such video" in told(capsys)


def test_a_missing_picture_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    """So is a mistyped picture."""
    assert main(["read", "missing.jpg", "--json"]) == 2
    assert "missing.jpg: no such file or folder" in told(capsys)


@pytest.mark.parametrize("start", ["yesterday", "2026-11-23T07:30:00"])
def test_a_start_without_zone_is_refused(start: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Odd-even by the wrong zone would accuse a whole city."""
    with pytest.raises(SystemExit) as ended:
        main(["replay", "clip.mp4", "--site", "site.yaml", "--start", start])
    assert ended.value.code == 2
    assert "--start" in capsys.readouterr().err


@pytest.mark.parametrize("threads", ["0", "99", "many"])
def test_threads_out_of_range_are_bad_use(threads: str) -> None:
    """A mistyped number is told by its option, not by a traceback."""
    with pytest.raises(SystemExit) as ended:
        main(["read", "a.jpg", "--threads", threads])
    assert ended.value.code == 2


def test_an_output_that_cannot_be_written_is_told(unit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A full or read-only disk ends in one line that names the place."""
    assert main(["keygen", str(unit / "below-a-file" / "unit.key")]) == 2
    assert "below-a-file" in told(capsys)


def test_a_key_is_made_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The public key goes to the dispatcher's list; a second call never overwrites a unit's identity."""
    path = tmp_path / "unit.key"
    assert main(["keygen", str(path)]) == 0
    public = capsys.readouterr().out.strip()
    assert VerifyKey.from_base64(public).key_id == SigningKey.from_pem(path.read_bytes()).public.key_id
    assert path.stat().st_mode & 0o077 == 0
    before = path.read_bytes()
    assert main(["keygen", str(path)]) == 2
    assert "give a path that does not exist yet" in told(capsys)
    assert path.read_bytes() == before


def test_an_outbox_that_is_no_database_ends_with_1(unit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A damaged disk is a fault, told in one line, and the file is left for rescue."""
    broken = unit.parent / "data" / "outbox.sqlite"
    broken.parent.mkdir()
    broken.write_bytes(b"no database at all, but long enough to look at" * 100)
    before = broken.read_bytes()
    assert main(["outbox", "--config", str(unit)]) == 1
    assert "outbox.sqlite" in told(capsys)
    assert broken.read_bytes() == before
