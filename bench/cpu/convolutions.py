"""Cases of convolutions: ResNet-50's layers, depthwise and 1x1 ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...nn import PackedWeight, conv2d
from .case import Calls, Case
from .data import Data


class Layer(NamedTuple):
    """A square kernel on square images, padded so that a stride of 1 keeps their length."""

    channels: int
    length: int
    outputs: int
    kernel: int = 3
    stride: int = 1
    depthwise: bool = False


RESNET = (
    Layer(3, 224, 64, 7, 2),
    Layer(64, 56, 64),
    Layer(128, 56, 128, 3, 2),
    Layer(128, 28, 128),
    Layer(256, 28, 256, 3, 2),
    Layer(256, 14, 256),
    Layer(512, 14, 512, 3, 2),
    Layer(512, 7, 512),
)
"""Kernels of 7 and 3 elements, and `ONE` of 1."""

ONE = (
    Layer(64, 56, 64, 1),
    Layer(64, 56, 256, 1),
    Layer(256, 56, 64, 1),
    Layer(256, 56, 512, 1, 2),
    Layer(128, 28, 512, 1),
    Layer(512, 28, 128, 1),
    Layer(256, 14, 1024, 1),
    Layer(1024, 14, 256, 1),
    Layer(512, 7, 2048, 1),
    Layer(2048, 7, 512, 1),
)

DEPTHWISE = tuple(
    Layer(channels, length, channels, 3, stride, True)
    for channels, length, stride in ((32, 112, 1), (144, 56, 2), (192, 28, 1), (384, 14, 1), (960, 7, 1))
)
"""MobileNetV2's."""

BATCHES = (1, 8)


def layers(which: tuple[Layer, ...], packed: bool = False) -> list[Case]:
    """Of both batches, in float32, with a bias. packed: with a weight that was packed before."""
    return [convolved(batch, layer, packed) for batch in BATCHES for layer in which]


def convolved(batch: int, layer: Layer, packed: bool = False) -> Case:
    """One convolution, against torch's."""
    channels, length, outputs, kernel, stride, depthwise = layer
    groups = channels if depthwise else 1
    padding = kernel // 2

    def build(data: Data) -> Calls:
        x = data.array("float32", (batch, channels, length, length), "unit")
        weight = data.array("float32", (outputs, channels // groups, kernel, kernel), "unit", 1)
        bias = data.array("float32", (outputs,), "unit", 2)
        a, b, c = data.accel(x, weight, bias)
        b = PackedWeight(b) if packed else b
        peers = {}
        if data.torch is not None:
            convolve, operands = data.torch.nn.functional.conv2d, data.tensors(x, weight, bias)
            peers["torch"] = lambda: convolve(*operands, stride, padding, 1, groups)
        return Calls(
            lambda: conv2d(a, b, c, stride, padding, 1, groups),
            peers,
            lambda: answer(x, weight, bias, stride, padding, groups)[:1, :, :4],
            lambda y: np.asarray(y)[:1, :, :4],
        )

    name = f"{batch}x{channels}x{length}x{length}, {outputs} of {kernel}x{kernel}, stride {stride}"
    return Case(f"{name}, depthwise" if depthwise else name, "float32", build)


def answer(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int, padding: int, groups: int) -> np.ndarray:
    """The first four rows of places of the first image, in float64."""
    kernel = weight.shape[2]
    rows = x[:1, :, : 3 * stride + kernel].astype(np.float64)
    padded = np.pad(rows, ((0, 0), (0, 0), (padding, kernel), (padding, padding)))
    places = (x.shape[3] + 2 * padding - kernel) // stride + 1
    total = np.zeros((1, groups, weight.shape[0] // groups, 4, places))
    grouped = padded.reshape(1, groups, -1, *padded.shape[2:])
    factors = weight.astype(np.float64).reshape(groups, -1, *weight.shape[1:])
    for i in range(kernel):
        for j in range(kernel):
            end = j + (places - 1) * stride + 1
            window = grouped[:, :, :, i : i + 3 * stride + 1 : stride, j:end:stride]
            total += np.einsum("ngchw,goc->ngohw", window, factors[..., i, j])
    return total.reshape(1, -1, 4, places) + bias[:, None, None]
