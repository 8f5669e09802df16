"""A new key for personal data, on SQLite and PostgreSQL, beside a dispatcher that goes on working."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
import yaml
from console_world import World
from dispatcher_world import NOW, OWNERS, PASSWORD, enter, write_config
from sqlalchemy import LargeBinary, select, update

from dispatcher import cases
from dispatcher.access.audit import Actor, Audit
from dispatcher.access.gate import Gate
from dispatcher.access.roles import Role
from dispatcher.access.sessions import Session
from dispatcher.access.tables import account
from dispatcher.app import load_parts, make_gate, open_store
from dispatcher.cli import main
from dispatcher.errors import ConfigError
from dispatcher.keys import Sealer, read_key, read_sealer, write_new_key
from dispatcher.owners import Match, SnapshotRegistry
from dispatcher.owners_import import import_owners
from dispatcher.post.commands import make_post
from dispatcher.rotation import SEALED, rotate
from dispatcher.schema import metadata, owner
from dispatcher.settings import Settings, load_settings
from dispatcher.workflow import Event

PLAIN = {"unit_event.body", "quarantine.body", "webhook_inbox.body"}
"""What units and WhatsApp said, exactly as they said it."""
BATCH = 50
CARS = 2 * BATCH + 6
OWNERS_SEALED = CARS + 2
"""More than two batches; with them the one of `OWNERS` in this snapshot and the one before."""
ALL = {"owner.sealed": OWNERS_SEALED, "letter.sealed": 1, "account.totp": 1, "session.totp_new": 1}
NONE = dict.fromkeys(ALL, 0)


class Centre:
    """A dispatcher's database with something in every sealed column, and its configuration with a new key."""

    def __init__(self, folder: Path, world: World) -> None:
        self.config, self.world, self.store = folder / "dispatcher.yaml", world, world.store
        cars = (f"B {number} CAR,Budi {number},,bus,white_on_black,active,,Jl. 1" for number in range(CARS))
        header, row = OWNERS.splitlines()
        (folder / "cars.csv").write_text("\n".join((f"{header},address", f"{row},Jl. Melati 5", *cars)))
        zone, sealer = self.settings.zone, self.sealer()
        import_owners(self.store, sealer, folder / "cars.csv", NOW, zone, lambda row: None, lambda rows: None)
        self._print_a_letter()
        budi = self.session("budi")
        self.secret = self.gate().enrolment(budi, NOW)
        self.gate().enrol(budi, PASSWORD, self.code(), NOW)
        self.gate().enrolment(self.session("siti"), NOW)
        write_new_key(folder / "new.key")
        self.configure(data_key_file="new.key", data_key_old_file="data.key")

    def configure(self, **changes: str) -> None:
        self.config.write_text(yaml.safe_dump(yaml.safe_load(self.config.read_text()) | changes))

    def _print_a_letter(self) -> None:
        reference = self.world.arrive()
        with self.store.writing() as connection:
            case = cases.by_reference(connection, reference)
            assert case is not None
            for event in (Event.ATTEMPTED, Event.UNREACHABLE):
                cases.move(connection, case.case_id, event, NOW, deadline=NOW)
        assert make_post(self.settings, self.store).write_down(Actor(name="ana"), NOW) == (1, ())

    @property
    def settings(self) -> Settings:
        return load_settings(self.config)

    def sealer(self) -> Sealer:
        """As the configuration says now."""
        return read_sealer(self.settings.data_key_file, self.settings.data_key_old_file)

    def only(self, name: str) -> Sealer:
        return Sealer(read_key(self.config.parent / name, name))

    def gate(self) -> Gate:
        parts = load_parts(self.settings)
        return make_gate(parts, self.store, Audit(parts.writer.mac_key))

    def session(self, name: str) -> Session:
        found = self.gate().find(enter(self.store, Role.OPERATOR, name), NOW)
        assert found is not None
        return found

    def code(self) -> str:
        return pyotp.TOTP(self.secret).at(NOW)

    def opened(self, sealer: Sealer) -> dict[str, int]:
        """How many records this sealer opens, by column."""
        number = dict(NONE)
        with self.store.reading() as connection:
            for each in SEALED:
                for row in connection.execute(each.after(0, CARS + 2)):
                    try:
                        sealer.open(row.sealed, each.bound_to(row.name))
                    except ConfigError:
                        continue
                    number[str(each.column)] += 1
        return number

    def rotate(self) -> int:
        return main(["keys", "rotate", "--config", str(self.config)])


@pytest.fixture
def centre(tmp_path: Path, database: str) -> Iterator[Centre]:
    world = World(tmp_path, database=database)
    yield Centre(tmp_path, world)
    world.close()


def killed_in_the_second_batch(config: str) -> None:
    """What a process does that is killed while it rotates."""
    settings = load_settings(Path(config))

    def progress(done: int, total: int) -> None:
        if done > BATCH:
            os.kill(os.getpid(), signal.SIGKILL)

    rotate(open_store(settings), read_sealer(settings.data_key_file, settings.data_key_old_file), progress, BATCH)


