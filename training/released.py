"""The float weights of a released int8 network, to train on from it where its checkpoint is gone.

The exporter folds each batch norm into the convolution before it. Here the convolution takes the folded weights, and
the batch norm undoes itself: what it divides by and takes away on some crops is what it then multiplies and adds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from torch import nn

Layer = nn.Conv2d | nn.Linear


def restore(net: nn.Module, path: Path, crops: torch.Tensor) -> None:
    """Give `net` the weights of `path`, whose layers stand there in the order in which `net` runs them.

    crops: (N, 3, H, W) as the network sees them; the batch norms take their statistics from these. Where `net` has
    more layers than the file, those whose batch norm multiplies by nothing are new and stay as they are.
    Raises ValueError if the networks are not of one build.
    """
    layers, stored = _in_order(net, crops[:1]), _stored(path)
    if len(layers) > len(stored):
        layers = [(layer, norm) for layer, norm in layers if norm is None or norm.weight.any()]
    if [tuple(layer.weight.shape) for layer, _ in layers] != [weight.shape for weight, _ in stored]:
        raise ValueError(f"{path}: its layers are not those of the network to train; take the config it was made with")
    hooks = []
    for (layer, norm), (weight, bias) in zip(layers, stored, strict=True):
        layer.weight.data.copy_(torch.from_numpy(weight))
        if norm is None:
            assert layer.bias is not None
            layer.bias.data.copy_(torch.from_numpy(bias))
        else:
            hooks.append(norm.register_forward_pre_hook(_undone(torch.from_numpy(bias))))
    with torch.no_grad():
        net.eval()(crops)
    for hook in hooks:
        hook.remove()
    net.train()


def folded(net: nn.Module, crops: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Weights and biases of a network's layers as it runs them, its batch norms folded in."""
    layers = []
    for layer, norm in _in_order(net, crops[:1]):
        if norm is None:
            assert layer.bias is not None
            layers.append((layer.weight.data, layer.bias.data))
            continue
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight.data / (norm.running_var + norm.eps).sqrt()
        layers.append((layer.weight.data * scale[:, None, None, None], norm.bias.data - norm.running_mean * scale))
    return layers


def unfold(net: nn.Module, layers: list[tuple[torch.Tensor, torch.Tensor]], crops: torch.Tensor) -> None:
    """Give `net` such weights; its batch norms add the biases and do nothing else."""
    for (layer, norm), (weight, bias) in zip(_in_order(net, crops[:1]), layers, strict=True):
        layer.weight.data.copy_(weight)
        if norm is None:
            assert layer.bias is not None
            layer.bias.data.copy_(bias)
            continue
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)
        norm.weight.data.fill_(1)
        norm.bias.data.copy_(bias)


def _undone(bias: torch.Tensor):  # type: ignore[no-untyped-def]
    """Makes a batch norm add `bias` and nothing else, on what it is given first."""

    def hook(norm: nn.BatchNorm2d, inputs: tuple[torch.Tensor]) -> None:
        mean, variance = inputs[0].mean((0, 2, 3)), inputs[0].var((0, 2, 3))
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.data.copy_((variance + norm.eps).sqrt())
        norm.bias.data.copy_(bias.to(mean.device) + mean)

    return hook


def _in_order(net: nn.Module, crop: torch.Tensor) -> list[tuple[Layer, nn.BatchNorm2d | None]]:
    """Convolutions and dense layers as `net` runs them, each with the batch norm that follows it."""
    seen: list[tuple[Layer, nn.BatchNorm2d | None]] = []

    def hook(module: nn.Module, *_: object) -> None:
        if isinstance(module, nn.BatchNorm2d):
            seen[-1] = (seen[-1][0], module)
        else:
            seen.append((module, None))  # type: ignore[arg-type]

    kinds = (nn.Conv2d, nn.Linear, nn.BatchNorm2d)
    hooks = [module.register_forward_hook(hook) for module in net.modules() if isinstance(module, kinds)]
    with torch.no_grad():
        net.eval()(crop)
    for handle in hooks:
        handle.remove()
    return seen


def _stored(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Float weights in torch's layout and biases of every convolution and dense layer, in the file's order."""
    interpreter = Interpreter(str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
    interpreter.allocate_tensors()
    details = {detail["index"]: detail for detail in interpreter.get_tensor_details()}

    def floats(index: int) -> np.ndarray:
        scales = details[index]["quantization_parameters"]["scales"]
        whole = interpreter.get_tensor(index).astype(np.float32)
        return np.asarray(whole * scales.reshape(-1, *[1] * (whole.ndim - 1)))

    stored = []
    for op in interpreter._get_ops_details():
        if op["op_name"] in ("CONV_2D", "FULLY_CONNECTED"):
            _, weight, bias = (int(i) for i in op["inputs"])
            kernel = floats(weight)
            stored.append((kernel.transpose(0, 3, 1, 2) if kernel.ndim == 4 else kernel, floats(bias)))
    return stored
