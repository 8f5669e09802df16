"""Indonesian plates: their grammar, what the number says, and one text out of the reads of many frames (pure).

A plate is `PREFIX NUMBER SUFFIX` (Perpol 7/2021): the prefix names the police region, the number the class of
vehicle. Texts have no blanks here (`B1234XYZ`); `format_plate` puts them in for people.

Diplomatic, state, military and police plates have shapes of their own. The grammar knows them so that such a plate is
read as what it is and goes to a person, and is never bent into the nearest private plate.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from string import ascii_uppercase, digits
from typing import Protocol, TypeAlias

from agent.types import Candidate, Expiry, PlateColour, PlateRead, PlateVote

REGIONS: Mapping[str, str] = {
    "BL": "Aceh", "BK": "Sumatera Utara (timur)", "BB": "Sumatera Utara (barat)", "BA": "Sumatera Barat",
    "BM": "Riau", "BP": "Kepulauan Riau", "BG": "Sumatera Selatan", "BN": "Bangka Belitung", "BE": "Lampung",
    "BD": "Bengkulu", "BH": "Jambi",
    "B": "Polda Metro Jaya", "A": "Banten", "D": "Bandung", "F": "Bogor", "T": "Karawang", "E": "Cirebon",
    "Z": "Priangan Timur", "H": "Semarang", "G": "Pekalongan", "K": "Pati", "R": "Banyumas", "AA": "Kedu",
    "AD": "Surakarta", "AB": "Yogyakarta", "L": "Surabaya", "W": "Sidoarjo", "N": "Malang", "P": "Besuki",
    "AG": "Kediri", "AE": "Madiun", "S": "Bojonegoro", "M": "Madura",
    "DK": "Bali", "DR": "Lombok", "EA": "Sumbawa", "DH": "Timor", "EB": "Flores", "ED": "Sumba",
    "KB": "Kalimantan Barat", "DA": "Kalimantan Selatan", "KH": "Kalimantan Tengah", "KT": "Kalimantan Timur",
    "KU": "Kalimantan Utara",
    "DB": "Sulawesi Utara", "DL": "Kepulauan Sangihe dan Talaud", "DM": "Gorontalo", "DN": "Sulawesi Tengah",
    "DD": "Sulawesi Selatan", "DP": "Sulawesi Selatan (utara)", "DW": "Sulawesi Selatan (timur)",
    "DC": "Sulawesi Barat", "DT": "Sulawesi Tenggara",
    "DE": "Maluku", "DG": "Maluku Utara", "PA": "Papua", "PB": "Papua Barat",
    "PS": "Papua", "PE": "Papua", "PT": "Papua", "PP": "Papua", "PD": "Papua",
}  # fmt: skip
"""Prefix to police region, Perpol 7/2021; the last row came later."""

PREFIXES: frozenset[str] = frozenset(REGIONS)
LOW_TRUST_PREFIXES: frozenset[str] = frozenset({"PS", "PE", "PT", "PP", "PD"})
"""Codes of the new Papuan provinces: on the road, but not in the regulation's list. A person looks at them."""

_MAX_SUFFIX = 3
_MAX_NUMBER = 4
_STANDARD = re.compile(r"([A-Z]{1,2})([1-9][0-9]{0,3})([A-Z]{0,3})")


class VehicleClass(StrEnum):
    """What kind of vehicle the plate's number stands for."""

    PASSENGER = "passenger"
    MOTORCYCLE = "motorcycle"
    BUS = "bus"
    GOODS = "goods"
    SPECIAL = "special"
    UNKNOWN = "unknown"


class SpecialPlate(StrEnum):
    """Plates that have no civil owner to notify; all of them go to a person."""

    DIPLOMATIC = "diplomatic"
    STATE = "state"
    MILITARY = "military"
    POLICE = "police"


_SPECIAL: tuple[tuple[SpecialPlate, re.Pattern[str]], ...] = (
    (SpecialPlate.DIPLOMATIC, re.compile(r"(CD|CC|CH)[1-9][0-9]{2,6}")),
    (SpecialPlate.STATE, re.compile(r"RI[1-9][0-9]{0,2}")),
    (SpecialPlate.MILITARY, re.compile(r"[1-9][0-9]{5,7}")),
    (SpecialPlate.POLICE, re.compile(r"[1-9][0-9]{2,4}[IVX]{1,5}")),
)


@dataclass(frozen=True, slots=True)
class PlateNumber:
    """A civil plate taken apart."""

    prefix: str
    number: str
    suffix: str

    @property
    def text(self) -> str:
        return f"{self.prefix}{self.number}{self.suffix}"

    @property
    def is_even(self) -> bool:
        """Parity of the number's last digit, which odd-even looks at; 0 is even."""
        return int(self.number[-1]) % 2 == 0

    @property
    def region(self) -> str:
        return REGIONS[self.prefix]


