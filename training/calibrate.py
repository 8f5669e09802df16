"""Makes the reader's confidence a probability: fits the temperature that the manifest carries, and says how well.

`python -m training.calibrate --data ../shared/data` looks at plates that no training saw: the plates of train/id_white
that are held back, re-toned, cut carelessly and photographed, and freshly rendered expiry lines. They are few: what
ships is fitted on all of them, and what is reported is each half (by text) at the temperature that the other half fits.
The frames of a track share their dirt, typeface and angle, so a track here is one plate, toned and posed once,
photographed several times: the correlation that makes `agent.plate.fuse` of such tracks most truthful is printed beside
the one that ships.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from agent import plate as plates
from agent.lattice import OUTSIDE, search
from agent.ocr import NO_DATE, PlateReader
from agent.plate import EXPIRY_DATE, INDONESIAN, Grammar, fuse
from agent.tflite import Network
from agent.types import Candidate, PlateRead
from training.evaluation.figures import Claim, brier, calibration_error, mean
from training.labels import held_back, load_labels
from training.reader_render import Composer, Sample, scenery_files, training_plates

CROPS, TRACKS, FRAMES = 1200, 200, 6
UNLISTED = 20
"""Texts over which probability that no candidate has is spread."""
TEMPERATURES = tuple(round(0.7 + 0.1 * i, 1) for i in range(19))


@dataclass(frozen=True, slots=True)
class Lattice:
    """What a network said of a crop, and what stands on it."""

    logits: np.ndarray
    text: str


def surprise(candidates: Sequence[Candidate], text: str) -> float:
    """Negative log probability of the truth; what is not listed shares what the listed leave."""
    listed = {c.text: c.probability for c in candidates}
    rest = max(1e-6, 1 - sum(listed.values())) / UNLISTED
    return -float(np.log(max(listed.get(text, 0.0), rest)))


@dataclass(frozen=True, slots=True)
class Prior:
    """The texts that a reader may return, and the odds that something else stands there."""

    grammar: Grammar
    outside: float

    def search(self, lattice: Lattice, temperature: float) -> tuple[Candidate, ...]:
        return search(lattice.logits, self.grammar, temperature=temperature, outside=self.outside)


PLATES, DATES = Prior(INDONESIAN, OUTSIDE), Prior(EXPIRY_DATE, NO_DATE)


@dataclass(frozen=True, slots=True)
class Reading:
    """The best text of a crop that shows `truth`: how sure it is, and whether it is right."""

    truth: str
    confidence: float
    right: bool

    @property
    def half(self) -> int:
        """0 or 1, by plate: copies of one text stay together."""
        return hashlib.sha1(self.truth.encode()).digest()[-1] % 2


def readings(lattices: Iterable[Lattice], prior: Prior, temperature: float) -> list[Reading]:
    """What is read at a temperature."""
    best = [(x.text, next(iter(prior.search(x, temperature)), Candidate("", 0.0))) for x in lattices]
    return [Reading(truth, found.probability, found.text == truth) for truth, found in best]


def fittest(at: Mapping[float, Sequence[Reading]], halves: Collection[int] = (0, 1)) -> float:
    """The temperature at which the readings of these halves have the least Brier score.

    A proper score as the likelihood is, but the few crops that nobody can read do not decide it: fitted by likelihood,
    the reader said 0.85 where it was right in 0.87 to 0.90.
    """
    return min(at, key=lambda t: brier(r for r in at[t] if r.half in halves) or 0.0)


def crossed(at: Mapping[float, Sequence[Reading]]) -> list[Reading]:
    """Each half's readings at the temperature that the other fits."""
    return [r for half in (0, 1) for r in at[fittest(at, {1 - half})] if r.half == half]


def reliability(claims: Sequence[Claim]) -> dict[str, float]:
    """Mean confidence, share right, expected calibration error, Brier score."""
    figures = {
        "confidence": mean(c.confidence for c in claims),
        "right": mean(c.right for c in claims),
        "ece": calibration_error(claims),
        "brier": brier(claims),
    }
    return {name: round(float(value or 0.0), 4) for name, value in figures.items()}


def look(network: Network, samples: Sequence[Sample]) -> list[Lattice]:
    readable = [s for s in samples if s.readable and s.text]
    crops = (np.ascontiguousarray(s.crop[..., ::-1]) for s in readable)
    return [Lattice(network.run(crop)["text"], s.text) for crop, s in zip(crops, readable, strict=True)]


def calibrate(path: Path, plates: Sequence[Sample], dates: Sequence[Sample]) -> None:
    """Fit the temperature and write it, with how well such a fit does on plates it has not seen, and on all dates."""
    network = Network.load(path)
    lattices = look(network, plates)
    at = {t: readings(lattices, PLATES, t) for t in tqdm(TEMPERATURES, desc="temperature")}
    temperature = fittest(at)
    figures = {
        "calibration": reliability(crossed(at)),
        "expiry_calibration": reliability(readings(look(network, dates), DATES, temperature)),
    }
    beside = path.with_suffix(".json")
    manifest = json.loads(beside.read_text()) | {"temperature": temperature} | figures
    beside.write_text(json.dumps(manifest, indent=2) + "\n")
    print(f"temperature {temperature}, {figures}")


def track_reads(reader: PlateReader, composer: Composer) -> list[tuple[list[PlateRead], str]]:
    """Tracks of FRAMES reads of one plate, and its text."""
    tracks = []
    for _ in tqdm(range(TRACKS), desc="tracks"):
        frames = composer.retoned_track(FRAMES)
        tracks.append(([reader.read_crop(s.crop) for s in frames], frames[0].text))
    return tracks


def judge_fusion(tracks: Sequence[tuple[list[PlateRead], str]], correlation: float) -> tuple[float, dict[str, float]]:
    """Mean surprise of the fused votes at a correlation, and their reliability."""
    votes = [(fuse(reads, correlation=correlation), text) for reads, text in tracks]
    cost = float(np.mean([surprise(vote.candidates, text) for vote, text in votes]))
    return cost, reliability([Reading(text, vote.confidence, vote.text == text) for vote, text in votes])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--models", type=Path, default=Path("models"))
    args = parser.parse_args()
    scenery = scenery_files(args.data)
    kept = [p for p in load_labels(args.data / "train/id_white") if held_back(p.text) and not p.unsure]
    unseen = Composer(20_261, kept, scenery)
    dated = Composer(20_262, training_plates(args.data), scenery)
    retoned = [unseen.retoned() for _ in range(CROPS)]
    calibrate(args.models / "plate_reader.tflite", retoned, [dated.expiry_sample() for _ in range(CROPS)])
    reader = PlateReader(Network.load(args.models / "plate_reader.tflite"), INDONESIAN)
    tracks = track_reads(reader, unseen)
    for correlation in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0):
        cost, figures = judge_fusion(tracks, correlation)
        ships = "  <- ships" if correlation == plates.CORRELATION else ""
        print(f"correlation {correlation:.1f}: surprise {cost:.3f} {figures}{ships}")


if __name__ == "__main__":
    main()
