"""The dispatcher's configuration file; `config/dispatcher.example.yaml` shows every field.

Paths in the file are relative to the file's own folder. Secrets stand in files of their own and are read when they
are needed; neither they nor what is sealed with them is ever logged.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from dispatcher import logs
from dispatcher.errors import ConfigError

HOME = Path(__file__).resolve().parent.parent
"""The checkout: where `config/` lies."""

_S3 = "s3://"
_BUCKET = _S3 + r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*/?"
_Model = TypeVar("_Model", bound=BaseModel)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("no such time zone; write one like Asia/Jakarta") from None
    return name


def _evidence(place: str) -> str:
    if "://" in place and not re.fullmatch(_BUCKET, place):
        raise ValueError("neither a folder nor like s3://BUCKET/PREFIX")
    return place


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Section(BaseModel):
    """A part of the file: closed and frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TlsSettings(Section):
    """Mutual TLS: whom to believe, and what to show them. PEM files; the key has no password."""

    ca: Path
    cert: Path
    key: Path


class MqttSettings(Section):
    """The broker the units speak to."""

    host: str = "127.0.0.1"
    port: int = Field(default=1883, ge=1, le=65535)
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    """`auto` takes MQTT 5 and falls back to 3.1.1 for brokers that refuse it."""
    client_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,62}$")] = "dispatcher"
    """Names the session that the broker keeps while the dispatcher is away, and the dispatcher itself among several at
    one database: another name for each, never changed in service."""
    username: str | None = None
    password_file: Path | None = None
    tls: TlsSettings | None = None
    share: str | None = None
    """Group of dispatchers that divide the load (MQTT 5 only)."""


class WhatsAppSettings(Section):
    """The business number of the WhatsApp Cloud API."""

    base_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+$")] = "https://graph.facebook.com"
    version: Annotated[str, StringConstraints(pattern=r"^v[0-9]+\.[0-9]+$")] = "v25.0"
    phone_number_id: Annotated[str, StringConstraints(pattern=r"^[0-9]+$")]
    token_file: Path
    app_secret_file: Path
    verify_token_file: Path
    template: str = "etle_konfirmasi_v1"
    timeout_s: float = Field(default=20.0, gt=0, le=120)
    """Longer than WhatsApp needs: a request given up too early ends as `unknown`, and that costs a person's time."""
    at_once: int = Field(default=32, ge=1, le=500)
    """Requests under way together. In the time of two answers, a picture's and a message's, a dispatcher sends so many:
    where one takes 0.3 s, 32 make 50 a second, 160 make 190. One that is killed leaves so many cases `unknown`."""
    attempts: int = Field(default=8, ge=1, le=50)
    """Refused for now this often, a notice is dead: visible, and sent again by a person."""


class WebSettings(Section):
    """Console, webhook and health, in one server."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    allowed_hosts: tuple[str, ...] = ("127.0.0.1", "localhost")
    """Host names under which pages are served; a reverse proxy's public name goes here."""
    tls_in_front: bool = False
    """A reverse proxy ends TLS: cookies go over HTTPS alone, and it is believed from which address a browser comes."""
    proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    """Addresses of that reverse proxy."""
    plain_beyond_loopback: bool = False
    """Passwords may cross a network unencrypted, for a network that is trusted whole."""

    @model_validator(mode="after")
    def _is_guarded(self) -> Self:
        if not (_is_loopback(self.host) or self.tls_in_front or self.plain_beyond_loopback):
            raise ValueError(
                "host: is beyond loopback and passwords would cross the network unencrypted; put a reverse proxy with "
                "TLS in front and say tls_in_front: true, or say plain_beyond_loopback: true"
            )
        return self


