"""Moves cases along: the second validation, the owner, the notice, the send.

One step is one case, claimed, and taken as far as it goes without waiting: to the queue, or from the queue to
WhatsApp's answer. Each move is a transaction of its own that renews the lease or ends it; several workers may share a
database. The send is written down twice: its attempt is committed before the request leaves, its end after the answer
came. A crash between the two leaves a case `sending`; the same dispatcher after its restart, or another once the lease
is over, turns it into `unknown`, and it is never sent again without a person.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from threading import Event as Flag
from typing import TypeAlias, Unpack

from sqlalchemy import Connection

from dispatcher import cases, sends, validation
from dispatcher.answers import Accepted, Answer, Failure, Scope, Throttled, Unknown
from dispatcher.cases import Case, Changes, LeaseLost
from dispatcher.errors import ContendedError, StoreError
from dispatcher.evidence import HEADERS, EvidenceStore
from dispatcher.hearing import Hearing
from dispatcher.metrics import LOOKUPS, NOTICE_DELAY, WHATSAPP, WORKER_FAULTS, code_label, word
from dispatcher.notice import Notice, NoticeTooLong
from dispatcher.owners import OVERRULABLE, Match, OwnerRegistry, Reason, Unavailable, doubts, mobile
from dispatcher.pacing import event_after, is_own_fault, paused_scope, wait_after, wait_for_registry
from dispatcher.sends import AttemptState
from dispatcher.store import Store
from dispatcher.whatsapp import TemplateMessage, Uploaded, WhatsAppClient
from dispatcher.workflow import TOLD, Event, IllegalMove, State
from dispatcher.writer import Writer
from wire.messages import ViolationReport

log = logging.getLogger(__name__)

_Step: TypeAlias = Callable[[Case, ViolationReport, datetime], Case | None]
"""Moves a case; the case while it stays in hand."""

_PREPARED = (State.EVIDENCE_COMPLETE, State.VALIDATED, State.OWNER_RESOLVED, State.SENDING)
"""Also while nothing may be sent. A case that is `sending` and nobody's was left by whoever sent it."""
_WORKED = (*_PREPARED, State.QUEUED)
_MEDIA_LIFE = timedelta(days=25)
"""WhatsApp keeps a picture for 30 days."""
_EVIDENCE_WAIT = timedelta(seconds=15)
_LONGEST_SLEEP_S = 5.0
"""Looks at the clock this often even when nothing wakes it: deadlines, cases put off, a database that came back."""
_ODD_EVEN = "odd_even"


