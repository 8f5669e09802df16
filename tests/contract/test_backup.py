"""Backup and restore on both databases: a dispatcher goes on working; nothing half or changed is restored."""

from __future__ import annotations

import json
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from console_world import World
from dispatcher_world import NOW, PICTURES, UNIT, Answering, event_id, evidence, report, signed, write_config
from sqlalchemy import text

from dispatcher import cases, migrations, sends
from dispatcher.access import audit
from dispatcher.app import Dispatcher, load_audit, load_parts
from dispatcher.backup import archive, database
from dispatcher.backup.archive import Entry, Manifest
from dispatcher.backup.database import FILES, dump, kind
from dispatcher.cli import main
from dispatcher.engine import connect
from dispatcher.settings import load_settings
from dispatcher.store import Store
from dispatcher.whatsapp import WhatsAppClient
from dispatcher.workflow import State
from wire.topics import Up, UpTopic

SCHEMAS = Path(__file__).parent / "schemas"


class PowerCut(BaseException):
    """The process is gone in the middle of a backup."""


def whatsapp(request: httpx.Request) -> httpx.Response:
    """Takes all pictures and messages."""
    is_picture = request.url.path.endswith("/media")
    return httpx.Response(
        200, json={"id": "MEDIA"} if is_picture else {"messages": [{"id": f"wamid.{secrets.token_hex(8)}"}]}
    )


class Restored:
    """A dispatcher on the restored data."""

    def __init__(self, folder: Path) -> None:
        settings = load_settings(folder / "dispatcher.yaml")
        parts = load_parts(settings)
        self.store = Store.open(settings.database)
        self.client = WhatsAppClient(settings.whatsapp, parts.token, line=Answering(whatsapp))
        self.dispatcher = Dispatcher(parts, self.store, self.client, clock=lambda: NOW)
        self.audit, self.evidence = load_audit(settings), parts.evidence

    def close(self) -> None:
        self.client.close()
        self.store.close()

    def states(self) -> dict[int, State]:
        """By the report's number."""
        with self.store.reading() as connection:
            found = [cases.by_event(connection, UNIT, str(event_id(number))) for number in range(1, 4)]
        return {number: case.state for number, case in enumerate(found, start=1) if case}


class Places:
    """The machine that is backed up, and one with nothing on it but the configuration and the keys."""

    def __init__(self, folder: Path, first: str, second: str) -> None:
        self.old, self.new, self.backup = folder / "old", folder / "new", folder / "backups" / "monday"
        self.old.mkdir()
        self.first, self.second = first, second

    def move(self) -> None:
        """Bring configuration, keys and secrets to the new machine."""
        shutil.copytree(self.old, self.new, ignore=shutil.ignore_patterns("dispatcher.db*", "evidence"))
        path = self.new / "dispatcher.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"database": self.second}))

    def run(self, command: str, *options: str) -> int:
        """`backup` on the old machine, `restore` on the new one."""
        at = self.old if command == "backup" else self.new
        return main([command, "--config", str(at / "dispatcher.yaml"), str(self.backup), *options])


@pytest.fixture
def places(tmp_path: Path, database: str, request: pytest.FixtureRequest) -> Places:
    """An empty database of each kind on either machine."""
    if database.startswith("sqlite"):
        return Places(tmp_path, "sqlite:///dispatcher.db", "sqlite:///dispatcher.db")
    return Places(tmp_path, database, request.getfixturevalue("postgres_server").create())


@pytest.fixture
def centre(places: Places) -> Iterator[World]:
    """The dispatcher of the old machine: one case's message is out, another's is queued."""
    world = World(places.old, Answering(whatsapp), database=places.first)
    report_in(world.dispatcher, 1)
    with world.store.writing() as connection:
        sends.stop(connection, sends.SENDER, 131031, NOW)
    report_in(world.dispatcher, 2)
    with world.store.writing() as connection:
        sends.resume(connection, sends.SENDER)
    yield world
    world.close()


def report_in(dispatcher: Dispatcher, number: int) -> None:
    """A violation with its pictures, taken as far as it goes."""
    dispatcher.intake.take(UpTopic(UNIT, Up.VIOLATION), signed(report(number)), NOW)
    for role in PICTURES:
        dispatcher.intake.take(UpTopic(UNIT, Up.EVIDENCE), evidence(role, number), NOW)
    while dispatcher.workers[0].step():
        pass


def rewrite(manifest: Path, **changes: object) -> None:
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changes))


