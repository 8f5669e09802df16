"""The console's words for the codes of the database; marked for translation, translated where they are shown."""

from __future__ import annotations

from collections.abc import Mapping

from dispatcher.workflow import State


def _(message: str) -> str:
    """Marks a word for the translators' tools."""
    return message


STATES: Mapping[State, str] = {
    State.RECEIVED: _("Awaiting evidence"),
    State.EVIDENCE_COMPLETE: _("Evidence complete"),
    State.VALIDATED: _("Validated"),
    State.REVIEW: _("In review"),
    State.OWNER_RESOLVED: _("Owner found"),
    State.QUEUED: _("Queued"),
    State.SENDING: _("Sending"),
    State.ACCEPTED: _("Accepted by WhatsApp"),
    State.SENT: _("Sent"),
    State.DELIVERED: _("Delivered"),
    State.READ: _("Read"),
    State.CONFIRMED: _("Confirmed"),
    State.DISPUTED: _("Disputed"),
    State.EXPIRED: _("Expired"),
    State.UNKNOWN: _("Send unknown"),
    State.FALLBACK_POST: _("By post"),
    State.WITHDRAWN: _("Withdrawn"),
    State.DEAD: _("Failed"),
}

GROUPS: tuple[tuple[str, tuple[State, ...]], ...] = (
    (_("Needs a person"), (State.REVIEW, State.UNKNOWN, State.DISPUTED, State.DEAD, State.FALLBACK_POST)),
    (
        _("On its way"),
        (
            State.RECEIVED,
            State.EVIDENCE_COMPLETE,
            State.VALIDATED,
            State.OWNER_RESOLVED,
            State.QUEUED,
            State.SENDING,
            State.ACCEPTED,
            State.SENT,
            State.DELIVERED,
            State.READ,
        ),
    ),
    (_("Closed"), (State.CONFIRMED, State.EXPIRED, State.WITHDRAWN)),
)
"""The queues, as the list shows them."""

TONES: Mapping[State, str] = {
    **dict.fromkeys(State, "going"),
    **dict.fromkeys((State.REVIEW, State.UNKNOWN, State.DISPUTED, State.FALLBACK_POST), "person"),
    **dict.fromkeys((State.DELIVERED, State.READ, State.CONFIRMED), "good"),
    **dict.fromkeys((State.EXPIRED, State.WITHDRAWN), "closed"),
    State.DEAD: "bad",
}
"""The colour of each state's mark."""

KINDS: Mapping[str, str] = {
    "odd_even": _("Odd-even"),
    "wrong_way": _("Wrong way"),
    "red_light": _("Red light"),
    "stop_line": _("Stop line"),
    "bus_lane": _("Bus lane"),
    "speed": _("Speed"),
    "stopping": _("Stopping"),
    "expiry": _("Registration expired"),
}

EVENTS: Mapping[str, str] = {
    "reported": _("Report received and verified"),
    "evidence_arrived": _("All evidence is here"),
    "passed": _("Second validation passed"),
    "doubted": _("Put before a person"),
    "approved": _("Approved"),
    "owner_found": _("Owner found in the registry"),
    "composed": _("Notice written"),
    "attempted": _("Sending begun"),
    "deferred": _("Refused for now; waits for its next try"),
    "unclear": _("End of the send was not seen"),
    "was_accepted": _("Accepted by WhatsApp"),
    "was_sent": _("Sent to the owner's phone"),
    "was_delivered": _("Delivered"),
    "was_read": _("Read"),
    "unreachable": _("Not reachable by WhatsApp"),
    "refused": _("Refused for good"),
    "owned_up": _("Owner confirmed"),
    "denied": _("Owner disputes"),
    "deadline_passed": _("Deadline passed"),
    "resend_ordered": _("Sent again by a person"),
    "was_withdrawn": _("Withdrawn"),
}

REASONS: Mapping[str, str] = {
    "unit_review": _("The unit was not sure"),
    "special_plate": _("Special plate: no private owner"),
    "pictures_missing": _("A picture is missing"),
    "clock": _("The unit's clock was not synchronised"),
    "too_old": _("The violation is too old"),
    "no_law": _("No law in force describes this violation"),
    "owner_not_found": _("Plate not in the registry"),
    "owner_ambiguous": _("More than one registration"),
    "snapshot_stale": _("The registry's snapshot is too old"),
    "class_differs": _("Vehicle class differs from the registry"),
    "colour_differs": _("Plate colour differs from the registry"),
    "registration_blocked": _("Registration is blocked"),
    "sold_or_in_transfer": _("Sold or in transfer"),
    "exempt": _("Exempt vehicle"),
    "registered_after_violation": _("Registered to this owner after the violation"),
    "no_mobile_number": _("No Indonesian mobile number"),
    "notice_too_long": _("The notice is too long for WhatsApp"),
}

DECISIONS: Mapping[str, str] = {
    "approve": _("Approve and send"),
    "withdraw": _("Withdraw"),
    "resend": _("Send again"),
}
