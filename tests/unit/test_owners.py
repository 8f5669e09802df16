"""The owner registry: exact look-ups, what may be messaged without a person, and imports that are whole or nothing."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dispatcher_world import NOW, OWNERS, report, write_config
from sqlalchemy import select, text

from dispatcher.access import audit
from dispatcher.app import open_store
from dispatcher.cli import main
from dispatcher.errors import ConfigError, StoreError
from dispatcher.evidence import EvidenceFolder
from dispatcher.keys import Sealer
from dispatcher.owners import (
    Ambiguous,
    Match,
    NotFound,
    Owner,
    Reason,
    SnapshotRegistry,
    Status,
    Unavailable,
    doubts,
    mobile,
)
from dispatcher.owners_file import BadRow
from dispatcher.owners_import import Imported, import_owners
from dispatcher.owners_signature import sign
from dispatcher.privacy.erasure import Eraser
from dispatcher.privacy.retention import Retention
from dispatcher.schema import lookup, owner, owner_snapshot
from dispatcher.settings import RetentionSettings, load_settings
from dispatcher.store import Store
from wire.canonical import sha256_hex
from wire.signing import SigningKey

JAKARTA = ZoneInfo("Asia/Jakarta")
SEALER = Sealer(b"s" * 32)
MAX_AGE = timedelta(days=30)


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    store = Store.open(database, migrating=True)
    yield store
    store.close()


def load(store: Store, folder: Path, content: str) -> tuple[Imported, list[BadRow]]:
    bad: list[BadRow] = []
    path = folder / "owners.csv"
    path.write_text(content)
    return import_owners(store, SEALER, path, NOW, JAKARTA, bad.append, lambda rows: None), bad


def test_the_exact_plate_finds_its_owner_and_leaves_a_trace(store: Store, tmp_path: Path) -> None:
    """Each look at a registration must be answerable for later, without its plate in the trace."""
    load(store, tmp_path, OWNERS)
    registry = SnapshotRegistry(store, SEALER)
    found = registry.lookup("B 1234 XYZ", NOW, "notice", 7)
    assert isinstance(found, Match)
    assert (found.owner.name, found.owner.status) == ("Budi Santoso", Status.ACTIVE)
    assert isinstance(registry.lookup("B1234XYV", NOW, "notice", 8), NotFound)
    with store.reading() as connection:
        rows = connection.execute(select(lookup.c.case_id, lookup.c.purpose, lookup.c.outcome)).all()
    assert [tuple(row) for row in rows] == [(7, "notice", "Match"), (8, "notice", "NotFound")]


def test_personal_data_is_sealed_in_the_database(store: Store, tmp_path: Path) -> None:
    """A stolen database must not be a telephone book."""
    load(store, tmp_path, OWNERS)
    with store.reading() as connection:
        row = connection.execute(select(owner)).one()
    for secret in (b"Budi", b"3456", b"3171"):
        assert secret not in bytes(row.sealed)
    assert "Budi" not in repr(SnapshotRegistry(store, SEALER).lookup("B1234XYZ", NOW, "notice", 1))


def test_another_key_opens_nothing_and_stops_nothing(store: Store, tmp_path: Path) -> None:
    """After a restore with the wrong key cases must wait, not go out wrongly."""
    load(store, tmp_path, OWNERS)
    found = SnapshotRegistry(store, Sealer(b"x" * 32)).lookup("B1234XYZ", NOW, "notice", 1)
    assert isinstance(found, Unavailable)


def test_without_a_snapshot_the_registry_is_unavailable(store: Store) -> None:
    """An empty registry must not look like a plate that nobody owns."""
    assert isinstance(SnapshotRegistry(store, SEALER).lookup("B1234XYZ", NOW, "notice", 1), Unavailable)


def test_two_registrations_of_one_plate_are_ambiguous(store: Store, tmp_path: Path) -> None:
    """The wrong one of two owners must never be messaged."""
    load(store, tmp_path, OWNERS + OWNERS.splitlines()[1] + "\n")
    assert isinstance(SnapshotRegistry(store, SEALER).lookup("B1234XYZ", NOW, "notice", 1), Ambiguous)


def test_bad_rows_are_listed_with_line_and_reason_and_left_out(store: Store, tmp_path: Path) -> None:
    """A broken row must be found and mended, and must not keep the good ones out."""
    rows = ["B 1 A,X,0812,passenger", "?,X,,passenger,white_on_black,active,", "B 2 C,X,,ship,white_on_black,active,"]
    rows += ["B 3 C,X,,bus,black_on_yellow,stolen,", "B 4 C,X,,bus,,active,"]
    done, bad = load(store, tmp_path, OWNERS + "\n".join(rows) + "\n")
    assert (done.good_rows, done.bad_rows) == (1, 5)
    assert [(row.line, row.reason.partition(":")[0]) for row in bad] == [
        (3, "4 cells instead of 7"),
        (4, "plate"),
        (5, "vehicle_class"),
        (6, "status"),
        (7, "plate_colour"),
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("plate,name\nB 1 A,X\n", "line 1: no column phone"),
        (OWNERS.replace("nik", "colour"), "unknown column colour"),
        (OWNERS.splitlines()[0] + "\n", "no usable row"),
        ("", "no column plate"),
    ],
)
def test_a_broken_snapshot_leaves_the_old_one_in_service(store: Store, tmp_path: Path, content: str, told: str) -> None:
    """An import that fails must not stop the sending."""
    load(store, tmp_path, OWNERS)
    with pytest.raises(ConfigError, match=told):
        load(store, tmp_path, content)
    assert isinstance(SnapshotRegistry(store, SEALER).lookup("B1234XYZ", NOW, "notice", 1), Match)


def test_a_file_that_changes_while_it_is_read_is_not_taken(store: Store, tmp_path: Path) -> None:
    """Half of yesterday's owners and half of today's, or a row slipped in behind the signature, would be in service."""
    load(store, tmp_path, OWNERS)
    path = tmp_path / "owners.csv"

    def meanwhile(_: int) -> None:
        path.write_text(OWNERS.replace("Budi", "Tono"))

    with pytest.raises(ConfigError, match="changed while it was read"):
        import_owners(store, SEALER, path, NOW, JAKARTA, lambda row: None, meanwhile)
    found = SnapshotRegistry(store, SEALER).lookup("B1234XYZ", NOW, "notice", 1)
    assert isinstance(found, Match)
    assert found.owner.name == "Budi Santoso"


def rows_by_state(store: Store) -> dict[str, int]:
    """How many registrations lie in snapshots of each state."""
    with store.reading() as connection:
        joined = owner.join(owner_snapshot, owner.c.snapshot_id == owner_snapshot.c.snapshot_id)
        states = connection.scalars(select(owner_snapshot.c.state).select_from(joined)).all()
    return dict(Counter(states))


def test_an_import_that_fails_leaves_nobodys_data_behind(store: Store, tmp_path: Path) -> None:
    """Names and numbers of a nation would lie about, sealed but for nothing, until somebody imports again."""
    load(store, tmp_path, OWNERS)

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_owners(store, SEALER, tmp_path / "owners.csv", NOW, JAKARTA, lambda row: None, interrupted)
    assert rows_by_state(store) == {"current": 1}


def test_what_a_killed_import_left_goes_by_itself(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut nobody thinks of the import that was under way."""
    load(store, tmp_path, OWNERS)

    def killed(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dispatcher.owners_import._abandon", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        import_owners(store, SEALER, tmp_path / "owners.csv", NOW, JAKARTA, lambda row: None, killed)
    retention = Retention(eraser=Eraser(store, EvidenceFolder(tmp_path)), settings=RetentionSettings())
    assert retention.run(NOW + timedelta(hours=23)) == {}
    assert rows_by_state(store) == {"current": 1, "loading": 1}
    assert retention.run(NOW + timedelta(hours=25)) == {"registrations in an unused snapshot": 1}
    assert rows_by_state(store) == {"current": 1}


def test_the_trail_says_who_put_a_snapshot_into_service(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever exchanges the owners decides who is accused; it must be seen afterwards which file it was."""
    config = write_config(tmp_path)
    path = tmp_path / "owners.csv"
    assert main(["owners", "import", "--config", str(config), str(path)]) == 0
    path.write_text("plate\n")
    assert main(["owners", "import", "--config", str(config), str(path)]) == 78
    store = open_store(load_settings(config))
    with store.reading() as connection:
        (entry,) = audit.latest(connection, 10, 0)
    store.close()
    assert (entry.what, entry.who) == ("owners_imported", "command line")
    digest = sha256_hex(OWNERS.encode())
    assert entry.why == f"1 registrations, 0 bad rows left out, unsigned, SHA-256 {digest}"


def write_sqlite(path: Path, rows: Sequence[Sequence[object]], columns: str = OWNERS.splitlines()[0]) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE owners ({columns})")
        if rows:
            connection.executemany("INSERT INTO owners VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


BUDI = ["B 1234 XYZ", "Budi Santoso", 6281234567890, "passenger", "white_on_black", "active"]


def test_a_snapshot_may_be_an_sqlite_file(store: Store, tmp_path: Path) -> None:
    """A registry that hands out a database need not write it as text first; bad rows are told as in a CSV file."""
    path = tmp_path / "owners.db"
    rows = [[*BUDI, None], ["?", *BUDI[1:], None], ["B 1 A", 1.5, *BUDI[2:], None], ["B 2 A", *BUDI[1:], b"\xff"]]
    write_sqlite(path, rows)
    bad: list[BadRow] = []
    signer = SigningKey.generate()
    sign(path, signer, NOW)
    done = import_owners(store, SEALER, path, NOW, JAKARTA, bad.append, lambda rows: None, signer.public)
    assert (done.good_rows, done.as_of) == (1, NOW)
    assert [(row.line, row.reason) for row in bad] == [
        (2, "plate: not 2 to 10 letters and digits"),
        (3, "name: neither text nor a whole number"),
        (4, "nik: not UTF-8"),
    ]
    found = SnapshotRegistry(store, SEALER).lookup("B1234XYZ", NOW, "notice", 1)
    assert isinstance(found, Match)
    assert (found.owner.name, found.owner.phone, found.owner.nik) == ("Budi Santoso", "6281234567890", "")


def test_an_sqlite_file_that_is_no_whole_snapshot_is_refused(store: Store, tmp_path: Path) -> None:
    """Rows that stand in its journal are signed by nobody, and a torn file must not half replace the registry."""
    load(store, tmp_path, OWNERS)
    path = tmp_path / "owners.db"

    def refused(told: str) -> None:
        with pytest.raises(ConfigError, match=told):
            import_owners(store, SEALER, path, NOW, JAKARTA, lambda row: None, lambda rows: None)
        path.unlink()

    path.write_bytes(b"SQLite format 3\0 and no more")
    refused("write the snapshot anew")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE people (plate)")
    refused("no such table: owners")
    write_sqlite(path, [], "plate,name")
    refused("table owners: no column phone")
    write_sqlite(path, [["B1"] * 7], OWNERS.splitlines()[0].replace("nik", "colour"))
    refused("unknown column colour")
    journal = tmp_path / "owners.db-wal"
    journal.write_bytes(b"more rows")
    path.write_bytes(b"SQLite format 3\0")
    refused("holds rows that no signature covers")
    assert rows_by_state(store) == {"current": 1}


def test_of_two_imports_the_later_one_stays(store: Store, tmp_path: Path) -> None:
    """The first, half dropped by the second, would say of thousands of plates that nobody owns them."""
    path = tmp_path / "first.csv"
    path.write_text(OWNERS)

    def meanwhile(_: int) -> None:
        load(store, tmp_path, OWNERS.replace("Budi", "Tono"))

    with pytest.raises(StoreError, match="another import has begun since"):
        import_owners(store, SEALER, path, NOW, JAKARTA, lambda row: None, meanwhile)
    found = SnapshotRegistry(store, SEALER).lookup("B1234XYZ", NOW, "notice", 1)
    assert isinstance(found, Match)
    assert found.owner.name == "Tono Santoso"
    with store.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM owner")).scalar_one() == 1


def test_a_new_snapshot_replaces_the_old(store: Store, tmp_path: Path) -> None:
    """An owner who is no longer in the registry must no longer be messaged."""
    load(store, tmp_path, OWNERS)
    load(store, tmp_path, OWNERS.replace("1234", "1235"))
    registry = SnapshotRegistry(store, SEALER)
    assert isinstance(registry.lookup("B1234XYZ", NOW, "notice", 1), NotFound)
    assert isinstance(registry.lookup("B1235XYZ", NOW, "notice", 1), Match)
    load(store, tmp_path, OWNERS)
    with store.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM owner")).scalar_one() == 2


@pytest.mark.parametrize("written", ["0812-3456-7890", "+62 812 3456 7890", "6281234567890", "81234567890"])
def test_mobile_numbers_are_understood_as_people_write_them(written: str) -> None:
    """A number in another form must not send the case to a person."""
    assert mobile(written) == "+6281234567890"


@pytest.mark.parametrize("written", ["021 5234567", "+1 202 555 0100", "", "112", "tidak ada"])
def test_what_is_no_indonesian_mobile_is_refused(written: str) -> None:
    """A landline or a foreign number is somebody else."""
    assert mobile(written) is None


def registered(**changes: Any) -> Match:
    fields: dict[str, Any] = {
        "name": "X",
        "phone": "081234567890",
        "vehicle_class": "passenger",
        "plate_colour": "white_on_black",
        "status": Status.ACTIVE,
        "electric": False,
        "valid_from": None,
    }
    return Match(Owner(**{**fields, **changes}), NOW - timedelta(days=1))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (registered(), ()),
        (registered(vehicle_class="motorcycle"), (Reason.CLASS_DIFFERS,)),
        (registered(plate_colour="black_on_white"), (Reason.COLOUR_DIFFERS,)),
        (registered(status=Status.SOLD), (Reason.SOLD,)),
        (registered(status=Status.TRANSFER), (Reason.SOLD,)),
        (registered(status=Status.EXEMPT), (Reason.EXEMPT,)),
        (registered(status=Status.BLOCKED), (Reason.NOT_ACTIVE,)),
        (registered(phone="0215234567"), (Reason.NO_MOBILE,)),
        (registered(valid_from=datetime(2026, 12, 1, tzinfo=UTC)), (Reason.OWNER_CHANGED,)),
        (NotFound(), (Reason.NOT_FOUND,)),
        (Ambiguous(2), (Reason.AMBIGUOUS,)),
    ],
)
def test_only_an_owner_without_doubt_is_messaged_without_a_person(found: Any, expected: tuple[Reason, ...]) -> None:
    """The wrong person accused is the worst thing this product can do."""
    body = report()
    assert doubts(found, body.plate, body.occurred_at, NOW, MAX_AGE) == expected


def test_a_stale_snapshot_sends_nothing_by_itself() -> None:
    """Phones are passed on and cars are sold."""
    body = report()
    late = NOW + timedelta(days=60)
    assert doubts(registered(), body.plate, body.occurred_at, late, MAX_AGE) == (Reason.SNAPSHOT_STALE,)
