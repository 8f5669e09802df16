"""The trained reader as `models/plate_reader.tflite` with its manifest, measured before and after quantisation.

`python -m training.reader_export --checkpoint DIR/checkpoint.pt --shards DIR --out models/plate_reader.tflite`,
in the virtual environment of `training.quantise` (which says why), with opencv, pillow, pyyaml and tqdm beside it.
"""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import yaml

from agent.tflite import Network
from training.glyphs import ALPHABET
from training.quantise import quantise
from training.reader import Exam, exams, to_input
from training.reader_net import OUTPUTS, ReaderNet
from training.reader_render import COLOURS, FIRST_YEAR, MAX_TEXT, YEARS

DATA_SETS = [
    {"name": "train/id_white", "licence": "CC BY 4.0", "source": "Exchioz/Indonesian-License-Plates"},
    {"name": "train/ro_dashcam", "licence": "MIT", "use": "surroundings only"},
    {"name": "train/negatives", "licence": "MIT, CC BY 4.0", "use": "surroundings only"},
    {"name": "rendered", "licence": "Apache-2.0", "source": "training/reader_render.py"},
]


class Quantised(torch.nn.Module):
    """The exported network behind the float network's face, so that both sit the same exams."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self._network = network

    def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, ...]:
        pictures = (crops.permute(0, 2, 3, 1) * 255).round().to(torch.uint8).numpy()
        rows = [self._network.run(np.ascontiguousarray(p)) for p in pictures]
        return tuple(torch.from_numpy(np.stack([row[name] for row in rows])) for name in OUTPUTS)


def load(checkpoint: Path) -> ReaderNet:
    """The running mean of the trained weights."""
    state = torch.load(checkpoint, weights_only=False, map_location="cpu")
    net = ReaderNet(width=state["config"]["width"])
    prefix = "module."
    net.load_state_dict({k[len(prefix) :]: v for k, v in state["mean"].items() if k.startswith(prefix)})
    return net.eval()


def fit_temperature(net: torch.nn.Module, exam: Exam) -> float:
    """The divisor of the text logits that makes the true texts most probable."""
    with torch.no_grad():
        text = net(to_input(exam.crops))[0]
    targets = torch.from_numpy(exam.rows[:, :MAX_TEXT].astype(np.int64))
    lengths = (targets > 0).sum(1)
    steps = torch.full((len(targets),), text.shape[1], dtype=torch.long)

    def cost(temperature: float) -> float:
        log_probs = (text / temperature).log_softmax(2).transpose(0, 1)
        each = F.ctc_loss(log_probs, targets, steps, lengths, reduction="none", zero_infinity=True)
        return float(each.clamp(max=30).mean())

    return round(float(min(np.arange(0.6, 3.01, 0.05), key=cost)), 2)


def commit() -> str:
    return subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, default=Path(".cache/runs/reader/checkpoint.pt"))
    parser.add_argument("--config", type=Path, default=Path("training/config/reader.yaml"))
    parser.add_argument("--shards", type=Path, help="instead of the config's")
    parser.add_argument("--out", type=Path, default=Path("models/plate_reader.tflite"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    config = yaml.safe_load(args.config.read_text())
    sets = exams(Path(config["data"]), args.shards or Path(config["shards"]))
    net = load(args.checkpoint)
    by_name = {exam.name: exam for exam in sets}
    seen = np.concatenate([by_name["rendered"].crops[:300], by_name["held_back_street"].crops[:100]])[..., ::-1]
    floats = {k: v for exam in sets for k, v in exam.score(net).items()}
    manifest = {
        "alphabet": ALPHABET,
        "colours": [c.value for c in COLOURS],
        "first_year": FIRST_YEAR,
        "years": YEARS,
        "temperature": fit_temperature(net, by_name["held_back_street"]),
        "meaning": {
            "text": "CTC logits, class 0 is the blank, class i the alphabet's character i-1",
            "colour": "logits over `colours`",
            "month": "logits: 0 none, 1-12",
            "year": "logits: 0 none, i is first_year + i",
            "readable": "logit",
        },
        "data": DATA_SETS,
        "trained_from_commit": commit(),
        "steps": int(torch.load(args.checkpoint, weights_only=False)["step"]),
        "metrics_float": floats,
    }
    quantise(net, np.ascontiguousarray(seen), OUTPUTS, args.out, manifest)
    small = Quantised(Network.load(args.out))
    ints = {k: v for exam in sets for k, v in exam.score(small).items()}
    print("\n".join(f"{name:28} float {floats[name]:.4f}  int8 {ints[name]:.4f}" for name in floats))
    write_metrics(args.out, ints)


def write_metrics(path: Path, metrics: dict[str, float]) -> None:
    """Put the int8 figures into the manifest that is already there."""
    import json

    beside = path.with_suffix(".json")
    manifest = json.loads(beside.read_text()) | {"metrics_int8": metrics}
    beside.write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    main()
