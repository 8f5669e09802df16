"""A broker for the demo: mosquitto where the machine has one, else an embedded one from PyPI (amqtt, MQTT 3.1.1).

`python -m simulation.broker PORT` serves the embedded one on loopback until it is stopped.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import sys
from pathlib import Path

_SBIN = "/usr/sbin:/usr/local/sbin"
"""Debian keeps mosquitto where an ordinary user's PATH does not look."""

_MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 1
autosave_on_changes true
message_size_limit 1048576
"""


def mosquitto() -> str | None:
    """Path of the machine's mosquitto, if it has one."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:{_SBIN}")


def command(port: int, folder: Path) -> list[str]:
    """The command line that serves a broker on a loopback port, with its data in `folder`."""
    binary = mosquitto()
    if binary is None:
        return [sys.executable, "-m", "simulation.broker", str(port)]
    folder.mkdir(parents=True, exist_ok=True)
    # mosquitto started by root gives up its rights and must still reach its data.
    folder.chmod(0o777)
    settings = folder / "mosquitto.conf"
    settings.write_text(_MOSQUITTO.format(port=port, folder=folder))
    return [binary, "-c", str(settings)]


async def serve(port: int) -> None:
    """Serve the embedded broker until SIGTERM or SIGINT."""
    from amqtt.broker import Broker

    listeners = {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}", "max_connections": 50}}
    plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    broker = Broker({"listeners": listeners, "plugins": plugins})
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await broker.start()
    await stopped.wait()
    await broker.shutdown()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(serve(int(sys.argv[1])))
