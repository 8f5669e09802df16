"""Users, passwords, authenticators, locks, units and the audit trail, without a web server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from dispatcher_world import KEY, NOW, PASSWORD, UNIT, hashed, write_config
from sqlalchemy import delete, select, update

from dispatcher.access import accounts, passwords, sessions, throttle, totp
from dispatcher.access.accounts import Refused
from dispatcher.access.audit import Actor, Audit, What
from dispatcher.access.gate import Gate
from dispatcher.access.office import Office
from dispatcher.access.roles import RIGHTS, Right, Role
from dispatcher.access.sessions import Limits
from dispatcher.access.tables import audit_entry, audit_head
from dispatcher.access.unit_book import UnitBook
from dispatcher.cli import main
from dispatcher.keys import Sealer
from dispatcher.schema import metadata
from dispatcher.store import Store
from dispatcher.units import Unit, UnitState

ANA, BUDI = Actor(name="ana", address="10.0.0.1"), Actor(name="budi")
AUDIT = Audit(bytes(32))
GUESS = "a guess of some length"


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    store = Store.open(database, migrating=True)
    yield store
    store.close()


@pytest.fixture
def gate(store: Store) -> Gate:
    with store.writing() as connection:
        accounts.add(connection, "ana", Role.OPERATOR, hashed(PASSWORD), one_time=False, now=NOW)
    limits = Limits(idle=timedelta(minutes=30), longest=timedelta(hours=12))
    return Gate(
        store=store, sealer=Sealer(bytes(32)), audit=AUDIT, limits=limits, must_enrol=True, issuer="cakra example"
    )


def write(store: Store, number: int) -> None:
    with store.writing() as connection:
        for index in range(number):
            AUDIT.append(connection, NOW + timedelta(seconds=index), ANA, What.REVEALED, "REF", f"reason {index}")


def faults(store: Store, anchor: str = "") -> list[str]:
    with store.reading() as connection:
        return [str(fault) for fault in AUDIT.verify(connection, anchor).faults]


def test_an_untouched_trail_is_whole(store: Store) -> None:
    """A check that cries wolf is soon not run any more."""
    assert faults(store) == []
    write(store, 2500)
    with store.reading() as connection:
        examined = AUDIT.verify(connection)
    assert (examined.entries, examined.faults) == (2500, ())
    assert faults(store, examined.head) == []


def together(number: int, deed: Callable[[int], object]) -> None:
    """Let as many people at once do something."""
    with ThreadPoolExecutor(number) as pool:
        list(pool.map(deed, range(number)))


def test_people_at_several_dispatchers_write_one_trail(
    store: Store, database: str, open_store: Callable[..., Store]
) -> None:
    """Two deeds at the same moment must not look like a forgery for ever after."""
    stores = [store, open_store(database)]
    together(8, lambda index: write(stores[index % 2], 10))
    with store.reading() as connection:
        examined = AUDIT.verify(connection)
    assert (examined.entries, examined.faults) == (80, ())


@pytest.mark.parametrize(
    ("touch", "told"),
    [
        (update(audit_entry).where(audit_entry.c.number == 3).values(why="x"), "entry 3: was changed or put in"),
        (update(audit_entry).where(audit_entry.c.number == 3).values(who="budi"), "entry 3: was changed or put in"),
        (delete(audit_entry).where(audit_entry.c.number == 3), "entry 3: is missing"),
        (delete(audit_entry).where(audit_entry.c.number == 1), "entry 1: is missing"),
        (delete(audit_entry).where(audit_entry.c.number == 5), "entry 5: is missing at the end"),
        (update(audit_head).values(number=4), "entry 5: was put in at the end"),
    ],
)
def test_what_was_touched_is_named(store: Store, touch: object, told: str) -> None:
    """Somebody who covers up what they looked at must be found out, and the entry with them."""
    write(store, 5)
    with store.writing() as connection:
        connection.execute(touch)  # type: ignore[call-overload]
    assert faults(store) == [told]


def test_an_entry_that_was_put_in_is_named(store: Store) -> None:
    """Nobody may be made to have done something they did not do."""
    write(store, 3)
    with store.writing() as connection:
        row = dict(connection.execute(select(audit_entry).where(audit_entry.c.number == 3)).one()._mapping)
        forged = Audit(b"\1" * 32)
        connection.execute(update(audit_head).values(number=3, mac=row["mac"]))
        forged.append(connection, NOW, BUDI, What.REVEALED)
    assert faults(store) == ["entry 4: was changed or put in"]


def test_an_older_database_put_back_is_found_by_its_anchor(store: Store) -> None:
    """A trail rolled back as a whole is sound in itself; what was written down elsewhere is not in it."""
    write(store, 3)
    with store.reading() as connection:
        anchor = AUDIT.verify(connection).head
        before = connection.execute(select(audit_entry.c.mac).where(audit_entry.c.number == 2)).scalar_one()
    with store.writing() as connection:
        connection.execute(delete(audit_entry).where(audit_entry.c.number == 3))
        connection.execute(update(audit_head).values(number=2, mac=before))
    assert faults(store) == []
    assert faults(store, anchor) == ["entry 3: is not the one of the anchor"]


def test_the_command_names_the_entry(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever is asked whether the trail can be trusted has one command for it, with an exit code for monitoring."""
    config = ["--config", str(write_config(tmp_path))]
    assert main(["users", "add", *config, "ana", "--role", "admin"]) == 0
    assert "one-time password of ana: " in capsys.readouterr().out
    assert main(["users", "reset", *config, "ana"]) == 0
    assert main(["audit", "verify", *config]) == 0
    assert "2 entries, as they were written\nanchor: 2:" in capsys.readouterr().out
    store = Store.open(f"sqlite:///{tmp_path}/dispatcher.db")
    with store.writing() as connection:
        connection.execute(update(audit_entry).where(audit_entry.c.number == 1).values(about="budi"))
    store.close()
    assert main(["audit", "verify", *config]) == 1
    assert "entry 1: was changed or put in\n2 entries, NOT as they were written" in capsys.readouterr().out
    assert main(["audit", "verify", *config, "--anchor", "x"]) == 2
    assert main(["users", "disable", *config, "ana"]) == 0
    assert main(["users", "list", *config]) == 0
    assert "disabled" in capsys.readouterr().out
    assert main(["users", "reset", *config, "nobody"]) == 2
    assert "There is no user of this name." in capsys.readouterr().err


