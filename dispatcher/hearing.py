"""What WhatsApp says, applied to the cases it is about."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import Connection

from dispatcher import cases, replies, sends
from dispatcher.cases import Changes, Moves
from dispatcher.errors import AwayError, StoreError
from dispatcher.metrics import NEWS, code_label
from dispatcher.news import ReplyNews, StatusNews, read_call
from dispatcher.pacing import paused_scope, wait_after
from dispatcher.reference import read_payload
from dispatcher.replies import Answer
from dispatcher.sends import Attempt, Attempts, AttemptState, Call
from dispatcher.store import Store, count, count_committed
from dispatcher.workflow import IllegalMove

log = logging.getLogger(__name__)

Piece: TypeAlias = StatusNews | ReplyNews

_AT_ONCE = 100
"""Calls of one transaction: few enough to hold its rows for a tenth of a second."""


class Hearing:
    """Works WhatsApp's calls off."""

    def __init__(self, store: Store, mac_key: bytes, template: str) -> None:
        self._store = store
        self._mac_key = mac_key
        self._template = template

    def step(self, now: datetime) -> bool:
        """Process the next calls; whether there were any. Raises AwayError."""
        try:
            return self._hear(_AT_ONCE, now)
        except AwayError:
            raise
        except StoreError:
            return self._hear_one(now)

    def _hear_one(self, now: datetime) -> bool:
        """One of the next calls cannot be applied: alone it holds up no other."""
        tried: list[Call] = []
        try:
            return self._hear(1, now, tried)
        except AwayError:
            raise
        except StoreError as error:
            if not tried:
                raise
            log.error("a call of WhatsApp cannot be applied and is set aside", extra={"reason": str(error)})
            with self._store.writing() as connection:
                count_committed(connection, NEWS.labels("", "", "failed"))
                count(connection, "webhook.failed", len(tried))
                # These and no others: another worker may have the next calls in hand by now.
                sends.calls_done(connection, {call.call_id: "failed" for call in tried}, now)
            return True

    def _hear(self, limit: int, now: datetime, tried: list[Call] | None = None) -> bool:
        with self._store.writing() as connection:
            calls = sends.next_calls(connection, limit)
            if tried is not None:
                tried.extend(calls)
            if calls:
                said = {call.call_id: _read(call) for call in calls}
                pieces = [piece for news in said.values() for piece in news or ()]
                session = _Session(connection, self._mac_key, self._template, pieces, now)
                remarks = {call_id: _remark(session, news) for call_id, news in said.items()}
                session.write()
                sends.calls_done(connection, remarks, now)
        return bool(calls)


def _read(call: Call) -> Sequence[Piece] | None:
    """What a call says; None when it cannot be read."""
    try:
        return read_call(call.body)
    except ValueError:
        return None


def _remark(session: _Session, news: Sequence[Piece] | None) -> str:
    """Codes of what could not be applied."""
    if news is None:
        return session.unreadable()
    return ",".join(filter(None, map(session.apply, news)))


class _Session:
    """The attempts and cases that some calls are about, in one transaction."""

    def __init__(
        self, connection: Connection, mac_key: bytes, template: str, news: Sequence[Piece], now: datetime
    ) -> None:
        self._connection = connection
        self._template = template
        self._now = now
        self.counted: Counter[str] = Counter()
        statuses = [piece for piece in news if isinstance(piece, StatusNews)]
        answers = [piece for piece in news if isinstance(piece, ReplyNews)]
        self._replies = {piece: read_payload(mac_key, piece.payload) for piece in answers}
        self._attempts = Attempts(
            connection,
            ids={piece.callback for piece in statuses if piece.callback},
            wamids={piece.wamid for piece in statuses} | {piece.answered for piece in answers if piece.answered},
        )
        references = {reply.reference for reply in self._replies.values() if reply}
        self._by_reference = cases.ids_of(connection, references)
        told = {attempt.case_id for attempt in self._attempts}
        self._moves = Moves(connection, told.union(self._by_reference.values()))
        # Of all of them: an attempt may get the id that a later failure names it by from an earlier piece.
        self._ids = sends.attempt_ids(connection, told if any(piece.failure for piece in statuses) else ())

    def write(self) -> None:
        self._attempts.write()
        self._moves.write()
        for name, number in sorted(self.counted.items()):
            count(self._connection, f"webhook.{name}", number)

    def unreadable(self) -> str:
        """A call that cannot be read; the code it is counted by."""
        code = "not_json"
        self.counted[code] += 1
        self._moves.count(NEWS.labels("", "", code))
        return code

    def apply(self, news: Piece) -> str:
        """One piece of news; a code for what could not be applied, which is also counted."""
        try:
            remark = self._status(news) if isinstance(news, StatusNews) else self._reply(news)
        except IllegalMove:
            remark = "illegal_move"
        if remark:
            self.counted[remark] += 1
        name, failure = (news.event, news.failure) if isinstance(news, StatusNews) else ("reply", None)
        self._moves.count(NEWS.labels(name, code_label(failure), remark or "applied"))
        return remark

    def _status(self, news: StatusNews) -> str:
        attempt = self._attempts.about(news.callback, news.wamid)
        if attempt is None:
            return "status_of_nothing"
        if news.failure is not None:
            return self._failed(news, attempt)
        if attempt.wamid is None:  # its answer was lost, so this is how the send ended
            self._attempts.end(attempt.attempt_id, AttemptState.ACCEPTED, self._now, news.wamid)
        self._moves.move(attempt.case_id, news.event, self._now, who="whatsapp")
        return ""

    def _failed(self, news: StatusNews, attempt: Attempt) -> str:
        failure = news.failure
        assert failure is not None
        self._attempts.end(attempt.attempt_id, AttemptState.FAILED, self._now, news.wamid, failure.code)
        if scope := paused_scope(failure, self._template):
            sends.stop(self._connection, scope, failure.code, self._now)
        ids = self._ids[attempt.case_id]
        if ids[-1] != attempt.attempt_id or attempt.state is AttemptState.FAILED:
            return "late_failure"
        changes: Changes = {
            "next_at": self._now + wait_after(failure, len(ids), 1.0),
            "reasons": f"whatsapp.{failure.code}",
        }
        why = f"code {failure.code}"
        self._moves.move(attempt.case_id, news.event, self._now, who="whatsapp", why=why, **changes)
        return ""

    def _reply(self, news: ReplyNews) -> str:
        reply = self._replies[news]
        if reply is None:
            return "reply_forged"
        case_id = self._by_reference.get(reply.reference)
        answer = next((each for each in Answer if each == reply.answer), None)
        if case_id is None or answer is None or case_id not in self._moves:
            return "reply_to_nothing"
        attempt = self._attempts.about(None, news.answered)
        if attempt is not None and attempt.case_id != case_id:
            return "reply_to_another"
        replies.hear(self._moves, case_id, answer, self._now)
        return ""
