"""Rules of matrix products and convolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch.ops import aten

import accel

from ...array import Array
from .table import Wanted, refuse_unless, rule


@rule(aten.mm.default, aten.bmm.default, aten.mv.default, aten.dot.default)
def matmul(wanted: Wanted, a: Array, b: Array) -> Array:
    return accel.matmul(a, b)


@rule(aten.addmm.default, aten.baddbmm.default, aten.addmv.default)
def with_bias(wanted: Wanted, bias: Array, a: Array, b: Array, *, beta: Any = 1, alpha: Any = 1) -> Array:
    """beta * bias + alpha * (a @ b); with beta 0 the bias is not looked at."""
    y = accel.matmul(a, b)
    y = y if alpha == 1 else y * alpha
    return y if beta == 0 else y + (bias if beta == 1 else bias * beta)


def _convolution(
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Callable[..., Array]:
    """The convolution of (x, weight, bias) that torch's arguments say."""
    rank = len(stride)
    refuse_unless(1 <= rank <= 3, f"a convolution over {rank} axes")
    stride, padding, dilation, more = map(tuple, (stride, padding, dilation, output_padding))
    if transposed:
        its = getattr(accel.nn, f"conv_transpose{rank}d")
        return lambda x, w, b: its(x, w, b, stride, padding, more, groups, dilation)
    its = getattr(accel.nn, f"conv{rank}d")
    return lambda x, w, b: its(x, w, b, stride, padding, dilation, groups)


@rule(aten.convolution.default)
def convolution(wanted: Wanted, x: Array, weight: Array, bias: Array | None, *how: Any) -> Array:
    refuse_unless(x.ndim == len(how[0]) + 2, "a convolution without an axis of samples")
    return _convolution(*how)(x, weight, bias)


@rule(aten.convolution_backward.default)
def convolution_backward(wanted: Any, g: Array, x: Array, weight: Array, sizes: Any, *rest: Any) -> tuple[Any, ...]:
    *how, mask = rest
    its = _convolution(*how)
    found: list[Any] = [None, None, None]
    if mask[0]:
        (found[0],) = accel.vjp(lambda a: its(a, weight, None), x)[1](g)
    if mask[1]:
        (found[1],) = accel.vjp(lambda w: its(x, w, None), weight)[1](g)
    if mask[2]:
        found[2] = accel.sum(g, axis=(0, *range(2, g.ndim)))
    return tuple(found)
