"""The confirmation notice in Indonesian: what varies in the template, composed from the case and the law (pure)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dispatcher.law import Offence
from dispatcher.plate import format_plate
from dispatcher.reference import payload
from dispatcher.template import Template

_DAYS = ("Senin", "Selasa", "Rabu", "Kamis", "Jumat", "Sabtu", "Minggu")
_MONTHS = (
    "Januari", "Februari", "Maret", "April", "Mei", "Juni",
    "Juli", "Agustus", "September", "Oktober", "November", "Desember",
)  # fmt: skip
_LONGEST = 1024
"""WhatsApp's limit for a body with its parameters filled in."""


LABELS = (
    "Nomor polisi", "Nomor referensi", "Dugaan pelanggaran", "Lokasi", "Waktu", "Denda maksimal",
    "Batas waktu menjawab",
)  # fmt: skip
"""What each of a notice's parameters is."""


class NoticeTooLong(ValueError):
    """The filled body passes WhatsApp's limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One owner's notice: everything but the picture and the number it goes to."""

    parameters: tuple[str, ...]
    """Plate, reference, violation with article, location, time, maximum fine, deadline."""
    url_suffix: str
    payloads: tuple[str, ...]
    """What each answer button sends back, in the template's order."""


def compose(
    template: Template,
    offence: Offence,
    *,
    plate: str,
    reference: str,
    location: str,
    occurred_at: datetime,
    deadline: date,
    zone: ZoneInfo,
    key: bytes,
) -> Notice:
    """The notice of one case. Raises NoticeTooLong."""
    parameters = (
        format_plate(plate),
        reference,
        f"{offence.description} ({offence.article})",
        _one_line(location),
        clock_text(occurred_at, zone),
        rupiah(offence.max_fine_idr),
        day_text(deadline),
    )
    if len(template.fill(parameters)) > _LONGEST:
        raise NoticeTooLong(f"the filled body of {template.name} is longer than {_LONGEST} characters")
    payloads = tuple(payload(key, reference, button.answer) for button in template.replies)
    return Notice(parameters=parameters, url_suffix=reference, payloads=payloads)


def preview(template: Template, notice: Notice) -> str:
    """The message as the owner reads it, for a terminal."""
    buttons = [f"[ {template.url.text} ] {template.url.url.replace('{{1}}', notice.url_suffix)}"]
    buttons += [f"[ {button.text} ]" for button in template.replies]
    return "\n".join(["(foto)", "", template.fill(notice.parameters), "", template.footer, "", *buttons])


def rupiah(amount_idr: int) -> str:
    """`Rp500.000`."""
    return "Rp" + f"{amount_idr:,}".replace(",", ".")


def day_text(day: date) -> str:
    """`Senin, 23 November 2026`."""
    return f"{_DAYS[day.weekday()]}, {day.day} {_MONTHS[day.month - 1]} {day.year}"


def clock_text(moment: datetime, zone: ZoneInfo) -> str:
    """`Senin, 23 November 2026 pukul 07.15.32 WIB`: local time with its zone's Indonesian name."""
    local = moment.astimezone(zone)
    return f"{day_text(local.date())} pukul {local:%H.%M.%S} {local.tzname()}"


def deadline_day(first: date, working_days: int, holidays: Collection[date]) -> date:
    """The day on which the owner's time ends: so many working days after `first`, which does not count."""
    day = first
    while working_days:
        day += timedelta(days=1)
        if day.weekday() < 5 and day not in holidays:
            working_days -= 1
    return day


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The moment a day is over."""
    return datetime.combine(day + timedelta(days=1), time(), zone)


def _one_line(text: str) -> str:
    """WhatsApp refuses parameters with line breaks, tabs or more than four blanks."""
    return " ".join(text.split())