class S3Settings(Section):
    """How to reach the bucket of an `evidence: s3://...`."""

    endpoint: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+$")] | None = None
    """Of an S3 that is not Amazon's."""
    region: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")] = "us-east-1"
    """What S3 of one's own mostly calls itself; Jakarta's is `ap-southeast-3`."""
    access_key: str | None = None
    secret_key_file: Path | None = None
    """Without the two, the role of the machine or the environment says who asks (boto3's chain)."""
    encryption: Literal["AES256", "aws:kms"] | None = None
    """Ask for encryption at rest with each piece; without it the bucket's own default holds."""
    ca: Path | None = None
    """Certificates that the endpoint's is checked against, instead of the usual."""
    timeout_s: float = Field(default=5.0, gt=0, le=10)
    """To connect, and of silence. A piece is tried twice; all of it must stay below the broker's patience, 45 s."""

    @model_validator(mode="after")
    def _has_both_keys(self) -> Self:
        if (self.access_key is None) != (self.secret_key_file is None):
            raise ValueError("access_key: goes with secret_key_file; write both or neither")
        return self


class AccessSettings(Section):
    """Who may use the console, and how."""

    totp: Literal["required", "optional"] = "required"
    """Whether everybody has to enrol an authenticator at the first log-in."""
    idle_minutes: int = Field(default=30, ge=1, le=24 * 60)
    """A browser that asks for nothing so long is logged out."""
    longest_hours: int = Field(default=12, ge=1, le=7 * 24)
    """A browser is logged out after so long whatever it does; a shift and its handover."""
    key_approvals: int = Field(default=0, ge=0, le=3)
    """People who must approve a unit's key before it is believed; 0: the units' file is enough."""
    reveals_per_hour: int = Field(default=30, ge=1)
    """Owners whose data one person may uncover in an hour."""


class ReviewSettings(Section):
    """How people decide about cases in doubt."""

    two_persons: tuple[str, ...] = ()
    """Rules and reasons whose cases two people decide: the first proposes, a second agrees or not."""
    disagreed: Literal["third", "withdrawn"] = "third"
    """When the two disagree, a third decides or the case is withdrawn."""


class Kept(Section):
    """How long a case that is over is kept, in days since it came into its last state."""

    evidence_days: int = Field(ge=1)
    """Pictures, clip and manifest."""
    case_days: int = Field(ge=1)
    """Everything else."""

    @model_validator(mode="after")
    def _evidence_goes_first(self) -> Self:
        if self.evidence_days > self.case_days:
            raise ValueError("evidence_days: is longer than case_days; evidence of no case serves nobody, shorten it")
        return self


class RetentionSettings(Section):
    """When `cakra-dispatcher retain` erases what, by the state in which a case ended."""

    confirmed: Kept = Kept(evidence_days=365, case_days=1825)
    disputed: Kept = Kept(evidence_days=730, case_days=1825)
    expired: Kept = Kept(evidence_days=365, case_days=1825)
    withdrawn: Kept = Kept(evidence_days=30, case_days=365)
    stray_days: int = Field(default=30, ge=8)
    """WhatsApp's calls (it repeats them for 7 days), reports set apart, evidence whose report never came."""
    lookup_days: int = Field(default=1825, ge=1)
    """Who asked the registry for what."""


def _https(url: str) -> str:
    if not re.fullmatch(r"https://[^\s/?#@]+(/[^\s?#]*)?", url):
        raise ValueError("no https address without user, query and fragment; write one like https://HOST:PORT/lookup")
    return url


class RegistrySettings(Section):
    """A registry that is asked for each plate (docs/reference/registry.md)."""

    url: Annotated[str, AfterValidator(_https)]
    tls: TlsSettings
    """The registry's CA, and the certificate by which it knows this dispatcher."""
    timeout_s: float = Field(default=10.0, gt=0, le=60)
    """For one look-up; the cases behind it wait meanwhile."""


class OwnerSettings(Section):
    """The owner registry."""

    registry: RegistrySettings | None = None
    """Left out, owners are looked up in the snapshot that `cakra-dispatcher owners import` puts into the database."""
    signer: Path | None = None
    """The registry's public key (Ed25519, PEM): what it did not sign is not imported. Left out, nothing is checked."""
    max_age_days: int = Field(default=30, ge=1)
    """Older registrations send nothing by themselves: phones and owners change."""


