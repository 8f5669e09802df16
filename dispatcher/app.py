"""One dispatcher put together: intake, workers and web server in one process, each in its thread.

This module alone knows the concrete classes. A thread that fails takes the process down with it, so that whoever
started it (systemd, the demo) sees it and starts it again; nothing owed is lost, it is all in the database.
"""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event, Thread
from typing import Any

import uvicorn
from fastapi import FastAPI

from dispatcher import logs, migrations
from dispatcher.access import accounts
from dispatcher.access.audit import Audit
from dispatcher.access.gate import Gate
from dispatcher.access.office import Office
from dispatcher.access.reveals import Reveals
from dispatcher.access.sessions import Limits
from dispatcher.access.sights import Sights
from dispatcher.access.unit_book import UnitBook
from dispatcher.census import Census
from dispatcher.console.entry import Entry
from dispatcher.console.figures import Figures
from dispatcher.console.guard import Guard
from dispatcher.console.office import OfficePages
from dispatcher.console.pages import Console
from dispatcher.console.render import Renderer, environment
from dispatcher.console.views import Views
from dispatcher.errors import CakraError, ConfigError, StoreError
from dispatcher.evidence import EvidenceFolder, EvidenceStore
from dispatcher.gauges import Gauges
from dispatcher.hearing import Hearing
from dispatcher.intake import Intake
from dispatcher.keys import Sealer, read_key, read_sealer, read_secret
from dispatcher.law import Law, load_holidays, load_law
from dispatcher.mqtt import MqttService
from dispatcher.numbers import KeptNumbers
from dispatcher.owner_page.desk import Desk
from dispatcher.owner_page.pages import OwnerPages
from dispatcher.owner_page.tries import Tries
from dispatcher.owners import OwnerRegistry, Reason, SnapshotRegistry
from dispatcher.owners_http import HttpRegistry
from dispatcher.planning import Planner
from dispatcher.privacy.erasure import Eraser
from dispatcher.proposals import TwoPersons
from dispatcher.settings import ReviewSettings, Settings
from dispatcher.store import Store, counters
from dispatcher.template import load_template
from dispatcher.units import Unit, load_units
from dispatcher.validation import Doubt
from dispatcher.web import create_web
from dispatcher.webhook import Webhook
from dispatcher.whatsapp import WhatsAppClient
from dispatcher.worker import Worker
from dispatcher.writer import Writer

log = logging.getLogger(__name__)

_LEASE_PER_TIMEOUT = 3
"""A case is held for a look-up, an upload and a send that all take all their time."""
_WORKERS = 2
"""One writes while the other waits for WhatsApp."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What is read from files before anything starts; a fault in any of them is told in one line."""

    settings: Settings
    units: Mapping[str, Unit]
    writer: Writer
    sealer: Sealer
    evidence: EvidenceStore
    token: str
    app_secret: str
    verify_token: str
    mqtt_password: str | None
    database_password: str | None
    two: TwoPersons


def load_parts(settings: Settings) -> Parts:
    """Read and check every file the configuration names. Raises ConfigError."""
    whatsapp, mqtt = settings.whatsapp, settings.mqtt
    writer = Writer(
        template=load_template(settings.templates, whatsapp.template, settings.official_domain),
        law=load_law(settings.law),
        holidays=load_holidays(settings.calendars),
        zone=settings.zone,
        mac_key=read_key(settings.mac_key_file, "mac_key_file"),
        working_days=settings.deadline_days,
    )
    return Parts(
        settings=settings,
        units=load_units(settings.units),
        writer=writer,
        sealer=read_sealer(settings.data_key_file, settings.data_key_old_file),
        evidence=open_evidence(settings),
        token=read_secret(whatsapp.token_file, "whatsapp.token_file"),
        app_secret=read_secret(whatsapp.app_secret_file, "whatsapp.app_secret_file"),
        verify_token=read_secret(whatsapp.verify_token_file, "whatsapp.verify_token_file"),
        mqtt_password=read_secret(mqtt.password_file, "mqtt.password_file") if mqtt.password_file else None,
        database_password=database_password(settings),
        two=_two_persons(settings.review, writer.law),
    )


def _two_persons(review: ReviewSettings, law: Law) -> TwoPersons:
    """Raises ConfigError for a name that no case can have."""
    known = {*law.kinds, *Doubt, *Reason}
    for index, name in enumerate(review.two_persons):
        if name not in known and not name.startswith("unit."):
            raise ConfigError(
                f"review.two_persons.{index}: {name} is neither a rule nor a reason; take one of "
                f"{', '.join(sorted(known))}, or a unit's reason as unit.NAME"
            )
    return TwoPersons(frozenset(review.two_persons), withdraws=review.disagreed == "withdrawn")


