"""Rules of pooling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch.ops import aten

import accel

from ...array import Array
from ...graph.apart import filled
from .table import Wanted, rule

Axes = Sequence[int]


@rule(aten.max_pool2d_with_indices.default)
def max_pool2d(
    wanted: Any,
    x: Array,
    size: Axes,
    stride: Axes = (),
    padding: Axes = (0,),
    dilation: Axes = (1,),
    ceil: bool = False,
) -> tuple[Array, Array]:
    return accel.nn.max_pool2d(
        x, _pair(size), _pair(stride) if stride else None, _pair(padding), _pair(dilation), ceil, True
    )


def _pair(given: Axes) -> Any:
    return tuple(given) if len(given) > 1 else given[0]


@rule(aten.max_pool2d_with_indices_backward.default)
def max_pool2d_backward(
    wanted: Wanted, g: Array, x: Array, size: Any, stride: Any, padding: Any, dilation: Any, ceil: bool, indices: Array
) -> Array:
    *lead, h, w = wanted.shape
    flat = (*lead, g.shape[-2] * g.shape[-1])
    zeros = filled(0.0, (*lead, h * w), wanted.dtype, wanted.device)
    made = accel.scatter_add(zeros, -1, accel.reshape(indices, flat), accel.reshape(g, flat))
    return accel.reshape(made, wanted.shape)


def _means(
    size: Axes, stride: Axes = (), padding: Axes = (0,), ceil: bool = False, include: bool = True, by: Any = None
) -> Callable[[Array], Array]:
    steps = _pair(stride) if stride else None
    return lambda x: accel.nn.avg_pool2d(x, _pair(size), steps, _pair(padding), ceil, include, by)


@rule(aten.avg_pool2d.default)
def avg_pool2d(wanted: Wanted, x: Array, *how: Any) -> Array:
    return _means(*how)(x)


@rule(aten.avg_pool2d_backward.default)
def avg_pool2d_backward(wanted: Wanted, g: Array, x: Array, *how: Any) -> Array:
    return accel.vjp(_means(*how), x)[1](g)[0]


@rule(aten._adaptive_avg_pool2d.default)
def adaptive_avg_pool2d(wanted: Wanted, x: Array, size: Axes) -> Array:
    return accel.nn.adaptive_avg_pool2d(x, tuple(size))


@rule(aten._adaptive_avg_pool2d_backward.default)
def adaptive_avg_pool2d_backward(wanted: Wanted, g: Array, x: Array) -> Array:
    return accel.vjp(lambda a: accel.nn.adaptive_avg_pool2d(a, g.shape[-2:]), x)[1](g)[0]