def normalise(text: str) -> str:
    """Upper case, without the blanks, dots and hyphens that people write between the groups."""
    return re.sub(r"[\s.\-]+", "", text).upper()


def parse(text: str) -> PlateNumber | None:
    """A civil plate's parts, or None for a text that is none."""
    match = _STANDARD.fullmatch(normalise(text))
    if match is None or match[1] not in PREFIXES:
        return None
    return PlateNumber(match[1], match[2], match[3])


def special_kind(text: str) -> SpecialPlate | None:
    """Which special plate this is, or None."""
    plain = normalise(text)
    return next((kind for kind, pattern in _SPECIAL if pattern.fullmatch(plain)), None)


def format_plate(text: str) -> str:
    """The plate as people write it, `B 1234 XYZ`; a text of another shape comes back as it was."""
    plate = parse(text)
    return " ".join(filter(None, (plate.prefix, plate.number, plate.suffix))) if plate else text


_CLASSES = (
    (1999, VehicleClass.PASSENGER),
    (6999, VehicleClass.MOTORCYCLE),
    (7999, VehicleClass.BUS),
    (8999, VehicleClass.GOODS),
    (9999, VehicleClass.SPECIAL),
)
_CLASSES_METRO = (
    (2999, VehicleClass.PASSENGER),
    (6999, VehicleClass.MOTORCYCLE),
    (7999, VehicleClass.BUS),
    (8999, VehicleClass.PASSENGER),
    (9999, VehicleClass.GOODS),
)


def vehicle_class(plate: PlateNumber) -> VehicleClass:
    """The class by the number's range; Polda Metro Jaya (B) has ranges of its own."""
    ranges = _CLASSES_METRO if plate.prefix == "B" else _CLASSES
    return next(kind for last, kind in ranges if int(plate.number) <= last)


def voted_class(vote: PlateVote) -> VehicleClass:
    """The class by the number that was read."""
    plate = parse(vote.text)
    return vehicle_class(plate) if plate else VehicleClass.UNKNOWN


# --- Grammar: which texts a reader may return, character by character -------------------------------------------

State: TypeAlias = int


class Grammar(Protocol):
    """A deterministic automaton over A-Z and 0-9."""

    @property
    def start(self) -> State: ...

    def step(self, state: State, char: str) -> State | None:
        """The state after one more character; None where no text goes on like that."""
        ...

    def is_final(self, state: State) -> bool:
        """Whether the characters so far are a whole text."""
        ...


@dataclass(frozen=True, slots=True)
class Automaton:
    """A grammar as a table: row = state, entry = character to next state."""

    table: tuple[Mapping[str, State], ...]
    finals: frozenset[State]
    start: State = 0

    def step(self, state: State, char: str) -> State | None:
        return self.table[state].get(char)

    def is_final(self, state: State) -> bool:
        return state in self.finals

    def accepts(self, text: str) -> bool:
        """Whether the whole text is of this grammar."""
        state: State | None = self.start
        for char in text:
            state = None if state is None else self.step(state, char)
        return state is not None and self.is_final(state)


class _Table:
    """An automaton while it is being built."""

    def __init__(self) -> None:
        self.rows: list[dict[str, State]] = [{}]
        self.finals: set[State] = set()

    def state(self, final: bool = False) -> State:
        self.rows.append({})
        if final:
            self.finals.add(len(self.rows) - 1)
        return len(self.rows) - 1

    def link(self, source: State, chars: str, target: State) -> None:
        self.rows[source].update(dict.fromkeys(chars, target))

    def word(self, text: str) -> State:
        """The state after `text` from the start, made where it is missing."""
        state = 0
        for char in text:
            state = self.rows[state].setdefault(char, len(self.rows))
            if state == len(self.rows):
                self.rows.append({})
        return state

    def chain(self, source: State, chars: str, final_from: int, length: int) -> list[State]:
        """`length` more states, each a step of `chars` after the last; from the `final_from`th on they are final."""
        states = []
        for count in range(1, length + 1):
            states.append(self.state(final=count >= final_from))
            self.link(source, chars, states[-1])
            source = states[-1]
        return states

    def build(self) -> Automaton:
        return Automaton(tuple(self.rows), frozenset(self.finals))


