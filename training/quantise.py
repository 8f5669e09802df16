"""A trained network to a full int8 TFLite file with its manifest.

Runs in a virtual environment of its own (litert-torch forces versions that nothing else here wants):
`pip install torch==2.13.0 litert-torch==0.10.0 litert-quantizer==0.11.0`. So this module imports none of ours.

Activations are calibrated by their smallest and largest value: the converter's default, a moving average, clips the
input's range and costs the reader 8 dB. A black and a white picture are added so that a pixel's int8 value is its
uint8 value with the top bit flipped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import litert_torch
import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter
from litert_quantizer import quantizer, recipe
from litert_quantizer.utils import qsv_utils


def quantise(
    module: torch.nn.Module,
    pictures: np.ndarray,
    names: Sequence[str],
    path: Path,
    manifest: dict[str, Any],
) -> dict[str, Any]:
    """Write `path` (int8) and its manifest beside it; returns the manifest.

    module: takes (1, 3, H, W) RGB 0..1 and returns a tuple, one tensor for each of `names`.
    pictures: (N, H, W, 3) uint8 RGB, what the network will see; a few hundred calibrate it.
    manifest: what only the caller knows (data, metrics, classes); merged in. Raises ValueError if an output is lost.
    """
    shape = (1, *pictures.shape[1:])
    wrapped = litert_torch.to_channel_last_io(module.eval(), args=[0])
    float_model = litert_torch.convert(wrapped, (torch.zeros(shape),))
    float_path = path.with_suffix(".float.tflite")
    float_model.export(str(float_path))
    maker = quantizer.Quantizer(str(float_path), recipe.static_wi8_ai8())
    maker.quantize(_ranges(maker, float_path, pictures), enable_progress_report=False).export_model(
        path, overwrite=True
    )
    float_path.unlink()
    whole = {
        "name": path.stem,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "input": {"shape": list(shape), "colour": "rgb", "range": [0.0, 1.0]},
        "outputs": _outputs(path, names),
    } | manifest
    path.with_suffix(".json").write_text(json.dumps(whole, indent=2, sort_keys=False) + "\n")
    return whole


def _ranges(maker: quantizer.Quantizer, float_path: Path, pictures: np.ndarray) -> Any:
    (signature, tensors), *_ = Interpreter(str(float_path)).get_signature_list().items()
    extremes = np.stack([np.zeros_like(pictures[0]), np.full_like(pictures[0], 255)])
    floats = (np.concatenate([extremes, pictures]).astype(np.float32) / 255)[:, None]
    samples = {signature: [{tensors["inputs"][0]: sample} for sample in floats]}
    calibration = quantizer.calibrator.Calibrator(
        maker._float_model_buffer, num_threads=1, qsv_update_func=qsv_utils.min_max_update
    )
    calibration.calibrate(samples, maker._recipe_manager)
    return calibration.get_model_qsvs()


def _outputs(path: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    """Our names to the file's tensors, by the order in which the module returned them."""
    runner = Interpreter(str(path)).get_signature_runner()
    details = runner.get_output_details()
    keys = sorted(details, key=lambda key: int(key.rsplit("_", 1)[-1]))
    if len(keys) != len(names):
        raise ValueError(f"{path}: {len(keys)} outputs, {len(names)} names")
    return [
        {"name": name, "tensor": details[key]["name"], "shape": [int(n) for n in details[key]["shape"]]}
        for name, key in zip(names, keys, strict=True)
    ]
