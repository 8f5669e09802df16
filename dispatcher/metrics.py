"""What happened in this process, counted for Prometheus; what stands in the database now is in `gauges.py`.

A label is a kind, a state, an outcome, a code or a unit: a set somebody could write down. Never a plate, a telephone
number, a name or what anybody said. The names stand in `docs/reference/metrics.md`, with the alerts made of them in
`config/prometheus/cakra.rules.yaml`; renaming one breaks an operator's alerts.
"""

from __future__ import annotations

import re

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics

from dispatcher.answers import CODES

disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

MESSAGES = Counter(
    "cakra_messages",
    "Messages of units: stored, duplicate, rejected, or deferred until the unit says them again.",
    ("kind", "outcome", "reason"),
    registry=REGISTRY,
)
EVIDENCE_BYTES = Counter("cakra_evidence_bytes", "Bytes of evidence stored.", registry=REGISTRY)
MOVES = Counter("cakra_case_moves", "Moves of cases, by the state they came into.", ("state",), registry=REGISTRY)
LOOKUPS = Histogram(
    "cakra_lookup_seconds",
    "How long the registry took to answer the worker, by what it answered.",
    ("outcome",),
    buckets=(0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30),
    registry=REGISTRY,
)
WHATSAPP = Counter(
    "cakra_whatsapp_requests",
    "Requests to WhatsApp (send, upload), by what came of them; a cut_off one was under way when a dispatcher stopped.",
    ("request", "outcome", "code"),
    registry=REGISTRY,
)
NOTICE_DELAY = Histogram(
    "cakra_notice_delay_seconds",
    "From a violation until WhatsApp took the message to its owner.",
    buckets=(60, 120, 300, 600, 1800, 3600, 4 * 3600, 12 * 3600, 24 * 3600, 72 * 3600),
    registry=REGISTRY,
)
WEBHOOKS = Counter("cakra_webhook_calls", "WhatsApp's calls as they come, by outcome.", ("outcome",), registry=REGISTRY)
NEWS = Counter(
    "cakra_news",
    "What WhatsApp's calls said: statuses of messages and replies of owners, by what came of them.",
    ("news", "code", "outcome"),
    registry=REGISTRY,
)
ANSWERS = Counter("cakra_answers", "Owners' answers that moved a case.", ("answer",), registry=REGISTRY)
OWNER_ENTRIES = Counter(
    "cakra_owner_page_entries", "Reference and plate typed on the owner's page.", ("outcome",), registry=REGISTRY
)
DEEDS = Counter("cakra_audit_entries", "Entries written into the audit trail.", ("what",), registry=REGISTRY)
RESPONSES = Counter("cakra_http_responses", "Answers of the web server.", ("route", "status"), registry=REGISTRY)
REFUSALS = Counter(
    "cakra_refused_requests",
    "Requests that the console's guard refused: forms of other pages, no log-in, no right.",
    ("reason",),
    registry=REGISTRY,
)
WORKER_FAULTS = Counter(
    "cakra_worker_faults", "Faults that threw the worker off its course; it goes on.", ("fault",), registry=REGISTRY
)
DATABASE_ERRORS = Counter(
    "cakra_database_errors",
    "Transactions that failed: contended (done again), away (waited for), unstorable (the value's fault), or refused.",
    ("fault",),
    registry=REGISTRY,
)
for _fault in ("away", "contended", "unstorable", "store"):
    DATABASE_ERRORS.labels(_fault)  # from 0 on: Prometheus sees no increase in a count that begins with its first error


def asked(request: str, answer: object) -> None:
    """One request to WhatsApp and what came of it: an `Answer`, or what else tells that it went well."""
    WHATSAPP.labels(request, word(answer), code_label(answer)).inc()


def code_label(answer: object) -> str:
    """WhatsApp's code of a failure, or the HTTP status; `other` for an unknown one, empty where there is none."""
    code = getattr(answer, "code", None)
    if code is None:
        return ""
    return str(code) if code in CODES or 100 <= code < 600 else "other"


def word(outcome: object) -> str:
    """The kind of an outcome or error as a label: `NextChannel` is `next_channel`, `StoreError` is `store`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(outcome).__name__.removesuffix("Error")).lower()