def _indonesian() -> Automaton:
    table = _Table()
    first = table.state(final=True)
    number = [first, *table.chain(first, digits, 1, _MAX_NUMBER - 1)]
    suffix = table.chain(number[0], ascii_uppercase, 1, _MAX_SUFFIX)
    for state in number:
        table.link(state, ascii_uppercase, suffix[0])
    for prefix in sorted(PREFIXES):
        table.link(table.word(prefix), digits[1:], first)
    _add_special(table)
    return table.build()


def _add_special(table: _Table) -> None:
    serial = table.state()
    table.chain(serial, digits, 2, 6)
    for prefix in ("CD", "CC", "CH"):
        table.link(table.word(prefix), digits[1:], serial)
    state_number = table.state(final=True)
    table.chain(state_number, digits, 1, 2)
    table.link(table.word("RI"), digits[1:], state_number)
    service = table.state()
    table.link(0, digits[1:], service)
    service_number = [service, *table.chain(service, digits, 5, 7)]
    region = table.chain(service_number[2], "IVX", 1, 5)
    for state in service_number[3:5]:
        table.link(state, "IVX", region[0])


def _any_latin() -> Automaton:
    table = _Table()
    table.chain(0, ascii_uppercase + digits, 2, 10)
    return table.build()


def _expiry_date() -> Automaton:
    """`MMYY`: months 01-12, years 15-44. A registration runs five years, so that holds until 2039."""
    table = _Table()
    month = table.state()
    table.link(table.word("0"), digits[1:], month)
    table.link(table.word("1"), "012", month)
    decade_1, decade_4 = table.state(), table.state()
    decade = table.state()
    year = table.state(final=True)
    table.link(month, "1", decade_1)
    table.link(month, "23", decade)
    table.link(month, "4", decade_4)
    table.link(decade_1, digits[5:], year)
    table.link(decade, digits, year)
    table.link(decade_4, digits[:5], year)
    return table.build()


INDONESIAN: Automaton = _indonesian()
"""Civil plates (`PREFIXES`, 1-4 digits without a leading 0, 0-3 letters) and the special ones."""
ANY_LATIN: Automaton = _any_latin()
"""2-10 letters and digits in any order: plates of other countries."""
EXPIRY_DATE: Automaton = _expiry_date()
"""The second line of a plate, without its dot."""


# --- Fusion: one text out of the reads of many frames -----------------------------------------------------------

CORRELATION = 0.7
"""Share of a read's error that all frames of a track have in common (dirt, typeface, angle, the network's own bias).
Of those tried the one that surprises least on tracks of held-back plates (`training.calibrate`); at 0.3 a letter that
the network takes for another was accepted at 0.99."""
_UNLISTED_TEXTS = 20
"""Texts over which a read's unlisted probability is taken to be spread. Confusions concentrate: two or three doubtful
characters with two or three rivals each. The fewer, the less do doubtful reads that agree prove."""
_LEAST_UNLISTED = 1e-3
"""No read is trusted beyond 1 in 1000, so no single frame can veto a text that all others agree on."""
_KEPT_CANDIDATES = 16
_CLEAR_COLOUR = 0.6
"""Share of the colour votes that the winner needs; two colours that take turns are no colour."""


def fuse(
    reads: Sequence[PlateRead], shares: Sequence[float] | None = None, correlation: float = CORRELATION
) -> PlateVote:
    """One vote out of a track's reads.

    `shares`: what each read counts beside the others, 0 to 1 (`agent.track.shares_of_views`); None counts all fully.

    Each read's posteriors are scaled by its readability (a crop that cannot be read says nothing), and what they lack
    to 1 is spread evenly over the texts it does not list. Independent reads would multiply; the frames of one track
    are not independent, so the product is raised to n_eff / n with n_eff = n / (1 + (n - 1) r), the design effect for
    observations that correlate by r: one read counts as itself, and endless equal reads never count for more than
    1 / r = 3.3. A read counts by how clear it is beside the clearest of the track, in the product and in n: twenty
    frames from afar neither outvote nor dilute the two in which the plate was near. The posteriors of the result sum
    to at most 1, too: the rest belongs to texts nobody listed.
    """
    shared = [(read, share) for read, share in zip(reads, shares or [1.0] * len(reads), strict=True) if read.candidates]
    candidates = _fused_candidates([read for read, _ in shared], [share for _, share in shared], correlation)
    best, second = ([*candidates[:2], *[Candidate("", 0.0)] * 2])[:2]
    return PlateVote(
        text=best.text,
        confidence=best.probability,
        runner_up=second.text,
        runner_up_confidence=second.probability,
        support=sum(1 for read in reads if read.candidates and read.text == best.text),
        reads=len(reads),
        candidates=candidates,
        colour=_fused_colour(reads),
        expiry=_fused_expiry(reads),
    )


