"""Requests over lines to one server that are kept open; nothing is asked twice, and no redirect is followed.

Why no library does this: docs/adr/0027-a-line-of-our-own.md.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import NoReturn, Protocol
from urllib.parse import urlsplit

import certifi

_CONNECT_TIMEOUT_S = 5.0
"""Also for each piece of what is sent."""
_GLANCE_S = 0.1
"""For an answer that should be there already."""
_PIECE_BYTES = 65536
_IDLE_S = 5.0
"""A line idle for longer is opened anew: servers close theirs after a minute or so, and a request that crosses that
would be one nobody knows the end of."""
_LONGEST_ANSWER = 1_048_576
"""Bytes with the head; WhatsApp's have less than a thousand."""
_EMPTY = (204, 304)
"""Statuses of answers without a body, and without a length."""


class NeverLeft(Exception):
    """No line came about, so the request is certainly not there."""


class Lost(Exception):
    """The request left, in part or whole, and no whole answer came; `why` is the kind of error."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class BrokenOff(Exception):
    """The server closed the line before its answer was whole."""


class NotHttp(Exception):
    """The answer is none of HTTP/1, or too long."""


class Line(Protocol):
    """The way to a server; may be used by several threads."""

    def post(self, path: str, headers: Mapping[str, str], body: bytes) -> Callable[[], tuple[int, bytes]]:
        """Say a request; several may be said before the first answer is waited for.

        What is returned waits for the answer, gives its status and body, and raises NeverLeft, Lost.
        """
        ...

    def close(self) -> None: ...


class _Kept:
    """One connection: a request and its answer, then the next."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._ahead = b""
        """What came and was not taken yet."""
        self._may_come = 0
        self._used_s = time.monotonic()
        self.is_last = False
        """The server closes the line after this answer."""

    def is_fresh(self) -> bool:
        """Whether another request may go over it: the server has neither closed it nor said what nobody asked."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return time.monotonic() - self._used_s < _IDLE_S and not self._ahead and not poll.poll(0)

    def say(self, request: bytes) -> None:
        """Raises OSError; then the line is of no more use."""
        self._sock.settimeout(_CONNECT_TIMEOUT_S)
        with suppress(BrokenPipeError), memoryview(request) as whole:  # a server may answer before it has read it all
            for first in range(0, len(whole), _PIECE_BYTES):
                self._sock.sendall(whole[first : first + _PIECE_BYTES])
        self._used_s = time.monotonic()

    def hear(self, timeout_s: float) -> tuple[int, bytes]:
        """The answer's status and body. Raises OSError, BrokenOff, NotHttp; then the line is of no more use.

        The server has had its time from when the request was said, whenever one begins to listen.
        """
        self._sock.settimeout(max(self._used_s + timeout_s - time.monotonic(), _GLANCE_S))
        self._may_come = _LONGEST_ANSWER
        status, fields = self._head()
        while status < 200:  # there is more to come
            status, fields = self._head()
        content = b"" if status in _EMPTY else self._content(fields)
        self._used_s = time.monotonic()
        return status, content

    def close(self) -> None:
        self._sock.close()

    def _head(self) -> tuple[int, Mapping[bytes, bytes]]:
        """Status and header fields, their names in lower case."""
        first, *lines = self._until(b"\r\n\r\n").split(b"\r\n")
        version, _, rest = first.partition(b" ")
        if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
            raise NotHttp
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        self.is_last = version == b"HTTP/1.0" or fields.get(b"connection", b"").lower() == b"close"
        return int(rest[:3]), fields

    def _content(self, fields: Mapping[bytes, bytes]) -> bytes:
        if fields.get(b"transfer-encoding", b"").lower() == b"chunked":
            return self._chunks()
        if (length := fields.get(b"content-length")) is not None:
            return self._take(_number(length, 10))
        self.is_last = True
        with suppress(BrokenOff):
            while True:
                self._more()
        return self._take(len(self._ahead))

    def _chunks(self) -> bytes:
        chunks = []
        while size := _number(self._until(b"\r\n").partition(b";")[0].strip(), 16):
            chunks.append(self._take(size))
            self._until(b"\r\n")
        while self._until(b"\r\n"):
            """A trailer, which tells nothing that we need."""
        return b"".join(chunks)

    def _until(self, end: bytes) -> bytes:
        while end not in self._ahead:
            self._more()
        found, _, self._ahead = self._ahead.partition(end)
        return found

    def _take(self, size: int) -> bytes:
        while len(self._ahead) < size:
            self._more()
        taken, self._ahead = self._ahead[:size], self._ahead[size:]
        return taken

    def _more(self) -> None:
        piece = self._sock.recv(_PIECE_BYTES)
        if not piece:
            raise BrokenOff
        self._ahead += piece
        self._may_come -= len(piece)
        if self._may_come < 0:
            raise NotHttp


def _number(digits: bytes, base: int) -> int:
    if not digits.isalnum():  # a sign, say
        raise NotHttp
    try:
        return int(digits, base)
    except ValueError:
        raise NotHttp from None


@contextmanager
def _losing(line: _Kept) -> Iterator[None]:
    """A line that broke is closed, and what it carried is Lost."""
    try:
        yield
    except (OSError, BrokenOff, NotHttp) as error:
        line.close()
        raise Lost(type(error).__name__) from error


def _fail(fault: NeverLeft | Lost) -> NoReturn:
    raise fault


class KeptLines:
    """As many lines as there are requests at once; each is kept for the next one."""

    def __init__(self, base_url: str, timeout_s: float) -> None:
        """`timeout_s` is how long the server may say nothing. Certificates are checked, no proxy is asked."""
        place = urlsplit(base_url)
        is_tls = place.scheme == "https"
        self._host = place.netloc
        self._address = place.hostname or "", place.port or (443 if is_tls else 80)
        self._tls = ssl.create_default_context(cafile=certifi.where()) if is_tls else None
        self._timeout_s = timeout_s
        self._idle: list[_Kept] = []

    def post(self, path: str, headers: Mapping[str, str], body: bytes) -> Callable[[], tuple[int, bytes]]:
        fields = {"Host": self._host, **headers, "Content-Length": str(len(body))}
        head = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        try:
            line = self._kept() or self._connect()
            with _losing(line):
                line.say("\r\n".join(head).encode() + body)
        except (NeverLeft, Lost) as fault:
            return partial(_fail, fault)
        return partial(self._answer, line)

    def _answer(self, line: _Kept) -> tuple[int, bytes]:
        """Raises Lost."""
        with _losing(line):
            said = line.hear(self._timeout_s)
        if line.is_last:
            line.close()
        else:
            self._idle.append(line)
        return said

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _kept(self) -> _Kept | None:
        """The line that was used last, if there is one that is still good."""
        with suppress(IndexError):  # another thread may take the last of them
            while True:
                line = self._idle.pop()
                if line.is_fresh():
                    return line
                line.close()
        return None

    def _connect(self) -> _Kept:
        try:
            sock = socket.create_connection(self._address, _CONNECT_TIMEOUT_S)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return _Kept(self._tls.wrap_socket(sock, server_hostname=self._address[0]) if self._tls else sock)
        except OSError as error:  # of the TLS handshake too
            raise NeverLeft(type(error).__name__) from error
