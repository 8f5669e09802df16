"""Lets owners in by reference and plate, shows them their case, and takes their answer."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dispatcher import cases, replies
from dispatcher.cases import Case, Moves
from dispatcher.evidence import SHOWN_TO_OWNERS
from dispatcher.notice import Notice
from dispatcher.owner_page import ticket
from dispatcher.owner_page.tries import Tries
from dispatcher.plate import normalise
from dispatcher.replies import Answer
from dispatcher.store import Store, count
from dispatcher.workflow import IllegalMove
from dispatcher.writer import Writer

_NOBODYS = "-"
"""No plate is written so: what a wrong reference's plate is compared with."""
_GROUP = 4


class Refusal(StrEnum):
    """Why somebody is not let in; `str()` is the code of what they are told."""

    WRONG = "wrong"
    """No such pair, for whatever reason."""
    BUSY = "busy"
    """Too many wrong pairs came before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A case as its owner sees it."""

    case: Case
    notice: Notice
    pictures: Mapping[str, str]
    """By role: where in the evidence folder it lies."""
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where owners ask and answer."""

    store: Store
    writer: Writer
    tries: Tries

    def admit(self, reference: str, plate: str, address: str, now: datetime) -> str | Refusal:
        """A ticket for the right pair. What is wrong with another is neither told nor to be timed: it is looked up
        and compared like the right one, and counted."""
        reference = tidy(reference)
        if not self.tries.admit(address, reference, now):
            return Refusal.BUSY
        with self.store.reading() as connection:
            case = cases.by_reference(connection, reference)
        expected = case.plate if case is not None and case.deadline is not None else _NOBODYS
        if hmac.compare_digest(expected.encode(), normalise(plate).encode()) and expected != _NOBODYS:
            self.tries.was_right(address, reference)
            return ticket.issue(self.writer.mac_key, reference, now)
        with self.store.writing() as connection:
            count(connection, "owner_page.wrong_pair")
            if refused := self.tries.take_refused():
                count(connection, "owner_page.too_many", refused)
        return Refusal.WRONG

    def show(self, held: str, now: datetime) -> Shown | None:
        """The case of a ticket; None when the ticket is over."""
        reference = ticket.holder(self.writer.mac_key, held, now)
        if reference is None:
            return None
        with self.store.reading() as connection:
            case = cases.by_reference(connection, reference)
            if case is None:  # erased meanwhile
                return None
            report = cases.report_of(connection, case)
            pictures = cases.evidence_paths(connection, case)
        notice = self.writer.written(case, report, now)
        if notice is None:
            return None
        shown = {str(role): pictures[role] for role in SHOWN_TO_OWNERS if role in pictures}
        return Shown(case=case, notice=notice, pictures=shown, answers=replies.possible(case.state))

    def answer(self, shown: Shown, answer: Answer, reason: str, now: datetime) -> bool:
        """Hear an answer; False when the case has moved on meanwhile and cannot be answered so."""
        try:
            with self.store.writing() as connection:
                case_id = shown.case.case_id
                moves = Moves(connection, [case_id])
                said = [entry for entry in cases.history(connection, case_id) if entry.who == replies.OWNER]
                replies.hear(moves, case_id, answer, now, len(said), reason=reason)
                moves.write()
        except IllegalMove:
            return False
        return True


def tidy(reference: str) -> str:
    """A reference as people type it, in the form it has: `abcd efgh...` is `ABCD-EFGH-...`."""
    signs = re.sub(r"[^A-Z0-9]", "", reference.upper())[:32]
    return "-".join(signs[at : at + _GROUP] for at in range(0, len(signs), _GROUP))
