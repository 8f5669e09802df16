"""A trained detector to `plate_detector.tflite` with manifest and measures.

`python -m training.detector_export --config training/config/detector.yaml --weights DIR/last.pt --out models`, in the
conversion's virtual environment (see `training.quantise`), with opencv, tqdm and pyyaml beside.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from agent.detect import PlateDetector, fit
from agent.tflite import Network
from training.detector_measure import INPUT, Measures, float_detector, measure
from training.detector_net import STRIDES, PlateNet
from training.detector_photos import Photo, load_footage, load_photos
from training.quantise import quantise
from training.scenes import Composer

NAMES = tuple(f"{name}_{stride}" for stride in STRIDES for name in ("score", "box", "corners"))
THRESHOLD = 0.45


class Shipped(nn.Module):
    """The network as the agent runs it: scores through the sigmoid, channels last."""

    def __init__(self, net: PlateNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        levels = self.net(picture)
        raw = (t for level in levels for t in (level.score.sigmoid(), level.box, level.corners))
        return tuple(t.permute(0, 2, 3, 1) for t in raw)


def calibration(photos: list[Photo], negatives: list[Photo], footage: list[Photo]) -> np.ndarray:
    """(N, H, W, 3) RGB: whole photos as the agent letterboxes them, and composed scenes of the same size."""
    rng = np.random.default_rng(7)
    whole = [fit(photos[int(i)].image, *INPUT)[0] for i in rng.choice(len(photos), 70, replace=False)]
    composer = Composer(photos, negatives, footage, INPUT)
    scenes = [composer.compose(rng).image[..., ::-1] for _ in range(70)]
    return np.stack([*whole, *scenes])


def milliseconds(network: Network, runs: int = 40) -> float:
    """Median time of one picture, one thread."""
    picture = np.full(network.picture_shape, 114, np.uint8)
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        network.run(picture)
        times.append(time.perf_counter() - start)
    return round(float(np.median(times)) * 1e3, 1)


def export(config: dict[str, Any], weights: Path, out: Path) -> dict[str, Any]:
    """Quantise, measure float against int8 on the held-back photos, write the manifest."""
    root = Path(config["data"])
    sets = tuple(config["sets"])
    net = PlateNet(config["widths"], config["neck"]).eval()
    state = torch.load(weights, weights_only=True)
    net.load_state_dict(state["average"])
    footage = load_footage(Path(config["footage"])) if config.get("footage") else []
    pictures = calibration(load_photos(root, sets, False), load_photos(root, ("negatives",), False), footage)
    manifest = {
        "strides": list(STRIDES),
        "threshold": THRESHOLD,
        "data": [f"train/{name}" for name in (*sets, "negatives")]
        + ["drawn plates"]
        + ["simulated roads"] * bool(footage),
        "steps": state["step"],
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True
        ).stdout.strip(),
    }
    path = out / "plate_detector.tflite"
    manifest = quantise(Shipped(net), pictures, NAMES, path, manifest)
    network = Network.load(path)
    measures: dict[str, Any] = {"ms_one_thread": milliseconds(network)}
    for name in ("id_white", "ro_dashcam"):
        photos = load_photos(root, (name,), True)
        measures[f"held_back/{name}"] = {
            "float": _rounded(measure(photos, float_detector(net, THRESHOLD))),
            "int8": _rounded(measure(photos, PlateDetector(network).detect)),
        }
    manifest["measures"] = measures
    path.with_suffix(".json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return manifest


def _rounded(measures: Measures) -> dict[str, float | None]:
    names = ("plates", "recall", "mean_iou", "corner_error", "strays")
    values = {name: round(float(getattr(measures, name)), 4) for name in names}
    return {name: None if value != value else value for name, value in values.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="export the plate detector to int8 TFLite")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = yaml.safe_load(options.config.read_text(encoding="utf-8"))
    print(json.dumps(export(config, options.weights, options.out)["measures"], indent=2))


if __name__ == "__main__":
    main()
