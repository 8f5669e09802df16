"""The dispatcher's files and command line: what is wrong is told in one line with file, field and mend."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from dispatcher_world import OWNERS, ROOT, write_config

from dispatcher.app import load_parts, open_evidence
from dispatcher.cli import main
from dispatcher.errors import ConfigError
from dispatcher.intake import Intake
from dispatcher.mqtt import MqttService
from dispatcher.settings import MqttSettings, load_settings
from simulation.certificates import Authority

TLS = {name: f"{name}.pem" for name in ("ca", "cert", "key")}


def test_the_example_is_whole_and_shows_only_what_exists() -> None:
    """An operator starts from the example; it must load as it stands."""
    settings = load_settings(ROOT / "config" / "dispatcher.example.yaml")
    assert settings.database == f"sqlite:///{ROOT / 'config' / 'dispatcher.db'}"
    assert settings.whatsapp.token_file == ROOT / "config" / "whatsapp.token"


def test_tls_files_that_are_no_good_are_named(tmp_path: Path) -> None:
    """An operator would read of TLS and not which of three files is missing or no certificate."""
    for name in ("ca.pem", "key.pem"):
        (tmp_path / name).write_text("no certificate")
    settings = load_settings(write_config(tmp_path, mqtt={"tls": TLS})).mqtt
    with pytest.raises(ConfigError, match=r"/cert\.pem: mqtt\.tls\.cert: there is no such file"):
        connect(settings)
    (tmp_path / "cert.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"/cert\.pem: mqtt\.tls: .*check that ca, cert and key are PEM"):
        connect(settings)


@pytest.mark.parametrize(
    ("section", "field"),
    [
        ({"mqtt": {"tls": TLS}}, "mqtt.tls"),
        ({"owners": {"registry": {"url": "https://a", "tls": TLS}}}, "owners.registry.tls"),
    ],
)
def test_check_reads_the_tls_files_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], section: dict[str, Any], field: str
) -> None:
    """What `check` finds good must not fail at the start, and a key with a password must not ask for it there."""
    path = write_config(tmp_path, **section)
    authority = Authority(tmp_path)
    authority.cert.rename(tmp_path / "ca.pem")
    pair = authority.issue("dispatcher")
    pair.cert.rename(tmp_path / "cert.pem")
    assert main(["check", "--config", str(path)]) == 78
    assert f"{tmp_path}/key.pem: {field}.key: there is no such file; check the path" in capsys.readouterr().err
    key = load_pem_private_key(pair.key.read_bytes(), None)
    sealed = BestAvailableEncryption(b"secret")
    (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed))
    assert main(["check", "--config", str(path)]) == 78
    assert "match and have no password" in capsys.readouterr().err
    pair.key.rename(tmp_path / "key.pem")
    assert main(["check", "--config", str(path)]) == 0


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    """A dispatcher's folder can be moved whole."""
    settings = load_settings(write_config(tmp_path))
    assert settings.evidence_folder == tmp_path / "evidence"
    assert settings.units == tmp_path / "units.yaml"
    assert load_parts(settings).token == "sim-token"


