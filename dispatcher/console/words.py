"""The console's words for the codes of the database; marked for translation, translated where they are shown."""

from __future__ import annotations

from collections.abc import Mapping

from dispatcher.access.roles import Right, Role
from dispatcher.workflow import State


def _(message: str) -> str:
    """Marks a word for the translators' tools."""
    return message


NO_PICTURE = _("This picture cannot be shown now")

STATES: Mapping[State, str] = {
    State.RECEIVED: _("Awaiting evidence"),
    State.EVIDENCE_COMPLETE: _("Evidence complete"),
    State.VALIDATED: _("Validated"),
    State.HELD: _("Held: unit not believed"),
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
    State.FALLBACK_POST: _("Letter to print"),
    State.POSTED: _("Letter printed"),
    State.WITHDRAWN: _("Withdrawn"),
    State.DEAD: _("Failed"),
}

GROUPS: tuple[tuple[str, tuple[State, ...]], ...] = (
    (_("Needs a person"), (State.REVIEW, State.HELD, State.UNKNOWN, State.DISPUTED, State.DEAD, State.FALLBACK_POST)),
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
            State.POSTED,
        ),
    ),
    (_("Closed"), (State.CONFIRMED, State.EXPIRED, State.WITHDRAWN)),
)
"""The queues, as the list shows them."""

TONES: Mapping[State, str] = {
    **dict.fromkeys(State, "going"),
    **dict.fromkeys((State.REVIEW, State.HELD, State.UNKNOWN, State.DISPUTED, State.FALLBACK_POST), "person"),
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
    "set_aside": _("Held: the unit is not believed now"),
    "freed": _("The unit is believed again"),
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
    "letter_printed": _("Letter printed"),
    "refused": _("Refused for good"),
    "owned_up": _("Owner confirmed"),
    "denied": _("Owner disputes"),
    "deadline_passed": _("Deadline passed"),
    "resend_ordered": _("Sent again by a person"),
    "was_withdrawn": _("Withdrawn"),
    "proposed": _("Proposed by the first of two people"),
    "opposed": _("Opposed by the second"),
}

REASONS: Mapping[str, str] = {
    "unit_review": _("The unit was not sure"),
    "special_plate": _("Special plate: no private owner"),
    "pictures_missing": _("A picture is missing"),
    "clock": _("The unit's clock was not synchronised"),
    "too_old": _("The violation is too old"),
    "key_replaced": _("Signed with a key that is not the unit's any more"),
    "seen_elsewhere": _("Seen elsewhere at a time when its vehicle cannot have been there: copied or misread"),
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
    "registry_answers_wrongly": _("The registry gives no usable answer for this plate"),
    "notice_too_long": _("The notice is too long for WhatsApp"),
    "restored": _("From a backup: the message may have gone out since"),
    "proposed": _("Waits for a second person"),
    "opposed": _("Two people disagree; waits for a third"),
    "tried_too_often": _("Tried too often"),
    "stopped_while_sending": _("Stopped while sending"),
    "sold": _("Owner: sold"),
    "not_mine": _("Owner: not my vehicle"),
    "dispute": _("Owner: another reason"),
}

DECISIONS: Mapping[str, str] = {
    "approve": _("Approve and send"),
    "correct": _("Correct and send"),
    "withdraw": _("Withdraw"),
    "resend": _("Send again"),
    "agree": _("Agree"),
    "disagree": _("Disagree"),
}

NUMBERS: tuple[str, ...] = (
    _("Captured"),
    _("Told"),
    _("Confirmed"),
    _("Disputed"),
    _("Wrongly accused"),
    _("Share of told"),
    _("Minutes, median"),
    _("Minutes, 9 of 10"),
)
"""The columns of the page of numbers."""

BY: Mapping[str, str] = {"day": _("Day"), "unit": _("Unit"), "rule": _("Rule")}
"""What they are counted by."""

ALL_DAYS = _("All days")

PLOTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "cases": (_("Violations"), (_("Captured"), _("Told"), _("Confirmed"))),
    "minutes": (_("Minutes to the message"), (_("Median"), _("9 of 10 within"))),
    "wrong": (_("Wrongly accused"), (_("Share of those told"),)),
}
"""By plot: its title, and its series in order."""

PAGES: tuple[tuple[str, str, Right], ...] = (
    ("/", _("Cases"), Right.SEE_CASES),
    ("/numbers", _("Numbers"), Right.SEE_UNITS),
    ("/units", _("Units"), Right.SEE_UNITS),
    ("/users", _("Users"), Right.MANAGE_USERS),
    ("/audit", _("Audit trail"), Right.READ_AUDIT),
)
"""The head of each page: where, what it is called, and what it takes."""

