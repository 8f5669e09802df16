"""The loopback server, and the one thing an ordinary one cannot do: close the line without an answer."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_LINE = "cakra.line"


class _OpenLineProtocol(HttpToolsProtocol):
    """Hands each request the line it came in on."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        app = self.app

        async def with_line(scope: Any, receive: Any, send: Any) -> None:
            scope[_LINE] = transport
            await app(scope, receive, send)

        self.app = with_line


def write_raw(request: Request, content: bytes) -> None:
    """Put bytes on the line past the server, which would not send what is wrong."""
    request.scope[_LINE].write(content)


async def hang_up(request: Request) -> Response:
    """Close the connection before a byte of the answer is sent."""
    line = request.scope.get(_LINE)
    if line is None:  # called in-process: give the caller what httpx would make of a closed line
        raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
    line.close()
    await asyncio.sleep(0)  # lets the server see that the line is gone, so that it drops the answer below
    return Response()


def listen(port: int) -> socket.socket:
    """A listening socket on loopback; port 0 takes a free one. Raises `OSError`."""
    return socket.create_server(("127.0.0.1", port))


def server_of(app: FastAPI, **tls: Any) -> uvicorn.Server:
    """The server of a simulator; `tls` are uvicorn's own words."""
    # No access log: the paths hold telephone numbers.
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=_OpenLineProtocol,
            ws="none",
            proxy_headers=False,
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=1,
            **tls,
        )
    )


@contextmanager
def running(app: FastAPI, **tls: Any) -> Iterator[str]:
    """The simulator in a thread on a free port, for tests; gives its base URL."""
    with listen(0) as door:
        server = server_of(app, **tls)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, name="simulator")
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{door.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