def test_a_bucket_needs_its_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has not installed it must read what to install, not a traceback."""
    settings = load_settings(write_config(tmp_path, evidence="s3://cakra-evidence"))
    monkeypatch.delitem(sys.modules, "dispatcher.evidence_s3", raising=False)
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ConfigError, match=r"^evidence: .* not installed; install cakra\[s3\]"):
        open_evidence(settings)


def connect(settings: MqttSettings) -> MqttService:
    return MqttService(settings, cast("Intake", None), lambda: datetime.now(UTC), lambda: None)


def changed(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.__setitem__(key, value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (changed("databse", "x"), "databse: unknown key; remove it"),
        (lambda content: content.pop("official_domain"), "official_domain: is missing; add it"),
        (changed("deadline_days", 0), "deadline_days: Input should be greater than or equal to 1; mend the value"),
        (changed("timezone", "Jakarta"), "timezone: no such time zone; write one like Asia/Jakarta"),
        (
            changed("evidence", "https://s3.example.id/b"),
            "evidence: neither a folder nor like s3://BUCKET/PREFIX; mend",
        ),
        (changed("evidence", "s3://Bucket"), "evidence: neither a folder nor like s3://BUCKET/PREFIX; mend"),
        (changed("s3", {"access_key": "A"}), "s3: access_key: goes with secret_key_file; write both or neither; mend"),
        (lambda content: content["whatsapp"].update(version="25"), "whatsapp.version: String should match"),
        (
            changed("owners", {"registry": {"url": "http://a/lookup", "tls": TLS}}),
            "owners.registry.url: no https address",
        ),
        (
            changed("owners", {"registry": {"url": "https://u:p@a/", "tls": TLS}}),
            "owners.registry.url: no https address",
        ),
        (changed("owners", {"registry": {"url": "https://a/lookup"}}), "owners.registry.tls: is missing; add it"),
    ],
)
def test_a_wrong_field_is_named_with_its_mend(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Callable[[dict[str, Any]], None], told: str
) -> None:
    """A typing error in the configuration must be found in seconds."""
    path = write_config(tmp_path)
    content = yaml.safe_load(path.read_text())
    change(content)
    path.write_text(yaml.safe_dump(content))
    assert main(["check", "--config", str(path)]) == 78
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"cakra-dispatcher: {path}: {told}")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("mac.key", "short", "not base64 of 32 bytes"),
        ("data.key", None, "No such file"),
        ("whatsapp.token", "\n", "is empty"),
        ("units.yaml", "units: [{unit_id: a, public_key: x, name: n}]", "units.0.public_key: not base64"),
        ("units.yaml", "units: [", "not YAML"),
        ("units.yaml", "units: [{unit_id: A, public_key: x, name: n}]", "units.0.unit_id"),
    ],
)
def test_a_broken_file_is_named_with_its_mend(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: str | None, told: str
) -> None:
    """Secrets are never printed, only the file that holds them."""
    path = write_config(tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_text(content)
    assert main(["check", "--config", str(path)]) == 78
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / name) in line
    assert told in line
    assert "; " in line


def test_a_key_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A data key written over is every owner's number lost."""
    path = tmp_path / "data.key"
    assert main(["keygen", str(path)]) == 0
    before = path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    assert main(["keygen", str(path)]) == 2
    assert path.read_text() == before
    assert "File exists" in capsys.readouterr().err


def test_check_preview_import_and_lists_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What an operator types first must work on a fresh configuration."""
    config = str(write_config(tmp_path))
    owners = tmp_path / "owners.csv"
    owners.write_text(OWNERS + "?,X,,passenger,white_on_black,active,\n")
    assert main(["check", "--config", config]) == 0
    assert main(["owners", "import", "--config", config, str(owners)]) == 0
    told = capsys.readouterr()
    assert "1 registrations in service, 1 bad rows left out" in told.out
    assert f"{owners}: line 3: plate: not 2 to 10 letters and digits; left out" in told.err
    assert main(["notice", "preview", "--config", config, "--kind", "wrong_way"]) == 0
    assert "melawan arus" in capsys.readouterr().out
    assert main(["cases", "list", "--config", config, "--json"]) == 0
    assert capsys.readouterr().out.strip() == "[]"
    assert main(["cases", "resend", "--config", config, "AAAA-AAAA-AAAA-AAAA"]) == 2
    assert main(["sending", "resume", "--config", config, "sender"]) == 2


def test_a_url_that_is_no_database_is_told(tmp_path: Path) -> None:
    """A wrong URL must not end in a traceback."""
    from dispatcher.store import Store

    with pytest.raises(ConfigError, match="not a usable SQLAlchemy URL"):
        Store.open("nonsense")


@pytest.mark.parametrize(
    ("web", "code"),
    [
        ({"host": "0.0.0.0"}, 78),
        ({"host": "10.0.0.5"}, 78),
        ({"host": "dispatch.example.id"}, 78),
        ({"host": "::1"}, 0),
        ({"host": "localhost"}, 0),
        ({"host": "0.0.0.0", "tls_in_front": True}, 0),
        ({"host": "0.0.0.0", "plain_beyond_loopback": True}, 0),
    ],
)
def test_passwords_do_not_cross_a_network_in_the_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], web: dict[str, Any], code: int
) -> None:
    """A console opened to the network in a hurry must not hand its passwords to whoever listens there."""
    assert main(["check", "--config", str(write_config(tmp_path, web=web))]) == code
    assert ("beyond loopback" in capsys.readouterr().err) == (code != 0)