ROLES: Mapping[Role, str] = {
    Role.OPERATOR: _("Operator"),
    Role.SUPERVISOR: _("Supervisor"),
    Role.ADMIN: _("Admin"),
}

UNIT_STATES: Mapping[str, str] = {
    "approved": _("trusted"),
    "quarantined": _("quarantined"),
    "unapproved": _("key not approved"),
}

AUDITED: Mapping[str, str] = {
    "logged_in": _("Logged in"),
    "login_refused": _("Log-in refused"),
    "locked": _("Locked after failed log-ins"),
    "logged_out": _("Logged out"),
    "logged_out_everywhere": _("Logged out everywhere"),
    "password_changed": _("Password changed"),
    "totp_enrolled": _("Authenticator enrolled"),
    "user_added": _("User added"),
    "user_reset": _("User reset"),
    "user_disabled": _("User disabled"),
    "role_changed": _("Role changed"),
    "revealed": _("Owner's data uncovered"),
    "case_approve": _("Case approved"),
    "case_correct": _("Plate corrected"),
    "case_withdraw": _("Case withdrawn"),
    "case_resend": _("Notice sent again"),
    "sending_paused": _("Sending paused"),
    "case_proposed": _("Decision proposed"),
    "case_opposed": _("Proposal opposed"),
    "sending_resumed": _("Sending resumed"),
    "letter_printed": _("Letter printed"),
    "key_rotated": _("Personal data sealed anew"),
    "seen": _("Seen"),
    "exported": _("Owner's data exported"),
    "erased": _("Case erased"),
    "retention_ended": _("Kept long enough: erased"),
    "hold_set": _("Legal hold set"),
    "hold_lifted": _("Legal hold lifted"),
    "key_approved": _("Unit's key approved"),
    "unit_held": _("Unit quarantined"),
    "unit_discarded": _("What a quarantined unit said erased"),
    "unit_released": _("Unit released"),
    "owners_imported": _("Owners' snapshot imported"),
    "backed_up": _("Backup made"),
    "restored": _("Backup restored"),
}

SAID: Mapping[str, str] = {
    "no_rule": _("this page is closed"),
    "no_right": _("your role may not do this"),
    "logged_out": _("you are logged out; log in and do it again"),
    "foreign_form": _("this form does not come from the console; open the page again"),
    "old_form": _("this page is too old; open it again"),
    "login_wrong": _(
        "Name, password or code is wrong, or there were too many tries. After several failures each try has to wait, "
        "a quarter of an hour at most."
    ),
    "password_wrong": _("The password is wrong, or there were too many tries. Wait a little and try again."),
    "password_short": _("The new password needs 12 characters or more. Four words in a row are easy to remember."),
    "password_long": _("The new password has more than 200 characters."),
    "password_simple": _("The new password is too easy: it holds your name or few different characters."),
    "password_same": _("The new password is the old one."),
    "password_differs": _("The new password was not typed the same way twice."),
    "code_wrong": _("The code is wrong. Is the phone's clock right? Type the code that the authenticator shows now."),
    "name_wrong": _("A name has 2 to 32 small letters, digits, dots or hyphens and begins with a letter."),
    "name_taken": _("There is a user of this name already."),
    "name_unknown": _("There is no user of this name."),
    "name_own": _("You cannot change yourself; another admin can."),
    "plate_wrong": _("This is no plate of a private owner; such cases are withdrawn."),
    "plate_same": _("This is the plate that was read; approve the case instead."),
    "number_changed": _("The number has changed meanwhile. Look at it, and say it again."),
    "own_proposal": _("you have had your say about this case; somebody else decides it"),
    "proposed_meanwhile": _("somebody has proposed a decision meanwhile; look at it again"),
    "proposal_changed": _("this is not the proposal that you were shown any more; look at it again"),
    "objection_missing": _("Say why, for the one who decides."),
    "reason_missing": _("Without a reason nothing is uncovered."),
    "reveals_spent": _("You have uncovered as many owners as one person may in an hour. Try again later."),
    "range_wrong": _("These are no days, the last is before the first, or there are more than 92 of them."),
    "key_changed": _("the units' file has another key for this unit now; look at it again"),
    "key_approved_before": _("you have approved this key already; somebody else has to"),
    "unit_believed": _("this unit is believed; quarantine it before what it said is erased"),
    "unit_held_before": _("this unit is quarantined already"),
    "unit_not_held": _("nobody has quarantined this unit from the console; the units' file may have"),
}
"""What is told when something is refused."""
