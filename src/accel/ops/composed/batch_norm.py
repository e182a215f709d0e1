"""Normalization by statistics of channels, over a batch or in each sample: batch_norm, instance_norm.

In training both return new running statistics, which two public functions of torch's signature store in place, and two
others do not. ``residual``: as in normalization.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import prod as product
from typing import Any

from ... import interop
from ...arguments import real, switch
from ...array import Array
from ...errors import ArgumentError, ShapeError
from ...layout import Shape
from ...operators import check_writable
from ..compose import Operand, composed
from ..primitive.pointwise import assign, fn
from ..primitive.reduce import sum
from ..views import expand_dims, squeeze, viewed
from . import exact_normalization as exact
from .normalization import Results, added, affine, per_channel
from .statistics import examples, mean


@composed(reference=exact.batch_norm_inference, samples=partial(examples, "batch_norm_inference"))
def batch_norm_inference(
    x: Operand,
    running_mean: Operand,
    running_var: Operand,
    weight: Operand | None = None,
    bias: Operand | None = None,
    eps: float = 1e-5,
    *,
    residual: Operand | None = None,
) -> Results:
    """(x - running_mean) / sqrt(running_var + eps) * weight + bias, with a number of each for every channel.

    x: (n, channels, …). running_mean, running_var, weight, bias: (channels,); weight and bias None: 1 and 0.
    float16 and bfloat16 are computed in float32 and rounded once; operands of several dtypes promote.
    residual: of x's shape; then x + residual is normalized, and the results are (y, x + residual).
    Source: Ioffe and Szegedy 2015, arXiv:1502.03167. Raises ShapeError, DtypeError, ArgumentError.
    """
    op = "batch_norm_inference"
    its = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    middle, variance, weight, bias = _channels(op, x, its)
    total = added(op, x, residual)
    scale = affine(fn.rsqrt(variance + real(op, "eps", eps)), weight, None)
    y = affine((total - middle) * scale, None, bias)
    return y if residual is None else (y, total)


@composed(reference=exact.batch_norm_training, samples=partial(examples, "training"))
def batch_norm_training(
    x: Operand,
    running_mean: Operand | None = None,
    running_var: Operand | None = None,
    weight: Operand | None = None,
    bias: Operand | None = None,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    residual: Operand | None = None,
) -> Results:
    """(x - mean) / sqrt(variance + eps) * weight + bias, with mean and variance of each channel over all other axes.

    x: (n, channels, …), with more than one number for each channel. running_mean, running_var, weight, bias:
    (channels,); weight and bias None: 1 and 0. The variance that x is divided by is divided by the number of elements.
    The results are (y, new_mean, new_var), or y alone where there are no running statistics. new_mean is
    running_mean * (1 - momentum) + mean * momentum, and new_var the same of variances that are divided by the number of
    elements less one; what was given is not written to. An x without elements leaves them as they are.
    residual: of x's shape; then x + residual is normalized, and is one more result, the last.
    float16 and bfloat16 are computed in float32 and rounded once; operands of several dtypes promote.
    Source: Ioffe and Szegedy 2015, arXiv:1502.03167. Raises ShapeError, DtypeError, ArgumentError.
    """
    its = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    return _trained("batch_norm_training", x, (0, *range(2, x.ndim)), its, momentum, eps, residual)


@composed(reference=exact.instance_norm_training, samples=partial(examples, "training"))
def instance_norm_training(
    x: Operand,
    running_mean: Operand | None = None,
    running_var: Operand | None = None,
    weight: Operand | None = None,
    bias: Operand | None = None,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    residual: Operand | None = None,
) -> Results:
    """(x - mean) / sqrt(variance + eps) * weight + bias, with mean and variance of each channel in each sample.

    x: (n, channels, …), with more than one number for each channel of a sample. The new running statistics take means
    over the n samples of means and variances. All else as in `batch_norm_training`.
    Source: Ulyanov, Vedaldi and Lempitsky 2016, arXiv:1607.08022. Raises ShapeError, DtypeError, ArgumentError.
    """
    its = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    return _trained("instance_norm_training", x, tuple(range(2, x.ndim)), its, momentum, eps, residual)


def batch_norm(
    x: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    residual: Any = None,
) -> Any:
    """torch's batch_norm: `batch_norm_inference`, or in training `batch_norm_training`, whose new running statistics
    are written to running_mean and running_var.

    Both are arrays of x's kind, or in training None. The result is y, with a residual (y, x + residual). A call that
    raises has written nothing. Raises ShapeError, DtypeError, DeviceError, ArgumentError.
    """
    momentum = real("batch_norm", "momentum", momentum)
    if switch("batch_norm", "training", training):
        running = {"running_mean": running_mean, "running_var": running_var}
        return _stored("batch_norm", batch_norm_training, x, running, weight, bias, momentum, eps, residual)
    _given("batch_norm", "training", running_mean, running_var)
    return batch_norm_inference(x, running_mean, running_var, weight, bias, eps, residual=residual)


def instance_norm(
    x: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    residual: Any = None,
) -> Any:
    """torch's instance_norm: `instance_norm_training`, whose new running statistics, where there are some, are written
    to running_mean and running_var; or without use_input_stats `batch_norm_inference`.

    Results and errors as in `batch_norm`.
    """
    momentum = real("instance_norm", "momentum", momentum)
    if switch("instance_norm", "use_input_stats", use_input_stats):
        running = {"running_mean": running_mean, "running_var": running_var}
        return _stored("instance_norm", instance_norm_training, x, running, weight, bias, momentum, eps, residual)
    _given("instance_norm", "use_input_stats", running_mean, running_var)
    return batch_norm_inference(x, running_mean, running_var, weight, bias, eps, residual=residual)


def _channels(op: str, x: Array, operands: Mapping[str, Array | None]) -> list[Array | None]:
    """Numbers for each channel, as views that broadcast against x. Raises ShapeError."""
    per_channel(op, x, **operands)
    others = (0, *range(2, x.ndim))
    return [None if its is None else expand_dims(its, others) for its in operands.values()]


def _trained(
    op: str,
    x: Array,
    axes: Shape,
    operands: Mapping[str, Array | None],
    momentum: float,
    eps: float,
    residual: Array | None,
) -> Results:
    """x normalized over axes; the new running statistics, if there are some; and x + residual, if there is one."""
    running_mean, running_var, weight, bias = _channels(op, x, operands)
    _both(op, running_mean, running_var)
    count = product(x.shape[a] for a in axes)
    if count == 1:
        raise ShapeError(f"{op}: x: one number for each channel has no variance: shape {x.shape}")
    share = real(op, "momentum", momentum)
    total = added(op, x, residual)
    middle = mean(total, axis=axes, keepdims=True)
    centred = total - middle
    squares = sum(fn.square(centred), axis=axes, keepdims=True)
    scale = affine(fn.rsqrt(squares / count + real(op, "eps", eps)), weight, None)
    results = [affine(centred * scale, None, bias)]
    if running_mean is not None:
        if x.size:
            found = (_moved(running_mean, middle, share), _moved(running_var, squares / (count - 1), share))
        else:
            found = (fn.positive(running_mean), fn.positive(running_var))
        results += [squeeze(each, axis=(0, *range(2, x.ndim))) for each in found]
    if residual is not None:
        results.append(total)
    return tuple(results) if len(results) > 1 else results[0]


def _moved(running: Array, found: Array, share: float) -> Array:
    """Running statistics after a batch, of which found has those of each channel, or of each in each sample."""
    found = found if found.shape == running.shape else mean(found, axis=0, keepdims=True)
    return running * (1.0 - share) + found * share


def _both(op: str, running_mean: Any, running_var: Any) -> None:
    for name, its, other in (("running_mean", running_mean, running_var), ("running_var", running_var, running_mean)):
        if its is None and other is not None:
            raise ArgumentError(f"{op}: {name}: expected an array, as the other running statistic is there; got None")


def _given(op: str, switched: str, running_mean: Any, running_var: Any) -> None:
    for name, its in (("running_mean", running_mean), ("running_var", running_var)):
        if its is None:
            raise ArgumentError(f"{op}: {name}: expected an array, as {switched} is False; got None")


def _stored(
    op: str,
    function: Callable[..., Any],
    x: Any,
    running: Mapping[str, Any],
    weight: Any,
    bias: Any,
    momentum: float,
    eps: float,
    residual: Any,
) -> Any:
    """The function's y, and x + residual if there is one; its running statistics go where those before it were."""
    for name, its in running.items():
        if its is not None:
            check_writable(op, viewed(op, its, name)[0], name)
    results = function(x, *running.values(), weight, bias, momentum, eps, residual=residual)
    if running["running_mean"] is None:
        return results
    y, new_mean, new_var, *total = results
    for (name, its), new in zip(running.items(), (new_mean, new_var), strict=True):
        if isinstance(its, Array):
            assign(op, name, new, its)
        else:
            (array,), _ = interop.adopt(op, **{name: new})
            interop.library(its).overwrite(its, array)
    return (y, *total) if total else y
