"""The grammar as an automaton and as a regular expression are one grammar."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from agent.plate import ANY_LATIN, INDONESIAN, PREFIXES, format_plate, parse, special_kind, vehicle_class

PLATE = re.compile(rf"({'|'.join(sorted(PREFIXES))})[1-9][0-9]{{0,3}}[A-Z]{{0,3}}")
plates = st.from_regex(PLATE, fullmatch=True)
texts = st.text("ABCDEHIKPRTVXZ0123459", max_size=10)


@given(st.one_of(texts, plates))
def test_automaton_equals_the_regular_expression(text: str) -> None:
    """The reader can return every plate of the regulation, and nothing that is none."""
    assert INDONESIAN.accepts(text) == (PLATE.fullmatch(text) is not None or special_kind(text) is not None)


@given(plates)
def test_parse_and_format_round_trip(text: str) -> None:
    """A plate printed for people and typed in again is the same plate, of one class."""
    plate = parse(text)
    assert plate is not None
    assert plate.text == text
    assert parse(format_plate(text)) == plate
    assert special_kind(text) is None
    assert vehicle_class(plate)


@given(st.text("AZ09-", max_size=12))
def test_any_latin_is_two_to_ten_letters_and_digits(text: str) -> None:
    """Without the Indonesian grammar any country's plate can be read."""
    assert ANY_LATIN.accepts(text) == (re.fullmatch(r"[A-Z0-9]{2,10}", text) is not None)
