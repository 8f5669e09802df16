"""The lattice search: right sums, the grammar kept, honest doubt."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent import lattice
from agent.lattice import BLANK, CHARACTERS, CLASS, character_confidence, search, softmax
from agent.plate import ANY_LATIN, INDONESIAN, Automaton

FEW = "1AB"
SMALL = Automaton(
    table=({"A": 1, "B": 1, "1": 2}, {"A": 1, "B": 1, "1": 2}, {"1": 2}), finals=frozenset({1, 2}), start=0
)
"""Letters, then ones; at least one character."""


def collapse(path: tuple[int, ...]) -> str:
    return "".join(CHARACTERS[c - 1] for i, c in enumerate(path) if c != BLANK and (i == 0 or c != path[i - 1]))


def brute_force(probs: NDArray[np.float64], grammar: Automaton) -> dict[str, float]:
    """Every path over blank and FEW, summed by its text, texts of the grammar only."""
    classes = [BLANK, *(CLASS[c] for c in FEW)]
    sums: dict[str, float] = {}
    for path in product(classes, repeat=len(probs)):
        text = collapse(path)
        if grammar.accepts(text):
            share = float(np.prod([probs[t, c] for t, c in enumerate(path)]))
            sums[text] = sums.get(text, 0.0) + share
    return sums


def logits_over_few(values: list[float], steps: int) -> NDArray[np.float32]:
    logits = np.full((steps, 37), -60.0, np.float32)
    logits[:, [BLANK, *(CLASS[c] for c in FEW)]] = np.array(values, np.float32).reshape(steps, 4)
    return logits


def spelled(text: str, sure: float = 12.0) -> NDArray[np.float32]:
    """Logits of a network that sees this text clearly."""
    logits = np.zeros((40, 37), np.float32)
    logits[:, BLANK] = sure
    for place, char in enumerate(text):
        logits[2 + 4 * place : 4 + 4 * place, CLASS[char]] = 2 * sure
    return logits


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-2.5, 2.5), min_size=20, max_size=20))
def test_sums_equal_brute_force(values: list[float]) -> None:
    """Without it a confidence could be any number and nobody would notice."""
    logits = logits_over_few(values, 5)
    sums = brute_force(softmax(logits), SMALL)
    inside = sum(sums.values())
    found = search(logits, SMALL, count=3, beam_width=500)
    best = sorted(sums.values(), reverse=True)[: len(found)]
    scale = inside + lattice.OUTSIDE * (1 - inside)
    assert [c.probability for c in found] == pytest.approx([p / scale for p in best], rel=0.02, abs=1e-4)
    for candidate in found:
        assert candidate.probability == pytest.approx(sums[candidate.text] / scale, rel=0.02, abs=1e-4)


@pytest.mark.parametrize("text", ["B1234XYZ", "AA1100KK", "D1A", "B8"])
def test_clear_text_is_read(text: str) -> None:
    """A plate with doubled characters must keep both of them."""
    (best, *_) = search(spelled(text), INDONESIAN)
    assert best.text == text
    assert best.probability > 0.99


def test_grammar_decides_between_zero_and_letter_o() -> None:
    """On old plates the letter O looks like a 0: where a letter must stand it is one."""
    (best, *_) = search(_either(spelled("B1234A0"), "O", "0"), INDONESIAN)
    assert best.text == "B1234AO"


def _either(logits: NDArray[np.float32], char: str, seen: str) -> NDArray[np.float32]:
    """The same lattice with `char` a little less probable than `seen`."""
    logits[:, CLASS[char]] = np.where(logits[:, CLASS[seen]] > 0, logits[:, CLASS[seen]] - 2, 0)
    return logits


def test_no_sure_answer_for_what_is_no_plate() -> None:
    """A foreign plate must not become a confident Indonesian one by losing a character."""
    logits = spelled("XQ12345")
    assert search(logits, ANY_LATIN)[0].text == "XQ12345"
    assert all(c.probability < 0.05 for c in search(logits, INDONESIAN))


def test_all_blank_is_no_text() -> None:
    """An empty bumper has no plate number."""
    logits = np.zeros((40, 37), np.float32)
    logits[:, BLANK] = 40.0
    assert all(c.probability < 0.01 for c in search(logits, INDONESIAN))


def test_probabilities_never_exceed_one_and_fall() -> None:
    """Downstream takes them as posteriors, best first."""
    rng = np.random.default_rng(3)
    for _ in range(5):
        found = search(spelled("AB1653RA", 6.0) + rng.normal(0, 1.5, (40, 37)).astype(np.float32), INDONESIAN)
        shares = [c.probability for c in found]
        assert shares == sorted(shares, reverse=True)
        assert len(found) <= 16
        assert 0 < sum(shares) <= 1 + 1e-9


def test_higher_temperature_is_less_sure() -> None:
    """Calibration works by this one number."""
    logits = spelled("B1234XYZ", 5.0)
    assert search(logits, INDONESIAN, temperature=2.0)[0].probability < search(logits, INDONESIAN)[0].probability


def test_confidence_points_at_the_doubtful_character() -> None:
    """A person who checks a reading wants to know where to look."""
    logits = _either(spelled("B1284XYZ"), "6", "8")
    confidence = character_confidence(logits, "B1284XYZ")
    assert len(confidence) == 8
    assert int(np.argmin(confidence)) == 3
    assert min(confidence[:3]) > 0.99
