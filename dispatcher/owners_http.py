"""The owner registry asked over HTTPS, plate by plate; docs/reference/registry.md is what the two sides agreed.

Whatever goes wrong is `Unavailable`, in two kinds. A registry that is away (no connection, no time, a certificate that
it refuses) has nothing to do with the case, which waits. One that answers, but not as agreed, may do so for this plate
for ever; `answered` says so. Either counts against the breaker, so that a registry in trouble is not asked for each
case that waits; but however often it is asked for one broken record, that is one failure. No answer is kept, and
neither plates nor what the registry says of them are ever logged.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from typing import Annotated, Self
from zoneinfo import ZoneInfo

import httpx
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from dispatcher.breaker import Breaker
from dispatcher.owners import CLASSES, Ambiguous, Found, Match, NotFound, Owner, Status, Unavailable, write_down
from dispatcher.plate import normalise
from dispatcher.settings import RegistrySettings, first_fault
from dispatcher.store import Store
from dispatcher.tls import ClientTls

log = logging.getLogger(__name__)

_CONNECT_TIMEOUT_S = 5.0
_PAGE_TIMEOUT_S = 2.0
"""A person waits for the page with the case, and can decide about it without the registry; `timeout_s` is for work."""
_LARGEST_BYTES = 64 * 1024
"""A registration is about 500 bytes."""
_FAILURES = 5
_PAUSE = timedelta(minutes=1)
"""A registry that lets every call run into its timeout takes a worker's time: ten seconds of each minute, no more."""
_AWAY = frozenset({401, 403, 408, 425, 429, 502, 503, 504})
"""Status codes that say nothing about the plate: our certificate is refused, too many calls, something is down."""
_ANSWERS = frozenset({200, 404})


def _class(name: str) -> str:
    if name not in CLASSES:
        raise ValueError(f"not one of {', '.join(sorted(CLASSES))}")
    return name


class _Told(BaseModel):
    """A part of the registry's answer; what it says beyond that is passed over."""

    model_config = ConfigDict(frozen=True, strict=True, str_strip_whitespace=True)


class _Registration(_Told):
    plate: str
    name: Annotated[str, Field(min_length=1, max_length=200)]
    phone: Annotated[str, Field(max_length=40)] = ""
    vehicle_class: Annotated[str, AfterValidator(_class)]
    plate_colour: Annotated[str, Field(min_length=1, max_length=24)]
    status: Status
    electric: bool = False
    valid_from: date | None = None
    nik: Annotated[str, Field(max_length=40)] = ""
    address: Annotated[str, Field(max_length=1000)] = ""


class _Answer(_Told):
    as_of: AwareDatetime
    matches: Annotated[int, Field(ge=0)]
    registration: _Registration | None = None

    @model_validator(mode="after")
    def _is_of_one(self) -> Self:
        if (self.matches == 1) != (self.registration is not None):
            raise ValueError("registration: belongs to exactly one match")
        return self