def _fused_candidates(reads: Sequence[PlateRead], shares: Sequence[float], correlation: float) -> tuple[Candidate, ...]:
    if not reads:
        return ()
    weights = [clear * share for clear, share in zip(_clarity(reads), shares, strict=True)]
    tempering = 1 / (1 + max(0.0, sum(weights) - 1) * correlation)
    lists = [{c.text: c.probability * read.readability for c in read.candidates} for read in reads]
    floors = [max(1 - sum(listed.values()), _LEAST_UNLISTED) / _UNLISTED_TEXTS for listed in lists]

    def score(text: str) -> float:
        rows = zip(weights, lists, floors, strict=True)
        return tempering * math.fsum(w * math.log(max(listed.get(text, 0.0), floor)) for w, listed, floor in rows)

    scores = {text: score(text) for text in sorted(set().union(*lists))}
    unlisted = math.log(_UNLISTED_TEXTS) + tempering * math.fsum(
        weight * math.log(floor) for weight, floor in zip(weights, floors, strict=True)
    )
    top = max(*scores.values(), unlisted)
    total = math.fsum(math.exp(value - top) for value in (*scores.values(), unlisted))
    fused = [Candidate(text, math.exp(value - top) / total) for text, value in scores.items()]
    return tuple(sorted(fused, key=lambda c: (-c.probability, c.text))[:_KEPT_CANDIDATES])


def _clarity(reads: Sequence[PlateRead]) -> list[float]:
    """How clear each read is beside the clearest, 0 to 1: the posterior of its best text times readability, to the
    fourth power.

    A plate is in view from afar for much longer than from near, and what is read there adds doubt and no news: on
    simulated roads two thirds of a track's reads have a best text below 0.3. Of the powers tried on held-back plates
    (`training.calibrate`) the fourth surprises less than the second (0.105 against 0.107), and it accepts more of the
    vehicles on drawn footage (32 of 38 offenders against 28) and none wrongly; the sixth gains no more.
    """
    strengths = [read.confidence * read.readability for read in reads]
    clearest = max(strengths)
    return [(strength / clearest) ** 4 if clearest else 1.0 for strength in strengths]


def _fused_colour(reads: Sequence[PlateRead]) -> PlateColour:
    votes: Counter[PlateColour] = Counter()
    for read in reads:
        votes[read.colour] += read.colour_probability * read.readability  # type: ignore[assignment]
    colour, weight = max(votes.items(), key=lambda item: (item[1], item[0]), default=(PlateColour.UNKNOWN, 0))
    return colour if weight > 0 and weight >= _CLEAR_COLOUR * sum(votes.values()) else PlateColour.UNKNOWN


def _fused_expiry(reads: Sequence[PlateRead]) -> Expiry | None:
    """Month and year that at least two reads agree on, and more than agree on any other."""
    seen: dict[tuple[int, int], list[float]] = {}
    for read in reads:
        if read.expiry:
            seen.setdefault((read.expiry.year, read.expiry.month), []).append(read.expiry.probability)
    ranked = sorted(seen.items(), key=lambda item: (len(item[1]), sum(item[1]), item[0]), reverse=True)
    if not ranked or len(ranked[0][1]) < 2 or (len(ranked) > 1 and len(ranked[1][1]) == len(ranked[0][1])):
        return None
    (year, month), probabilities = ranked[0]
    return Expiry(month, year, sum(probabilities) / len(probabilities))


def date_posterior(said: Sequence[Expiry], month: int, year: int) -> float:
    """Probability that this is the month to which a plate is valid, by all the reads of its second line: they are as
    alike as those of the number."""
    reads = [
        PlateRead(
            (Candidate(f"{each.month:02d}.{each.year}", each.probability),), (), PlateColour.UNKNOWN, 0.0, each, 1.0
        )
        for each in said
    ]
    texts = {each.text: each.probability for each in _fused_candidates(reads, [1.0] * len(reads), CORRELATION)}
    return texts.get(f"{month:02d}.{year}", 0.0)


def posterior(vote: PlateVote, holds: Callable[[str], bool]) -> float:
    """Probability of what `holds` for the plate's text, over all texts the vote lists; unlisted ones count for neither
    side, so this is a lower bound."""
    return math.fsum(candidate.probability for candidate in vote.candidates if holds(candidate.text))


def parity_posterior(vote: PlateVote, even: bool) -> float:
    """Probability that the number's last digit is even (or odd)."""

    def has_parity(text: str) -> bool:
        plate = parse(text)
        return plate is not None and plate.is_even == even

    return posterior(vote, has_parity)


def edit_distance(one: str, other: str) -> int:
    """Least number of characters to replace, insert or drop to make one text of the other."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return row[-1]