def test_every_role_can_leave_and_an_admin_sees_no_owner() -> None:
    """Who gives out rights must not be who uncovers people."""
    assert set(RIGHTS) == set(Role)
    assert all(Right.OWN_ACCOUNT in rights for rights in RIGHTS.values())
    assert not RIGHTS[Role.ADMIN] & {Right.REVEAL, Right.JUDGE, Right.SEE_CASES}
    assert Right.MANAGE_USERS not in RIGHTS[Role.SUPERVISOR]
    assert set().union(*RIGHTS.values()) == set(Right)


def test_waits_grow_to_a_quarter_of_an_hour() -> None:
    """A guesser gets a hundred tries a day, and a user who mistypes waits a minute, never a night."""
    waits = [throttle.wait(failures, 5).total_seconds() for failures in (1, 4, 5, 6, 7, 8, 9, 10**6)]
    assert waits == [0, 0, 60, 120, 240, 480, 900, 900]


def test_a_name_is_locked_and_opens_with_time(gate: Gate) -> None:
    """Passwords cannot be tried out; and who was locked by somebody else's tries gets in again after the wait."""
    for _ in range(throttle.FREE_BY_NAME):
        assert gate.log_in("ana", GUESS, "", "10.0.0.9", NOW) is None
    assert gate.log_in("ana", PASSWORD, "", "10.0.0.1", NOW) is None
    later = NOW + timedelta(minutes=1)
    assert gate.log_in("ana", PASSWORD, "", "10.0.0.1", later) is not None
    with gate.store.reading() as connection:
        said = [row.what for row in connection.execute(select(audit_entry).order_by(audit_entry.c.number))]
    assert said == ["login_refused"] * 5 + ["locked", "logged_in"]


