"""Plates as people write them and as screens may show them (pure)."""

from __future__ import annotations

import re

_CIVIL = re.compile(r"([A-Z]{1,2})([1-9][0-9]{0,3})([A-Z]{0,3})")


def normalise(text: str) -> str:
    """Upper case, without the blanks, dots and hyphens that people write between the groups."""
    return re.sub(r"[\s.\-]+", "", text).upper()


def is_civil(text: str) -> bool:
    """Whether the text has the shape of a civil plate; diplomatic, state and military ones have not."""
    return _CIVIL.fullmatch(text) is not None


def format_plate(text: str) -> str:
    """`B 1234 XYZ`; a text of another shape comes back as it was."""
    match = _CIVIL.fullmatch(text)
    return " ".join(filter(None, match.groups())) if match else text


def mask_plate(text: str) -> str:
    """Enough to tell two cases apart in a list, not enough to look the owner up: `B 12•• ••Z`."""
    match = _CIVIL.fullmatch(text)
    if match is None:
        return text[:1] + "•" * max(len(text) - 1, 0)
    prefix, number, suffix = match.groups()
    groups = (prefix, number[:2] + "•" * (len(number) - 2), "•" * (len(suffix) - 1) + suffix[-1:])
    return " ".join(filter(None, groups))


def mask_phone(e164: str) -> str:
    """`+62 ••• ••• 6789`."""
    return f"{e164[:3]} ••• ••• {e164[-4:]}"


def mask_nik(nik: str) -> str:
    """The last three digits of an identity number: `•••••••••••••001`; they are its serial, no birthday."""
    return "•" * max(len(nik) - 3, 0) + nik[-3:] if len(nik) > 3 else "•" * len(nik)


def mask_name(name: str) -> str:
    """First letters only: `B••• S••••••`."""
    return " ".join(word[:1] + "•" * (len(word) - 1) for word in name.split())
