"""The mean of two readers' weights: what a cycle learnt and what the network before it knew.

`python -m training.mean --config CFG --checkpoint NEW.pt --released OLD.tflite --out MEAN.pt`: a checkpoint for
`training.reader_export`, with its figures in the exams for a few shares of the new one. It takes networks of one
training: a mean of others is noise.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import yaml
from torch import nn

from training.reader import build
from training.reader_exams import exams
from training.reader_shards import to_input
from training.released import folded, restore, unfold


def mean(old: nn.Module, new: nn.Module, into: nn.Module, share: float, crops: torch.Tensor) -> None:
    """Give `into` so large a share of `new`'s weights, the rest of `old`'s, batch norms folded in."""
    pairs = zip(folded(old, crops), folded(new, crops), strict=True)
    unfold(into, [tuple(torch.lerp(a, b, share) for a, b in zip(*pair, strict=True)) for pair in pairs], crops)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=Path("training/config/reader.yaml"))
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--released", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.5, help="of the checkpoint")
    args = parser.parse_args()
    config = yaml.safe_load(args.config.read_text())
    sets = exams(Path(config["data"]), Path(config["shards"]))
    crops = to_input(sets[-1].crops[:512])
    old, new, net = build(config), build(config), build(config)
    restore(old, args.released, crops)
    state = torch.load(args.checkpoint, weights_only=False, map_location="cpu")
    averaged = torch.optim.swa_utils.AveragedModel(new)
    averaged.load_state_dict(state["mean"])
    for share in sorted({0.0, args.share, 1.0}):
        mean(old.eval(), averaged.module.eval(), net, share, crops)
        print(share, {name: value for exam in sets for name, value in exam.score(net.eval()).items()}, flush=True)
        if share == args.share:
            averaged.module.load_state_dict(net.state_dict())
            torch.save(state | {"mean": averaged.state_dict()}, args.out)
            averaged.load_state_dict(state["mean"])


if __name__ == "__main__":
    main()
