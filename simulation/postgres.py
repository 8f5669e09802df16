"""A PostgreSQL server of one's own: a private cluster in a temporary folder, on a free port of loopback."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from agent.errors import CakraError

_DEADLINE_S = 60.0
_DEBIAN = Path("/usr/lib/postgresql")
"""Debian keeps the server's programs out of PATH, a folder for each version."""


def binaries() -> Path | None:
    """The folder of `initdb` and `postgres`; None where PostgreSQL is not installed."""
    beside = shutil.which("initdb")
    folders = [*sorted(_DEBIAN.glob("*/bin"), reverse=True), *([Path(beside).resolve().parent] if beside else [])]
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


def _unprivileged() -> dict[str, Any]:
    """PostgreSQL refuses to run as root; Debian's package brings the user for it."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


class Postgres:
    """The server as a process that may be killed."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._folder = Path(tempfile.mkdtemp(prefix="cakra-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        if _unprivileged():
            shutil.chown(self._folder, "postgres", "postgres")
        try:
            self._run("initdb", "--auth=trust", "--username=cakra", "--encoding=UTF8", "--no-sync", "--no-instructions")
        except BaseException:
            self.remove()
            raise
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), "-D", str(self._folder / "data"), *arguments]
        done = subprocess.run(command, cwd=self._folder, capture_output=True, text=True, check=False, **_unprivileged())
        if done.returncode:
            raise CakraError(f"{program}: {done.stderr.strip()}")

    def start(self) -> None:
        """Start and wait until it answers."""
        options = ["-p", str(self.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        options += ["-c", "fsync=off"]  # the machine stays up, only the server is killed
        command = [str(self._binaries / "postgres"), "-D", str(self._folder / "data"), *options]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log, **_unprivileged())
        deadline = time.monotonic() + _DEADLINE_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise CakraError(f"postgres does not come up: {(self._folder / 'log').read_text()}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        ready = [str(self._binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready, check=False).returncode == 0

    @property
    def pid(self) -> int:
        """Of the server's first process; the others are its children."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """As a power cut would: no connection is closed, nothing is written any more."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # SIGKILL would leave its children behind
            self._process.wait()

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def create(self) -> str:
        """The URL of a new, empty database."""
        name = f"test_{secrets.token_hex(6)}"
        engine = create_engine(f"{self._url}/postgres", isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return f"{self._url}/{name}"

    @property
    def _url(self) -> str:
        return f"postgresql+pg8000://cakra@127.0.0.1:{self.port}"
