"""A day's letters: written down once, printed as often as the printer needs, always the same.

As with a message, what is about to happen is written first: the case leaves `fallback_post` and its addressee is kept
in one transaction, and only then a file is made. A crash between the two costs nothing, because a day's batch can be
printed again; it never makes a second, different letter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import insert, select

from dispatcher import cases
from dispatcher.access.audit import Actor, Audit, What
from dispatcher.cases import Case
from dispatcher.evidence import SHOWN_TO_OWNERS, EvidenceStore
from dispatcher.keys import Sealer
from dispatcher.notice import LABELS, day_text
from dispatcher.owners import OVERRULABLE, Match, Owner, OwnerRegistry, Reason, Unavailable, doubts
from dispatcher.post.letter import Letter, pdf
from dispatcher.post.tables import letter
from dispatcher.post.wording import Wording
from dispatcher.store import Store
from dispatcher.workflow import Event, IllegalMove, State
from dispatcher.writer import Writer

_MOST = 10_000
"""Letters of one run; the next run takes the rest."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A case that waits for a letter and cannot have one."""

    reference: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Makes the letters."""

    store: Store
    evidence: EvidenceStore
    registry: OwnerRegistry
    sealer: Sealer
    audit: Audit
    writer: Writer
    wording: str
    """The name of what new letters say."""
    wordings: Callable[[str], Wording]
    snapshot_max_age: timedelta
    post_days: int
    """Working days that the post needs; the owner's time begins after them."""

    def write_down(self, actor: Actor, now: datetime) -> tuple[int, tuple[LeftOut, ...]]:
        """Put all cases that wait for a letter into today's batch; how many, and those that had to be left out."""
        with self.store.reading() as connection:
            waiting = cases.listed(connection, (State.FALLBACK_POST,), _MOST)
        written, left = 0, []
        for case in waiting:
            addressee = self._addressee(case, now)
            if isinstance(addressee, LeftOut):
                left.append(addressee)
            else:
                written += self._write(case, addressee, actor, now)
        return written, tuple(left)

    def batch(self, day: date) -> Iterator[tuple[str, bytes]]:
        """The letters of a day: reference and PDF."""
        with self.store.reading() as connection:
            rows = connection.execute(select(letter).where(letter.c.day == day).order_by(letter.c.case_id)).all()
        for row in rows:
            yield self._print(row.case_id, day, row.wording, row.sealed)

    def _addressee(self, case: Case, now: datetime) -> Owner | LeftOut:
        found = self.registry.lookup(case.plate, now, "letter", case.case_id)
        if isinstance(found, Unavailable):
            return LeftOut(case.reference, ("registry_unavailable",))
        with self.store.reading() as connection:
            report = cases.report_of(connection, case)
        found_doubts = doubts(found, report.plate, case.occurred_at, now, self.snapshot_max_age)
        set_aside = {Reason.NO_MOBILE, *(OVERRULABLE if case.approved else ())}
        reasons = tuple(str(reason) for reason in found_doubts if reason not in set_aside)
        if reasons or not isinstance(found, Match):
            return LeftOut(case.reference, reasons)
        if not found.owner.address:
            return LeftOut(case.reference, ("no_address",))
        if self.writer.written(case, report, now) is None:
            return LeftOut(case.reference, ("no_law",))
        return found.owner

    def _write(self, case: Case, owner: Owner, actor: Actor, now: datetime) -> bool:
        last_day = self.writer.last_day(now, self.post_days)
        day = now.astimezone(self.writer.zone).date()
        sealed = self.sealer.seal({"name": owner.name, "address": owner.address}, bound_to(case.reference))
        values = {"case_id": case.case_id, "day": day, "wording": self.wording, "sealed": sealed}
        deadline = self.writer.deadline(last_day)
        try:
            with self.store.writing() as connection:
                cases.move(connection, case.case_id, Event.LETTER_PRINTED, now, who=actor.name, deadline=deadline)
                connection.execute(insert(letter).values(**values))
                self.audit.append(connection, now, actor, What.LETTER_PRINTED, case.reference)
        except IllegalMove:  # answered, withdrawn, or printed by somebody else meanwhile
            return False
        return True

    def _print(self, case_id: int, day: date, worded: str, sealed: bytes) -> tuple[str, bytes]:
        wording = self.wordings(worded)
        with self.store.reading() as connection:
            case = cases.find(connection, case_id)
            assert case is not None
            assert case.deadline is not None
            report = cases.report_of(connection, case)
            pictures = cases.evidence_paths(connection, case)
        notice = self.writer.write(case, report, self.writer.day_before(case.deadline))
        said, private = notice.parameters, self.sealer.open(sealed, bound_to(case.reference))
        shown = [self.evidence.read(pictures[role]) for role in SHOWN_TO_OWNERS if role in pictures]
        content = Letter(
            sender=wording.sender,
            addressee=(private["name"], *private["address"].splitlines()),
            day=day_text(day),
            subject=wording.subject,
            opening=wording.paragraphs(wording.opening, said),
            facts=tuple(zip(LABELS, said, strict=True)),
            pictures=[picture for picture in shown if picture],
            closing=wording.paragraphs(wording.closing, said),
            url=self.writer.template.url.url.replace("{{1}}", notice.url_suffix),
            reference=case.reference,
        )
        return case.reference, pdf(content)


def bound_to(reference: str) -> str:
    """What a sealed addressee is bound to, so that none can be put under another case."""
    return f"letter:{reference}"
