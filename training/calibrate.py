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
from collections.abc import Sequence
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
from training.labels import held_back, load_labels
from training.reader_render import Composer, Sample, scenery_files, training_plates

CROPS, TRACKS, FRAMES = 1200, 200, 6
UNLISTED = 20
"""Texts over which probability that no candidate has is spread."""
TEMPERATURES = np.arange(0.7, 2.51, 0.1)


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


def fit_temperature(lattices: Sequence[Lattice], prior: Prior) -> float:
    """The divisor of the logits with the least Brier score.

    A proper score as the likelihood is, but the few crops that nobody can read do not decide it: fitted by likelihood,
    the reader said 0.85 where it was right in 0.87 to 0.90.
    """

    def cost(temperature: float) -> float:
        return judged(lattices, prior, temperature)["brier"]

    return round(float(min(tqdm(TEMPERATURES, desc="temperature"), key=cost)), 2)


def reliability(confidences: Sequence[float], right: Sequence[bool]) -> dict[str, float]:
    """Mean confidence, share right, expected calibration error over ten bins, Brier score."""
    sure, hit = np.array(confidences), np.array(right, float)
    bins = np.minimum((sure * 10).astype(int), 9)
    gaps = [abs(sure[bins == b].sum() - hit[bins == b].sum()) for b in range(10)]
    figures = {"confidence": sure.mean(), "right": hit.mean(), "ece": sum(gaps) / len(sure)}
    figures["brier"] = ((sure - hit) ** 2).mean()
    return {name: round(float(value), 4) for name, value in figures.items()}


def answered(lattices: Sequence[Lattice], prior: Prior, temperature: float) -> tuple[list[float], list[bool]]:
    """How sure the best text of each is, and whether it is right."""
    found = [prior.search(x, temperature) for x in lattices]
    sure = [f[0].probability if f else 0.0 for f in found]
    return sure, [bool(f) and f[0].text == x.text for f, x in zip(found, lattices, strict=True)]


def judged(lattices: Sequence[Lattice], prior: Prior, temperature: float) -> dict[str, float]:
    return reliability(*answered(lattices, prior, temperature))


def cross_judged(lattices: Sequence[Lattice], prior: Prior) -> dict[str, float]:
    """The reliability of each half at the temperature that the other fits."""
    one, other = halves(lattices)
    first = answered(one, prior, fit_temperature(other, prior))
    second = answered(other, prior, fit_temperature(one, prior))
    return reliability(first[0] + second[0], first[1] + second[1])


def halves(lattices: Sequence[Lattice]) -> tuple[list[Lattice], list[Lattice]]:
    """Split by plate: copies of one text stay together."""
    parts: tuple[list[Lattice], list[Lattice]] = ([], [])
    for lattice in lattices:
        parts[hashlib.sha1(lattice.text.encode()).digest()[-1] % 2].append(lattice)
    return parts


def look(network: Network, samples: Sequence[Sample]) -> list[Lattice]:
    readable = [s for s in samples if s.readable and s.text]
    crops = (np.ascontiguousarray(s.crop[..., ::-1]) for s in readable)
    return [Lattice(network.run(crop)["text"], s.text) for crop, s in zip(crops, readable, strict=True)]


def calibrate(path: Path, plates: Sequence[Sample], dates: Sequence[Sample]) -> None:
    """Fit the temperature and write it, with how well such a fit does on plates it has not seen, and on all dates."""
    network = Network.load(path)
    lattices = look(network, plates)
    temperature = fit_temperature(lattices, PLATES)
    figures = {
        "calibration": cross_judged(lattices, PLATES),
        "expiry_calibration": judged(look(network, dates), DATES, temperature),
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
    return cost, reliability([v.confidence for v, _ in votes], [v.text == text for v, text in votes])


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
