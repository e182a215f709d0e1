"""What kernels of the primitive ``convolution`` share: its lengths and strides, always for three spatial axes."""

from __future__ import annotations

from dataclasses import dataclass

from .backends.base import Call
from .layout import Layout, Shape
from .ops.parameters import Convolution

AXES = 3
"""Spatial axes that kernels have; missing ones, in front, have length 1."""


@dataclass(frozen=True)
class Windows:
    """Lengths, steps and strides. x: strides of batch, group, channel and spatial axes; weight: of group, output,
    channel and spatial axes; out, extras: of batch, group, output and spatial axes; bias: of group and output, or
    empty."""

    batch: int
    groups: int
    outputs: int
    channels: int
    lengths: Shape
    kernel: Shape
    places: Shape
    stride: Shape
    low: Shape
    dilation: Shape
    spread: Shape
    x: Shape
    weight: Shape
    out: Shape
    bias: Shape
    extras: tuple[Shape, ...]

    @property
    def numbers(self) -> Shape:
        """All that is no stride of an array, in one order for all backends."""
        counts = (self.batch, self.groups, self.outputs, self.channels)
        steps = (*self.stride, *self.low, *self.dilation, *self.spread)
        return (*counts, *self.lengths, *self.kernel, *self.places, *steps)


def first(x: Layout, last: bool) -> tuple[Shape, Shape]:
    """Lengths and strides with the channels, and their groups, before the spatial axes."""
    order = (0, x.ndim - 2, x.ndim - 1, *range(1, x.ndim - 2)) if last else tuple(range(x.ndim))
    return tuple(x.shape[a] for a in order), tuple(x.strides[a] for a in order)


def windows(call: Call) -> Windows:
    """Those of a call."""
    params: Convolution = call.params
    x, weight, *others = call.inputs
    bias, extras = others[: len(others) - params.extras], others[len(others) - params.extras :]
    (batch, groups, channels, *lengths), x_strides = first(x, params.last)
    (_, _, _, *places), out_strides = first(call.outputs[0], params.last)
    _, outputs, _, *kernel = weight.shape
    missing = AXES - len(kernel)

    def all_axes(numbers: Shape | list[int], fill: int) -> Shape:
        return (*(fill,) * missing, *numbers)

    def strides(those: Shape) -> Shape:
        return (*those[:3], *all_axes(those[3:], 0))

    return Windows(
        batch, groups, outputs, channels, all_axes(lengths, 1), all_axes(kernel, 1), all_axes(places, 1),
        all_axes(params.stride, 1), all_axes(params.low, 0), all_axes(params.dilation, 1), all_axes(params.spread, 1),
        strides(x_strides), strides(weight.strides), strides(out_strides), bias[0].strides if bias else (),
        tuple(strides(first(its, params.last)[1]) for its in extras),
    )  # fmt: skip
