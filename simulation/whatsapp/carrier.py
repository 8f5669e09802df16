"""WhatsApp itself: carries an accepted message to the phone, and the owner's reading and reply back."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from typing import TypeAlias

from simulation.whatsapp.book import Book, Draft, Message, Reply, Webhook
from simulation.whatsapp.courier import Courier, Sleep
from simulation.whatsapp.outcomes import Outcome, Status
from simulation.whatsapp.settings import Settings
from simulation.whatsapp.webhooks import reply_call, status_call

Clock: TypeAlias = Callable[[], float]
"""Seconds since 1970, UTC."""

GAPS = {Status.SENT: 0, Status.DELIVERED: 1, Status.READ: 2, Status.FAILED: 0}
"""When a status becomes true, in gaps after sending; reports keep these moments in whatever order they are told."""


class Carrier:
    """Everything between the accepted request and the phone's screen."""

    def __init__(
        self, settings: Settings, book: Book, courier: Courier, clock: Clock, sleep: Sleep, rng: random.Random
    ) -> None:
        self._settings = settings
        self._book = book
        self._courier = courier
        self._clock = clock
        self._sleep = sleep
        self._rng = rng

    def new_id(self) -> str:
        """A message id in the form of WhatsApp's own."""
        return "wamid." + base64.b64encode(b"HBg" + self._rng.randbytes(21)).decode()

    def new_media_id(self) -> str:
        """An id of uploaded media: digits."""
        return str(self._rng.randrange(10**15, 10**16))

    def accept(self, draft: Draft, outcome: Outcome, answered: bool) -> Message:
        """Take charge of a message; the rest happens in the background."""
        message = Message(id=self.new_id(), draft=draft, outcome=outcome, accepted_s=self._clock(), answered=answered)
        self._book.messages[message.id] = message
        self._courier.spawn(self._carry(message))
        return message

    async def _carry(self, message: Message) -> None:
        outcome, gap_s = message.outcome, self._settings.status_gap_s
        if outcome.delay_s:
            await self._sleep(outcome.delay_s)
        start_s = self._clock()
        moments = {status: start_s + gaps * gap_s for status, gaps in GAPS.items()}
        webhooks = [self._status(message, status, moments[status]) for status in outcome.told(self._rng)]
        message.webhooks += webhooks
        self._courier.spawn(self._courier.deliver(webhooks, gap_s))
        for step, status in enumerate(outcome.happens()):
            if step and gap_s:
                await self._sleep(gap_s)
            message.statuses.setdefault(status, moments[status])
        if outcome.reply is not None and message.on_phone:
            self._reply_with(message, outcome.reply)

    def _status(self, message: Message, status: Status, at_s: float) -> Webhook:
        return Webhook(status.value, status_call(self._settings, message, status, at_s))

    def _reply_with(self, message: Message, answer: str) -> None:
        for index, button in enumerate(message.draft.buttons):
            if button.answer == answer:
                self.reply(message, index)
                return

    def read(self, message: Message) -> None:
        """The owner has the message on the screen: said once, and only of a delivered message."""
        if not message.on_phone or Status.READ in message.statuses:
            return
        now_s = self._clock()
        message.statuses[Status.READ] = now_s
        if message.outcome.reports is None:
            webhook = self._status(message, Status.READ, now_s)
            message.webhooks.append(webhook)
            self._courier.spawn(self._courier.deliver([webhook]))

    def reply(self, message: Message, index: int) -> Reply | None:
        """The owner taps the quick reply at this place; None where there is no such button."""
        buttons = message.draft.buttons
        if not message.on_phone or not 0 <= index < len(buttons) or buttons[index].type != "quick_reply":
            return None
        self.read(message)
        reply_id, now_s = self.new_id(), self._clock()
        call = reply_call(self._settings, message, buttons[index], reply_id, now_s)
        webhooks = [Webhook("reply", call) for _ in range(1 + message.outcome.duplicates)]
        reply = Reply(id=reply_id, button=buttons[index], at_s=now_s, webhook=webhooks[0])
        message.replies.append(reply)
        message.webhooks += webhooks
        self._courier.spawn(self._courier.deliver(webhooks))
        return reply
