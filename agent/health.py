"""Tells systemd that a service is up and alive (`sd_notify`), without a library; elsewhere it does nothing."""

from __future__ import annotations

import os
import socket
import time


def notify(state: str) -> None:
    """Send `READY=1`, `WATCHDOG=1`, `STATUS=...` to the service manager. A manager that is away is no fault."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # Linux's abstract namespace
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        try:
            sender.sendto(state.encode(), address)
        except OSError:
            return


class Watchdog:
    """Says `WATCHDOG=1` twice in each period that the unit file asks for (`WatchdogSec`), when it is called often."""

    def __init__(self) -> None:
        self._period_s = int(os.environ.get("WATCHDOG_USEC", "0")) / 2e6
        self._due_s = 0.0

    def __call__(self) -> None:
        now_s = time.monotonic()
        if self._period_s and now_s >= self._due_s:
            self._due_s = now_s + self._period_s
            notify("WATCHDOG=1")
