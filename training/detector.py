"""Trains the plate detector: `python -m training.detector --config training/config/detector.yaml --out DIR --resume`.

Writes to DIR: `last.pt` (all that resuming needs), `best.pt`, `history.json`, `curves.png`. One process, one thread:
scenes are composed between the steps. The schedule is one cycle over `steps`; `--start-from` begins a new cycle with
the averaged weights of an earlier checkpoint or with a released network (`.tflite`).
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import yaml
from torch import Tensor, nn
from tqdm import tqdm

from training.detector_loss import assign, losses
from training.detector_measure import float_detector, measure
from training.detector_net import STRIDES, PlateNet
from training.detector_photos import load_footage, load_photos
from training.machine import autocast, device
from training.released import restore
from training.scenes import Composer, Scene


class Average(nn.Module):
    """Running mean of the weights: what is measured and shipped."""

    def __init__(self, net: PlateNet, memory: float) -> None:
        super().__init__()
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        self.memory = memory

    @torch.no_grad()
    def update(self, net: PlateNet, step: int) -> None:
        share = 1 - min(self.memory, (1 + step) / (10 + step))
        for kept, new in zip(self.net.state_dict().values(), net.state_dict().values(), strict=True):
            if kept.dtype.is_floating_point:
                kept.lerp_(new, share)
            else:
                kept.copy_(new)


def to_tensor(scenes: list[Scene]) -> Tensor:
    """(N, 3, H, W) RGB in 0..1."""
    stack = np.stack([s.image[..., ::-1] for s in scenes])
    return torch.from_numpy(stack).permute(0, 3, 1, 2).float().div_(255).contiguous(memory_format=torch.channels_last)


def rate(step: int, steps: int, peak: float) -> float:
    """Learning rate of one cycle: up over a twentieth, down along a cosine."""
    rise = max(1, steps // 20)
    if step < rise:
        return peak * (step + 1) / rise
    return peak * (0.01 + 0.99 * (1 + math.cos(math.pi * min(1.0, (step - rise) / (steps - rise)))) / 2)


def train(config: dict[str, Any], out: Path, resume: bool, start_from: Path | None) -> None:
    """Train to the config's number of steps."""
    torch.set_num_threads(int(config["threads"]))
    cv2.setNumThreads(1)
    torch.manual_seed(config["seed"])
    out.mkdir(parents=True, exist_ok=True)
    root = Path(config["data"])
    composer = Composer(
        load_photos(root, tuple(config["sets"]), held_back=False),
        load_photos(root, ("negatives",), held_back=False),
        load_footage(Path(config["footage"])) if config.get("footage") else [],
        tuple(config["picture"]),
    )
    held_back = load_photos(root, tuple(config["sets"]), held_back=True)
    net = PlateNet(config["widths"], config["neck"])
    if start_from:
        _start(net, start_from, composer)
    net = net.to(device(), memory_format=torch.channels_last)
    average = Average(net, config["average"])
    optimiser = torch.optim.AdamW(_groups(net, config["decay"]), lr=config["rate"])
    history: list[dict[str, float]] = []
    first = 0
    if resume and (out / "last.pt").exists():
        state = torch.load(out / "last.pt", weights_only=True, map_location=device())
        net.load_state_dict(state["net"])
        average.net.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        history, first = json.loads((out / "history.json").read_text()), state["step"]
    rng = np.random.default_rng(config["seed"] + first)
    seen = {"score": 0.0, "box": 0.0, "corners": 0.0}
    bar = tqdm(range(first, config["steps"]), initial=first, total=config["steps"], mininterval=10, desc="detector")
    for step in bar:
        for group in optimiser.param_groups:
            group["lr"] = rate(step, config["steps"], config["rate"])
        scenes = [composer.compose(rng) for _ in range(config["batch"])]
        truth = [assign([s.plates for s in scenes], stride, tuple(config["picture"])) for stride in STRIDES]
        net.train()
        with autocast():
            levels = net(to_tensor(scenes).to(device()))
        parts = losses(levels, [t.to(device()) for t in truth])
        optimiser.zero_grad(set_to_none=True)
        parts.total.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        optimiser.step()
        average.update(net, step)
        for name, value in parts._asdict().items():
            seen[name] += (float(value) - seen[name]) * (0.02 if step > first + 50 else 0.2)
        bar.set_postfix({name: f"{value:.3f}" for name, value in seen.items()}, refresh=False)
        done = step + 1
        if done % config["measure_every"] == 0 or done == config["steps"]:
            measures = measure(held_back, float_detector(average.net, 0.3))
            history.append({"step": done, "at": time.time(), **seen, **_as_dict(measures)})
            tqdm.write(f"{done}: {measures}")
            _save(out, net, average, optimiser, done, history)


def _start(net: PlateNet, path: Path, composer: Composer) -> None:
    """Weights of a checkpoint's running mean, or of a released network."""
    if path.suffix == ".tflite":
        rng = np.random.default_rng(0)
        restore(net, path, to_tensor([composer.compose(rng) for _ in range(32)]))
    else:
        net.load_state_dict(torch.load(path, weights_only=True, map_location="cpu")["average"])


def _groups(net: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weights decay, biases and norms do not."""
    matrices = [p for p in net.parameters() if p.ndim > 1]
    vectors = [p for p in net.parameters() if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]


def _as_dict(measures: Any) -> dict[str, float]:
    return {name: float(getattr(measures, name)) for name in ("recall", "mean_iou", "corner_error", "strays")}


def _save(
    out: Path,
    net: nn.Module,
    average: Average,
    optimiser: torch.optim.Optimizer,
    step: int,
    history: list[dict[str, float]],
) -> None:
    state = {
        "net": net.state_dict(),
        "average": average.net.state_dict(),
        "optimiser": optimiser.state_dict(),
        "step": step,
    }
    torch.save(state, out / "last.tmp")
    (out / "last.tmp").replace(out / "last.pt")
    (out / "history.json").write_text(json.dumps(history))
    _draw_curves(history, out / "curves.png")


def _draw_curves(history: list[dict[str, float]], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4))
    steps = [row["step"] for row in history]
    for place, names in ((1, ("score", "box", "corners")), (2, ("recall", "mean_iou", "corner_error", "strays"))):
        axes = figure.add_subplot(1, 2, place)
        for name in names:
            axes.plot(steps, [row[name] for row in history], label=name)
        axes.set_xlabel("step")
        axes.legend()
    FigureCanvasAgg(figure).print_png(str(path))


def main() -> None:
    parser = argparse.ArgumentParser(description="train the plate detector")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--resume", action="store_true", help="go on from DIR/last.pt if it is there")
    parser.add_argument("--start-from", type=Path, help="begin with a checkpoint's averaged weights or a .tflite")
    options = parser.parse_args()
    config = yaml.safe_load(options.config.read_text(encoding="utf-8"))
    train(config, options.out, options.resume, options.start_from)


if __name__ == "__main__":
    main()