def test_every_column_that_may_be_sealed_is_known() -> None:
    """A column that the rotation does not know is lost with the old key."""
    binary = {
        str(column) for table in metadata.sorted_tables for column in table.c if isinstance(column.type, LargeBinary)
    }
    assert {str(each.column) for each in SEALED} == binary - PLAIN == set(ALL)


def test_a_rotation_that_was_killed_is_run_again_and_ends(centre: Centre, capsys: pytest.CaptureFixture[str]) -> None:
    """A key that leaked is worth nothing in the end, and no owner's data is lost on the way, come what may."""
    assert centre.opened(centre.only("data.key")) == ALL
    process = multiprocessing.get_context("spawn").Process(target=killed_in_the_second_batch, args=[str(centre.config)])
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert centre.opened(centre.only("new.key")) == NONE | {"owner.sealed": 2 * BATCH}
    assert centre.opened(centre.only("data.key")) == ALL | {"owner.sealed": OWNERS_SEALED - 2 * BATCH}
    assert centre.opened(centre.sealer()) == ALL
    assert centre.rotate() == 0
    said = capsys.readouterr()
    records = sum(ALL.values())
    assert f"{records:,} of {records:,} records" in said.err
    assert f"All {records:,} records open with data_key_file; the old key is no longer needed." in said.out
    assert (centre.opened(centre.only("new.key")), centre.opened(centre.only("data.key"))) == (ALL, NONE)


def test_whoever_has_both_keys_reads_before_between_and_after(centre: Centre) -> None:
    """Notices, letters, log-ins and the owners' requests go on while a million records are sealed anew."""
    registry = SnapshotRegistry(centre.store, centre.sealer())
    seen = []

    def look(*_: int) -> None:
        with centre.store.writing() as connection:  # the same code is good again
            connection.execute(update(account).values(totp_step=0))
        found = [registry.lookup(plate, NOW, "notice", 1) for plate in ("B1234XYZ", f"B{CARS - 1}CAR")]
        letters = list(make_post(centre.settings, centre.store).batch(NOW.date()))
        token = centre.gate().log_in("budi", PASSWORD, centre.code(), "127.0.0.1", NOW)
        seen.append((all(isinstance(each, Match) for each in found), len(letters), token is not None))

    look()
    rotate(centre.store, centre.sealer(), look, BATCH)
    look()
    assert seen == [(True, 1, True)] * 8


def test_what_is_in_use_or_open_with_neither_key_is_told(centre: Centre, capsys: pytest.CaptureFixture[str]) -> None:
    """ "No longer needed" is believed, and a key is thrown away."""
    with centre.store.writing() as connection:
        where = owner.c.plate == "B7CAR"
        kept = connection.scalar(select(owner.c.sealed).where(where))
        connection.execute(update(owner).where(where).values(sealed=b"\x01 too short"))
    assert centre.rotate() == 1
    said = capsys.readouterr()
    assert "1 records open with neither key" in said.err
    assert said.out == ""
    with centre.store.writing() as connection:
        connection.execute(update(owner).where(where).values(sealed=kept))
    assert centre.rotate() == 0


def test_a_rotation_waits_for_nobody(tmp_path: Path, postgres: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Two that wait for each other's rows would end in a deadlock, and the log-in might be the one that falls."""
    world = World(tmp_path, database=postgres)
    centre = Centre(tmp_path, world)
    with centre.store.writing() as connection:
        connection.execute(update(owner).where(owner.c.plate == "B7CAR").values(electric=True))
        assert centre.rotate() == 1
    assert "1 records still need the old key; they were in use: run this again" in capsys.readouterr().err
    assert centre.rotate() == 0
    world.close()


def test_the_configuration_must_name_two_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A rotation from a key to itself would end well and change nothing."""
    rotation = ["keys", "rotate", "--config"]
    assert main([*rotation, str(write_config(tmp_path))]) == 78
    assert "dispatcher.yaml: data_key_old_file: is missing; name the key before" in capsys.readouterr().err
    for name in ("data.key", "mac.key"):
        (tmp_path / name).unlink()
    assert main([*rotation, str(write_config(tmp_path, data_key_old_file="data.key"))]) == 78
    assert "data.key: data_key_old_file: is the key of data_key_file; name the one before" in capsys.readouterr().err


def test_a_rotation_is_in_the_trail(centre: Centre) -> None:
    """Who looks after the data can show when its key was last changed."""
    assert centre.rotate() == 0
    parts = load_parts(centre.settings)
    with centre.store.reading() as connection:
        assert Audit(parts.writer.mac_key).verify(connection).faults == ()
    page = centre.world.browser(Role.ADMIN).get("/audit").text
    assert "Personal data sealed anew" in page
    assert f"{sum(ALL.values())} with the new key, 0 with the old" in page
