"""What is kept about one vehicle's owner: found, exported, erased."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from dispatcher import cases, replies, sends
from dispatcher.access.audit import What
from dispatcher.access.tables import audit_entry
from dispatcher.cases import MACHINE, Case
from dispatcher.errors import CakraError, StoreError
from dispatcher.evidence import SHOWN_TO_OWNERS
from dispatcher.owners import Found, Match, OwnerRegistry, Unavailable
from dispatcher.plate import normalise
from dispatcher.post.tables import letter
from dispatcher.privacy import holds
from dispatcher.privacy.erasure import Eraser
from dispatcher.privacy.retention import terms
from dispatcher.schema import cases as table
from dispatcher.schema import lookup
from dispatcher.settings import RetentionSettings

_NO_PEOPLE = frozenset({MACHINE, replies.OWNER, "whatsapp", ""})
_MOST = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Works on what is kept of one plate."""

    eraser: Eraser
    registry: OwnerRegistry
    settings: RetentionSettings

    def cases(self, plate: str) -> tuple[Case, ...]:
        """All cases of a plate, oldest first."""
        with self.eraser.store.reading() as connection:
            return cases.where(connection, table.c.plate == normalise(plate), _MOST)

    def erasable(self, found: tuple[Case, ...]) -> tuple[tuple[Case, ...], dict[str, str]]:
        """Which of these may go, and why the others, by reference, may not."""
        over, kept = terms(self.settings), {}
        with self.eraser.store.reading() as connection:
            for case in found:
                if holds.is_held(connection, case):
                    kept[case.reference] = "is on legal hold"
                elif case.state not in over:
                    kept[case.reference] = f"is {case.state}: not over"
        return tuple(case for case in found if case.reference not in kept), kept

    def erase(self, found: tuple[Case, ...]) -> tuple[Case, ...]:
        """Erase these cases; those that went."""
        self.eraser.drop_calls(found)
        gone = tuple(case for case in found if self.eraser.drop_case(case))
        self.eraser.sweep()
        self.eraser.store.scrub()
        return gone

    def export(self, plate: str, folder: Path, now: datetime) -> tuple[Case, ...]:
        """Write all that is kept about the registered owner of a plate into a new folder; the cases it is about.

        Cases from before the registration are somebody else's. Raises CakraError when the registry cannot say since
        when it is theirs, StoreError.
        """
        registered = self.registry.lookup(plate, now, "export", 0)
        if isinstance(registered, Unavailable):
            raise CakraError(
                f"owner registry: cannot be asked now ({registered.why}), and it alone knows whose cases these are; "
                "export when it is back"
            )
        since = registered.owner.valid_from if isinstance(registered, Match) else None
        found = tuple(case for case in self.cases(plate) if since is None or case.occurred_at >= since)
        with self.eraser.store.reading() as connection:
            said = {
                "at": now,
                "registration": _registration(registered),
                "cases": [_told(connection, c) for c in found],
            }
            places = {case.reference: cases.evidence_paths(connection, case) for case in found}
        try:
            folder.mkdir(mode=0o700)
            _write(folder / "data.json", json.dumps(said, indent=2, default=_plain, ensure_ascii=False).encode())
            for reference, by_role in places.items():
                for role in SHOWN_TO_OWNERS:
                    content = self.eraser.evidence.read(by_role[role]) if role in by_role else None
                    if content is not None:
                        _write(folder / f"{reference}-{role}.jpg", content)
        except OSError as error:
            raise StoreError(f"{folder}: {error.strerror}; name a new folder on a disk with space") from None
        return found


def _registration(found: Found) -> dict[str, Any] | None:
    return asdict(found.owner) if isinstance(found, Match) else None


def _told(connection: Connection, case: Case) -> dict[str, Any]:
    """A case as its subject is told it: people of the service have no names."""
    moments = {"who": None}
    history = [
        {**asdict(entry), **({} if entry.who in _NO_PEOPLE or entry.who == case.unit_id else moments)}
        for entry in cases.history(connection, case.case_id)
    ]
    attempts = [asdict(each) for each in sends.attempts_of(connection, case.case_id)]
    asked = select(lookup.c.at, lookup.c.purpose, lookup.c.outcome).where(lookup.c.case_id == case.case_id)
    shown = select(audit_entry.c.at, audit_entry.c.what, audit_entry.c.why).where(
        audit_entry.c.about == case.reference, audit_entry.c.what.in_((What.SEEN, What.REVEALED, What.EXPORTED))
    )
    return {
        "case": asdict(case),
        "report": cases.report_of(connection, case).model_dump(mode="json"),
        "timeline": history,
        "attempts": attempts,
        "letter": connection.scalar(select(letter.c.day).where(letter.c.case_id == case.case_id)),
        "lookups": [dict(row._mapping) for row in connection.execute(asked)],
        "seen": [dict(row._mapping) for row in connection.execute(shown)],
    }


def _plain(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
