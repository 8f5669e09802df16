"""The storm's services: broker, PostgreSQL, WhatsApp simulator and dispatchers, as real processes in one folder."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from sqlalchemy import func, select

from agent.errors import CakraError
from dispatcher import cases
from dispatcher.schema import cases as cases_table
from dispatcher.schema import webhook_inbox
from dispatcher.store import Store
from dispatcher.workflow import State
from simulation import broker
from simulation.postgres import Postgres, binaries
from simulation.stack import Service, answers, free_port, get_json, listens
from simulation.storm.judge import Ended
from simulation.storm.town import Unit

TIMEOUT_S = 10.0
"""Of a request to WhatsApp; a killed dispatcher's cases are another's after three of them."""


class World:
    """All services, PostgreSQL alone started yet; used in a `with` block, at whose end none of them is left."""

    def __init__(
        self,
        folder: Path,
        units: Sequence[Unit],
        owners: Iterable[str],
        outcomes: Mapping[str, str],
        *,
        messages_per_s: float = 80.0,
        calls_back: bool = True,
        at_once: int = 32,
    ) -> None:
        found = binaries()
        if found is None or broker.mosquitto() is None:
            raise CakraError("the storm needs mosquitto and PostgreSQL; apt install mosquitto postgresql")
        self.folder = folder
        self._at_once = at_once
        with ExitStack() as stack:
            self.postgres = Postgres(found)
            stack.callback(self.postgres.remove)
            self.postgres.start()
            self._make(units, owners, outcomes, messages_per_s, calls_back=calls_back)
            for service in (self.broker, self.whatsapp, *self.dispatchers):
                stack.callback(service.stop)
            stack.callback(self.store.close)
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _make(
        self,
        units: Sequence[Unit],
        owners: Iterable[str],
        outcomes: Mapping[str, str],
        messages_per_s: float,
        *,
        calls_back: bool,
    ) -> None:
        self._url = self.postgres.create()
        self.ports = {name: free_port() for name in ("broker", "whatsapp", "dispatcher-1", "dispatcher-2")}
        self._write_common(units, owners, outcomes)
        mosquitto = broker.command(self.ports["broker"], self.folder / "broker")
        self.broker = self._service("broker", mosquitto, lambda: listens(self.ports["broker"]))
        self.whatsapp = self._service(
            "whatsapp",
            self._whatsapp_command(messages_per_s, calls_back=calls_back),
            answers(self._address("whatsapp")),
        )
        self.dispatchers = tuple(self._dispatcher(name) for name in ("dispatcher-1", "dispatcher-2"))
        self._cakra("dispatcher", "migrate", "--config", "dispatcher-1.yaml")
        self._cakra("dispatcher", "owners", "import", "--config", "dispatcher-1.yaml", "owners.csv")
        self.store = Store.open(self._url)

    def start(self) -> None:
        for service in (self.broker, self.whatsapp, *self.dispatchers):
            service.start()

    def check(self) -> None:
        """Raises CakraError with the last words of a dispatcher that has ended by itself."""
        for one in self.dispatchers:
            if one.ended():
                raise CakraError(f"{one.name} has ended: {one.last_words()} ({one.log})")

    def messages(self) -> int:
        """How many messages WhatsApp has accepted."""
        said: int = get_json(f"{self._address('whatsapp')}/health")["messages"]
        return said

    def told(self) -> Counter[str]:
        """How many messages each phone got."""
        messages = get_json(f"{self._address('whatsapp')}/sim/messages", timeout_s=120.0)
        return Counter(message["to"] for message in messages)

    def states(self) -> Counter[State]:
        """How many cases are in each state. Raises StoreError."""
        with self.store.reading() as connection:
            return Counter({state: number for state, (number, _) in cases.tally(connection).items()})

    def is_quiet(self) -> bool:
        """Whether all that WhatsApp said has been heard. Raises StoreError."""
        with self.store.reading() as connection:
            waiting = select(func.count()).select_from(webhook_inbox).where(webhook_inbox.c.done_at.is_(None))
            unheard = connection.scalar(waiting)
        untold: int = get_json(f"{self._address('whatsapp')}/health")["webhooks_waiting"]
        return unheard == untold == 0

    def ended(self) -> dict[str, Ended]:
        """All cases by event. Raises StoreError."""
        with self.store.reading() as connection:
            number = connection.scalar(select(func.count()).select_from(cases_table)) or 0
            return {
                case.event_id: Ended(
                    reference=case.reference, state=case.state, history=cases.history(connection, case.case_id)
                )
                for case in cases.listed(connection, limit=number)
            }

    def _address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def _service(self, name: str, command: list[str], is_up: Any) -> Service:
        return Service(name, command, self.folder / f"{name}.log", is_up)

    def _dispatcher(self, name: str) -> Service:
        settings = {
            "database": self._url,
            "units": "units.yaml",
            "mqtt": {"port": self.ports["broker"], "client_id": name, "share": "storm", "protocol": "5"},
            "whatsapp": {
                "base_url": self._address("whatsapp"),
                "phone_number_id": "100000000000001",
                "token_file": "whatsapp.token",
                "app_secret_file": "whatsapp.secret",
                "verify_token_file": "whatsapp.verify",
                "timeout_s": TIMEOUT_S,
                "at_once": self._at_once,
            },
            "web": {"port": self.ports[name]},
            "official_domain": "etle-konfirmasi.example.id",
            "mac_key_file": "mac.key",
            "data_key_file": "data.key",
        }
        config = self.folder / f"{name}.yaml"
        config.write_text(yaml.safe_dump(settings))
        command = [str(Path(sys.executable).parent / "cakra-dispatcher"), "run", "--config", str(config)]
        return self._service(name, command, answers(self._address(name)))

    def _whatsapp_command(self, messages_per_s: float, *, calls_back: bool) -> list[str]:
        webhook = ["--webhook", f"{self._address('dispatcher-1')}/webhook"] if calls_back else []
        said = {name: (self.folder / f"whatsapp.{name}").read_text() for name in ("token", "secret", "verify")}
        return [
            str(Path(sys.executable).parent / "cakra-simulate"), "whatsapp",
            "--port", str(self.ports["whatsapp"]),
            *webhook,
            "--messages-per-s", str(messages_per_s),
            "--outcomes", str(self.folder / "outcomes.yaml"),
            f"--token={said['token']}",
            f"--app-secret={said['secret']}",
            f"--verify-token={said['verify']}",
        ]  # fmt: skip

    def _write_common(self, units: Sequence[Unit], owners: Iterable[str], outcomes: Mapping[str, str]) -> None:
        for name in ("token", "secret", "verify"):
            (self.folder / f"whatsapp.{name}").write_text(secrets.token_urlsafe(24))
        for name in ("mac.key", "data.key"):
            self._cakra("dispatcher", "keygen", name)
        entries = [{"unit_id": u.unit_id, "name": u.unit_id, "public_key": u.key.public.to_base64()} for u in units]
        (self.folder / "units.yaml").write_text(yaml.safe_dump({"units": entries}))
        (self.folder / "outcomes.yaml").write_text(yaml.safe_dump(dict(outcomes)))
        with (self.folder / "owners.csv").open("w") as file:
            file.writelines(owners)

    def _cakra(self, program: str, *arguments: str) -> None:
        command = [str(Path(sys.executable).parent / f"cakra-{program}"), *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CakraError(f"{' '.join(arguments[:2])}: {done.stderr.strip().splitlines()[-1]}")
