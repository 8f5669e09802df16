"""What one simulated WhatsApp business number is and allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from simulation.whatsapp.outcomes import Outcome
from simulation.whatsapp.registry import Template

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The platform's limits; the defaults are those of a verified number before its throughput upgrade."""

    messages_per_s: float = 80.0
    unique_users_per_day: int = 100_000
    pair_burst: int = 45
    """Messages one user may get at once from one number, before the pace below holds."""
    pair_interval_s: float = 6.0
    media_bytes: int = 5 * 1024 * 1024
    media_life_s: float = 30 * DAY_S
    webhook_life_s: float = 7 * DAY_S
    """How long an undelivered webhook is tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One business number with its app, its templates and how its users behave."""

    templates: tuple[Template, ...]
    version: str = "v25.0"
    phone_number_id: str = "100000000000001"
    account_id: str = "200000000000002"
    display_phone_number: str = "6281100000110"
    business_name: str = "Konfirmasi E-TLE"
    token: str = "sim-token"
    app_secret: str = "sim-app-secret"
    verify_token: str = "sim-verify-token"
    webhook_url: str | None = None
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    """By recipient, digits with country code; `*` is everyone else."""
    limits: Limits = Limits()
    status_gap_s: float = 0.6
    """Between sent and delivered, so that a person sees the ticks change; 0 in tests."""
    seed: int | None = None
    """Of ids and of shuffling; None makes ids that no earlier run has used."""
