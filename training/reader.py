"""Trains the plate reader on rendered crops: CTC for the text, small heads for colour, expiry and readability.

`python -m training.reader --config training/config/reader.yaml --out DIR [--resume] [--minutes M]`

A renderer (training.reader_render) runs beside it until the config's number of shards is there; the training takes up
each as it comes. Judged on plates of train/id_white that no training saw,
as they are and re-toned to black, and on a rendered shard of its own; never on the dev sets.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
import yaml
from tqdm import tqdm

from agent.types import PlateColour
from training.glyphs import ALPHABET
from training.labels import held_back, load_labels
from training.reader_net import ReaderNet
from training.reader_render import (
    HEIGHT,
    MARGIN,
    MAX_TEXT,
    UNKNOWN,
    WIDTH,
    Composer,
    scenery_files,
    to_crop,
    training_plates,
    widened,
    write_shard,
)

VALIDATION_SHARD = "9000"


@dataclass(frozen=True, slots=True)
class Batch:
    """Crops (N, 3, 48, 160) RGB 0..1 and label rows (N, 14) as `Sample.row` writes them."""

    crops: torch.Tensor
    rows: torch.Tensor


def to_input(crops: np.ndarray) -> torch.Tensor:
    """BGR uint8 (N, 48, 160, 3) to the network's RGB 0..1."""
    flipped = np.ascontiguousarray(crops[..., ::-1].transpose(0, 3, 1, 2))
    return torch.from_numpy(flipped).float().div_(255).to(memory_format=torch.channels_last)