def test_a_burst_of_guesses_gets_no_more_than_they_would_one_by_one(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever guesses from many machines at once must not have as many free tries as machines."""
    monkeypatch.setattr(passwords, "is_right", lambda stored, password: False)
    together(12, lambda index: gate.log_in("ana", GUESS, "", f"10.0.0.{index}", NOW))
    with gate.store.reading() as connection:
        said = Counter(connection.scalars(select(audit_entry.c.what)))
    assert said == {"login_refused": throttle.FREE_BY_NAME, "locked": 1}


def test_an_address_is_locked_whatever_names_it_tries(gate: Gate) -> None:
    """One guess at each of many names is as bad as many guesses at one."""
    for index in range(throttle.FREE_BY_ADDRESS):
        assert gate.log_in(f"user-{index}", GUESS, "", "10.0.0.9", NOW) is None
    assert gate.log_in("ana", PASSWORD, "", "10.0.0.9", NOW) is None
    assert gate.log_in("ana", PASSWORD, "", "10.0.0.1", NOW) is not None


def test_every_refusal_costs_one_check_of_a_password(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a name exists, is disabled or locked must not be told by how long the answer takes."""
    checked: list[bool] = []

    def counted(stored: str | None, password: str) -> bool:
        checked.append(stored is not None)
        return False

    monkeypatch.setattr(passwords, "is_right", counted)
    for name in ("ana", "nobody", "ana' --", ""):
        gate.log_in(name, GUESS, "", "10.0.0.9", NOW)
    assert len(checked) == 4
    for _ in range(throttle.FREE_BY_NAME):
        gate.log_in("ana", GUESS, "", "10.0.0.8", NOW)
    assert len(checked) == 4 + throttle.FREE_BY_NAME
    monkeypatch.undo()
    assert not passwords.is_right(None, GUESS)
    assert passwords.is_right(hashed(PASSWORD), PASSWORD)


def test_a_session_ends_by_idleness_by_age_and_with_its_user(gate: Gate) -> None:
    """A browser left open in an office must not stay a way in."""
    token = gate.log_in("ana", PASSWORD, "", "10.0.0.1", NOW)
    assert token is not None
    assert gate.find(token, NOW + timedelta(minutes=29)) is not None
    assert gate.find(token, NOW + timedelta(minutes=58)) is not None
    assert gate.find(token, NOW + timedelta(minutes=89)) is None
    for minutes in range(0, 720, 20):
        gate.find(token, NOW + timedelta(minutes=minutes))
    assert gate.find(token, NOW + timedelta(hours=12)) is None
    assert gate.find(token, NOW) is not None
    Office(gate.store, AUDIT).disable(BUDI, "ana", NOW)
    assert gate.find(token, NOW) is None
    assert gate.log_in("ana", PASSWORD, "", "10.0.0.1", NOW) is None


def test_the_token_is_not_in_the_database(gate: Gate) -> None:
    """A stolen backup opens no session."""
    token = gate.log_in("ana", PASSWORD, "", "10.0.0.1", NOW)
    assert token is not None
    with gate.store.reading() as connection:
        written = repr([connection.execute(select(table)).all() for table in metadata.sorted_tables])
    assert "logged_in" in written
    assert token not in written
    assert PASSWORD not in written


def test_a_code_is_good_once_and_enrolling_ends_other_sessions(gate: Gate) -> None:
    """Six digits read over a shoulder are worth nothing, and a thief's session ends with the enrolment."""
    stolen = gate.log_in("ana", PASSWORD, "", "10.0.0.9", NOW)
    token = gate.log_in("ana", PASSWORD, "", "10.0.0.1", NOW)
    assert stolen is not None
    assert token is not None
    session = gate.find(token, NOW)
    assert session is not None
    assert gate.owed(session.user) == "totp"
    secret = gate.enrolment(session, NOW)
    assert secret == gate.enrolment(session, NOW)
    with pytest.raises(Refused, match="code_wrong"):
        gate.enrol(session, PASSWORD, "000000", NOW)
    with pytest.raises(Refused, match="password_wrong"):
        gate.enrol(session, GUESS, pyotp.TOTP(secret).at(NOW), NOW)
    renewed = gate.enrol(session, PASSWORD, pyotp.TOTP(secret).at(NOW), NOW)
    assert [gate.find(each, NOW) is None for each in (stolen, token, renewed)] == [True, True, False]
    later = NOW + timedelta(minutes=1)
    code = pyotp.TOTP(secret).at(later)
    assert gate.log_in("ana", PASSWORD, "", "10.0.0.1", later) is None
    assert gate.log_in("ana", PASSWORD, code, "10.0.0.1", later) is not None
    assert gate.log_in("ana", PASSWORD, code, "10.0.0.1", later) is None


def test_codes_are_those_of_the_standard() -> None:
    """Any authenticator on the market must agree (RFC 6238, appendix B, SHA-1, last six digits)."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    at = NOW.fromtimestamp(1_111_111_109, tz=NOW.tzinfo)
    assert totp.step_of(secret, "081804", at, 0) == 1_111_111_109 // totp.STEP_S
    assert totp.step_of(secret, "081804", at, 1_111_111_109 // totp.STEP_S) is None
    assert totp.picture(totp.address(secret, "ana", "cakra")).startswith("<svg")


@pytest.mark.parametrize(
    ("password", "told"),
    [("short", "password_short"), ("ana-ana-ana-1", "password_simple"), ("x" * 201, "password_long"), (PASSWORD, None)],
)
def test_passwords_that_are_guessed_first_are_refused(password: str, told: str | None) -> None:
    """A rule about length is kept; rules about signs are written on yellow paper."""
    assert passwords.fault(password, "ana") == told


def test_an_admin_is_changed_by_another_one(store: Store) -> None:
    """A dispatcher must not be left without anybody who can let people in."""
    office = Office(store, AUDIT)
    given = office.add(BUDI, "ana", Role.ADMIN, NOW)
    assert len(given) >= passwords.LEAST_CHARACTERS
    for change in (
        lambda: office.disable(ANA, "ana", NOW),
        lambda: office.change_role(ANA, "ana", Role.OPERATOR, NOW),
        lambda: office.reset(ANA, "ana", NOW),
    ):
        with pytest.raises(Refused, match="name_own"):
            change()
    with pytest.raises(Refused, match="name_taken"):
        office.add(BUDI, "ana", Role.ADMIN, NOW)
    for name in ("machine", "A", "x", "../x", "ana;"):
        with pytest.raises(Refused, match="name_wrong"):
            office.add(BUDI, name, Role.ADMIN, NOW)


def test_log_out_everywhere_ends_every_session(gate: Gate) -> None:
    """Whoever suspects that somebody else is in as them has one button."""
    tokens = [gate.log_in("ana", PASSWORD, "", "10.0.0.1", NOW) for _ in range(3)]
    sessions_now = [gate.find(token, NOW) for token in tokens if token]
    with gate.store.reading() as connection:
        assert len(sessions.of_user(connection, sessions_now[0].user, gate.limits, NOW)) == 3  # type: ignore[union-attr]
    gate.log_out(sessions_now[0], NOW, everywhere=True)  # type: ignore[arg-type]
    assert not any(gate.find(token, NOW) for token in tokens if token)


def book(store: Store, approvals: int, unit: Unit | None = None) -> UnitBook:
    unit = unit or Unit(UNIT, "Sudirman 1", UnitState.APPROVED, KEY.public)
    return UnitBook({UNIT: unit}, store, AUDIT, approvals)


def test_a_key_needs_two_different_people(store: Store) -> None:
    """One person alone, or one person twice, must not be able to let a unit of their own speak."""
    units, key = book(store, 2), KEY.public.to_base64()
    assert units[UNIT].state is UnitState.UNAPPROVED
    units.approve(ANA, UNIT, key, NOW)
    with pytest.raises(Refused, match="key_approved_before"):
        units.approve(ANA, UNIT, key, NOW)
    assert units[UNIT].state is UnitState.UNAPPROVED
    units.approve(BUDI, UNIT, key, NOW)
    assert units[UNIT].state is UnitState.APPROVED
    assert book(store, 2)[UNIT].state is UnitState.APPROVED


def test_another_key_needs_approvals_of_its_own(store: Store) -> None:
    """A key changed in the file must not inherit the trust in the old one."""
    from wire.signing import SigningKey

    units = book(store, 1)
    units.approve(ANA, UNIT, KEY.public.to_base64(), NOW)
    changed = replace(units[UNIT], key=SigningKey.generate().public)
    other = book(store, 1, changed)
    assert other[UNIT].state is UnitState.UNAPPROVED
    with pytest.raises(Refused, match="key_changed"):
        other.approve(BUDI, UNIT, KEY.public.to_base64(), NOW)


def test_a_quarantine_holds_for_every_dispatcher_within_a_second(store: Store) -> None:
    """A unit that lies is stopped at all dispatchers, not at the one whose console was open."""
    now_s = [0.0]
    filed = {UNIT: Unit(UNIT, "Sudirman 1", UnitState.APPROVED, KEY.public)}
    here, there = book(store, 0), UnitBook(filed, store, AUDIT, 0, mono_s=lambda: now_s[0])
    assert there[UNIT].state is UnitState.APPROVED
    here.hold(ANA, UNIT, "lens turned", NOW)
    assert here[UNIT].state is UnitState.QUARANTINED
    now_s[0] = 1.0
    assert there[UNIT].state is UnitState.QUARANTINED
    here.release(BUDI, UNIT, "turned back", NOW)
    assert here[UNIT].state is UnitState.APPROVED
    with pytest.raises(Refused, match="unit_not_held"):
        here.release(BUDI, UNIT, "again", NOW)
