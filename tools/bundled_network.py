"""The networks of the bundled hub: built from a few layers, written to ONNX and read back from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

OPSET = 17
# Old enough for every onnxruntime that the package allows.
IR_VERSION = 8
_OPERATORS: dict[type[nn.Module], str] = {
    nn.Conv2d: "Conv",
    nn.BatchNorm2d: "BatchNormalization",
    nn.ReLU: "Relu",
    nn.AdaptiveAvgPool2d: "GlobalAveragePool",
    nn.Flatten: "Flatten",
    nn.Linear: "Gemm",
}
# In the order in which the ONNX operators take them.
_WEIGHTS: dict[type[nn.Module], tuple[str, ...]] = {
    nn.Conv2d: ("weight",),
    nn.BatchNorm2d: ("weight", "bias", "running_mean", "running_var"),
    nn.Linear: ("weight", "bias"),
}


@dataclass
class Network:
    """An encoder and the source head it was trained with.

    Parameters
    ----------
    encoder : torch.nn.Sequential
        From images (b, channels, H, W) to features (b, D); made of the layers that `write_onnx` knows.
    head : torch.nn.Linear or None
        From features to source classes.
    channels, input_size : int
        What the encoder takes.
    """

    encoder: nn.Sequential
    head: nn.Linear | None
    channels: int
    input_size: int

    @property
    def feature_dim(self) -> int:
        """Width of the features."""
        with torch.inference_mode():
            return int(self.encoder(torch.zeros(1, self.channels, self.input_size, self.input_size)).shape[1])

    @property
    def n_parameters(self) -> int:
        """Parameters of the encoder alone."""
        return sum(parameter.numel() for parameter in self.encoder.parameters())


def conv_encoder(channels: int, widths: Sequence[int], strides: Sequence[int]) -> nn.Sequential:
    """Stack 3 x 3 convolutions with batch normalisation and ReLU, and average the last map over its places."""
    layers: list[nn.Module] = []
    for width, stride in zip(widths, strides, strict=True):
        convolution = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    return _initialised(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()))


def bottleneck_encoder(
    channels: int, input_size: int, widths: Sequence[int], strides: Sequence[int], width: int
) -> nn.Sequential:
    """Stack convolutions as `conv_encoder` does and end in a linear map of all places."""
    convolutions = list(conv_encoder(channels, widths, strides))[:-2]
    side = input_size // int(np.prod(strides))
    return _initialised(nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(widths[-1] * side * side, width)))


def _initialised(encoder: nn.Sequential) -> nn.Sequential:
    for layer in encoder:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return encoder


def write_onnx(network: Network, path: Path) -> None:
    """Write input ``image``, outputs ``features`` and, with a head, ``logits``; the batch size is free."""
    nodes: list[Any] = []
    weights: list[Any] = []
    last = "image"
    layers = list(network.encoder)
    for place, layer in enumerate(layers):
        output = "features" if place == len(layers) - 1 else f"hidden_{place}"
        nodes.append(_node(layer, f"layer_{place}", last, output, weights))
        last = output
    outputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", network.feature_dim])]
    if network.head is not None:
        nodes.append(_node(network.head, "head", "features", "logits", weights))
        outputs.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", network.head.out_features]))
    shape = ["batch", network.channels, network.input_size, network.input_size]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "bundled_encoder", [image], outputs, weights)
    model = helper.make_model(
        graph, producer_name="hubscout", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))


def _node(layer: nn.Module, name: str, source: str, output: str, weights: list[Any]) -> Any:
    """Make the node of one layer and append its weights."""
    inputs = [source]
    for tensor in _WEIGHTS.get(type(layer), ()):
        array = np.ascontiguousarray(getattr(layer, tensor).detach().numpy(), dtype=np.float32)
        weights.append(numpy_helper.from_array(array, f"{name}.{tensor}"))
        inputs.append(f"{name}.{tensor}")
    settings: dict[str, Any] = {}
    if isinstance(layer, nn.Conv2d):
        settings = {"strides": list(layer.stride), "pads": [int(layer.padding[0])] * 4}
    elif isinstance(layer, nn.BatchNorm2d):
        settings = {"epsilon": layer.eps}
    elif isinstance(layer, nn.Linear):
        settings = {"transB": 1}
    return helper.make_node(_OPERATORS[type(layer)], inputs, [output], **settings)


def read_onnx(path: Path) -> Network:
    """Build the torch network of a file that `write_onnx` wrote, with the weights of its initializers."""
    graph = onnx.load(str(path)).graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    layers: list[nn.Module] = []
    head: nn.Linear | None = None
    for node in graph.node:
        layer = _layer(node, [arrays[name] for name in node.input[1:]])
        if node.output[0] == "logits":
            assert isinstance(layer, nn.Linear)
            head = layer
        else:
            layers.append(layer)
    _, channels, side, _ = (place.dim_value for place in graph.input[0].type.tensor_type.shape.dim)
    return Network(nn.Sequential(*layers).eval(), head, int(channels), int(side))


def _layer(node: Any, arrays: Sequence[np.ndarray[Any, Any]]) -> nn.Module:
    """Build the torch layer of one node."""
    settings = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    layer: nn.Module
    if node.op_type == "Conv":
        outputs, inputs, side, _ = arrays[0].shape
        stride, padding = settings["strides"][0], settings["pads"][0]
        layer = nn.Conv2d(inputs, outputs, side, stride=stride, padding=padding, bias=False)
    elif node.op_type == "BatchNormalization":
        layer = nn.BatchNorm2d(len(arrays[0]), eps=settings["epsilon"])
    elif node.op_type == "Gemm":
        layer = nn.Linear(arrays[0].shape[1], arrays[0].shape[0])
    elif node.op_type == "GlobalAveragePool":
        layer = nn.AdaptiveAvgPool2d(1)
    else:
        layer = {"Relu": nn.ReLU, "Flatten": nn.Flatten}[node.op_type]()
    with torch.no_grad():
        for tensor, array in zip(_WEIGHTS.get(type(layer), ()), arrays, strict=True):
            getattr(layer, tensor).copy_(torch.from_numpy(array.copy()))
    return layer
