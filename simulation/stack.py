"""All of cakra on one machine: broker, simulated owner registry and WhatsApp, dispatcher, uplink and agent as real
processes on loopback.

The demo runs it, and the acceptance tests kill parts of it. Everything it makes lies in one folder: configuration,
keys, databases, evidence and logs.
"""

from __future__ import annotations

import csv
import json
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from agent.errors import CakraError
from simulation import broker
from simulation.visitor import Visitor
from wire.signing import SigningKey

START_S = 60.0
"""A service that is not up by then never will be; a Raspberry Pi needs about 15 s for the dispatcher."""
UNIT_ID = "demo-01"
ROLES = ("supervisor", "admin")
"""The console's users, each called as its role."""
_POLL_S = 0.05


def free_port() -> int:
    """A loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get_json(url: str, timeout_s: float = 5.0) -> Any:
    """What a loopback service answers. Raises OSError while it is away."""
    with urllib.request.urlopen(url, timeout=timeout_s) as answer:
        return json.load(answer)


def post_json(url: str, body: Mapping[str, Any]) -> Any:
    """Post to a loopback service. Raises OSError while it is away or when it refuses."""
    data = json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def wait_until(holds: Callable[[], bool], what: str, timeout_s: float = START_S) -> None:
    """Poll until something holds; a service that does not answer is asked again. Raises CakraError after the time."""
    deadline = time.monotonic() + timeout_s
    while not _holds(holds):
        if time.monotonic() > deadline:
            raise CakraError(f"{what}: not within {timeout_s:.0f} s; see the logs")
        time.sleep(_POLL_S)


def _holds(holds: Callable[[], bool]) -> bool:
    try:
        return holds()
    except OSError:
        return False


@dataclass(slots=True)
class Service:
    """One process, its log, and how to know that it is up."""

    name: str
    command: list[str]
    log: Path
    is_up: Callable[[], bool]
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start and wait until it is up. Raises CakraError when it ends instead."""
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C in the terminal is for the demo, which then stops its services in order.
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, start_new_session=True)
        wait_until(lambda: self.ended() or self.is_up(), f"{self.name} does not come up ({self.log})")
        if self.ended():
            raise CakraError(f"{self.name} ended at once: {self.last_words()} ({self.log})")

    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no message"

    def kill(self) -> None:
        """As a power cut would: SIGKILL, no goodbye."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """As systemd would: SIGTERM, then SIGKILL after some seconds."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def listens(port: int) -> bool:
    """Whether something listens on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(address: str) -> Callable[[], bool]:
    """Whether the service at an address says that it is well."""

    def is_up() -> bool:
        try:
            get_json(f"{address}/health")
        except (OSError, ValueError):
            return False
        return True

    return is_up


@dataclass(frozen=True, slots=True)
class Footage:
    """A rendered scenario's folder."""

    clip: Path
    site: Path
    start: str


