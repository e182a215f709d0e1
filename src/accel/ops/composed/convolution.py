"""Convolutions, and transposed ones, of one to three spatial axes: views of their operands, and the primitive
``convolution`` (docs/numerics.md, rule 3)."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any

from ... import arguments
from ...array import Array
from ...dtypes import FLOAT32, FLOAT64, DType
from ...errors import ArgumentError, ShapeError, shown
from ...layout import Layout, Shape, reshaped
from .. import bounds
from ..compose import Operand, composed
from ..primitive.convolution import convolution
from ..primitive.matmul import matmul
from ..primitive.pointwise import fn
from ..views import reshape
from . import exact_convolution as exact
from .linear import check_activation
from .windows import worded

_FEW_PLACES = 64

FORMATS = {1: ("NCW", "NWC"), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}
"""By spatial axes: with the channels before them and behind them."""

FORWARD = """Convolution over {axes} (PyTorch's {op}): sums of products of the input's windows and the weight.

    input: (n, channels, {lengths}), or without the batch axis. weight: (out, channels / groups, {kernel}), or a
    `PackedWeight` of it. bias: (out,) or None; it is added last. stride, padding, dilation: an integer, or one for each
    spatial axis; padding may be "valid" (none) or "same" (as long a result, for a stride of 1; an odd element more goes
    behind).{common}
    """

TRANSPOSED = """Transposed convolution over {axes} (PyTorch's {op}): the weight put at every input.

    input: (n, channels, {lengths}), or without the batch axis. weight: (channels, out / groups, {kernel}). bias: (out,)
    or None; it is added last. stride, padding, output_padding, dilation: an integer, or one for each spatial axis. Each
    input is added, times the weight, from stride times its place on; padding elements are cut off either end, and
    output_padding fewer behind. So it is the derivative of the convolution by its input.{common}
    """

COMMON = """ groups: how many parts the channels are cut into, each with outputs of its own; as many as channels:
    depthwise.
    data_format: "{first}" or "{last}", of the input and the result; channels behind are read and written as they lie.
    activation: the name of a scalar function of one argument ("relu", "silu", "gelu"…) that is applied to the result,
    or None. Result: (n, out, {lengths}). 16-bit floats are computed in float32 and rounded once. What lies in the
    padding is no term, so that it makes no NaN of infinite weights. Raises ShapeError, ArgumentError, DtypeError,
    DeviceError.
    """

AXES = {1: ("one axis", "w"), 2: ("two axes", "h, w"), 3: ("three axes", "d, h, w")}
"""By the number of spatial axes: its name, and those of their lengths."""


def _samples(rank: int, kind: str) -> Any:
    def samples(dtype: DType) -> Any:
        from ...testing import convolution_family

        return convolution_family.FAMILIES[kind](rank, dtype)

    return samples


def _flops(inputs: tuple[Layout, ...], outputs: Any, params: Any, transposed: bool = False) -> int:
    x, weight = inputs[:2]
    return 2 * (prod(x.shape) * prod(weight.shape[1:]) if transposed else prod(outputs[0][0]) * prod(weight.shape[1:]))


def _numbers(op: str, name: str, value: Any, rank: int, least: int) -> Shape:
    """One number for each spatial axis. Raises ArgumentError."""
    expected = f"an integer or {rank} integers"
    found = arguments.integers(op, name, value, expected)
    if not isinstance(value, (tuple, list)):
        found *= rank
    if len(found) != rank or any(isinstance(n, bool) for n in (value if isinstance(value, tuple) else (value,))):
        raise ArgumentError(f"{op}: {name}: expected {expected}, got {shown(value)}")
    if min(found) < least or max(found) >= 1 << 31:
        raise ArgumentError(f"{op}: {name}: expected numbers from {least} to 2^31 - 1, got {shown(value)}")
    return found


def _paddings(op: str, value: Any, rank: int, stride: Shape, reach: Shape) -> tuple[Shape, Shape]:
    """In front and behind. Raises ArgumentError."""
    if isinstance(value, str):
        arguments.word(op, "padding", value, ("same", "valid"))
        if value == "valid":
            return (0,) * rank, (0,) * rank
        if stride != (1,) * rank:
            raise ArgumentError(f"{op}: padding: 'same' is for a stride of 1, got stride {stride}")
        return tuple(r // 2 for r in reach), tuple(r - r // 2 for r in reach)
    found = _numbers(op, "padding", value, rank, 0)
    return found, found


def _checked(
    op: str, rank: int, x: Array, weight: Array, bias: Array | None, groups: Any, data_format: Any, activation: Any,
    transposed: bool,
) -> tuple[int, bool, bool]:  # fmt: skip
    """The groups; whether there is a batch axis; whether the channels are last. Raises ShapeError, ArgumentError."""
    groups = arguments.integer(op, "groups", groups)
    last = arguments.word(op, "data_format", data_format, FORMATS[rank]).endswith("C")
    axes = "(in, out / groups, *kernel)" if transposed else "(out, in / groups, *kernel)"
    if weight.ndim != rank + 2 or 0 in weight.shape:
        raise ShapeError(f"{op}: weight: expected {rank + 2} axes {axes}, none of length 0, got shape {weight.shape}")
    batched = x.ndim == rank + 2
    if x.ndim not in (rank + 1, rank + 2):
        raise ShapeError(
            f"{op}: input: expected {rank + 2} axes {tuple(data_format)}, or one less, got shape {x.shape}"
        )
    its = x.shape[1:] if batched else x.shape
    if 0 in its:
        raise ShapeError(f"{op}: input: expected no axis of length 0 but the batch's, got shape {x.shape}")
    if groups < 1 or weight.shape[0] % groups:
        raise ArgumentError(f"{op}: groups: expected a divisor of the weight's {weight.shape[0]}, got {groups}")
    channels = its[-1] if last else its[0]
    wanted = weight.shape[0] if transposed else groups * weight.shape[1]
    if channels != wanted:
        raise ShapeError(
            f"{op}: input has shape {x.shape} and weight has shape {weight.shape}: {channels} channels of the input "
            f"meet {wanted} of the weight with groups={groups}"
        )
    outputs = groups * weight.shape[1] if transposed else weight.shape[0]
    if bias is not None and bias.shape != (outputs,):
        raise ShapeError(f"{op}: bias: expected shape ({outputs},), got {bias.shape}")
    if activation is not None:
        check_activation(activation, x.dtype, op)
    return groups, batched, last


def _convolved(
    x: Array, weight: Array, bias: Array | None, groups: int, batched: bool, last: bool, activation: str | None,
    **steps: Shape,
) -> Array:  # fmt: skip
    """The primitive's result, and the activation. weight: (groups, outputs / groups, channels / groups, *kernel)."""
    shape = x.shape if batched else (1, *x.shape)
    outputs = groups * weight.shape[1]
    if (flat := _places(x.dtype, weight, last, steps, shape)) and (run := reshaped(x.layout, flat)) is not None:
        y = _product(x.view(flat, run), weight, bias, last)
        y = y if activation is None else getattr(fn, activation)(y)
        end = (*shape[1:-1], outputs) if last else (outputs, *shape[2:])
        return reshape(y, (shape[0], *end) if batched else end)
    if last:
        x = reshape(x, (*shape[:-1], groups, shape[-1] // groups))
    else:
        x = reshape(x, (shape[0], groups, shape[1] // groups, *shape[2:]))
    column = None if bias is None else reshape(bias, (groups, -1))
    y = convolution(x, weight, column, last=last, **steps)
    if activation is not None:
        y = getattr(fn, activation)(y)
    its: Shape = y.shape[1:-2] if last else y.shape[3:]
    end = (*its, outputs) if last else (outputs, *its)
    return reshape(y, (y.shape[0], *end) if batched else end)


def _places(dtype: DType, weight: Array, last: bool, steps: dict[str, Shape], shape: Shape) -> Shape | None:
    """The input's shape with its places along one axis, where each result needs one place alone: then the chain of
    products is that of a matrix product, whose kernels are faster. Of 16-bit floats these may promise less, and entries
    of few places, with channels first, would each fill a part of a tile."""
    alone = {*weight.shape[3:], *steps["stride"], *steps["spread"]} == {1} and not any(steps["low"] + steps["high"])
    if not alone or weight.shape[0] != 1 or dtype not in (FLOAT32, FLOAT64):
        return None
    if last:
        return prod(shape[:-1]), shape[-1]
    places = prod(shape[2:])
    return None if shape[0] > 1 and places < _FEW_PLACES else (*shape[:2], places)


def _product(x: Array, weight: Array, bias: Array | None, last: bool) -> Array:
    """Of places (places, channels) where channels are last, else of (n, channels, places)."""
    matrix = reshape(weight, weight.shape[1:3])
    y = (matmul(x, matrix.mT) if last else matmul(matrix, x)) + 0.0  # a sum of -0 is +0
    return y if bias is None else y + (bias if last else bias[:, None])


def _convolution(
    op: str, x: Array, weight: Array, bias: Array | None, stride: Any, padding: Any, dilation: Any, groups: Any,
    data_format: Any, activation: Any,
) -> Array:  # fmt: skip
    rank = int(op[-2])
    groups, batched, last = _checked(op, rank, x, weight, bias, groups, data_format, activation, False)
    stride = _numbers(op, "stride", stride, rank, 1)
    dilation = _numbers(op, "dilation", dilation, rank, 1)
    kernel = weight.shape[2:]
    reach = tuple((k - 1) * d for k, d in zip(kernel, dilation, strict=True))
    low, high = _paddings(op, padding, rank, stride, reach)
    lengths = x.shape[-rank - 1 : -1] if last else x.shape[-rank:]
    padded = tuple(map(sum, zip(lengths, low, high, strict=True)))
    if any(r >= n for r, n in zip(reach, padded, strict=True)):
        covered = tuple(r + 1 for r in reach)
        raise ShapeError(f"{op}: weight: a kernel over {covered} elements is larger than the padded input, {padded}")
    weight = reshape(weight, (groups, weight.shape[0] // groups, *weight.shape[1:]))
    steps = {"stride": stride, "low": low, "high": high, "dilation": dilation, "spread": (1,) * rank}
    return _convolved(x, weight, bias, groups, batched, last, activation, **steps)


def _transposed(
    op: str, x: Array, weight: Array, bias: Array | None, stride: Any, padding: Any, output_padding: Any, groups: Any,
    dilation: Any, data_format: Any, activation: Any,
) -> Array:  # fmt: skip
    rank = int(op[-2])
    groups, batched, last = _checked(op, rank, x, weight, bias, groups, data_format, activation, True)
    stride = _numbers(op, "stride", stride, rank, 1)
    dilation = _numbers(op, "dilation", dilation, rank, 1)
    padding = _numbers(op, "padding", padding, rank, 0)
    more = _numbers(op, "output_padding", output_padding, rank, 0)
    if any(m >= max(s, d) for m, s, d in zip(more, stride, dilation, strict=True)):
        raise ArgumentError(f"{op}: output_padding: expected less than stride or dilation, got {shown(more)}")
    kernel = weight.shape[2:]
    low = tuple(d * (k - 1) - p for d, k, p in zip(dilation, kernel, padding, strict=True))
    high = tuple(n + m for n, m in zip(low, more, strict=True))
    lengths = x.shape[-rank - 1 : -1] if last else x.shape[-rank:]
    places = tuple((n - 1) * s + 1 + p + low_ for n, s, p, low_ in zip(lengths, stride, high, low, strict=True))
    reach = tuple(d * (k - 1) for d, k in zip(dilation, kernel, strict=True))
    if any(n <= r for n, r in zip(places, reach, strict=True)):
        raise ShapeError(f"{op}: padding: {padding} leaves no element of the result")
    weight = reshape(weight, (groups, weight.shape[0] // groups, *weight.shape[1:]))
    turned = weight[(..., *(slice(None, None, -1),) * rank)].permute((0, 2, 1, *range(3, 3 + rank)))
    steps = {"stride": (1,) * rank, "low": low, "high": high, "dilation": dilation, "spread": stride}
    return _convolved(x, turned, bias, groups, batched, last, activation, **steps)


def _public(body: Any, op: str, text: str, rank: int, kind: str) -> Any:
    axes, lengths = AXES[rank]
    words = {"op": op, "axes": axes, "lengths": lengths, "kernel": ", ".join(f"k{n}" for n in lengths.split(", "))}
    first, last = FORMATS[rank]
    words["common"] = COMMON.format(first=first, last=last, **words).rstrip()
    body.__name__, body.__doc__ = op, worded(text, **words)
    return composed(
        reference=getattr(exact, op),
        samples=_samples(rank, kind),
        bits=bounds.unless_fast,
        flops=partial(_flops, transposed=kind == "transposed"),
    )(body)


def _forward(rank: int) -> Any:
    op = f"conv{rank}d"

    def body(
        input: Operand,
        weight: Operand,
        bias: Operand | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: Any = 1,
        *,
        data_format: Any = FORMATS[rank][0],
        activation: Any = None,
    ) -> Array:
        return _convolution(op, input, weight, bias, stride, padding, dilation, groups, data_format, activation)

    return _public(body, op, FORWARD, rank, "convolution")


def _backward(rank: int) -> Any:
    op = f"conv_transpose{rank}d"

    def body(
        input: Operand,
        weight: Operand,
        bias: Operand | None = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: Any = 1,
        dilation: Any = 1,
        *,
        data_format: Any = FORMATS[rank][0],
        activation: Any = None,
    ) -> Array:
        return _transposed(
            op, input, weight, bias, stride, padding, output_padding, groups, dilation, data_format, activation
        )

    return _public(body, op, TRANSPOSED, rank, "transposed")


conv1d, conv2d, conv3d = map(_forward, (1, 2, 3))
conv_transpose1d, conv_transpose2d, conv_transpose3d = map(_backward, (1, 2, 3))
