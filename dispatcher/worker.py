"""Moves cases along: the second validation, the owner, the notice, the send.

One step is a handful of cases, claimed, and taken as far as they go without waiting: to the queue, and from the queue
to WhatsApp's answer. What happens to them is written in one transaction; several workers may share a database. The
sends are written down twice: their attempts are committed before the requests leave, all at once, and their ends after
the answers came. A crash between the two leaves cases `sending`; the same dispatcher after its restart, or another once
the lease is over, turns them into `unknown`, and they are never sent again without a person.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from threading import Event as Flag
from typing import TypeVar, Unpack

from sqlalchemy import Connection

from dispatcher import cases, sends, sightings, validation
from dispatcher.answers import Accepted, Answer, Failure, Retry, Scope, Throttled, Unknown
from dispatcher.cases import Case, Changes, LeaseLost, Moves
from dispatcher.errors import AwayError, ContendedError, StoreError
from dispatcher.evidence import HEADERS, EvidenceStore
from dispatcher.hearing import Hearing
from dispatcher.metrics import NOTICE_DELAY, WHATSAPP, WORKER_FAULTS, code_label, word
from dispatcher.pacing import event_after, is_own_fault, paused_scope, wait_after
from dispatcher.patience import Patience
from dispatcher.planning import WAY, Ends, Plan, Planner, Ready, Waits, doubted
from dispatcher.sends import Attempts, AttemptState
from dispatcher.store import Store
from dispatcher.template import Template
from dispatcher.units import believed
from dispatcher.whatsapp import TemplateMessage, Uploaded, WhatsAppClient
from dispatcher.workflow import TOLD, Event, IllegalMove, State
from wire.messages import SignedReport

log = logging.getLogger(__name__)

_PREPARED = (*WAY, State.SENDING)
"""Also while nothing may be sent. A case that is `sending` and nobody's was left by whoever sent it."""
_WORKED = (*_PREPARED, State.QUEUED)
_EVIDENCE_WAIT = timedelta(seconds=15)
_LONGEST_SLEEP_S = 5.0
"""Looks at the clock this often even when nothing wakes it: deadlines, cases put off, a database that came back."""
_NEVER_LEFT = Retry(0)
_LINES_A_THREAD = 8
"""Where no line comes about, a thread tries for five seconds each: still within the lease of its cases."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sent:
    """An attempt and what came of it."""

    case: Case
    ready: Ready
    attempt_id: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class Unread:
    """The evidence store is away."""


class Worker:
    """The one that moves cases."""

    def __init__(
        self,
        store: Store,
        evidence: EvidenceStore,
        hearing: Hearing,
        planner: Planner,
        client: WhatsAppClient,
        *,
        name: str,
        at_once: int,
        lease: timedelta,
        clock: Callable[[], datetime],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._evidence = evidence
        self._hearing = hearing
        self._planner = planner
        self._client = client
        self._name = name
        self._at_once = at_once
        self._lease = lease
        self._clock = clock
        self._chance = chance
        self._pool = ThreadPoolExecutor(-(-at_once // _LINES_A_THREAD), thread_name_prefix="send")
        self._patience = Patience("worker")
        self._sender_free_at: datetime | None = None
        self._unwritten: Sequence[Sent] = ()
        """What is not known to stand in the database yet."""

    @property
    def _template(self) -> Template:
        return self._planner.writer.template

    def release(self) -> None:
        """After a start or a fault: what this worker had in hand is anyone's again. Raises StoreError."""
        self._settle(self._unwritten)
        with self._store.writing() as connection:
            cases.release(connection, _WORKED, self._name)

    def run(self, stop: Flag, wake: Flag) -> None:
        """Step until told to stop; sleeps until woken, or until the next case is due. Several may share the flags.

        Waits for a database that is away. Raises StoreError for one that refuses what it is asked.
        """
        is_thrown = True
        while True:
            wake.clear()
            if stop.is_set():
                wake.set()  # for the other worker, which may be about to sleep
                return
            sleep_s = 0.0
            try:
                if is_thrown:
                    self.release()
                is_thrown = False
                while not stop.is_set() and self.step():
                    pass
                sleep_s = self._sleep_s()
                self._patience.back()
            except ContendedError as error:
                WORKER_FAULTS.labels(word(error)).inc()
                log.info("the worker looks again", extra={"reason": str(error)})
                is_thrown = True
            except AwayError as error:
                WORKER_FAULTS.labels(word(error)).inc()
                is_thrown = True
                sleep_s = self._patience.wait_s(error)
            wake.wait(sleep_s)

    def step(self) -> bool:
        """Do a handful of what is due; whether there was anything. Raises StoreError."""
        now = self._clock()
        if self._hearing.step(now):
            return True
        with self._store.writing() as connection:
            states = self._states(connection, now)
            claimed = cases.claim(connection, states, self._name, now, now + self._lease, self._at_once)
            signed = cases.signed_of(connection, claimed)
            seen = sightings.of_plates(connection, claimed)
        if not claimed:
            return self._expire(now) or self._free(now)
        self._give_up([case for case in claimed if case.state is State.SENDING], now)
        held = [case for case in claimed if case.state is not State.SENDING]
        plans = self._planner.plans(held, signed, seen, now)
        if State.QUEUED in states:
            self._send(self._with_pictures(plans, signed, now))
        else:
            self._write(plans, {})
        return True

    def _states(self, connection: Connection, now: datetime) -> tuple[State, ...]:
        """Which cases can be moved now: queued ones only while sending is neither paused nor throttled."""
        if self._sender_free_at and now < self._sender_free_at:
            return _PREPARED
        paused = {pause.scope for pause in sends.pauses(connection)}
        ours = {sends.SENDER, f"template:{self._template.name}"}
        return _PREPARED if paused & ours else _WORKED

    def _sleep_s(self) -> float:
        now = self._clock()
        with self._store.reading() as connection:
            times = [cases.next_time(connection, self._states(connection, now)), self._sender_free_at]
        waits = [(at - now).total_seconds() for at in times if at and at > now]
        return min([*waits, _LONGEST_SLEEP_S])

    def _with_pictures(
        self, plans: Mapping[int, Plan], signed: Mapping[int, SignedReport], now: datetime
    ) -> Mapping[int, Plan]:
        """The plans, with the pictures uploaded of all that are ready and have none yet."""
        bare = {
            key: plan.then for key, plan in plans.items() if isinstance(plan.then, Ready) and not plan.then.media_id
        }
        if not bare:
            return plans
        with self._store.reading() as connection:
            places = cases.evidence_of(connection, {case_id: signed[case_id].body for case_id in bare})
        uploads = self._all_at_once([partial(self._upload, plans[key].case, places[key]) for key in bare])
        found = dict(zip(bare, uploads, strict=True))
        self._heed([each for each in found.values() if not isinstance(each, Uploaded | Unread | None)], now)
        then = {case_id: self._with_picture(bare[case_id], found[case_id], now) for case_id in bare}
        return {key: replace(plan, then=then.get(key, plan.then)) for key, plan in plans.items()}

    def _all_at_once(self, requests: Sequence[Callable[[], Callable[[], T]]]) -> list[T]:
        """Begin all requests, then wait for each; what the waiting for them gives, in their order.

        A thread says a few before it hears the first: one for each would spend its time on waking up.
        """

        def work(share: Sequence[Callable[[], Callable[[], T]]]) -> list[T]:
            begun = [begin() for begin in share]
            return [wait() for wait in begun]

        shares = [requests[first : first + _LINES_A_THREAD] for first in range(0, len(requests), _LINES_A_THREAD)]
        return [answer for answers in self._pool.map(work, shares) for answer in answers]

    def _upload(self, case: Case, places: Mapping[str, str]) -> Callable[[], Uploaded | Failure | Unread | None]:
        """Begin the upload of a picture; waiting gives what came of it, None when there is no picture."""
        try:
            picture = self._evidence.read(next((places[role] for role in HEADERS if role in places), ""))
        except StoreError:
            log.exception("case waits for its picture", extra=case.in_log())
            return Unread
        return self._client.upload(picture) if picture else lambda: None

    def _with_picture(
        self, ready: Ready, uploaded: Uploaded | Failure | Unread | None, now: datetime
    ) -> Ready | Ends | Waits:
        if uploaded is None:
            return doubted(validation.Doubt.PICTURES_MISSING)
        if isinstance(uploaded, Unread):
            return Waits(now + _EVIDENCE_WAIT)
        if isinstance(uploaded, Uploaded):
            return replace(ready, media_id=uploaded.media_id)
        if event_after(uploaded) is Event.DEFERRED:
            wait = wait_after(uploaded, ready.tries + 1, self._chance())
            return Waits(now + wait, tried=is_own_fault(uploaded))
        return Ends(Event.REFUSED, "picture refused", {"reasons": f"whatsapp.{uploaded.code}"})

    def _send(self, plans: Mapping[int, Plan]) -> None:
        """Write the plans down, with an attempt for each notice that is ready; only then send, all at once."""
        ready = {case_id: plan.then for case_id, plan in plans.items() if isinstance(plan.then, Ready)}
        attempts = {case_id: sends.new_attempt_id() for case_id in ready}
        # Should the commit break off, nobody knows whether it took place; that nothing was sent is certain.
        self._unwritten = [Sent(plans[key].case, ready[key], attempts[key], _NEVER_LEFT) for key in ready]
        flying = self._write(plans, attempts)
        self._unwritten = ()
        messages = (self._message(ready[key], attempts[key]) for key in flying)
        answers = self._all_at_once([partial(self._client.send, message) for message in messages])
        self._unwritten = [
            Sent(plans[key].case, ready[key], attempts[key], answer)
            for key, answer in zip(flying, answers, strict=True)
        ]
        self._settle(self._unwritten)

    def _message(self, ready: Ready, attempt_id: str) -> TemplateMessage:
        assert ready.media_id is not None
        return TemplateMessage(
            to=ready.phone.removeprefix("+"),
            callback=attempt_id,
            template=self._template.name,
            language=self._template.language,
            media_id=ready.media_id,
            body=ready.notice.parameters,
            url_suffix=ready.notice.url_suffix,
            payloads=ready.notice.payloads,
        )

    def _write(self, plans: Mapping[int, Plan], attempts: Mapping[int, str]) -> Sequence[int]:
        """Let happen what is planned; the cases whose attempt began. On the disk when this returns."""
        now, moved = self._clock(), set()
        with self._store.writing() as connection:
            if attempts and State.QUEUED not in self._states(connection, now):  # stopped since they were claimed
                attempts = {}
            moves = Moves(connection, plans)
            for case_id, plan in plans.items():
                try:
                    self._carry_out(moves, plan, attempts.get(case_id), now)
                except (IllegalMove, LeaseLost) as refused:  # somebody else moved it meanwhile
                    log.info("case moved by another", extra=plan.case.in_log(reason=str(refused)))
                else:
                    moved.add(case_id)
            moves.write()
            begun = {key: each for key, each in attempts.items() if key in moved}
            sends.start_attempts(connection, begun, now)
        return tuple(begun)

    def _carry_out(self, moves: Moves, plan: Plan, attempt_id: str | None, now: datetime) -> None:
        """Let one plan happen. Raises IllegalMove, LeaseLost."""
        case_id, state, until = plan.case.case_id, plan.case.state, now + self._lease
        while state is not plan.comes_to:
            again: Changes = {"tries": 0} if state is State.OWNER_RESOLVED else {}
            state = moves.move(case_id, WAY[state], now, holder=self._name, keep_until=until, **again)
        match plan.then:
            case Ends(event, why, changes):
                state = moves.move(case_id, event, now, why=why, holder=self._name, **changes)
            case Waits(next_at, tried):
                moves.put_off(case_id, next_at, self._name, tried=tried)
            case Ready() if attempt_id is None:
                moves.put_off(case_id, None, self._name)
            case Ready(deadline=deadline, tries=tries):
                state = moves.move(
                    case_id,
                    Event.ATTEMPTED,
                    now,
                    why=attempt_id,
                    holder=self._name,
                    keep_until=until,
                    tries=tries + 1,
                    deadline=deadline,
                )
        log.info("case moved", extra=plan.case.in_log(from_state=plan.case.state, to_state=state))

    def _settle(self, sent: Sequence[Sent]) -> None:
        """Write down how sends ended, unless WhatsApp's own calls have told it already; twice does no harm."""
        if not sent:
            return
        now = self._clock()
        self._heed([each.answer for each in sent if not isinstance(each.answer, Accepted | Unknown)], now)
        with self._store.writing() as connection:
            attempts = Attempts(connection, ids={each.attempt_id for each in sent})
            ended = [each for each in sent if attempts.is_open(each.attempt_id)]
            moves = Moves(connection, {each.case.case_id for each in ended})
            failed = {each.case.case_id for each in ended if not isinstance(each.answer, Accepted)}
            ids = sends.attempt_ids(connection, failed)
            for each in ended:
                is_last = ids.get(each.case.case_id, [each.attempt_id])[-1] == each.attempt_id
                self._settle_one(attempts, moves, each, is_last, now)
            attempts.write()
            moves.write()
        self._unwritten = ()
        for each in ended:
            if isinstance(each.answer, Accepted):
                NOTICE_DELAY.observe((now - each.case.occurred_at).total_seconds())
            log.info("sent", extra=each.case.in_log(outcome=word(each.answer), code=code_label(each.answer)))

    def _settle_one(self, attempts: Attempts, moves: Moves, sent: Sent, is_last: bool, now: datetime) -> None:
        """How one send ended; only the case's last attempt decides about the case when it failed."""
        answer, case, tries = sent.answer, sent.case, sent.ready.tries
        if isinstance(answer, Accepted):
            attempts.end(sent.attempt_id, AttemptState.ACCEPTED, now, answer.wamid)
            _tell(moves, case, Event.WAS_ACCEPTED, now, who="whatsapp")
        elif isinstance(answer, Unknown):
            attempts.end(sent.attempt_id, AttemptState.UNKNOWN, now)
            if is_last:
                _tell(moves, case, Event.UNCLEAR, now, why=answer.why, reasons=answer.why)
        else:
            attempts.end(sent.attempt_id, AttemptState.FAILED, now, code=answer.code)
            if is_last:
                next_at = now + wait_after(answer, tries + 1, self._chance())
                why = f"{type(answer).__name__}, code {answer.code}"
                changes: Changes = {
                    "next_at": next_at,
                    "tries": tries + is_own_fault(answer),
                    "reasons": f"whatsapp.{answer.code}",
                }
                _tell(moves, case, event_after(answer), now, who="whatsapp", why=why, **changes)
                if sent.ready.media_id and sent.ready.media_id != case.media_id:
                    moves.keep_media(case.case_id, sent.ready.media_id, now)

    def _give_up(self, left: Sequence[Case], now: datetime) -> None:
        """Nobody saw how these sends ended, and nobody is waiting for them any more."""
        if not left:
            return
        with self._store.writing() as connection:
            attempts = Attempts(connection, case_ids={case.case_id for case in left})
            for attempt in attempts:
                if attempt.state is AttemptState.STARTED:
                    attempts.end(attempt.attempt_id, AttemptState.UNKNOWN, now)
            moves = Moves(connection, {case.case_id for case in left})
            for case in left:
                why, reason = "stopped while sending", "stopped_while_sending"
                _tell(moves, case, Event.UNCLEAR, now, why=why, holder=self._name, reasons=reason)
            attempts.write()
            moves.write()
        for case in left:
            WHATSAPP.labels("send", "cut_off", "").inc()
            log.warning("a send was cut off; the case is unknown until WhatsApp or you decide", extra=case.in_log())

    def _heed(self, failures: Sequence[Failure], now: datetime) -> None:
        """Slow down or stop, where WhatsApp says so."""
        for failure in failures:
            if isinstance(failure, Throttled) and failure.scope is Scope.SENDER:
                self._sender_free_at = now + wait_after(failure, 1, self._chance())
        stops = {scope: failure.code for failure in failures if (scope := paused_scope(failure, self._template.name))}
        if stops:
            with self._store.writing() as connection:
                for scope, code in sorted(stops.items()):
                    sends.stop(connection, scope, code, now)
                    log.error("sending is paused until you resume it", extra={"scope": scope, "code": code})

    def _free(self, now: datetime) -> bool:
        """Let go on, to the second validation, what units said that are believed again; whether there was any."""
        with self._store.reading() as connection:
            held = cases.tally_units(connection, State.HELD)
        freed = [each for each in held if believed(self._planner.units.get(each))]
        if not freed:
            return False
        with self._store.writing() as connection:
            found = {case.case_id for case in cases.of_units(connection, State.HELD, freed, limit=100)}
            moves = Moves(connection, found)
            for case_id in found:
                moves.move(case_id, Event.FREED, now)
            moves.write()
        return bool(found)  # none where another worker has them in hand

    def _expire(self, now: datetime) -> bool:
        """End the wait for owners whose time is over; whether there were any."""
        with self._store.writing() as connection:
            late = cases.past_deadline(connection, TOLD, now, limit=100)
            moves = Moves(connection, {case.case_id for case in late})
            for case in late:
                moves.move(case.case_id, Event.DEADLINE_PASSED, now)
            moves.write()
        return bool(late)


def _tell(
    moves: Moves,
    case: Case,
    event: Event,
    now: datetime,
    who: str = cases.MACHINE,
    why: str = "",
    holder: str | None = None,
    **changes: Unpack[Changes],
) -> None:
    """Let an answer happen to its case; a case that has gone elsewhere in the meantime stays there."""
    try:
        moves.move(case.case_id, event, now, who=who, why=why, holder=holder, **changes)
    except (IllegalMove, LeaseLost) as late:
        log.info("news of a case that has moved on", extra=case.in_log(reason=str(late)))