def database_password(settings: Settings) -> str | None:
    """From its own file, if there is one. Raises ConfigError."""
    path = settings.database_password_file
    return read_secret(path, "database_password_file") if path else None


def open_store(settings: Settings, *, migrating: bool = False) -> Store:
    """The database of a configuration. Raises ConfigError or StoreError."""
    return Store.open(settings.database, database_password(settings), migrating=migrating)


def open_registry(settings: Settings, store: Store, sealer: Sealer) -> OwnerRegistry:
    """The owner registry of a configuration; close it. Raises ConfigError."""
    asked = settings.owners.registry
    return HttpRegistry(asked, store, settings.zone) if asked else SnapshotRegistry(store, sealer)


def open_evidence(settings: Settings) -> EvidenceStore:
    """Where the evidence of a configuration lies; nothing is connected to yet. Raises ConfigError."""
    if (folder := settings.evidence_folder) is not None:
        return EvidenceFolder(folder, settings.mqtt.client_id)
    try:
        from dispatcher.evidence_s3 import EvidenceBucket
    except ModuleNotFoundError:
        raise ConfigError("evidence: the client of S3 is not installed; install cakra[s3]") from None
    secret_key_file = settings.s3.secret_key_file
    secret_key = read_secret(secret_key_file, "s3.secret_key_file") if secret_key_file else None
    return EvidenceBucket(settings.evidence, settings.s3, secret_key, utc_now)


def load_audit(settings: Settings) -> Audit:
    """The audit trail of a configuration. Raises ConfigError."""
    return Audit(read_key(settings.mac_key_file, "mac_key_file"))


class Dispatcher:
    """All parts of one dispatcher, wired."""

    def __init__(
        self, parts: Parts, store: Store, client: WhatsAppClient, clock: Callable[[], datetime] = utc_now
    ) -> None:
        settings = parts.settings
        self.store = store
        self.wake = Event()
        self.stop = Event()
        self._census = Census()
        audit = Audit(parts.writer.mac_key)
        self.units = UnitBook(parts.units, store, audit, settings.access.key_approvals)
        self.registry = open_registry(settings, store, parts.sealer)
        self.workers = make_workers(parts, store, self.registry, self.units, client, clock)
        self.intake = Intake(store, parts.evidence, self.units)
        self.mqtt = MqttService(settings.mqtt, self.intake, clock, self.wake.set, parts.mqtt_password)
        webhook = Webhook(
            store=store,
            app_secret=parts.app_secret.encode(),
            verify_token=parts.verify_token,
            clock=clock,
            kept=self.wake.set,
        )
        gate = make_gate(parts, store, audit)
        cookie = "__Host-cakra" if settings.web.tls_in_front else "cakra"
        renderer = Renderer(
            templates=environment(settings.zone), clock=clock, cookie=cookie, secure=settings.web.tls_in_front
        )
        views = Views(
            store=store,
            census=self._census,
            units=self.units,
            registry=self.registry,
            writer=parts.writer,
            two=parts.two,
        )
        console = Console(
            store=store,
            evidence=parts.evidence,
            views=views,
            audit=audit,
            reveals=Reveals(
                store=store, audit=audit, registry=self.registry, per_hour=settings.access.reveals_per_hour
            ),
            sights=Sights(store, audit),
            renderer=renderer,
            decided=self.wake.set,
        )
        office = OfficePages(
            store=store,
            book=self.units,
            audit=audit,
            office=Office(store, audit),
            views=views,
            eraser=Eraser(store, parts.evidence),
            renderer=renderer,
        )
        figures = Figures(kept=KeptNumbers(store), units=self.units, renderer=renderer, zone=settings.zone)
        owners = OwnerPages(
            desk=Desk(store=store, writer=parts.writer, tries=Tries()),
            evidence=parts.evidence,
            clock=clock,
            domain=settings.official_domain,
        )
        entry = Entry(gate=gate, renderer=renderer)
        self.web: FastAPI = create_web(
            [webhook.router(), owners.router(), entry.router(), office.router(), figures.router(), console.router()],
            self.health,
            Gauges(
                store,
                self._census,
                self.units,
                settings.evidence_folder,
                is_connected=lambda: self.mqtt.connected,
                registry_is_up=lambda: self.registry.health()["status"] == "ok",
            ).exposition,
            (*settings.web.allowed_hosts, settings.official_domain),
            Guard(gate, clock, cookie, settings.official_domain),
            tls_in_front=settings.web.tls_in_front,
        )

    def health(self) -> dict[str, Any]:
        """How the dispatcher is, for monitoring: `failing` when what comes in is not stored, `degraded` when it is and
        cases wait for somebody else."""
        try:
            with self.store.reading() as connection:
                states = {state: number for state, (number, _) in self._census.tally(connection).items()}
                refused = counters(connection)
            registry = self.registry.health()
        except StoreError as error:
            return {"status": "failing", "database": str(error)}
        return {
            "status": registry["status"],
            "database": {"schema": migrations.HEAD},
            "registry": registry,
            "mqtt": {"connected": self.mqtt.connected, "protocol": self.mqtt.protocol},
            "units": len(self.units),
            "cases": states,
            "counters": refused,
        }

    def halt(self) -> None:
        """Tell every thread to end after what it is doing."""
        self.stop.set()
        self.wake.set()


