"""The units the dispatcher listens to: their names, public keys and states, from the units' file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import Field

from dispatcher.errors import ConfigError
from dispatcher.settings import Section, load_yaml
from wire.messages import UnitId
from wire.signing import VerifyKey


class UnitState(StrEnum):
    APPROVED = "approved"
    QUARANTINED = "quarantined"
    """Nothing it says is believed until a person has looked at it: it is taken in and held."""
    UNAPPROVED = "unapproved"
    """Its key waits for people's approval; what it says is not taken in yet, and it keeps it."""


class Place(Section):
    """Where a unit stands, in degrees."""

    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)


class UnitEntry(Section):
    """One unit as it stands in the file."""

    unit_id: UnitId
    public_key: str
    """Base64 of the 32-byte Ed25519 public key; `cakra-agent keygen` prints it."""
    name: str
    state: UnitState = UnitState.APPROVED
    place: Place | None = None
    """By it a plate that two units see is found out for a copy; of a unit that moves leave it out."""


class UnitsFile(Section):
    units: tuple[UnitEntry, ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that may speak."""

    unit_id: str
    name: str
    state: UnitState
    key: VerifyKey
    place: Place | None = None


def believed(unit: Unit | None) -> Unit | None:
    """The unit if what it says may be judged now; one that the units' file has no more is not believed."""
    return unit if unit is not None and unit.state is UnitState.APPROVED else None


def load_units(path: Path) -> Mapping[str, Unit]:
    """The units by name. Raises ConfigError."""
    units: dict[str, Unit] = {}
    for index, entry in enumerate(load_yaml(path, UnitsFile).units):
        if entry.unit_id in units:
            raise ConfigError(f"{path}: units.{index}.unit_id: {entry.unit_id} is listed twice; remove one")
        try:
            key = VerifyKey.from_base64(entry.public_key)
        except ValueError as error:
            raise ConfigError(f"{path}: units.{index}.public_key: {error}; copy it from the unit") from None
        units[entry.unit_id] = Unit(entry.unit_id, entry.name, entry.state, key, entry.place)
    return units
