"""The errors of the Cloud API as data: HTTP status, title and what the details say.

Source: Meta's error code reference. A code is told in the answer (`error_json`) or in a failed status
(`status_error_json`), depending on when WhatsApp finds out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Fault:
    """One error code."""

    http_status: int
    title: str
    details: str


FAULTS: dict[int, Fault] = {
    0: Fault(401, "AuthException", "We were unable to authenticate the app user"),
    1: Fault(400, "API Unknown", "Invalid request or possible server error"),
    2: Fault(503, "API Service", "Temporary due to downtime or due to being overloaded"),
    4: Fault(429, "API Too Many Calls", "The app has reached its API call rate limit"),
    10: Fault(403, "Permission Denied", "Permission is either not granted or has been removed"),
    100: Fault(400, "Invalid parameter", "The request included an unsupported or misspelled parameter"),
    190: Fault(401, "Invalid OAuth access token - Cannot parse access token", ""),
    200: Fault(403, "API Permission", "Permission is either not granted or has been removed"),
    368: Fault(403, "Temporarily blocked for policies violations", "The account has been restricted"),
    2500: Fault(400, "Unknown path components", ""),
    80007: Fault(429, "Rate limit issues", "The WhatsApp Business Account has reached its rate limit"),
    130429: Fault(
        429,
        "Rate limit hit",
        "Message failed to send because there were too many messages sent from this phone number in a short "
        "period of time",
    ),
    130472: Fault(400, "User's number is part of an experiment", "The message was not sent"),
    131000: Fault(500, "Something went wrong", "Message failed to send due to an unknown error"),
    131005: Fault(403, "Access denied", "Permission is either not granted or has been removed"),
    131008: Fault(400, "Required parameter is missing", "The request is missing a required parameter"),
    131009: Fault(400, "Parameter value is not valid", "One or more parameter values are invalid"),
    131016: Fault(500, "Service unavailable", "A service is temporarily unavailable"),
    131021: Fault(400, "Recipient cannot be sender", "Sender and recipient phone number is the same"),
    131026: Fault(400, "Message undeliverable", "Message undeliverable."),
    131030: Fault(400, "Recipient phone number not in allowed list", "Add the recipient to the allowed list"),
    131031: Fault(403, "Account has been locked", "The account was disabled for violating a policy"),
    131042: Fault(400, "Business eligibility payment issue", "There was an error related to the payment method"),
    131045: Fault(500, "Incorrect certificate", "Message failed to send due to a phone number registration error"),
    131047: Fault(400, "Re-engagement message", "More than 24 hours have passed since the last reply"),
    131048: Fault(
        429,
        "Spam rate limit hit",
        "Message failed to send because there are restrictions on how many messages can be sent from this phone number",
    ),
    131051: Fault(400, "Unsupported message type", "Message type is not currently supported"),
    131053: Fault(400, "Media upload error", "Unable to upload the media used in the message"),
    131056: Fault(
        429,
        "(Business Account, Consumer Account) pair rate limit hit",
        "Message failed to send because there were too many messages sent from this phone number to the same "
        "phone number in a short period of time",
    ),
    131057: Fault(500, "Account in maintenance mode", "The account is being upgraded"),
    132000: Fault(400, "Number of parameters does not match the expected number of params", ""),
    132001: Fault(404, "Template name does not exist in the translation", ""),
    132005: Fault(400, "Translated text too long", "The translated text is too long"),
    132007: Fault(400, "Template format character policy violated", "The template violates a policy"),
    132012: Fault(400, "Parameter format does not match format in the created template", ""),
    132015: Fault(400, "Template is paused", "Template is paused due to low quality"),
    132016: Fault(400, "Template is disabled", "Template is disabled due to low quality"),
    132018: Fault(400, "There's an issue with the parameters in your template", ""),
}

_GRAPH_LEVEL = frozenset({190, 2500})
"""Told by the Graph API before WhatsApp sees the request: no number in the message, no error_data."""


class Refusal(Exception):
    """The API's answer to this request is an error."""

    def __init__(self, code: int, details: str = "") -> None:
        super().__init__(code, details)
        self.code = code
        self.details = details or FAULTS[code].details

    @property
    def http_status(self) -> int:
        return FAULTS[self.code].http_status


def error_json(refusal: Refusal, trace_id: str) -> dict[str, Any]:
    """The body of a refused request."""
    title = FAULTS[refusal.code].title
    error: dict[str, Any] = {"message": title, "type": "OAuthException", "code": refusal.code}
    if refusal.code not in _GRAPH_LEVEL:
        error["message"] = f"(#{refusal.code}) {title}"
        error["error_data"] = {"messaging_product": "whatsapp", "details": refusal.details}
    return {"error": error | {"fbtrace_id": trace_id}}


def status_error_json(code: int) -> dict[str, Any]:
    """One member of `errors` in a failed status."""
    fault = FAULTS[code]
    return {
        "code": code,
        "title": fault.title,
        "message": fault.title,
        "error_data": {"details": fault.details},
        "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
    }
