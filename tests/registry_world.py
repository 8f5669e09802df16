"""What the tests of the owner registry share: one that is asked by HTTPS, and certificates."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from dispatcher_world import NOW, OWNERS

from dispatcher.settings import RegistrySettings
from simulation.certificates import Authority, Pair
from simulation.registry import PATH, Manner, Registry, create_app, owners_of, server_tls
from simulation.whatsapp.server import running

PLATE = "B1234XYZ"


@dataclass(frozen=True, slots=True)
class Service:
    """A registry that runs, and what a dispatcher has to know of it."""

    registry: Registry
    url: str
    authority: Authority
    client: Pair

    def settings(self, **changes: Any) -> dict[str, Any]:
        """The configuration's `owners.registry`."""
        tls = {"ca": str(self.authority.cert), "cert": str(self.client.cert), "key": str(self.client.key)}
        return {"url": self.url, "tls": tls, **changes}

    def answers(self, *manners: Manner, plate: str = PLATE) -> None:
        """From now on, in turn; the last for good."""
        self.registry.manners[plate] = list(manners)


@contextmanager
def serving(folder: Path, owners: str = OWNERS, **certificate: Any) -> Iterator[Service]:
    """A registry with these owners, which showed its data an hour ago."""
    authority = Authority(folder)
    registry = Registry(owners_of(csv.DictReader(owners.splitlines())), clock=lambda: NOW - timedelta(hours=1))
    tls = server_tls(authority.cert, authority.issue("registry", **certificate))
    with running(create_app(registry), **tls) as url:
        yield Service(registry, url + PATH, authority, authority.issue("dispatcher"))


def parsed(settings: dict[str, Any]) -> RegistrySettings:
    return RegistrySettings.model_validate(settings)