class Shards:
    """Every shard in the folder, memory-mapped; looks for new ones now and then."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder, self._rng = folder, np.random.default_rng(seed)
        self._open: dict[Path, tuple[np.ndarray, np.ndarray]] = {}

    def refresh(self) -> int:
        for path in sorted(self._folder.glob("*.pictures.npy")):
            if path not in self._open and not path.name.startswith(VALIDATION_SHARD):
                labels = path.with_name(path.name.replace("pictures", "labels"))
                self._open[path] = (np.load(path, mmap_mode="r"), np.load(labels))
        return len(self._open)

    def batches(self, size: int) -> Iterator[Batch]:
        count = 0
        while True:
            if count % 100 == 0 and not self.refresh():
                raise SystemExit(f"{self._folder}: no shards; run training.reader_render first")
            count += 1
            shards = list(self._open.values())
            crops, rows = np.empty((size, HEIGHT, WIDTH, 3), np.uint8), np.empty((size, MAX_TEXT + 4), np.int64)
            for i in range(size):
                pictures, labels = shards[int(self._rng.integers(len(shards)))]
                pick = int(self._rng.integers(len(labels)))
                crops[i], rows[i] = self._nudged(pictures[pick]), labels[pick]
            yield Batch(self._relit(to_input(crops)), torch.from_numpy(rows))

    def _nudged(self, crop: np.ndarray) -> np.ndarray:
        """Moved by up to 2 pixels, so that an epoch never repeats itself exactly."""
        dy, dx = (int(v) for v in self._rng.integers(-2, 3, 2))
        padded = cv2.copyMakeBorder(crop, 2, 2, 2, 2, cv2.BORDER_REPLICATE)
        return np.asarray(padded[2 + dy : 2 + dy + HEIGHT, 2 + dx : 2 + dx + WIDTH])

    def _relit(self, crops: torch.Tensor) -> torch.Tensor:
        count = len(crops)
        gain = torch.empty(count, 3, 1, 1).uniform_(0.9, 1.1) * torch.empty(count, 1, 1, 1).uniform_(0.75, 1.25)
        lift = torch.empty(count, 1, 1, 1).uniform_(-0.06, 0.06)
        return (crops * gain + lift).clamp_(0, 1)


def loss_of(net: torch.nn.Module, batch: Batch) -> torch.Tensor:
    text, colour, month, year, readable = net(batch.crops)
    targets, heads = batch.rows[:, :MAX_TEXT], batch.rows[:, MAX_TEXT:]
    lengths = (targets > 0).sum(1)
    log_probs = text.log_softmax(2).transpose(0, 1)
    steps = torch.full((len(targets),), log_probs.shape[0], dtype=torch.long)
    ctc = F.ctc_loss(log_probs, targets, steps, lengths, reduction="none", zero_infinity=True)
    counted = ((heads[:, 3] == 1) | (lengths == 0)).float()
    total = (ctc / lengths.clamp(min=1) * counted).sum() / counted.sum().clamp(min=1)
    for logits, column, weight in ((colour, 0, 0.15), (month, 1, 0.08), (year, 2, 0.08)):
        if (heads[:, column] != UNKNOWN).any():
            total = total + weight * F.cross_entropy(logits, heads[:, column], ignore_index=UNKNOWN)
    return total + 0.15 * F.binary_cross_entropy_with_logits(readable[:, 0], heads[:, 3].float())


def greedy(text: np.ndarray) -> str:
    """The best path's text of one crop's logits (40, 37): repeats merged, blanks dropped."""
    best = text.argmax(1)
    return "".join(ALPHABET[b - 1] for i, b in enumerate(best) if b and (i == 0 or b != best[i - 1]))


@dataclass(frozen=True, slots=True)
class Exam:
    """A named set of crops with the texts that must be read."""

    name: str
    crops: np.ndarray
    rows: np.ndarray

    def score(self, net: torch.nn.Module) -> dict[str, float]:
        right, colours, dates, counts = 0, 0, 0, [0, 0, 0]
        for start in range(0, len(self.crops), 128):
            with torch.no_grad():
                outputs = [o.numpy() for o in net(to_input(self.crops[start : start + 128]))]
            for i, row in enumerate(self.rows[start : start + 128]):
                if row[MAX_TEXT + 3] != 1:
                    continue
                counts[0] += 1
                right += greedy(outputs[0][i]) == "".join(ALPHABET[c - 1] for c in row[:MAX_TEXT] if c)
                if row[MAX_TEXT] != UNKNOWN:
                    counts[1] += 1
                    colours += outputs[1][i].argmax() == row[MAX_TEXT]
                if row[MAX_TEXT + 1] > 0:
                    counts[2] += 1
                    dates += tuple(o[i].argmax() for o in outputs[2:4]) == tuple(row[MAX_TEXT + 1 : MAX_TEXT + 3])
        shares = {"exact": (right, counts[0]), "colour": (colours, counts[1]), "expiry": (dates, counts[2])}
        return {f"{self.name}_{k}": round(float(a / n), 4) for k, (a, n) in shares.items() if n}


def held_back_exam(data: Path, black: bool) -> Exam:
    """The held-back white plates cut at their true corners, or the same turned into black plates."""
    plates = [p for p in load_labels(data / "train/id_white") if held_back(p.text) and not p.unsure]
    crops, rows = [], []
    colour = list(PlateColour).index(PlateColour.BLACK if black else PlateColour.WHITE)
    for plate in plates:
        matrix = to_crop(widened(plate.corners, MARGIN))
        crop = cv2.warpPerspective(cv2.imread(str(plate.file)), matrix, (WIDTH, HEIGHT), flags=cv2.INTER_AREA)
        crops.append((255 - crop) // 2 if black else crop)
        codes = [ALPHABET.index(c) + 1 for c in plate.text]
        rows.append([*codes, *[0] * (MAX_TEXT - len(codes)), colour, UNKNOWN, UNKNOWN, 1])
    return Exam("held_back_black" if black else "held_back", np.array(crops), np.array(rows))


def street_exam(data: Path, count: int = 512) -> Exam:
    """The held-back plates re-toned, cut carelessly and photographed: the nearest thing to the street."""
    plates = [p for p in load_labels(data / "train/id_white") if held_back(p.text)]
    composer = Composer(4711, plates, scenery_files(data))
    samples = [composer.retoned() for _ in range(count)]
    return Exam("held_back_street", np.array([s.crop for s in samples]), np.array([s.row() for s in samples]))


def exams(data: Path, shards: Path) -> list[Exam]:
    path = shards / VALIDATION_SHARD
    if not path.with_suffix(".pictures.npy").exists():
        write_shard(Composer(9000, training_plates(data), scenery_files(data)), path, 1024)
    rendered = Exam("rendered", np.load(path.with_suffix(".pictures.npy")), np.load(path.with_suffix(".labels.npy")))
    return [held_back_exam(data, False), held_back_exam(data, True), street_exam(data), rendered]


class Trainer:
    """Network, optimiser, running mean of the weights and the record; all of it in one checkpoint."""

    def __init__(self, config: dict, out: Path) -> None:
        torch.manual_seed(config["seed"])
        self.config, self.out, self.step, self.record = config, out, 0, list[dict]()
        self.net = ReaderNet(width=config["width"]).to(memory_format=torch.channels_last)
        self.mean = torch.optim.swa_utils.AveragedModel(
            self.net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config["ema"]), use_buffers=True
        )
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), config["learning_rate"], weight_decay=config["weight_decay"], betas=(0.9, 0.98)
        )

    def train_one(self, batch: Batch, progress: float) -> float:
        """One step; `progress` 0..1 places it on the one-cycle learning rate."""
        peak = self.config["learning_rate"]
        rate = peak * min(1.0, 0.05 + self.step / 300) * (0.5 * (1 + np.cos(np.pi * min(1.0, progress))) + 0.005)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        loss = loss_of(self.net, batch)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimiser.step()
        self.mean.update_parameters(self.net)
        self.step += 1
        return float(loss.detach())

    def validate(self, sets: list[Exam], loss: float) -> dict:
        self.mean.eval()
        entry = {"step": self.step, "loss": round(loss, 4)}
        for exam in sets:
            entry |= exam.score(self.mean)
        self.record.append(entry)
        self.save()
        return entry

    def save(self) -> None:
        state = {"net": self.net.state_dict(), "mean": self.mean.state_dict(), "step": self.step}
        state |= {"optimiser": self.optimiser.state_dict(), "record": self.record, "config": self.config}
        torch.save(state, self.out / "checkpoint.tmp")
        (self.out / "checkpoint.tmp").rename(self.out / "checkpoint.pt")
        (self.out / "record.json").write_text(json.dumps(self.record, indent=1))
        draw_curves(self.record, self.out / "curves.png")

    def resume(self, path: Path) -> None:
        state = torch.load(path, weights_only=False)
        self.net.load_state_dict(state["net"])
        self.mean.load_state_dict(state["mean"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.record = state["step"], state["record"]


def draw_curves(record: list[dict], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(8, 5))
    for key in [k for k in record[-1] if k != "step"]:
        axis.plot([e["step"] for e in record], [e.get(key, np.nan) for e in record], label=key)
    axis.set(xlabel="step", ylim=(0, 1.05))
    axis.legend(fontsize=7)
    figure.savefig(path, dpi=90)
    plt.close(figure)


@contextmanager
def renderer(config: dict, shards: Path) -> Iterator[None]:
    """Renders the shards that are missing, beside the training; returns when there is one to begin with."""
    command = [sys.executable, "-m", "training.reader_render", "--data", config["data"], "--out", str(shards)]
    process = subprocess.Popen([*command, "--shards", str(config["shard_count"])])
    try:
        while not list(shards.glob("*.pictures.npy")) and process.poll() is None:
            time.sleep(1)
        yield
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=Path("training/config/reader.yaml"))
    parser.add_argument("--out", type=Path, default=Path(".cache/runs/reader"))
    parser.add_argument("--shards", type=Path, help="instead of the config's")
    parser.add_argument("--resume", action="store_true", help="go on from OUT/checkpoint.pt")
    parser.add_argument("--minutes", type=float, help="end of the learning-rate cycle by the clock, not by steps")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    config = yaml.safe_load(args.config.read_text())
    data, shards = Path(config["data"]), args.shards or Path(config["shards"])
    trainer = Trainer(config, args.out)
    if args.resume:
        trainer.resume(args.out / "checkpoint.pt")
    with renderer(config, shards):
        train(trainer, exams(data, shards), Shards(shards, config["seed"] + trainer.step), args.minutes)


def train(trainer: Trainer, sets: list[Exam], shards: Shards, minutes: float | None) -> None:
    """Steps until the config's number, or until the clock says so; an exam every `validate_every`."""
    config = trainer.config
    began, first, loss = time.monotonic(), trainer.step, 4.0
    bar = tqdm(total=config["steps"], initial=trainer.step, mininterval=15, unit="batch")
    for batch in shards.batches(config["batch"]):
        passed = (trainer.step - first) / max(1, config["steps"] - first)
        if minutes:
            passed = (time.monotonic() - began) / 60 / minutes
        if passed >= 1:
            break
        loss = 0.98 * loss + 0.02 * trainer.train_one(batch, passed)
        bar.update()
        if trainer.step % config["validate_every"] == 0:
            print(trainer.validate(sets, loss), flush=True)
            trainer.net.train()
    print(trainer.validate(sets, loss), flush=True)


if __name__ == "__main__":
    main()
