"""Searches a CTC lattice under a plate grammar for the most probable texts (pure).

The network gives, for each of T time steps, log probabilities of blank and 36 characters. A text's probability is the
sum over all ways to spread it over the steps. The search walks the steps with a beam of prefixes; a prefix lives only
as long as the grammar has a state for it, so `8` is never read where a letter must stand. A prefix carries two sums,
as in Graves' prefix search: paths that end in a blank and paths that end in its last character (only after a blank
does the same character count as a second one).

Characters that are improbable at a step are not tried there: most steps are blank and only end characters.
Probabilities are normalised over all texts of the grammar that the beam holds at the end, so the answer's own sum to
less than one where it leaves some out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.plate import Grammar, State
from agent.types import Candidate

CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
BLANK = 0
"""Class 0 is the blank; class i is CHARACTERS[i - 1]."""
CLASS = {char: index for index, char in enumerate(CHARACTERS, start=1)}

BEAM = 20
TRIED = 8
"""So many characters are tried at a step, and none that is less probable than MIN_CHARACTER."""
MIN_CHARACTER = 5e-4
FORLORN = 1e-5
"""A text with less than this share of the beam is given up: it would not be among the answers"""
OUTSIDE = 0.01
"""Prior odds that what the network sees is no text of the grammar at all. Where it is sure of such a text, nothing that
the grammar can bend it into gets a high probability."""


@dataclass(slots=True)
class _Prefix:
    """Probability of all paths that spell one text, by how they end."""

    state: State
    blank: float = 0.0
    char: float = 0.0
    next_blank: float = 0.0
    next_char: float = 0.0

    @property
    def total(self) -> float:
        return self.blank + self.char


def search(
    log_probs: NDArray[np.float32],
    grammar: Grammar,
    count: int = 16,
    temperature: float = 1.0,
    beam_width: int = BEAM,
    outside: float = OUTSIDE,
) -> tuple[Candidate, ...]:
    """At most `count` texts of the grammar, the most probable first, with posterior probabilities.

    log_probs: (T, 37) log probabilities (or logits: they are normalised after division by the temperature).
    outside: prior odds of a text outside the grammar against one inside.
    Empty where the beam holds no whole text of the grammar.
    """
    beam, seen = {"": _Prefix(grammar.start, blank=1.0)}, 1.0
    for row in softmax(log_probs / temperature):
        beam, kept = _advance(beam, row, grammar, beam_width)
        seen *= kept
    whole = [(text, prefix.total) for text, prefix in beam.items() if text and grammar.is_final(prefix.state)]
    inside = sum(total for _, total in whole)
    if inside * seen <= 0.0:
        return ()
    whole_mass = inside + outside * max(0.0, 1.0 - inside * seen) / seen
    whole.sort(key=lambda item: (-item[1], item[0]))
    return tuple(Candidate(text, total / whole_mass) for text, total in whole[:count])


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Probabilities along the last axis."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    weights = np.exp(shifted)
    result: NDArray[np.float64] = weights / weights.sum(axis=-1, keepdims=True)
    return result


def _advance(
    beam: dict[str, _Prefix], row: NDArray[np.float64], grammar: Grammar, width: int
) -> tuple[dict[str, _Prefix], float]:
    """One time step: every prefix stays, repeats its last character, or grows by one.

    Returns the beam, scaled to a sum of 1, and what the sum was.
    """
    blank = float(row[BLANK])
    options = [(CHARACTERS[i - 1], float(row[i])) for i in _worth_trying(row)]
    grown: dict[str, _Prefix] = {}
    for text, prefix in beam.items():
        _stay(grown, text, prefix, blank, float(row[CLASS[text[-1]]]) if text else 0.0)
        for char, share in options:
            base = prefix.blank if text and text[-1] == char else prefix.blank + prefix.char
            if base * share > FORLORN:
                _grow(grown, text + char, prefix, base * share, grammar, char)
    kept = sorted(grown.items(), key=lambda item: -(item[1].next_blank + item[1].next_char))[:width]
    scale = sum(p.next_blank + p.next_char for _, p in kept) or 1.0
    for _, prefix in kept:
        prefix.blank, prefix.char = prefix.next_blank / scale, prefix.next_char / scale
        prefix.next_blank = prefix.next_char = 0.0
    return {text: prefix for text, prefix in kept if prefix.blank + prefix.char > FORLORN}, scale


def _worth_trying(row: NDArray[np.float64]) -> list[int]:
    likely = np.flatnonzero(row > MIN_CHARACTER)
    if len(likely) > TRIED:
        likely = np.argpartition(row, -TRIED - 1)[-TRIED - 1 :]
    return [int(i) for i in likely if i != BLANK]


def _stay(grown: dict[str, _Prefix], text: str, prefix: _Prefix, blank: float, repeat: float) -> None:
    mine = grown.get(text)
    if mine is None:
        mine = grown[text] = _Prefix(prefix.state)
    mine.next_blank += prefix.total * blank
    mine.next_char += prefix.char * repeat


def _grow(grown: dict[str, _Prefix], text: str, source: _Prefix, gain: float, grammar: Grammar, char: str) -> None:
    mine = grown.get(text)
    if mine is None:
        state = grammar.step(source.state, char)
        if state is None:
            return
        mine = grown[text] = _Prefix(state)
    mine.next_char += gain


def character_confidence(log_probs: NDArray[np.float32], text: str, temperature: float = 1.0) -> tuple[float, ...]:
    """For each character of `text`, its highest probability on the best alignment of the text to the steps."""
    probs = softmax(log_probs / temperature)
    owner = _align(np.log(probs + 1e-12), text)
    confidence = []
    for place, char in enumerate(text):
        steps = np.flatnonzero(owner == place)
        column = CLASS[char]
        confidence.append(float(probs[steps, column].max()) if steps.size else 0.0)
    return tuple(confidence)


def _align(logs: NDArray[np.float64], text: str) -> NDArray[np.int64]:
    """Viterbi over blank and characters: the index of the character that each step belongs to, -1 for blank."""
    labels = [BLANK]
    for char in text:
        labels += [CLASS[char], BLANK]
    steps, size = len(logs), len(labels)
    seen = logs[:, labels]
    # two cells of minus infinity before the first label stand for "came from nowhere"
    score = np.full(size + 2, -np.inf)
    score[2:4] = seen[0, :2]
    skip_cost = np.array([0.0 if i > 1 and i % 2 == 1 and labels[i] != labels[i - 2] else -np.inf for i in range(size)])
    back = np.zeros((steps, size), np.int64)
    for step in range(1, steps):
        best, one, two = score[2:].copy(), score[1:-1], score[:-2] + skip_cost
        np.copyto(back[step], 1, where=one > best)
        np.maximum(best, one, out=best)
        np.copyto(back[step], 2, where=two > best)
        np.maximum(best, two, out=best)
        score[2:] = best + seen[step]
    score = score[2:]
    place = size - 1 if size < 2 or score[-1] >= score[-2] else size - 2
    owner = np.full(steps, -1, np.int64)
    for step in range(steps - 1, -1, -1):
        owner[step] = place // 2 if place % 2 else -1
        place -= int(back[step, place])
    return owner
