"""Trains the plate reader on rendered crops: CTC for the text, small heads for colour, corners and readability.

`python -m training.reader --config training/config/reader.yaml --out DIR [--resume]`.

Two renderers (training.reader_render, training.reader_footage) run beside it until the config's numbers of shards are
there; the training takes up each as it comes. It is judged by training.reader_exams, never by the dev sets.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
import yaml
from tqdm import tqdm

from training.machine import autocast, device
from training.reader_exams import Exam, exams
from training.reader_net import ReaderNet
from training.reader_render import CORNER_UNIT, UNKNOWN
from training.reader_shards import COLOUR, CORNERS, PLACED, READABLE, Batch, Shards, to_input
from training.released import restore


def build(config: dict) -> ReaderNet:
    """The network of a config."""
    return ReaderNet(width=config["width"], deeper=config.get("deeper", False))


def loss_of(net: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """CTC per character, and what the heads are off; unreadable crops count for `readable` alone."""
    with autocast():
        outputs = net(batch.crops)
    text, colour, corners, readable = (o.float() for o in outputs)
    targets, rows = batch.rows[:, :COLOUR], batch.rows
    lengths = (targets > 0).sum(1)
    log_probs = text.log_softmax(2).transpose(0, 1)
    steps = torch.full((len(targets),), log_probs.shape[0], dtype=torch.long, device=targets.device)
    ctc = F.ctc_loss(log_probs, targets, steps, lengths, reduction="none", zero_infinity=True)
    counted = ((rows[:, READABLE] == 1) | (lengths == 0)).float()
    total = (ctc / lengths.clamp(min=1) * counted).sum() / counted.sum().clamp(min=1)
    if (rows[:, COLOUR] != UNKNOWN).any():
        total = total + 0.15 * F.cross_entropy(colour, rows[:, COLOUR], ignore_index=UNKNOWN)
    off = F.smooth_l1_loss(corners, rows[:, CORNERS:] / CORNER_UNIT, reduction="none", beta=0.02).sum(1)
    placed = rows[:, PLACED].float()
    total = total + 0.5 * (off * placed).sum() / placed.sum().clamp(min=1)
    return total + 0.15 * F.binary_cross_entropy_with_logits(readable[:, 0], rows[:, READABLE].float())


class Trainer:
    """Network, optimiser, running mean of the weights and the record; all of it in one checkpoint."""

    def __init__(self, config: dict, out: Path) -> None:
        torch.manual_seed(config["seed"])
        self.config, self.out, self.step, self.record = config, out, 0, list[dict]()
        self.net = build(config).to(device(), memory_format=torch.channels_last)
        self.mean = torch.optim.swa_utils.AveragedModel(
            self.net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config["ema"]), use_buffers=True
        )
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), config["learning_rate"], weight_decay=config["weight_decay"], betas=(0.9, 0.98)
        )

    def train_one(self, batch: Batch) -> float:
        """One step on the one-cycle learning rate over the config's steps."""
        progress = min(1.0, self.step / self.config["steps"])
        rise = min(1.0, 0.05 + self.step / 300)
        for group in self.optimiser.param_groups:
            group["lr"] = self.config["learning_rate"] * rise * (0.5 * (1 + np.cos(np.pi * progress)) + 0.005)
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
        state = torch.load(path, weights_only=False, map_location=device())
        self.net.load_state_dict(state["net"])
        self.mean.load_state_dict(state["mean"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.record = state["step"], state["record"]

    def start_from(self, path: Path, crops: torch.Tensor) -> None:
        """Begin step 0 with another training's averaged weights, or a released network's, instead of chance.

        `crops` are some that the network may see: a released network keeps no statistics of its layers.
        """
        if path.suffix == ".tflite":
            restore(self.net, path, crops)
            self.mean.module.load_state_dict(self.net.state_dict())
        else:
            self.mean.load_state_dict(torch.load(path, weights_only=False, map_location=device())["mean"])
            self.net.load_state_dict(self.mean.module.state_dict())


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
def renderers(config: dict, shards: Path) -> Iterator[None]:
    """Renders the shards that are missing, beside the training; returns when there is one to begin with."""
    commands = (
        ["training.reader_render", "--data", config["data"], "--shards", str(config["shard_count"])],
        ["training.reader_footage", "--shards", str(config["footage_count"])],
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the renderers are stopped, too
    processes = [subprocess.Popen([sys.executable, "-m", *each, "--out", str(shards)]) for each in commands]
    try:
        while not list(shards.glob("*.pictures.npy")) and any(each.poll() is None for each in processes):
            time.sleep(1)
        yield
    finally:
        for each in processes:
            each.terminate()
        for each in processes:
            each.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=Path("training/config/reader.yaml"))
    parser.add_argument("--out", type=Path, default=Path("runs/reader"))
    parser.add_argument("--shards", type=Path, help="instead of the config's")
    parser.add_argument("--resume", action="store_true", help="go on from OUT/checkpoint.pt if it is there")
    parser.add_argument(
        "--start-from", type=Path, help="begin with the weights of another training's checkpoint.pt or of a .tflite"
    )
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    config = yaml.safe_load(args.config.read_text())
    data, shards = Path(config["data"]), args.shards or Path(config["shards"])
    trainer = Trainer(config, args.out)
    with renderers(config, shards):
        sets = exams(data, shards)
        if args.resume and (args.out / "checkpoint.pt").exists():
            trainer.resume(args.out / "checkpoint.pt")
        elif args.start_from:
            trainer.start_from(args.start_from, to_input(sets[-1].crops[:512]))
        train(trainer, sets, Shards(shards, config["seed"] + trainer.step))


def train(trainer: Trainer, sets: list[Exam], shards: Shards) -> None:
    """Steps until the config's number; an exam every `validate_every`."""
    config, loss = trainer.config, 4.0
    bar = tqdm(total=config["steps"], initial=trainer.step, mininterval=15, unit="batch")
    for batch in shards.batches(config["batch"]):
        if trainer.step >= config["steps"]:
            break
        loss = 0.98 * loss + 0.02 * trainer.train_one(batch)
        bar.update()
        if trainer.step % config["validate_every"] == 0 or trainer.step == config["steps"]:
            print(trainer.validate(sets, loss), flush=True)
            trainer.net.train()


if __name__ == "__main__":
    main()
