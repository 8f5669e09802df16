"""What the simulator remembers: uploaded media, accepted messages and what became of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from simulation.whatsapp.outcomes import Outcome, Status
from simulation.whatsapp.registry import Template

RANK = {Status.SENT: 0, Status.DELIVERED: 1, Status.READ: 2, Status.FAILED: 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """An uploaded picture."""

    id: str
    content: bytes
    mime_type: str
    sha256: str
    uploaded_s: float


@dataclass(frozen=True, slots=True)
class SentButton:
    """A button as it stands under one message."""

    type: Literal["url", "quick_reply"]
    text: str
    value: str
    """The address it opens, or the payload it sends back."""
    answer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A send request that fits its template."""

    to: str
    given_to: str
    """The recipient as the sender wrote it."""
    template: Template
    parameters: tuple[str, ...]
    media_id: str | None
    buttons: tuple[SentButton, ...]
    callback: str | None
    """The sender's `biz_opaque_callback_data`."""

    @property
    def body(self) -> str:
        return self.template.fill(self.parameters)


@dataclass(slots=True)
class Webhook:
    """One call to the business's webhook and how it goes."""

    about: str
    """What it tells: a status, or `reply`."""
    content: bytes
    attempts: int = 0
    delivered: bool = False
    last: str = ""
    """How the latest attempt ended."""


@dataclass(slots=True, kw_only=True)
class Reply:
    """The owner's tap on a quick reply."""

    id: str
    button: SentButton
    at_s: float
    webhook: Webhook
    seen_by_business: bool = False

    @property
    def ticks(self) -> Status:
        """What the owner sees beside it: sent, delivered to the business, read by the business."""
        if self.seen_by_business:
            return Status.READ
        return Status.DELIVERED if self.webhook.delivered else Status.SENT


@dataclass(slots=True, kw_only=True)
class Message:
    """An accepted message."""

    id: str
    draft: Draft
    outcome: Outcome
    accepted_s: float
    answered: bool
    """False: the connection was closed before the sender got the id."""
    statuses: dict[Status, float] = field(default_factory=dict)
    replies: list[Reply] = field(default_factory=list)
    webhooks: list[Webhook] = field(default_factory=list)

    @property
    def on_phone(self) -> bool:
        return Status.DELIVERED in self.statuses

    def as_json(self) -> dict[str, Any]:
        """The message for tests and the demo."""
        draft = self.draft
        statuses = sorted(self.statuses.items(), key=lambda item: RANK[item[0]])
        return {
            "id": self.id,
            "to": draft.to,
            "template": draft.template.name,
            "language": draft.template.language,
            "parameters": list(draft.parameters),
            "body": draft.body,
            "media_id": draft.media_id,
            "buttons": [{"type": b.type, "text": b.text, "value": b.value} for b in draft.buttons],
            "biz_opaque_callback_data": draft.callback,
            "accepted_at": self.accepted_s,
            "answered": self.answered,
            "statuses": [{"status": status, "at": at_s} for status, at_s in statuses],
            "replies": [
                {"id": r.id, "payload": r.button.value, "text": r.button.text, "at": r.at_s} for r in self.replies
            ],
            "webhooks": [
                {"about": w.about, "attempts": w.attempts, "delivered": w.delivered, "last": w.last}
                for w in self.webhooks
            ],
        }


class Book:
    """All media and messages of this run, in memory."""

    def __init__(self, media_life_s: float) -> None:
        self._media_life_s = media_life_s
        self._media: dict[str, Media] = {}
        self.messages: dict[str, Message] = {}

    def keep_media(self, media: Media) -> None:
        self._media[media.id] = media

    def media(self, media_id: str, now_s: float) -> Media | None:
        """The picture, unless it is unknown or past its 30 days."""
        media = self._media.get(media_id)
        return media if media and now_s - media.uploaded_s < self._media_life_s else None

    def picture(self, media_id: str) -> Media | None:
        """The picture of a delivered message: the phone has its own copy, which does not expire."""
        return self._media.get(media_id)

    def drop_media(self, media_id: str) -> bool:
        return self._media.pop(media_id, None) is not None

    def chat(self, number: str) -> list[Message]:
        """What this phone shows, oldest first."""
        return [message for message in self.messages.values() if message.draft.to == number and message.on_phone]

    def phones(self) -> dict[str, list[Message]]:
        """The phones that got messages, the one with the latest message first."""
        phones: dict[str, list[Message]] = {}
        for message in reversed(self.messages.values()):
            if message.on_phone:
                phones.setdefault(message.draft.to, []).insert(0, message)
        return phones

    def reply(self, reply_id: str) -> Reply | None:
        replies = (reply for message in self.messages.values() for reply in message.replies)
        return next((reply for reply in replies if reply.id == reply_id), None)
