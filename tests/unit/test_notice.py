"""The notice: what an owner reads, and what a template must never say."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from dispatcher_world import ROOT

from dispatcher.errors import ConfigError
from dispatcher.law import Offence, load_holidays, load_law
from dispatcher.notice import NoticeTooLong, clock_text, compose, deadline_day, end_of_day, preview, rupiah
from dispatcher.reference import is_reference, new_reference, payload, read_payload
from dispatcher.template import Template, load_template

DOMAIN = "etle-konfirmasi.example.id"
JAKARTA = ZoneInfo("Asia/Jakarta")
KEY = b"k" * 32
REFERENCE = "K7QM-2XPA-94TB-HWZE"
OFFENCE = Offence("Pasal 287 ayat (1) UU No. 22 Tahun 2009", "Melanggar ganjil-genap", 500_000)


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template(ROOT / "config" / "templates", "etle_konfirmasi_v1", DOMAIN)


def write(template: Template, **changes: Any) -> Any:
    fields: dict[str, Any] = {
        "plate": "B1234XYZ",
        "reference": REFERENCE,
        "location": "Jl. Jenderal Sudirman,\n arah utara",
        "occurred_at": datetime(2026, 11, 23, 0, 15, 32, tzinfo=UTC),
        "deadline": date(2026, 12, 3),
        "zone": JAKARTA,
        "key": KEY,
    }
    return compose(template, OFFENCE, **{**fields, **changes})


def test_the_notice_says_all_that_it_must(template: Template) -> None:
    """An owner must find plate, reference, violation, place, time with zone, fine and deadline, in good Indonesian."""
    assert write(template).parameters == (
        "B 1234 XYZ",
        REFERENCE,
        "Melanggar ganjil-genap (Pasal 287 ayat (1) UU No. 22 Tahun 2009)",
        "Jl. Jenderal Sudirman, arah utara",
        "Senin, 23 November 2026 pukul 07.15.32 WIB",
        "Rp500.000",
        "Kamis, 3 Desember 2026",
    )


def test_the_preview_shows_the_message_with_its_buttons(template: Template) -> None:
    """Whoever approves a wording must see it as an owner would."""
    text = preview(template, write(template))
    assert "{{" not in text
    assert f"https://{DOMAIN}/k/{REFERENCE}" in text
    assert "[ Bukan kendaraan saya ]" in text


def test_each_button_carries_its_own_answer_and_mac(template: Template) -> None:
    """A reply is believed only when this dispatcher wrote its payload."""
    replies = [read_payload(KEY, said) for said in write(template).payloads]
    assert [(reply.reference, reply.answer) for reply in replies if reply] == [
        (REFERENCE, "own"),
        (REFERENCE, "other"),
        (REFERENCE, "sold"),
        (REFERENCE, "not_mine"),
    ]


def test_a_forged_payload_says_nothing() -> None:
    """Nobody but the owner's own message may confirm a case."""
    genuine = payload(KEY, REFERENCE, "own")
    for forged in (genuine.replace("own", "other"), genuine[:-1] + "x", payload(b"x" * 32, REFERENCE, "own"), "", "é"):
        assert read_payload(KEY, forged) is None


def test_references_are_long_and_of_one_shape() -> None:
    """A reference that can be guessed would show strangers' cars to strangers."""
    references = {new_reference() for _ in range(200)}
    assert len(references) == 200
    assert all(is_reference(reference) for reference in references)
    assert not is_reference("../etc/passwd")


def test_a_notice_too_long_for_whatsapp_is_refused(template: Template) -> None:
    """A message that WhatsApp would cut or refuse must go to a person instead."""
    with pytest.raises(NoticeTooLong):
        write(template, location="Jalan " * 100)


def test_deadlines_skip_weekends_and_holidays() -> None:
    """An owner's days to answer are working days."""
    friday = date(2026, 12, 18)
    assert deadline_day(friday, 3, {date(2026, 12, 24), date(2026, 12, 25)}) == date(2026, 12, 23)
    assert deadline_day(friday, 5, {date(2026, 12, 24), date(2026, 12, 25)}) == date(2026, 12, 29)
    assert end_of_day(date(2026, 12, 23), JAKARTA) == datetime(2026, 12, 23, 17, tzinfo=UTC)


def test_money_and_zones_are_written_as_indonesians_write_them() -> None:
    """`IDR 500,000.00` or a time without zone would make the notice look foreign."""
    assert rupiah(1_250_000) == "Rp1.250.000"
    noon = datetime(2026, 1, 4, 3, tzinfo=UTC)
    assert clock_text(noon, ZoneInfo("Asia/Makassar")) == "Minggu, 4 Januari 2026 pukul 11.00.00 WITA"
    assert clock_text(noon, ZoneInfo("Asia/Jayapura")).endswith("WIT")


@pytest.mark.parametrize(
    ("field", "change", "told"),
    [
        ("body", lambda text: text + "\nBayar melalui QRIS.", "asks for money"),
        ("body", lambda text: text + "\nTransfer ke rekening 123456.", "asks for money"),
        ("body", lambda text: text + "\nLihat bit.ly sekarang.", "only etle-konfirmasi.example.id"),
        ("body", lambda text: text.replace("OTP", "sandi"), "never does"),
        ("body", lambda text: text.replace("{{7}}", "besok"), "needs each of"),
        ("footer", lambda text: text * 3, "at most 60"),
        ("header", lambda text: "document", "header"),
        ("buttons", lambda buttons: buttons[1:], "needs one url first"),
        ("buttons", lambda buttons: [{**buttons[0], "url": "https://evil.example.com/{{1}}"}, *buttons[1:]], "only"),
    ],
)
def test_a_template_that_breaks_a_trust_rule_cannot_be_loaded(
    tmp_path: Path, field: str, change: Any, told: str
) -> None:
    """A payment link, a foreign domain or a file would teach owners to fall for the scam."""
    content = yaml.safe_load((ROOT / "config" / "templates" / "etle_konfirmasi_v1.yaml").read_text())
    content[field] = change(content[field])
    (tmp_path / "etle_konfirmasi_v1.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match=told):
        load_template(tmp_path, "etle_konfirmasi_v1", DOMAIN)


def test_the_shipped_law_covers_the_rules_and_knows_its_days() -> None:
    """A notice must quote the law as it stood on the day."""
    law = load_law(ROOT / "config" / "law")
    today = date(2026, 11, 23)
    for kind in ("odd_even", "wrong_way"):
        offence = law.offence(kind, today)
        assert offence is not None
        assert offence.max_fine_idr == 500_000
    assert law.offence("odd_even", date(2001, 1, 1)) is None
    assert law.offence("jaywalking", today) is None
    assert date(2026, 8, 17) in load_holidays(ROOT / "config" / "calendars")


def test_a_deadline_and_its_last_day_are_the_same_day() -> None:
    """The day the owner reads and the moment the case expires must not differ by one."""
    last = date(2026, 12, 31)
    assert (end_of_day(last, JAKARTA) - timedelta(seconds=1)).astimezone(JAKARTA).date() == last