class Worker:
    """The one that moves cases."""

    def __init__(
        self,
        store: Store,
        evidence: EvidenceStore,
        hearing: Hearing,
        registry: OwnerRegistry,
        writer: Writer,
        client: WhatsAppClient,
        *,
        name: str,
        lease: timedelta,
        most_tries: int,
        report_max_age: timedelta,
        snapshot_max_age: timedelta,
        clock: Callable[[], datetime],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._evidence = evidence
        self._hearing = hearing
        self._registry = registry
        self._writer = writer
        self._client = client
        self._name = name
        self._lease = lease
        self._most_tries = most_tries
        self._report_max_age = report_max_age
        self._snapshot_max_age = snapshot_max_age
        self._clock = clock
        self._chance = chance
        self._sender_free_at: datetime | None = None
        self._steps: Mapping[State, _Step] = {
            State.EVIDENCE_COMPLETE: self._validate,
            State.VALIDATED: self._find_owner,
            State.OWNER_RESOLVED: self._compose,
            State.QUEUED: self._send,
            State.SENDING: self._give_up,
        }

    def release(self) -> None:
        """After a start or a fault: what this worker had in hand is anyone's again. Raises StoreError."""
        with self._store.writing() as connection:
            cases.release(connection, _WORKED, self._name)

    def run(self, stop: Flag, wake: Flag) -> None:
        """Step until told to stop; sleeps until woken, or until the next case is due."""
        is_thrown = True
        while not stop.is_set():
            wake.clear()
            sleep_s = 0.0
            try:
                if is_thrown:
                    self.release()
                is_thrown = False
                while not stop.is_set() and self.step():
                    pass
                sleep_s = self._sleep_s()
            except ContendedError as error:
                WORKER_FAULTS.labels(word(error)).inc()
                log.info("the worker looks again", extra={"reason": str(error)})
                is_thrown = True
            except StoreError as error:
                WORKER_FAULTS.labels(word(error)).inc()
                log.exception("the worker tries again")
                is_thrown = True
                sleep_s = _LONGEST_SLEEP_S
            wake.wait(sleep_s)

    def step(self) -> bool:
        """Do one thing that is due; whether there was one. Raises StoreError."""
        now = self._clock()
        if self._hearing.step(now):
            return True
        with self._store.writing() as connection:
            states = self._states(connection, now)
            case = cases.claim(connection, states, self._name, now, now + self._lease)
            report = cases.report_of(connection, case) if case else None
        if case is None or report is None:
            return self._expire(now)
        try:
            held: Case | None = case
            while held is not None:
                held = self._steps[held.state](held, report, self._clock())
        except (IllegalMove, LeaseLost) as refused:  # somebody else moved it meanwhile: look again
            log.info("case moved by another", extra=case.in_log(reason=str(refused)))
        return True

    def _states(self, connection: Connection, now: datetime) -> tuple[State, ...]:
        """Which cases can be moved now: queued ones only while sending is neither paused nor throttled."""
        if self._sender_free_at and now < self._sender_free_at:
            return _PREPARED
        paused = {pause.scope for pause in sends.pauses(connection)}
        ours = {sends.SENDER, f"template:{self._writer.template.name}"}
        return _PREPARED if paused & ours else _WORKED

    def _sleep_s(self) -> float:
        now = self._clock()
        with self._store.reading() as connection:
            times = [cases.next_time(connection, self._states(connection, now)), self._sender_free_at]
        waits = [(at - now).total_seconds() for at in times if at and at > now]
        return min([*waits, _LONGEST_SLEEP_S])

    def _move(self, case: Case, event: Event, now: datetime, why: str = "", **changes: Unpack[Changes]) -> None:
        """Move a case in hand and let it go."""
        with self._store.writing() as connection:
            moved = cases.move(connection, case.case_id, event, now, why=why, holder=self._name, **changes)
        log.info("case moved", extra=case.in_log(from_state=case.state, to_state=moved.state, reason=why))

    def _carry(self, case: Case, event: Event, now: datetime) -> Case:
        """Move a case in hand and keep it."""
        with self._store.writing() as connection:
            moved = self._renew(connection, case, event, now)
        log.info("case moved", extra=case.in_log(from_state=case.state, to_state=moved.state))
        return moved

    def _renew(
        self, connection: Connection, case: Case, event: Event, now: datetime, why: str = "", **changes: Unpack[Changes]
    ) -> Case:
        until = now + self._lease
        return cases.move(connection, case.case_id, event, now, why=why, holder=self._name, keep_until=until, **changes)

    def _ask_again(self, case: Case, unavailable: Unavailable, now: datetime) -> None:
        """Later, as often as it takes; but not for ever when the registry answers wrongly."""
        if unavailable.answered and case.tries + 1 >= self._most_tries:
            self._doubt(case, (Reason.WRONG_ANSWER,), now)
            return
        until = now + wait_for_registry(now - case.changed_at, self._chance())
        with self._store.writing() as connection:
            cases.put_off(connection, case, until, tried=unavailable.answered)

    def _doubt(self, case: Case, reasons: tuple[str, ...], now: datetime) -> None:
        listed = ",".join(reasons)
        self._move(case, Event.DOUBTED, now, why=listed, reasons=listed, tries=0)

    def _validate(self, case: Case, report: ViolationReport, now: datetime) -> Case | None:
        has_law = self._writer.offence(report) is not None
        reasons = validation.doubts(report, now, self._report_max_age, has_law)
        if reasons:
            self._doubt(case, reasons, now)
            return None
        return self._carry(case, Event.PASSED, now)

    def _owner(self, case: Case, report: ViolationReport, purpose: str, now: datetime) -> Match | None:
        """The owner to write to; None when the case was put off, withdrawn or sent to a person instead."""
        began_s = time.monotonic()
        found = self._registry.lookup(case.plate, now, purpose, case.case_id)
        is_wrong = isinstance(found, Unavailable) and found.answered  # of one plate; nobody is woken for it
        LOOKUPS.labels("wrong_answer" if is_wrong else word(found)).observe(time.monotonic() - began_s)
        if isinstance(found, Unavailable):
            self._ask_again(case, found, now)
            return None
        if isinstance(found, Match) and found.owner.electric and case.kind == _ODD_EVEN:
            self._move(case, Event.WAS_WITHDRAWN, now, why="electric vehicle: exempt from odd-even")
            return None
        reasons = doubts(found, report.plate, case.occurred_at, now, self._snapshot_max_age)
        if case.approved:
            reasons = tuple(reason for reason in reasons if reason not in OVERRULABLE)
        if case.approved and case.state is State.VALIDATED and reasons == (Reason.NO_MOBILE,):
            self._move(case, Event.UNREACHABLE, now, reasons=Reason.NO_MOBILE)
            return None
        if reasons:
            self._doubt(case, reasons, now)
            return None
        assert isinstance(found, Match)
        return found

    def _find_owner(self, case: Case, report: ViolationReport, now: datetime) -> Case | None:
        if self._writer.offence(report) is None:  # a person cannot approve what no law describes
            self._doubt(case, (validation.Doubt.NO_LAW,), now)
            return None
        return self._carry(case, Event.OWNER_FOUND, now) if self._owner(case, report, "notice", now) else None

    def _compose(self, case: Case, report: ViolationReport, now: datetime) -> None:
        try:
            self._writer.write(case, report, self._writer.last_day(now))
        except NoticeTooLong:
            self._doubt(case, ("notice_too_long",), now)
        else:
            self._move(case, Event.COMPOSED, now, tries=0)

    def _send(self, case: Case, report: ViolationReport, now: datetime) -> None:
        if case.tries >= self._most_tries:
            self._move(case, Event.REFUSED, now, why=f"tried {case.tries} times", reasons="tried_too_often")
            return
        match = self._owner(case, report, "send", now)
        phone = mobile(match.owner.phone) if match else None
        media_id = self._media(case, now) if phone else None
        if phone and media_id:
            last_day = self._writer.last_day(now)
            notice = self._writer.write(case, report, last_day)
            attempt_id = self._attempt(case, self._writer.deadline(last_day), now)
            answer = self._client.send(self._message(notice, phone, media_id, attempt_id))
            self._settle(case, attempt_id, answer, self._clock())

    def _media(self, case: Case, now: datetime) -> str | None:
        """The uploaded picture's id; None when it could not be uploaded and the case was put off or given up."""
        if case.media_id and case.media_at and now - case.media_at < _MEDIA_LIFE:
            return case.media_id
        with self._store.reading() as connection:
            places = cases.evidence_paths(connection, case)
        try:
            picture = self._evidence.read(next((places[role] for role in HEADERS if role in places), ""))
        except StoreError:
            log.exception("case waits for its picture", extra=case.in_log())
            with self._store.writing() as connection:
                cases.put_off(connection, case, now + _EVIDENCE_WAIT)
            return None
        if picture is None:
            self._doubt(case, (validation.Doubt.PICTURES_MISSING,), now)
            return None
        uploaded = self._client.upload(picture)
        if isinstance(uploaded, Uploaded):
            with self._store.writing() as connection:
                cases.keep_media(connection, case.case_id, uploaded.media_id, now)
            return uploaded.media_id
        self._slow_down(uploaded, now)
        if event_after(uploaded) is Event.DEFERRED:
            with self._store.writing() as connection:
                self._stop(connection, uploaded, now)
                wait = wait_after(uploaded, case.tries + 1, self._chance())
                cases.put_off(connection, case, now + wait, tried=is_own_fault(uploaded))
        else:
            self._move(case, Event.REFUSED, now, why="picture refused", reasons=f"whatsapp.{uploaded.code}")
        return None

    def _attempt(self, case: Case, deadline: datetime, now: datetime) -> str:
        """The attempt, on the disk before the request leaves. Raises LeaseLost."""
        changes: Changes = {"tries": case.tries + 1, "deadline": deadline}
        with self._store.writing() as connection:
            attempt_id = sends.start_attempt(connection, case.case_id, now)
            self._renew(connection, case, Event.ATTEMPTED, now, why=attempt_id, **changes)
        return attempt_id

    def _message(self, notice: Notice, phone: str, media_id: str, attempt_id: str) -> TemplateMessage:
        return TemplateMessage(
            to=phone.removeprefix("+"),
            callback=attempt_id,
            template=self._writer.template.name,
            language=self._writer.template.language,
            media_id=media_id,
            body=notice.parameters,
            url_suffix=notice.url_suffix,
            payloads=notice.payloads,
        )

    def _settle(self, case: Case, attempt_id: str, answer: Answer, now: datetime) -> None:
        """Write down how a send ended, unless WhatsApp's own call has told it already."""
        with self._store.writing() as connection:
            if not sends.is_open(connection, attempt_id):
                return
            if isinstance(answer, Accepted):
                sends.end_attempt(connection, attempt_id, AttemptState.ACCEPTED, now, answer.wamid)
                _tell(connection, case, Event.WAS_ACCEPTED, now, who="whatsapp")
            elif isinstance(answer, Unknown):
                sends.end_attempt(connection, attempt_id, AttemptState.UNKNOWN, now)
                if sends.is_last(connection, case.case_id, attempt_id):
                    _tell(connection, case, Event.UNCLEAR, now, why=answer.why, reasons=answer.why)
            else:
                self._settle_failure(connection, case, attempt_id, answer, now)
        if isinstance(answer, Accepted):
            NOTICE_DELAY.observe((now - case.occurred_at).total_seconds())
        log.info("sent", extra=case.in_log(outcome=word(answer), code=code_label(answer)))

    def _settle_failure(
        self, connection: Connection, case: Case, attempt_id: str, failure: Failure, now: datetime
    ) -> None:
        sends.end_attempt(connection, attempt_id, AttemptState.FAILED, now, code=failure.code)
        self._stop(connection, failure, now)
        self._slow_down(failure, now)
        if not sends.is_last(connection, case.case_id, attempt_id):
            return
        next_at = now + wait_after(failure, case.tries + 1, self._chance())
        why = f"{type(failure).__name__}, code {failure.code}"
        tries = case.tries + is_own_fault(failure)
        changes: Changes = {"next_at": next_at, "tries": tries, "reasons": f"whatsapp.{failure.code}"}
        _tell(connection, case, event_after(failure), now, who="whatsapp", why=why, **changes)

    def _give_up(self, case: Case, report: ViolationReport, now: datetime) -> None:
        """Nobody saw how this send ended, and nobody is waiting for it any more."""
        with self._store.writing() as connection:
            for attempt in sends.attempts_of(connection, case.case_id):
                if attempt.state is AttemptState.STARTED:
                    sends.end_attempt(connection, attempt.attempt_id, AttemptState.UNKNOWN, now)
            why, reason = "stopped while sending", "stopped_while_sending"
            cases.move(connection, case.case_id, Event.UNCLEAR, now, why=why, holder=self._name, reasons=reason)
        WHATSAPP.labels("send", "cut_off", "").inc()
        log.warning("a send was cut off; the case is unknown until WhatsApp or you decide", extra=case.in_log())

    def _stop(self, connection: Connection, failure: Failure, now: datetime) -> None:
        if scope := paused_scope(failure, self._writer.template.name):
            sends.stop(connection, scope, failure.code, now)
            log.error("sending is paused until you resume it", extra={"scope": scope, "code": failure.code})

    def _slow_down(self, failure: Failure, now: datetime) -> None:
        if isinstance(failure, Throttled) and failure.scope is Scope.SENDER:
            self._sender_free_at = now + wait_after(failure, 1, self._chance())

    def _expire(self, now: datetime) -> bool:
        """End the wait for owners whose time is over; whether there were any."""
        with self._store.writing() as connection:
            late = cases.past_deadline(connection, TOLD, now, limit=100)
            for case in late:
                cases.move(connection, case.case_id, Event.DEADLINE_PASSED, now)
        return bool(late)


def _tell(
    connection: Connection,
    case: Case,
    event: Event,
    now: datetime,
    who: str = cases.MACHINE,
    why: str = "",
    **changes: Unpack[Changes],
) -> None:
    """Let an answer happen to its case; a case that has gone elsewhere in the meantime stays there."""
    try:
        cases.move(connection, case.case_id, event, now, who=who, why=why, **changes)
    except IllegalMove as late:
        log.info("news of a case that has moved on", extra=case.in_log(reason=str(late)))
