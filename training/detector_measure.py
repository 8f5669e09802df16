"""How well a detector finds the plates of labelled photos: recall, overlap, corner error, false alarms."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from agent.detect import PlateDetector, decode, fit, suppress, to_detections
from agent.tflite import Network
from agent.types import Box, Detection
from training.detector_net import STRIDES, Level, PlateNet
from training.detector_photos import HELD_BACK, Photo, load_photos, load_set

INPUT = (640, 384)
"""Width and height of the deployed network's picture."""
Detect = Callable[[NDArray[np.uint8]], tuple[Detection, ...]]


@dataclass(frozen=True, slots=True)
class Measures:
    """Of one set of photos."""

    plates: int
    recall: float
    """Share of labelled plates met by a box with IoU of at least 0.5."""
    mean_iou: float
    corner_error: float
    """Mean distance of a corner from its label as a share of the plate's height, of plates with labelled corners."""
    strays: float
    """Detections a picture that meet no label: where only main plates are labelled, not all are wrong."""

    def __str__(self) -> str:
        return (
            f"recall {self.recall:.3f} of {self.plates}, IoU {self.mean_iou:.3f}, "
            f"corners {self.corner_error:.3f}, strays {self.strays:.2f}"
        )


def measure(photos: Iterable[Photo], detect: Detect) -> Measures:
    """Run a detector over photos."""
    overlaps: list[float] = []
    misses: list[float] = []
    plates = strays = pictures = 0
    for photo in photos:
        pictures += 1
        found = detect(photo.image)
        met: set[int] = set()
        for plate in photo.plates:
            plates += 1
            low, high = plate.corners.min(0).tolist(), plate.corners.max(0).tolist()
            ious = [d.box.iou(Box(*low, *high)) for d in found]
            if not ious or max(ious) < 0.5:
                continue
            best = int(np.argmax(ious))
            met.add(best)
            overlaps.append(ious[best])
            if plate.kind == "exact":
                tall = (
                    np.linalg.norm(plate.corners[3] - plate.corners[0])
                    + np.linalg.norm(plate.corners[2] - plate.corners[1])
                ) / 2
                away = np.linalg.norm(np.array(found[best].corners) - plate.corners, axis=1).mean()
                misses.append(float(away / tall))
        strays += len(found) - len(met)
    return Measures(
        plates,
        len(overlaps) / max(1, plates),
        float(np.mean(overlaps)) if overlaps else 0.0,
        float(np.mean(misses)) if misses else float("nan"),
        strays / max(1, pictures),
    )


def float_detector(net: PlateNet, threshold: float) -> Detect:
    """A trained network with the shipped pre- and postprocessing."""

    def detect(image: NDArray[np.uint8]) -> tuple[Detection, ...]:
        canvas, letterbox = fit(image, *INPUT)
        with torch.inference_mode():
            picture = torch.from_numpy(canvas).permute(2, 0, 1)[None].float() / 255
            levels = net(picture.to(next(net.parameters()).device))
        outputs = _named(levels)
        return to_detections(suppress(decode(outputs, STRIDES, threshold)), letterbox, image.shape[1], image.shape[0])

    return detect


def _named(levels: Iterable[Level]) -> dict[str, NDArray[np.float32]]:
    outputs: dict[str, NDArray[np.float32]] = {}
    for stride, level in zip(STRIDES, levels, strict=True):
        for name, tensor in (("score", level.score.sigmoid()), ("box", level.box), ("corners", level.corners)):
            outputs[f"{name}_{stride}"] = tensor[0].permute(1, 2, 0).cpu().numpy()
    return outputs


def main() -> None:
    parser = argparse.ArgumentParser(description="measure a plate detector on sets of labelled photos")
    parser.add_argument("--model", type=Path, default=Path("models/plate_detector.tflite"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--threshold", type=float, help="default: the manifest's")
    parser.add_argument("sets", nargs="+", help="dev/id_street, ...; train/... means its held-back photos")
    options = parser.parse_args()
    detector = PlateDetector(Network.load(options.model), options.threshold)
    for name in options.sets:
        side, _, folder = name.partition("/")
        held_back = side == "train" and folder in HELD_BACK
        photos = load_photos(options.data, (folder,), True) if held_back else load_set(options.data / name)
        print(f"{name}: {measure(photos, detector.detect)}", flush=True)


if __name__ == "__main__":
    main()