def test_a_dispatcher_goes_on_working_on_the_restored_data(
    places: Places, centre: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a fire there is one question: are owners still written to, once, and their answers heard?"""
    assert places.run("backup") == 0
    assert "keys are not in it" in capsys.readouterr().out
    centre.dispatcher.workers[0].step()  # the queued case's message leaves after the backup
    places.move()
    assert places.run("restore", "--check") == 0
    assert not (places.new / "evidence").exists()
    assert places.run("restore") == 0
    assert "1 cases were on their way" in capsys.readouterr().out

    restored = Restored(places.new)
    report_in(restored.dispatcher, 3)
    assert restored.states() == {1: State.ACCEPTED, 2: State.REVIEW, 3: State.ACCEPTED}
    with restored.store.reading() as connection:
        doubted = cases.by_event(connection, UNIT, str(event_id(2)))
        assert doubted is not None
        assert doubted.reasons == ("restored",)
        kept = cases.evidence_paths(connection, doubted)
        trail = restored.audit.verify(connection)
        last = audit.latest(connection, 1)[0]
    assert {role: restored.evidence.read(place) for role, place in kept.items()} == PICTURES
    assert (trail.faults, last.what) == ((), "restored")
    restored.close()


def test_a_backup_is_of_one_moment(
    places: Places, centre: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Violations come in while it is made; a case without its pictures must not be restored, nor the reverse."""

    def dump_late(*arguments: Any) -> None:
        report_in(centre.dispatcher, 3)
        dump(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(database, "dump", dump_late)
        assert places.run("backup") == 0
    assert f"{1 + 2 * len(PICTURES)} files, 0 pieces of evidence left out" in capsys.readouterr().out
    places.move()
    assert places.run("restore") == 0
    restored = Restored(places.new)
    assert set(restored.states()) == {1, 2}
    restored.close()


def test_a_backup_holds_no_key(places: Places, centre: World) -> None:
    """Whoever steals it must not be able to read owners' names and numbers."""
    assert places.run("backup") == 0
    everything = b"".join(path.read_bytes() for path in places.backup.rglob("*") if path.is_file())
    for secret in ("data.key", "mac.key", "whatsapp.token", "whatsapp.secret"):
        assert (places.old / secret).read_bytes().strip() not in everything
    assert b"Budi" not in everything
    assert stat.S_IMODE(places.backup.stat().st_mode) == 0o700


def test_a_backup_that_is_cut_off_is_not_there(
    places: Places, centre: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half a backup that looks whole is found out on the day it is needed."""

    def killed(*_: object) -> Entry:
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(archive, "written", killed)
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(PowerCut):
            places.run("backup")
    assert not places.backup.exists()
    assert places.run("backup") == 2
    assert "a backup was cut off; remove it" in capsys.readouterr().err
    shutil.rmtree(places.backup.with_name("monday.part"))
    assert places.run("backup") == 0
    assert places.run("backup") == 2


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda folder: next(folder.rglob("*.jpg")).write_bytes(b"another"), "is not what was backed up"),
        (lambda folder: next(folder.rglob("*.jpg")).unlink(), "is missing"),
        (lambda folder: next(folder.glob("database.*")).write_bytes(b"x"), "is not what was backed up"),
        (lambda folder: (folder / "evidence" / "more.jpg").write_bytes(b"x"), "is not in the manifest"),
        (lambda folder: (folder / "manifest.json").unlink(), "name the folder of a whole backup"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "manifest.json: file:"),
        (lambda folder: rewrite(folder / "manifest.json", revision="9999"), "schema 9999 is newer"),
        (lambda folder: rewrite(folder / "manifest.json", version=2), "manifest.json: version:"),
    ],
)
def test_a_backup_that_is_not_as_its_manifest_says_is_refused(
    tmp_path: Path, harm: Callable[[Path], None], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A disk that rots, and whoever changed a picture, must be found out before anybody relies on it."""
    places = Places(tmp_path, "sqlite:///dispatcher.db", "sqlite:///dispatcher.db")
    world = World(places.old)
    report_in(world.dispatcher, 1)
    world.close()
    assert places.run("backup") == 0
    harm(places.backup)
    places.move()
    capsys.readouterr()
    assert places.run("restore") in (1, 2)
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
    assert not (places.new / "evidence").exists()
    assert not (places.new / "dispatcher.db").exists()


def test_what_is_there_is_never_restored_over(
    places: Places, centre: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """The wrong configuration file at three in the morning must not cost a second database."""
    assert places.run("backup") == 0
    places.move()
    (places.new / "evidence").mkdir()
    (places.new / "evidence" / "picture.jpg").touch()
    assert places.run("restore") == 2
    assert "evidence: is not empty" in capsys.readouterr().err
    (places.new / "evidence" / "picture.jpg").unlink()
    assert places.run("restore") == 0
    assert places.run("restore") == 2
    assert "restore into" in capsys.readouterr().err


def test_a_backup_of_an_older_schema_is_migrated(places: Places, database: str) -> None:
    """The backup of before an update is the one that is needed when the update went wrong."""
    write_config(places.old, database=database)
    dialect = database.partition(":")[0].partition("+")[0]
    engine = connect(database)
    with engine.begin() as connection:
        for statement in (SCHEMAS / f"1.{dialect}.sql").read_text().split(";\n"):
            if statement.strip(" ;\n") not in ("", "BEGIN TRANSACTION", "COMMIT"):
                connection.execute(text(statement))
    with archive.made(places.backup) as part:
        dumped = part / FILES[kind(database)]
        with engine.connect() as connection:
            dump(connection, database, None, dumped)
        said = Manifest(
            made_at=NOW,
            revision="0001",
            database=kind(database),
            files={dumped.name: archive.entry(dumped)},
            missing=(),
        )
        archive.write_manifest(part, said)
    engine.dispose()
    places.move()
    assert places.run("restore") == 0
    store = Store.open(load_settings(places.new / "dispatcher.yaml").database)
    assert store.schema() == migrations.HEAD
    store.close()


def test_evidence_that_is_gone_is_named_and_the_rest_is_saved(
    places: Places, centre: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """One lost picture must not cost the backup of a million others."""
    first, second = sorted((places.old / "evidence").rglob("*.jpg"))[:2]
    first.unlink()
    second.write_bytes(b"rotten")
    assert places.run("backup") == 0
    told = capsys.readouterr()
    assert told.err.count("is missing or not whole") == 2
    assert "2 pieces of evidence left out" in told.out
    places.move()
    assert places.run("restore") == 0


def test_a_database_is_restored_into_its_own_kind(
    tmp_path: Path, postgres: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """pg_restore's own words for a SQLite file would help nobody."""
    places = Places(tmp_path, "sqlite:///dispatcher.db", postgres)
    World(places.old).close()
    assert places.run("backup") == 0
    places.move()
    assert places.run("restore") == 2
    assert "is postgresql, the backup is of sqlite" in capsys.readouterr().err