def make_workers(
    parts: Parts,
    store: Store,
    registry: OwnerRegistry,
    units: Mapping[str, Unit],
    client: WhatsAppClient,
    clock: Callable[[], datetime],
) -> tuple[Worker, ...]:
    """What moves the cases of one dispatcher, each in a thread of its own; they share its requests under way."""
    settings = parts.settings
    number = min(_WORKERS, settings.whatsapp.at_once)
    registry_s = settings.owners.registry.timeout_s if settings.owners.registry else 0.0
    return tuple(
        Worker(
            store,
            parts.evidence,
            Hearing(store, parts.writer.mac_key, settings.whatsapp.template),
            make_planner(parts, registry, units),
            client,
            name=f"{settings.mqtt.client_id}/{index}",
            at_once=settings.whatsapp.at_once // number,
            lease=timedelta(seconds=_LEASE_PER_TIMEOUT * max(settings.whatsapp.timeout_s, registry_s)),
            clock=clock,
        )
        for index in range(1, number + 1)
    )


def make_planner(parts: Parts, registry: OwnerRegistry, units: Mapping[str, Unit]) -> Planner:
    """What decides about cases, by the ages and tries of the configuration."""
    settings = parts.settings
    return Planner(
        registry=registry,
        units=units,
        writer=parts.writer,
        most_tries=settings.whatsapp.attempts,
        report_max_age=timedelta(days=settings.report_max_age_days),
        snapshot_max_age=timedelta(days=settings.owners.max_age_days),
    )


def make_gate(parts: Parts, store: Store, audit: Audit) -> Gate:
    """The console's way in, by the policy of the configuration."""
    access = parts.settings.access
    return Gate(
        store=store,
        sealer=parts.sealer,
        audit=audit,
        limits=Limits(idle=timedelta(minutes=access.idle_minutes), longest=timedelta(hours=access.longest_hours)),
        must_enrol=access.totp == "required",
        issuer=f"cakra {parts.settings.official_domain}",
    )


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; the exit code. Raises ConfigError or StoreError for a start that fails."""
    logs.configure(settings.log)
    parts = load_parts(settings)
    with ExitStack() as stack:
        listening = stack.enter_context(_listen(settings.web.host, settings.web.port))
        store = Store.open(settings.database, parts.database_password)
        stack.callback(store.close)
        client = WhatsAppClient(settings.whatsapp, parts.token)
        stack.callback(client.close)
        with store.reading() as connection:
            if not accounts.listed(connection):
                log.warning("nobody can log in; `cakra-dispatcher users add NAME --role admin` makes the first user")
        dispatcher = Dispatcher(parts, store, client)
        stack.callback(dispatcher.registry.close)
        return _serve(dispatcher, listening, settings)


def _serve(dispatcher: Dispatcher, listening: socket.socket, settings: Settings) -> int:
    config = uvicorn.Config(
        dispatcher.web,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=settings.web.tls_in_front,
        forwarded_allow_ips=list(settings.web.proxies),
    )
    server = uvicorn.Server(config)
    failed: list[str] = []

    def thread(name: str, work: Callable[[], None]) -> Thread:
        def watched() -> None:
            try:
                work()
            except Exception:
                log.exception("a thread failed; the dispatcher ends", extra={"part": name})
                failed.append(name)
            finally:
                dispatcher.halt()

        return Thread(target=watched, name=name)

    threads = [
        thread("web", lambda: server.run(sockets=[listening])),
        *(thread("worker", partial(worker.run, dispatcher.stop, dispatcher.wake)) for worker in dispatcher.workers),
        thread("mqtt", lambda: dispatcher.mqtt.run(dispatcher.stop)),
    ]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: dispatcher.halt())
    for one in threads:
        one.start()
    host, port = listening.getsockname()[:2]
    log.info("the console is open", extra={"host": host, "port": port})
    dispatcher.stop.wait()
    server.should_exit = True
    for one in threads:
        one.join()
    return 1 if failed else 0


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=128)
    except OSError as error:
        raise CakraError(f"web: {host}:{port}: {error.strerror}; free the port or set another in web.port") from None