class _NotAsAgreed(Exception):
    """The registry's answer is none; a code for what is wrong with it, and the field without its value."""

    def __init__(self, why: str, fault: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.fault = fault


class HttpRegistry:
    """A registry that is asked; may be used by several threads."""

    def __init__(self, settings: RegistrySettings, store: Store, zone: ZoneInfo) -> None:
        """Raises ConfigError for certificates that are no good. `zone` is where a registration's day begins."""
        self._settings = settings
        self._store = store
        self._zone = zone
        self._breaker = Breaker(_FAILURES, _PAUSE)
        self._why = ""
        self._answered_wrongly: set[int] = set()
        self._tls = ClientTls(settings.tls, "owners.registry.tls")
        self._http = httpx.Client(
            verify=self._tls.current(),
            # Not compressed: what is read is what is counted.
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "cakra-dispatcher"},
            trust_env=False,
        )

    def close(self) -> None:
        self._http.close()

    def health(self) -> Mapping[str, str]:
        since = self._breaker.since
        return {"status": "degraded", "why": self._why, "since": since.isoformat()} if since else {"status": "ok"}

    def lookup(self, plate: str, at: datetime, purpose: str, case_id: int) -> Found:
        if not self._breaker.allows(at):
            return Unavailable("left_alone")
        is_page = purpose == "console"
        timeout_s = min(self._settings.timeout_s, _PAGE_TIMEOUT_S) if is_page else self._settings.timeout_s
        found = self._ask({"plate": normalise(plate), "purpose": purpose, "case_id": case_id}, timeout_s)
        if not (is_page and found == Unavailable("timeout")):  # a slow registry does its work; pages must not stop that
            self._tell_breaker(found, at, case_id)
        return write_down(self._store, {case_id: found}, {"at": at, "purpose": purpose})[case_id]

    def lookup_all(self, plates: Mapping[int, str], at: datetime, purpose: str) -> Mapping[int, Found]:
        """All at once: a worker waits for them no longer than for one."""
        with ThreadPoolExecutor(len(plates)) as pool:
            found = pool.map(lambda each: self.lookup(each[1], at, purpose, each[0]), plates.items())
            return dict(zip(plates, found, strict=True))

    def _tell_breaker(self, found: Found, at: datetime, case_id: int) -> None:
        if not isinstance(found, Unavailable):
            self._answered_wrongly.clear()
            self._breaker.succeeded()
        elif not found.answered or case_id not in self._answered_wrongly:
            if found.answered:
                self._answered_wrongly.add(case_id)
            self._why = found.why
            self._breaker.failed(at)

    def _ask(self, question: Mapping[str, str | int], timeout_s: float) -> Found:
        try:
            status, content = self._post(question, timeout_s)
            if status in _AWAY:
                return _away(f"status_{status}")
            return self._understand(status, content, str(question["plate"]))
        except httpx.TimeoutException:
            return _away("timeout")
        except httpx.HTTPError as error:
            return _away("connection", str(error))
        except _NotAsAgreed as wrong:
            said = {"case": question["case_id"], "code": wrong.why, "reason": wrong.fault}
            log.error("the owner registry's answer is not as agreed", extra=said)
            return Unavailable(wrong.why, answered=True)

    def _post(self, question: Mapping[str, str | int], timeout_s: float) -> tuple[int, bytes]:
        """Status and content. A line that breaks before an answer began is tried once more: it may have been idle for
        too long, and the key tells the registry that it is the same question. Raises httpx.HTTPError, _NotAsAgreed."""
        self._tls.current()  # a connection that is made for this shows the certificate of today
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        try:
            return self._post_once(question, headers, timeout_s)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            return self._post_once(question, headers, timeout_s)

    def _post_once(
        self, question: Mapping[str, str | int], headers: Mapping[str, str], timeout_s: float
    ) -> tuple[int, bytes]:
        give_up = time.monotonic() + timeout_s
        timeout = httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S))
        content = bytearray()
        with self._http.stream("POST", self._settings.url, json=question, headers=headers, timeout=timeout) as response:
            try:
                for part in response.iter_raw():
                    content += part
                    if len(content) > _LARGEST_BYTES:
                        raise _NotAsAgreed("too_large")
                    if time.monotonic() > give_up:
                        raise httpx.ReadTimeout("the answer does not end")
            except (httpx.ReadError, httpx.RemoteProtocolError):
                raise _NotAsAgreed("half_answer") from None
            return response.status_code, bytes(content)

    def _understand(self, status: int, content: bytes, plate: str) -> Match | NotFound | Ambiguous:
        """What the registry says of this plate. Raises _NotAsAgreed."""
        if status not in _ANSWERS:
            raise _NotAsAgreed(f"status_{status}")
        try:
            answer = _Answer.model_validate_json(content)
        except ValidationError as error:
            if status != 200:  # another server's 404 must not pass for a plate that nobody owns
                raise _NotAsAgreed(f"status_{status}") from None
            raise _NotAsAgreed("not_the_contract", first_fault(error)) from None
        if answer.registration is None:
            return Ambiguous(answer.matches) if answer.matches else NotFound()
        if normalise(answer.registration.plate) != plate:
            raise _NotAsAgreed("another_plate")
        return Match(self._owner(answer.registration), answer.as_of)

    def _owner(self, told: _Registration) -> Owner:
        since = told.valid_from and datetime.combine(told.valid_from, datetime.min.time(), self._zone)
        return Owner(**{**told.model_dump(exclude={"plate"}), "valid_from": since})


def _away(why: str, words: str = "") -> Unavailable:
    log.warning("the owner registry is away; asked again later", extra={"code": why, "reason": words})
    return Unavailable(why)