class Settings(Section):
    """All that a dispatcher needs to know."""

    database: str = "sqlite:///dispatcher.db"
    """SQLAlchemy URL: `sqlite:///FILE`, relative to this file's folder, or `postgresql://USER@HOST/NAME`."""
    database_password_file: Path | None = None
    evidence: Annotated[str, AfterValidator(_evidence)] = "evidence"
    """Where the pictures lie: a folder, or `s3://BUCKET/PREFIX`."""
    s3: S3Settings = S3Settings()
    units: Path
    """The units' file: names, public keys, states."""
    mqtt: MqttSettings = MqttSettings()
    whatsapp: WhatsAppSettings
    web: WebSettings = WebSettings()
    access: AccessSettings = AccessSettings()
    review: ReviewSettings = ReviewSettings()
    owners: OwnerSettings = OwnerSettings()
    retention: RetentionSettings = RetentionSettings()
    official_domain: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]+\.[a-z]{2,}$")]
    """The one domain a notice may name."""
    mac_key_file: Path
    """Key of the answer buttons; `cakra-dispatcher keygen` makes one."""
    data_key_file: Path
    """Key that seals owners' names, phones and NIK; keep it outside the database and its backups."""
    data_key_old_file: Path | None = None
    """The key before it, until `cakra-dispatcher keys rotate` has sealed everything anew."""
    deadline_days: int = Field(default=8, ge=1, le=60)
    """Working days an owner has to answer."""
    post_days: int = Field(default=5, ge=0, le=60)
    """Working days that a letter needs; they come on top of `deadline_days`."""
    letter: str = "surat_konfirmasi_v1"
    """What the letter says, a file under `letters`."""
    report_max_age_days: int = Field(default=3, ge=1)
    """Older violations go to a person: a late notice is a weak one."""
    log: logs.Form = "text"
    """How `run` tells what happens, on stderr: for people, or a JSON object a line."""
    timezone: Annotated[str, AfterValidator(_zone)] = "Asia/Jakarta"
    law: Path = HOME / "config" / "law"
    calendars: Path = HOME / "config" / "calendars"
    templates: Path = HOME / "config" / "templates"
    letters: Path = HOME / "config" / "letters"

    @property
    def evidence_folder(self) -> Path | None:
        """None when the evidence is in a bucket."""
        return None if self.evidence.startswith(_S3) else Path(self.evidence)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


def load_yaml(path: Path, model: type[_Model]) -> _Model:
    """A YAML file as a model. Raises ConfigError, one line: file, field, what, mend."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; check the path") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise ConfigError(f"{path}: {where}not YAML; mend the file") from None
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{path}: {first_fault(error)}") from None


_MENDS = {"extra_forbidden": "unknown key; remove it or check its spelling", "missing": "is missing; add it"}


def first_fault(error: ValidationError) -> str:
    """`FIELD: what; mend` of the first thing wrong, without the value (it may be personal or secret)."""
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "file"
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {_MENDS.get(first['type'], message + '; mend the value')}"


def load_settings(path: Path) -> Settings:
    """The configuration with its paths made absolute. Raises ConfigError."""
    settings = load_yaml(path, Settings)
    base = path.resolve().parent
    paths = {name: base / value for name, value in settings if isinstance(value, Path)}
    return settings.model_copy(
        update={
            **paths,
            "database": _absolute(settings.database, base),
            "evidence": str(base / settings.evidence_folder) if settings.evidence_folder else settings.evidence,
            "s3": _rooted(settings.s3, base),
            "mqtt": _rooted(settings.mqtt, base),
            "owners": _rooted(settings.owners, base),
            "whatsapp": _rooted(settings.whatsapp, base),
        }
    )


def _rooted(section: Section, base: Path) -> Section:
    update: dict[str, object] = {name: base / value for name, value in section if isinstance(value, Path)}
    update |= {name: _rooted(value, base) for name, value in section if isinstance(value, Section)}
    return section.model_copy(update=update)


def _absolute(url: str, base: Path) -> str:
    scheme, separator, file = url.partition(":///")
    if scheme.startswith("sqlite") and separator and file and not file.startswith("/") and file != ":memory:":
        return f"{scheme}:///{base / file}"
    return url
