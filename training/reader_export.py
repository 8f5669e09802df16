"""A trained reader as int8 TFLite with its manifest, measured before and after quantisation.

`python -m training.reader_export --config training/config/reader.yaml --checkpoint DIR/checkpoint.pt` writes
`models/plate_reader.tflite`; in the virtual environment of `training.quantise` (which says why), with opencv, pillow,
pyyaml, tqdm and matplotlib beside it. Then `python -m training.calibrate` fits the temperature.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

import numpy as np
import torch
import yaml

from agent.tflite import Network
from training.glyphs import ALPHABET
from training.quantise import quantise
from training.reader import build
from training.reader_exams import exams
from training.reader_net import OUTPUTS, ReaderNet
from training.reader_render import COLOURS
from training.reader_shards import to_input

DATA_SETS = [
    {"name": "train/id_white", "licence": "CC BY 4.0", "source": "Exchioz/Indonesian-License-Plates"},
    {"name": "train/ro_dashcam", "licence": "MIT", "use": "surroundings only"},
    {"name": "train/negatives", "licence": "MIT, CC BY 4.0", "use": "surroundings only"},
    {"name": "rendered", "licence": "Apache-2.0", "source": "training/reader_render.py"},
    {"name": "simulated roads", "licence": "Apache-2.0", "source": "training/reader_footage.py"},
]
MEANING = {
    "text": "CTC logits, class 0 is the blank, class i the alphabet's character i-1",
    "colour": "logits over `colours`",
    "corners": "x1 y1 .. x4 y4 of TL TR BR BL, shares of the crop's sides, less where an exact crop has them",
    "readable": "logit",
}
CALIBRATED = 450
"""Crops of an exam that set the ranges of the activations: fewer lost a plate, more widen the ranges for all."""
GOLDEN = Path("tests/golden")
"""Where a few rendered crops go with what the float network says of them: a test holds the int8 network against it."""


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
    net = build(state["config"])
    prefix = "module."
    net.load_state_dict({k[len(prefix) :]: v for k, v in state["mean"].items() if k.startswith(prefix)})
    return net.eval()


def commit() -> str:
    return subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()


def write_golden(net: ReaderNet, crops: np.ndarray, path: Path) -> None:
    """`crops` (N, 48, 160, 3) BGR and the float network's outputs, by name."""
    with torch.no_grad():
        outputs = {name: o.numpy().astype(np.float32) for name, o in zip(OUTPUTS, net(to_input(crops)), strict=True)}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, crops=crops, **outputs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--config", type=Path, default=Path("training/config/reader.yaml"))
    parser.add_argument("--shards", type=Path, help="instead of the config's")
    parser.add_argument("--out", type=Path, default=Path("models"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    config = yaml.safe_load(args.config.read_text())
    path = args.out / "plate_reader.tflite"
    sets = exams(Path(config["data"]), args.shards or Path(config["shards"]))
    net = load(args.checkpoint)
    seen = np.concatenate([exam.crops[:CALIBRATED] for exam in sets if exam.name in ("rendered", "held_back_street")])
    floats = {k: v for exam in sets for k, v in exam.score(net).items()}
    manifest = {
        "alphabet": ALPHABET,
        "temperature": 1.0,
        "meaning": MEANING,
        "data": DATA_SETS,
        "trained_from_commit": commit(),
        "steps": int(torch.load(args.checkpoint, weights_only=False, map_location="cpu")["step"]),
        "metrics_float": floats,
        "colours": [c.value for c in COLOURS],
    }
    quantise(net, np.ascontiguousarray(seen[..., ::-1]), OUTPUTS, path, manifest)
    small = Quantised(Network.load(path))
    ints = {k: v for exam in sets for k, v in exam.score(small).items()}
    print("\n".join(f"{name:28} float {floats[name]:.4f}  int8 {ints[name]:.4f}" for name in floats))
    beside = path.with_suffix(".json")
    beside.write_text(json.dumps(json.loads(beside.read_text()) | {"metrics_int8": ints}, indent=2) + "\n")
    write_golden(net, sets[-1].crops[:40], GOLDEN / f"{path.stem}.npz")


if __name__ == "__main__":
    main()
