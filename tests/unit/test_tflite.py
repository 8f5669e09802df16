"""A network that is missing, changed or foreign stops the unit with one line that says so."""

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agent import tflite
from agent.errors import ModelError
from agent.tflite import Network, pixel_table, read_manifest

MANIFEST = {
    "name": "plate_detector",
    "input": {"shape": [1, 4, 6, 3], "colour": "rgb", "range": [0.0, 1.0]},
    "outputs": [{"name": "score", "tensor": "out:0"}],
}


def place(folder: Path, content: bytes = b"not a network", **changes: object) -> Path:
    """A network file and its manifest in a folder; a change of None leaves the field out."""
    path = folder / "plate_detector.tflite"
    path.write_bytes(content)
    manifest = {**MANIFEST, "sha256": hashlib.sha256(content).hexdigest(), **changes}
    kept = {name: value for name, value in manifest.items() if value is not None}
    path.with_suffix(".json").write_text(json.dumps(kept))
    return path


def refusal(path: Path) -> str:
    """The one line with which a network is refused."""
    with pytest.raises(ModelError) as caught:
        Network.load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert "; " in message, "no mend"
    assert caught.value.exit_code == 78
    return message


def test_missing_network_names_the_file(tmp_path: Path) -> None:
    """A technician who forgot the models would see a traceback of the runtime."""
    path = tmp_path / "plate_detector.tflite"
    assert refusal(path).startswith(f"{path}: no such network")


def test_missing_manifest_names_the_manifest(tmp_path: Path) -> None:
    """A network copied without its manifest would run with nobody knowing which one it is."""
    path = place(tmp_path)
    path.with_suffix(".json").unlink()
    assert "plate_detector.json: no such manifest" in refusal(path)


def test_changed_network_is_refused(tmp_path: Path) -> None:
    """A half-copied network would accuse drivers with garbage."""
    assert "sha256" in refusal(place(tmp_path, sha256="0" * 64))


def test_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    """An error page saved in place of the network would crash the unit."""
    assert "not a TFLite network" in refusal(place(tmp_path))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"sha256": None}, "sha256"),
        ({"input": {"shape": [4, 6]}}, "input"),
        ({"input": {"shape": [1, 4, 6, 3], "range": "0 to 1"}}, "input"),
        ({"outputs": []}, "outputs"),
        ({"outputs": [{"name": "score"}]}, "outputs"),
    ],
)
def test_bad_manifest_names_its_field(tmp_path: Path, changes: dict[str, object], field: str) -> None:
    """A manifest edited by hand would fail far from the mistake."""
    assert f"plate_detector.json: {field}" in refusal(place(tmp_path, **changes))


@pytest.mark.parametrize("text", ["{", "[]", "null"])
def test_manifest_that_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    """A truncated manifest would show a decoder's traceback."""
    path = place(tmp_path)
    path.with_suffix(".json").write_text(text)
    assert "not a manifest" in refusal(path)


def fake_runtime(make: Any) -> SimpleNamespace:
    resolvers = SimpleNamespace(AUTO=0, BUILTIN_WITHOUT_DEFAULT_DELEGATES=1)
    return SimpleNamespace(Interpreter=make, OpResolverType=resolvers)


def test_runtime_beside_a_wrong_numpy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """tflite-runtime beside numpy 2 imports well and fails later with a bare SystemError."""

    def fail(**_: object) -> None:
        raise SystemError("initialization of _pywrap failed")

    monkeypatch.setattr(tflite, "_runtime", lambda: fake_runtime(fail))
    assert "numpy<2" in refusal(place(tmp_path))


class Doubler:
    """An interpreter of a network that answers with the sum of its quantised input."""

    def __init__(self, **options: object) -> None:
        self.options = options

    def allocate_tensors(self) -> None: ...

    def get_input_details(self) -> list[dict[str, Any]]:
        return [{"index": 0, "shape": np.array([1, 4, 6, 3]), "quantization": (1 / 255, -128)}]

    def get_output_details(self) -> list[dict[str, Any]]:
        return [{"index": 1, "name": "out:0", "quantization": (0.5, -3)}]

    def set_tensor(self, _: int, value: np.ndarray[Any, Any]) -> None:
        assert value.dtype == np.int8
        self.first = value[0, 0, 0]

    def invoke(self) -> None: ...

    def get_tensor(self, _: int) -> np.ndarray[Any, Any]:
        return self.first[None]


def test_pixels_go_in_and_floats_come_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong scale or zero point would shift every score without any error."""
    monkeypatch.setattr(tflite, "_runtime", lambda: fake_runtime(Doubler))
    network = Network.load(place(tmp_path))
    assert network.picture_shape == (4, 6, 3)
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[0, 0] = (0, 128, 255)
    assert network.run(picture)["score"].tolist() == [(-128 + 3) / 2, (0 + 3) / 2, (127 + 3) / 2]


def test_network_of_another_shape_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest of another export would feed the network pictures of the wrong size."""
    monkeypatch.setattr(tflite, "_runtime", lambda: fake_runtime(Doubler))
    path = place(tmp_path, input={"shape": [1, 8, 6, 3], "range": [0, 1]})
    assert "input: is 1x4x6x3" in refusal(path)


def test_network_without_a_promised_output_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A renamed output would surface as a KeyError in the first frame."""
    monkeypatch.setattr(tflite, "_runtime", lambda: fake_runtime(Doubler))
    path = place(tmp_path, outputs=[{"name": "corners", "tensor": "gone:0"}])
    assert "outputs: corners" in refusal(path)


def test_pixel_table_is_left_out_where_flipping_a_bit_will_do() -> None:
    """A slow table look-up for every pixel would cost frames."""
    assert pixel_table((0.0, 1.0), 1 / 255, -128) is None


def test_pixel_table_follows_scale_and_zero_point() -> None:
    """A network calibrated on another range would see every picture too dark."""
    table = pixel_table((-1.0, 1.0), 2 / 200, 5)
    assert table is not None
    assert (table[0], table[255]) == (-95, 105)


def test_good_manifest_is_returned_whole(tmp_path: Path) -> None:
    """Strides and thresholds kept in the manifest would be lost to the detector."""
    path = place(tmp_path, strides=[8, 16])
    assert read_manifest(path)["strides"] == [8, 16]


def test_no_runtime_installed_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without any runtime would show an import error of a name nobody chose."""
    monkeypatch.setattr(tflite, "_RUNTIMES", ("no_such_runtime",))
    assert "pip install ai-edge-litert" in refusal(place(tmp_path))
