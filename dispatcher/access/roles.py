"""What each role may do, as one literal table (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Role(StrEnum):
    """What a user is at this dispatcher; each has one."""

    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"


class Right(StrEnum):
    """What may be done."""

    OWN_ACCOUNT = "own_account"
    """Log out, change one's own password and authenticator."""
    SEE_CASES = "see_cases"
    JUDGE = "judge"
    """Approve or withdraw a case."""
    REVEAL = "reveal"
    """See an owner's name, phone and NIK, for a reason that is kept."""
    RESEND = "resend"
    """Have a notice sent again, and resume sending after a pause."""
    SEE_UNITS = "see_units"
    """Units, and the numbers that name nobody."""
    HOLD_UNITS = "hold_units"
    """Quarantine a unit and let it speak again."""
    APPROVE_KEYS = "approve_keys"
    READ_AUDIT = "read_audit"
    MANAGE_USERS = "manage_users"


_OPERATOR = frozenset({Right.OWN_ACCOUNT, Right.SEE_CASES, Right.SEE_UNITS, Right.JUDGE, Right.REVEAL})

RIGHTS: Mapping[Role, frozenset[Right]] = MappingProxyType(
    {
        Role.OPERATOR: _OPERATOR,
        Role.SUPERVISOR: _OPERATOR | {Right.RESEND, Right.HOLD_UNITS, Right.APPROVE_KEYS, Right.READ_AUDIT},
        # Runs the service and its users; judges nobody and sees no owner.
        Role.ADMIN: frozenset(
            {
                Right.OWN_ACCOUNT,
                Right.SEE_UNITS,
                Right.HOLD_UNITS,
                Right.APPROVE_KEYS,
                Right.READ_AUDIT,
                Right.MANAGE_USERS,
            }
        ),
    }
)
"""What each role may do."""