class Stack:
    """The services of one unit and one dispatcher in a folder of their own."""

    def __init__(self, folder: Path, footage: Footage, owners: Iterable[Mapping[str, str]]) -> None:
        self.folder = folder
        self._bin = Path(sys.executable).parent
        self.ports = {name: free_port() for name in ("broker", "registry", "whatsapp", "web")}
        (folder / "logs").mkdir(parents=True)
        self._write_secrets()
        self._write_unit(footage)
        self._write_dispatcher()
        self._write_owners(owners)
        self.password = secrets.token_urlsafe(12)
        """Of all the console's users."""
        for role in ROLES:
            self._add_user(role)
        self._visitor = Visitor(self.console_url, ROLES[0], self.password)
        self.broker = self._service("broker", broker.command(self.ports["broker"], folder / "broker"), self._broker_up)
        self.registry = self._service("registry", self._registry_command(), lambda: listens(self.ports["registry"]))
        self.whatsapp = self._service("whatsapp", self._whatsapp_command(), answers(self.whatsapp_url))
        self.dispatcher = self._service(
            "dispatcher", self._cakra("dispatcher", "run", "dispatcher.yaml"), answers(self.console_url)
        )
        self.uplink = self._service("uplink", self._cakra("agent", "uplink", "unit.yaml"), lambda: True)
        self.agent = self._service("agent", self._cakra("agent", "run", "unit.yaml"), lambda: True)

    @property
    def services(self) -> tuple[Service, ...]:
        """In the order in which they are started."""
        return (self.broker, self.registry, self.whatsapp, self.dispatcher, self.uplink, self.agent)

    @property
    def whatsapp_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['whatsapp']}"

    @property
    def console_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['web']}"

    def stop(self) -> None:
        """Stop what runs, in the reverse order of starting."""
        for service in reversed(self.services):
            service.stop()

    def cases(self) -> list[dict[str, Any]]:
        """The dispatcher's cases. Raises OSError while it is away."""
        cases: list[dict[str, Any]] = self._visitor.get_json("/api/cases.json")
        return cases

    def messages(self) -> list[dict[str, Any]]:
        """What WhatsApp accepted."""
        messages: list[dict[str, Any]] = get_json(f"{self.whatsapp_url}/sim/messages")
        return messages

    def outbox(self) -> dict[str, Any]:
        """What the unit still owes, as `cakra-agent outbox` says. Raises CakraError."""
        config = str(self.folder / "unit.yaml")
        state: dict[str, Any] = json.loads(self._run("agent", "outbox", "--config", config))
        return state

    def check_alive(self) -> None:
        """Raises CakraError with the last words of a service that should be running and is not."""
        for service in self.services[:-1]:
            if service.ended():
                raise CakraError(f"{service.name} has ended: {service.last_words()} ({service.log})")

    def _broker_up(self) -> bool:
        return listens(self.ports["broker"])

    def _service(self, name: str, command: list[str], is_up: Callable[[], bool]) -> Service:
        return Service(name, command, self.folder / "logs" / f"{name}.log", is_up)

    def _cakra(self, program: str, verb: str, config: str) -> list[str]:
        return [str(self._bin / f"cakra-{program}"), verb, "--config", str(self.folder / config)]

    def _registry_command(self) -> list[str]:
        return [
            str(self._bin / "cakra-simulate"), "registry", str(self.folder / "owners.csv"),
            "--certificates", str(self.folder / "certificates"),
            "--port", str(self.ports["registry"]),
        ]  # fmt: skip

    def _whatsapp_command(self) -> list[str]:
        return [
            str(self._bin / "cakra-simulate"), "whatsapp",
            "--port", str(self.ports["whatsapp"]),
            "--webhook", f"{self.console_url}/webhook",
            # With `=`, because a secret may begin with a hyphen.
            f"--token={self._secret('whatsapp.token')}",
            f"--app-secret={self._secret('whatsapp.secret')}",
            f"--verify-token={self._secret('whatsapp.verify')}",
        ]  # fmt: skip

    def _secret(self, name: str) -> str:
        return (self.folder / name).read_text()

    def _write_secrets(self) -> None:
        for name in ("whatsapp.token", "whatsapp.secret", "whatsapp.verify"):
            (self.folder / name).write_text(secrets.token_urlsafe(24))
        key = SigningKey.generate()
        (self.folder / "unit.key").write_bytes(key.to_pem())
        units = {"units": [{"unit_id": UNIT_ID, "name": "Demo", "public_key": key.public.to_base64()}]}
        self._yaml("units.yaml", units)

    def _write_unit(self, footage: Footage) -> None:
        self._yaml(
            "unit.yaml",
            {
                "unit_id": UNIT_ID,
                "key": "unit.key",
                "site": str(footage.site.resolve()),
                "data": "unit",
                "source": {"path": str(footage.clip.resolve()), "start": footage.start},
                "mqtt": {"host": "127.0.0.1", "port": self.ports["broker"]},
            },
        )

    def _write_dispatcher(self) -> None:
        self._yaml(
            "dispatcher.yaml",
            {
                "units": "units.yaml",
                "mqtt": {"host": "127.0.0.1", "port": self.ports["broker"]},
                "whatsapp": {
                    "base_url": self.whatsapp_url,
                    "phone_number_id": "100000000000001",
                    "token_file": "whatsapp.token",
                    "app_secret_file": "whatsapp.secret",
                    "verify_token_file": "whatsapp.verify",
                },
                "owners": {
                    "registry": {
                        "url": f"https://127.0.0.1:{self.ports['registry']}/lookup",
                        "tls": {
                            "ca": "certificates/ca.crt",
                            "cert": "certificates/dispatcher.crt",
                            "key": "certificates/dispatcher.key",
                        },
                    }
                },
                "web": {"port": self.ports["web"]},
                # Whoever has nothing but a browser gets in as well.
                "access": {"totp": "optional"},
                "official_domain": "etle-konfirmasi.example.id",
                "mac_key_file": "mac.key",
                "data_key_file": "data.key",
                # The footage's day is fixed, so that its truth is.
                "report_max_age_days": 36500,
            },
        )
        for name in ("mac.key", "data.key"):
            self._run("dispatcher", "keygen", str(self.folder / name))

    def _write_owners(self, owners: Iterable[Mapping[str, str]]) -> None:
        rows = list(owners)
        with (self.folder / "owners.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    def _add_user(self, role: str) -> None:
        config = str(self.folder / "dispatcher.yaml")
        asked = ("users", "add", "--config", config, role, "--role", role, "--password-stdin")
        self._run("dispatcher", *asked, stdin=self.password + "\n")

    def _run(self, program: str, *arguments: str, stdin: str = "") -> str:
        """Run one command to its end; its output. Raises CakraError."""
        command = [str(self._bin / f"cakra-{program}"), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CakraError(f"{' '.join(arguments[:2])}: {done.stderr.strip().splitlines()[-1]}")
        return done.stdout

    def _yaml(self, name: str, content: Mapping[str, Any]) -> None:
        (self.folder / name).write_text(yaml.safe_dump(content, sort_keys=False))
