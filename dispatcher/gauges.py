"""What stands now, read when monitoring asks: cases, calls, units, registry, disk.

What comes from the database is the same for all dispatchers that share it: take the `max` of them, never the sum.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, func, select

from dispatcher import numbering, sends
from dispatcher.census import WAITING, Census
from dispatcher.errors import StoreError
from dispatcher.metrics import REGISTRY
from dispatcher.owners import FRESH_AT
from dispatcher.privacy.tables import remnant
from dispatcher.schema import owner_snapshot, unit_status, webhook_inbox
from dispatcher.store import Store
from dispatcher.units import Unit, UnitState
from dispatcher.workflow import State


class Gauges(Collector):
    """Reads at each scrape."""

    def __init__(
        self,
        store: Store,
        census: Census,
        units: Mapping[str, Unit],
        folder: Path | None,
        is_connected: Callable[[], bool],
        registry_is_up: Callable[[], bool],
    ) -> None:
        self._store = store
        self._census = census
        self._units = units
        self._folder = folder
        self._is_connected = is_connected
        self._registry_is_up = registry_is_up
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def exposition(self) -> bytes:
        """All metrics, counted and read, as Prometheus wants them."""
        return generate_latest(REGISTRY) + generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        found: list[Metric] = []
        with suppress(StoreError):
            with self._store.reading() as connection:
                of_cases = _cases(self._census.tally(connection))
                others = (_calls, _units, _registry, _erased)
                found = [*of_cases, *(metric for read in others for metric in read(connection))]
            found.append(_standings(self._units))
            what = "Whether the owner registry is asked; it is left alone after failures in a row."
            found.append(_one("cakra_registry_up", what, self._registry_is_up()))
        yield from found
        yield _one("cakra_database_up", "Whether the database answered just now.", bool(found))
        yield _one("cakra_mqtt_connected", "Whether the broker takes this dispatcher.", self._is_connected())
        with suppress(OSError):
            free = shutil.disk_usage(self._folder).free if self._folder else None
            what = "Free space on the disk of the evidence folder; not of a bucket."
            yield _one("cakra_evidence_free_bytes", what, free)


def _one(name: str, documentation: str, value: float | None) -> Metric:
    """A gauge without labels; without a sample when there is nothing to say."""
    return GaugeMetricFamily(name, documentation, value=value)


def _each(name: str, documentation: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _cases(tally: Mapping[State, tuple[int, datetime]]) -> Iterator[Metric]:
    numbers = dict.fromkeys(map(str, State), 0) | {state: number for state, (number, _) in tally.items()}
    what = "Cases, by state; of more than 100,000 those that nobody owes a move are up to ten seconds old."
    yield _each("cakra_cases", what, "state", numbers)
    yield _each(
        "cakra_oldest_case_timestamp_seconds",
        "Since when the case that waits longest in a state is in it, for states where somebody owes it a move.",
        "state",
        {state: since.timestamp() for state, (_, since) in tally.items() if state in WAITING},
    )


def _calls(connection: Connection) -> Iterator[Metric]:
    waiting = select(func.count(), func.min(webhook_inbox.c.received_at)).where(webhook_inbox.c.done_at.is_(None))
    number, oldest = connection.execute(waiting).one()
    yield _one("cakra_webhook_waiting", "WhatsApp's calls that are kept and not worked off yet.", number)
    yield _one("cakra_webhook_oldest_timestamp_seconds", "When the oldest of them came.", _seconds(oldest))
    yield _each(
        "cakra_sending_paused_timestamp_seconds",
        "Since when nothing is sent, until a person says so.",
        "scope",
        {pause.scope: pause.since.timestamp() for pause in sends.pauses(connection)},
    )


def _units(connection: Connection) -> Iterator[Metric]:
    said = connection.execute(select(unit_status)).all()
    for name, documentation, read in _OF_UNITS:
        yield _each(name, documentation, "unit", {row.unit_id: read(row) for row in said})
    numbered = numbering.of_units(connection)
    what = "Numbers below a unit's highest whose reports have not come."
    yield _each("cakra_unit_missing_reports", what, "unit", {key: each.missing for key, each in numbered.items()})
    what = "Reports of a unit that came with a number that had come before."
    yield _each("cakra_unit_repeated_numbers", what, "unit", {key: each.repeated for key, each in numbered.items()})


_OF_UNITS: tuple[tuple[str, str, Callable[[Any], float]], ...] = (
    ("cakra_unit_seen_timestamp_seconds", "When a unit last said how it is.", lambda row: row.seen_at.timestamp()),
    ("cakra_unit_online", "Whether a unit is connected to the broker.", lambda row: row.online),
    ("cakra_unit_backlog", "What a unit still owes.", lambda row: row.backlog),
    ("cakra_unit_dead", "What a unit has given up sending.", lambda row: row.dead),
)


def _registry(connection: Connection) -> Iterator[Metric]:
    current = owner_snapshot.c.state == "current"
    fresh_at = connection.scalar(select(func.max(FRESH_AT)).where(current))
    what = "How fresh the registry's snapshot in service is: its signed date, or when it was imported."
    yield _one("cakra_owners_timestamp_seconds", what, _seconds(fresh_at))


def _standings(units: Mapping[str, Unit]) -> Metric:
    states = [unit.state for unit in units.values()]
    what = "Units of the units' file, by whether they are believed."
    return _each("cakra_units", what, "state", {state: states.count(state) for state in UnitState})


def _erased(connection: Connection) -> Iterator[Metric]:
    number = connection.scalar(select(func.count()).select_from(remnant))
    what = "Pieces of evidence that were erased and are still to be removed from the evidence storage."
    yield _one("cakra_evidence_unremoved", what, number)


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None
