"""What systemd hears of a service."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.health import Watchdog, notify


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The service manager's end of the notification socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listener


def test_readiness_reaches_the_manager(manager: socket.socket) -> None:
    """systemd starts what depends on the agent only when it really works."""
    notify("READY=1")
    assert manager.recv(100) == b"READY=1"


def test_the_watchdog_speaks_once_a_period(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera that hangs is noticed, and 25 frames a second do not flood the manager."""
    monkeypatch.setenv("WATCHDOG_USEC", str(60_000_000))
    watchdog = Watchdog()
    watchdog()
    watchdog()
    manager.setblocking(False)
    assert manager.recv(100) == b"WATCHDOG=1"
    with pytest.raises(BlockingIOError):
        manager.recv(100)


def test_without_a_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same commands run in a terminal, and when systemd has gone away."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    Watchdog()()
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify("READY=1")
