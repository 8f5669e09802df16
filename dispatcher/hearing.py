"""What WhatsApp says, applied to the cases it is about."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from dispatcher import cases, replies, sends
from dispatcher.metrics import NEWS, code_label
from dispatcher.news import ReplyNews, StatusNews, read_call
from dispatcher.pacing import paused_scope, wait_after
from dispatcher.reference import read_payload
from dispatcher.replies import Answer
from dispatcher.sends import Attempt, AttemptState
from dispatcher.store import Store, count
from dispatcher.workflow import IllegalMove


class Hearing:
    """Works WhatsApp's calls off, one a transaction."""

    def __init__(self, store: Store, mac_key: bytes, template: str) -> None:
        self._store = store
        self._mac_key = mac_key
        self._template = template

    def step(self, now: datetime) -> bool:
        """Process the next call; whether there was one."""
        with self._store.writing() as connection:
            call = sends.next_call(connection)
            if call is None:
                return False
            try:
                news = read_call(call.body)
            except ValueError:
                NEWS.labels("", "", "not_json").inc()
                count(connection, "webhook.not_json")
                sends.call_done(connection, call.call_id, now, "not_json")
                return True
            remarks = [self._apply(connection, piece, now) for piece in news]
            sends.call_done(connection, call.call_id, now, ",".join(filter(None, remarks)))
        return True

    def _apply(self, connection: Connection, news: StatusNews | ReplyNews, now: datetime) -> str:
        """One piece of news; a code for what could not be applied, which is also counted."""
        try:
            if isinstance(news, StatusNews):
                remark = self._status(connection, news, now)
            else:
                remark = self._reply(connection, news, now)
        except IllegalMove:
            remark = "illegal_move"
        if remark:
            count(connection, f"webhook.{remark}")
        name, failure = (news.event, news.failure) if isinstance(news, StatusNews) else ("reply", None)
        NEWS.labels(name, code_label(failure), remark or "applied").inc()
        return remark

    def _status(self, connection: Connection, news: StatusNews, now: datetime) -> str:
        attempt = sends.attempt_for(connection, news.callback, news.wamid)
        if attempt is None:
            return "status_of_nothing"
        if news.failure is None:
            if attempt.wamid is None:  # its answer was lost, so this is how the send ended
                sends.end_attempt(connection, attempt.attempt_id, AttemptState.ACCEPTED, now, news.wamid)
            cases.move(connection, attempt.case_id, news.event, now, who="whatsapp")
            return ""
        return self._failed(connection, news, attempt, now)

    def _failed(self, connection: Connection, news: StatusNews, attempt: Attempt, now: datetime) -> str:
        failure = news.failure
        assert failure is not None
        sends.end_attempt(connection, attempt.attempt_id, AttemptState.FAILED, now, news.wamid, failure.code)
        if scope := paused_scope(failure, self._template):
            sends.stop(connection, scope, failure.code, now)
        is_last = sends.is_last(connection, attempt.case_id, attempt.attempt_id)
        if not is_last or attempt.state is AttemptState.FAILED:
            return "late_failure"
        tries = len(sends.attempts_of(connection, attempt.case_id))
        changes: cases.Changes = {
            "next_at": now + wait_after(failure, tries, 1.0),
            "reasons": f"whatsapp.{failure.code}",
        }
        why = f"code {failure.code}"
        cases.move(connection, attempt.case_id, news.event, now, who="whatsapp", why=why, **changes)
        return ""

    def _reply(self, connection: Connection, news: ReplyNews, now: datetime) -> str:
        reply = read_payload(self._mac_key, news.payload)
        if reply is None:
            return "reply_forged"
        case = cases.by_reference(connection, reply.reference)
        answer = next((each for each in Answer if each == reply.answer), None)
        if case is None or answer is None:
            return "reply_to_nothing"
        attempt = sends.attempt_for(connection, None, news.answered)
        if attempt is not None and attempt.case_id != case.case_id:
            return "reply_to_another"
        replies.hear(connection, case, answer, now)
        return ""
