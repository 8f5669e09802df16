"""One TFLite network with its manifest: checked when loaded, pictures in, named float arrays out.

A network `<name>.tflite` has beside it `<name>.json`, written by the exporter:

    {"name": "...", "sha256": "<of the .tflite>",
     "input":   {"shape": [1, H, W, 3], "colour": "rgb", "range": [0.0, 1.0]},
     "outputs": [{"name": "score", "tensor": "<name in the file>", "shape": [...]}, ...], ...}

`range` is what a pixel of 0 and of 255 meant to the float network. Scales and zero points are read from the
.tflite itself. The runtime is ai-edge-litert, or tflite-runtime where that is installed (armv7l, or by its extra).
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.errors import ModelError
from agent.types import Image

_RUNTIMES = ("tflite_runtime.interpreter", "ai_edge_litert.interpreter")
"""tflite-runtime is on a machine only where it is the one there is (armv7l) or was asked for (the extra)."""


class Network:
    """A loaded network. Not for two threads at once: the interpreter owns its buffers."""

    def __init__(self, path: Path, manifest: dict[str, Any], interpreter: Any) -> None:
        self.manifest = manifest
        self._interpreter = interpreter
        (self._input,) = interpreter.get_input_details()
        found = {detail["name"]: detail for detail in interpreter.get_output_details()}
        if missing := [o["name"] for o in manifest["outputs"] if o["tensor"] not in found]:
            raise ModelError(f"{path}: outputs: {', '.join(missing)} not in the network; export it again")
        self._outputs = {o["name"]: found[o["tensor"]] for o in manifest["outputs"]}
        if list(self._input["shape"]) != manifest["input"]["shape"]:
            shape = "x".join(str(n) for n in self._input["shape"])
            raise ModelError(f"{path}: input: is {shape}, not what the manifest says; export it again")
        self._pixels = pixel_table(manifest["input"]["range"], *self._input["quantization"])

    @classmethod
    def load(cls, path: Path, threads: int = 1, exact: bool = False) -> Network:
        """Open and check a network and run it once on a black picture.

        `exact` takes the built-in kernels without delegates: slow, but equal bit for bit between runtimes.
        ModelError, one line, for whatever is wrong with the file, its manifest or the runtime.
        """
        manifest = read_manifest(path)
        network = cls(path, manifest, _interpreter(path, threads, exact))
        try:
            network.run(np.zeros(network.picture_shape, np.uint8))
        except (RuntimeError, ValueError, TypeError) as error:
            raise ModelError(f"{path}: does not run: {_first_line(error)}; export it again") from error
        return network

    @property
    def picture_shape(self) -> tuple[int, int, int]:
        """(height, width, 3) of the picture that `run` takes."""
        _, height, width, channels = self.manifest["input"]["shape"]
        return height, width, channels

    def run(self, image: Image) -> dict[str, NDArray[np.float32]]:
        """Outputs by name, dequantised, without the batch axis.

        `image` is uint8 of `picture_shape` in the manifest's colour order.
        """
        quantised = (image ^ 0x80).view(np.int8) if self._pixels is None else self._pixels[image]
        self._interpreter.set_tensor(self._input["index"], quantised[None])
        self._interpreter.invoke()
        return {name: self._read(detail) for name, detail in self._outputs.items()}

    def _read(self, detail: Mapping[str, Any]) -> NDArray[np.float32]:
        raw = self._interpreter.get_tensor(detail["index"])[0]
        scale, zero_point = detail["quantization"]
        if not scale:
            return np.asarray(raw, np.float32)
        floats: NDArray[np.float32] = (raw.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)
        return floats


def pixel_table(span: tuple[float, float], scale: float, zero_point: int) -> NDArray[np.int8] | None:
    """Quantised value of each of the 256 pixel values; None where flipping the top bit does the same."""
    low, high = span
    floats = low + np.arange(256) / 255 * (high - low)
    table = np.clip(np.round(floats / scale) + zero_point, -128, 127).astype(np.int8)
    return None if np.array_equal(table, np.arange(-128, 128)) else table


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest beside a network, once its form and the network's sha256 are right; else ModelError."""
    if not path.is_file():
        raise ModelError(f"{path}: no such network; install the models, or mend its path in the config")
    beside = path.with_suffix(".json")
    try:
        manifest = json.loads(beside.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{beside}: no such manifest; copy it from where {path.name} came from") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{beside}: not a manifest: {_first_line(error)}; install the models again") from error
    if fault := _manifest_fault(manifest):
        raise ModelError(f"{beside}: {fault}; install the models again")
    if hashlib.sha256(path.read_bytes()).hexdigest() != manifest["sha256"]:
        raise ModelError(f"{path}: sha256: not the network of its manifest; install the models again")
    return dict(manifest)


def _manifest_fault(manifest: object) -> str:
    """What is wrong with a manifest's form, `FIELD: what`; empty when nothing is."""
    if not isinstance(manifest, dict):
        return "not a manifest: no JSON object"
    if not isinstance(manifest.get("sha256"), str):
        return "sha256: is missing"
    match manifest.get("input"):
        case {"shape": [1, int(), int(), 3], "range": [int() | float(), int() | float()]}:
            pass
        case _:
            return "input: needs shape [1, height, width, 3] and range [low, high]"
    match manifest.get("outputs"):
        case [_, *_] as outputs if all(_names_a_tensor(output) for output in outputs):
            return ""
        case _:
            return "outputs: needs a list of name and tensor"


def _names_a_tensor(output: object) -> bool:
    match output:
        case {"name": str(), "tensor": str()}:
            return True
        case _:
            return False


def _interpreter(path: Path, threads: int, exact: bool) -> Any:
    runtime = _runtime()
    resolvers = runtime.OpResolverType
    resolver = resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES if exact else resolvers.AUTO
    try:
        with _without_banner():
            interpreter = runtime.Interpreter(
                model_path=str(path), num_threads=threads, experimental_op_resolver_type=resolver
            )
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{path}: not a TFLite network: {_first_line(error)}; install the models again") from error
    except (SystemError, AttributeError, ImportError) as error:
        # tflite-runtime 2.14 imports beside numpy 2 and fails only here.
        raise ModelError(f"{path}: the TFLite runtime does not run here; pip install 'numpy<2'") from error
    return interpreter


@contextmanager
def _without_banner() -> Iterator[None]:
    """Keep the runtime's `INFO: Created ... delegate` off standard error; its faults come as exceptions.

    It is written by C++ to the descriptor itself, and has no switch.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    silence = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(silence, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(silence)
        os.close(kept)


def _runtime() -> Any:
    for name in _RUNTIMES:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise ModelError("no TFLite runtime is installed; pip install ai-edge-litert, or tflite-runtime on armv7l")


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
