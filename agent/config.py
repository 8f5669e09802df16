"""A unit's configuration file: `config/units/<unit>.yaml`.

Paths in the file are relative to the file's own folder, so that a unit's folder can be moved whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from agent.errors import ConfigError
from agent.lights import LightsBroker
from agent.settings import load_yaml
from agent.uplink import UplinkSettings
from wire.canonical import canonical_json, sha256_hex
from wire.signing import SigningKey
from wire.topics import UNIT_ID

HOME = Path(__file__).resolve().parent.parent
"""The checkout: where `models/` and `config/` lie."""


MAX_THREADS = 16
"""No unit has more cores."""


class Section(BaseModel):
    """A part of the file: closed and frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceSettings(Section):
    """Where the frames come from."""

    path: Path
    """A video file or a folder of pictures."""
    start: AwareDatetime
    """Moment of the first frame, ISO 8601 with zone: recorded footage brings its own clock."""
    folder_fps: float = Field(default=10.0, gt=0)
    """How many pictures of a folder make a second."""


NETWORKS = ("detector", "reader")
"""The fields of `ModelSettings` that are networks."""


class ModelSettings(Section):
    """The networks."""

    detector: Path = HOME / "models" / "plate_detector.tflite"
    reader: Path = HOME / "models" / "plate_reader.tflite"
    threads: int = Field(default=1, ge=1, le=MAX_THREADS)
    """Threads of each network; one leaves the other cores to capture and encoding."""

    def relative_to(self, base: Path) -> ModelSettings:
        """The same, with relative paths taken from `base`."""
        return self.model_copy(update={name: base / getattr(self, name) for name in NETWORKS})

    @classmethod
    def of_folder(cls, folder: Path, threads: int) -> ModelSettings:
        """The networks of a folder, by their usual names."""
        return cls(threads=threads).model_copy(update={name: folder / f"plate_{name}.tflite" for name in NETWORKS})


class UnitConfig(Section):
    """All that one unit needs to know."""

    unit_id: Annotated[str, StringConstraints(pattern=f"^{UNIT_ID.pattern}$")]
    """The unit's name: topic level, client id and certificate CN."""
    key: Path
    """The unit's Ed25519 private key (PEM); `cakra-agent keygen` makes one."""
    site: Path
    """The site file: picture, lanes, rules, calibration."""
    law: Path = HOME / "config" / "law"
    """Folder of the law files."""
    calendars: Path = HOME / "config" / "calendars"
    """Folder of the holiday calendars."""
    validation: Path = HOME / "config" / "validation.yaml"
    """The thresholds of automatic validation."""
    data: Path
    """Folder of the outbox and the evidence; it must survive a restart."""
    source: SourceSettings
    keep_days: int = Field(default=7, ge=1)
    """How long acknowledged violations stay on the unit."""
    models: ModelSettings = ModelSettings()
    mqtt: UplinkSettings
    """The broker."""
    lights: LightsBroker = LightsBroker()
    """The broker of the junction's controller, where a signal of the site names a topic."""

    @property
    def digest(self) -> str:
        """SHA-256 of the configuration in force, with the site and law it names."""
        parts = [canonical_json(self), self.site.read_bytes(), self.validation.read_bytes()]
        parts += [path.read_bytes() for folder in (self.law, self.calendars) for path in sorted(folder.glob("*.yaml"))]
        return sha256_hex(b"".join(parts))


def load_unit(path: Path) -> UnitConfig:
    """A unit's configuration with its paths made absolute. Raises ConfigError."""
    config = load_yaml(path, UnitConfig)
    base = path.resolve().parent
    return config.model_copy(
        update={
            "key": base / config.key,
            "site": base / config.site,
            "law": base / config.law,
            "calendars": base / config.calendars,
            "validation": base / config.validation,
            "data": base / config.data,
            "source": config.source.model_copy(update={"path": base / config.source.path}),
            "models": config.models.relative_to(base),
            "mqtt": config.mqtt.relative_to(base),
        }
    )


def load_key(path: Path) -> SigningKey:
    """A unit's private key. Raises ConfigError."""
    try:
        return SigningKey.from_pem(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: key: {error.strerror}; make one with `cakra-agent keygen {path}`") from None
    except ValueError as error:
        raise ConfigError(f"{path}: key: {error}; make one with `cakra-agent keygen`") from None
