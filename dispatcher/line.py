"""Requests over lines to one server that are kept open; nothing is asked twice, and no redirect is followed.

Why not httpx here, which the registry is asked with: docs/adr/0024-urllib3.md.
"""

from __future__ import annotations

import io
import ssl
import time
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any, Protocol

import certifi
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

_CONNECT_TIMEOUT_S = 5.0
"""Also for each 16 kB of what is sent."""
_IDLE_S = 5.0
"""A line idle for longer is opened anew: servers close theirs after a minute or so, and a request that crosses that
would be one nobody knows the end of."""


class NeverLeft(Exception):
    """No line came about, so the request is certainly not there."""


class Lost(Exception):
    """The request left, in part or whole, and no whole answer came; `why` is the kind of error."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Line(Protocol):
    """The way to a server; may be used by several threads."""

    def post(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """The answer's status and body. Raises NeverLeft, Lost."""
        ...

    def close(self) -> None: ...


class _Kept(HTTPConnection):
    """A connection that says whether it came about, and does not grow old."""

    _used_s = 0.0

    def connect(self) -> None:
        try:
            super().connect()
        except (OSError, HTTPError) as error:  # of the TLS handshake too
            raise NeverLeft(type(error).__name__) from error

    def getresponse(self) -> Any:
        response = super().getresponse()
        self._used_s = time.monotonic()
        return response

    @property
    def is_connected(self) -> bool:
        return super().is_connected and time.monotonic() - self._used_s < _IDLE_S


class _KeptTls(_Kept, HTTPSConnection):
    """The same over TLS."""


class KeptLines:
    """As many lines as there are requests at once, `at_once` of them kept."""

    def __init__(self, base_url: str, at_once: int, timeout_s: float) -> None:
        """`timeout_s` is how long the server may say nothing. Certificates are checked, no proxy is asked."""
        place = parse_url(base_url)
        timeout = Timeout(connect=_CONNECT_TIMEOUT_S, read=timeout_s)
        options: dict[str, Any] = {"port": place.port, "timeout": timeout, "maxsize": at_once, "retries": False}
        self._pool: HTTPConnectionPool
        if place.scheme == "https":
            context = ssl.create_default_context(cafile=certifi.where())
            self._pool = HTTPSConnectionPool(place.host or "", ssl_context=context, **options)
            self._pool.ConnectionCls = _KeptTls
        else:
            self._pool = HTTPConnectionPool(place.host or "", **options)
            self._pool.ConnectionCls = _Kept

    def post(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        sized = {**headers, "Content-Length": str(len(body))}
        try:
            # Read as a file, the body goes out piece by piece, each in its own time.
            response = self._pool.urlopen("POST", path, io.BytesIO(body), sized, redirect=False)
        except (HTTPError, HTTPException, OSError) as error:
            raise Lost(type(error).__name__) from error
        return response.status, response.data

    def close(self) -> None:
        self._pool.close()
