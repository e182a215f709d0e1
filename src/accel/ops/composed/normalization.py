"""Normalization by each sample's own statistics: layer_norm, rms_norm, group_norm; and by lengths of vectors:
normalize, cosine_similarity.

Variances are two-pass (docs/numerics.md, rule 4). With a ``residual``, what is normalized is x + residual, and that sum
is the last result, for the next residual connection of a network. It is rounded for that result only: 16-bit floats are
normalized as the float32 sum that they have.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ...arguments import integer, integers, real
from ...array import Array
from ...data_types import finfo
from ...errors import ArgumentError, ShapeError, shown
from ...layout import Shape, broadcast_shapes
from ..compose import Operand, composed
from ..primitive.pointwise import fn
from ..primitive.reduce import Axes, normalize_axes, sum
from ..views import broadcast_to, expand_dims, reshape
from . import exact_normalization as exact
from .statistics import examples, length, mean, moments, order

Results = Array | tuple[Array, ...]


def _layer_norm_vjp(
    cotangents: Sequence[Array | None],
    results: Sequence[Array],
    x: Array,
    normalized_shape: int | Shape,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
    *,
    residual: Array | None = None,
) -> dict[str, Array | None]:
    """A third fewer steps than the body's derivative has, which goes through the variance and the mean one after the
    other, and a bound of x's cotangent that is 1.4 to 1.8 times smaller."""
    g, *others = cotangents
    found: dict[str, Array | None] = {}
    total = added("layer_norm", x, residual)
    axes = trailing("layer_norm", x, normalized_shape)
    if g is not None:
        variance, middle = moments(total, axes)
        scale = fn.rsqrt(variance + eps)
        normal = (total - middle) * scale
        pulled = g if weight is None else g * weight
        straight, along = (mean(v, axis=axes, keepdims=True) for v in (pulled, pulled * normal))
        found["x"] = (pulled - straight - normal * along) * scale
        rows = tuple(range(axes[0]))
        found["weight"], found["bias"] = sum(g * normal, axis=rows), sum(g, axis=rows)
    for through in others:
        if through is not None:
            found["x"] = found["x"] + through if "x" in found else through
    return {**found, "residual": found["x"]}


@composed(reference=exact.layer_norm, samples=partial(examples, "layer_norm"), vjp=_layer_norm_vjp)
def layer_norm(
    x: Operand,
    normalized_shape: int | Shape,
    weight: Operand | None = None,
    bias: Operand | None = None,
    eps: float = 1e-5,
    *,
    residual: Operand | None = None,
) -> Results:
    """(x - mean) / sqrt(variance + eps) * weight + bias, with mean and variance over the last axes of x.

    normalized_shape: lengths of these axes, at least one. weight, bias: of that shape; None: 1 and 0. The variance is
    divided by the number of elements. float16 and bfloat16 are computed in float32 and rounded once.
    residual: of x's shape; then x + residual is normalized, and the results are (y, x + residual).
    Source: Ba, Kiros and Hinton 2016, arXiv:1607.06450. Raises ShapeError, DtypeError, ArgumentError.
    """
    axes = trailing("layer_norm", x, normalized_shape, weight=weight, bias=bias)
    total = added("layer_norm", x, residual)
    y = affine(standard("layer_norm", total, axes, eps), weight, bias)
    return y if residual is None else (y, total)


@composed(reference=exact.rms_norm, samples=partial(examples, "rms_norm"))
def rms_norm(
    x: Operand,
    normalized_shape: int | Shape,
    weight: Operand | None = None,
    eps: float | None = None,
    *,
    residual: Operand | None = None,
) -> Results:
    """x / sqrt(mean(x * x) + eps) * weight, with the mean over the last axes of x.

    normalized_shape: lengths of these axes, at least one. weight: of that shape; None: 1. eps: None is `finfo`'s of the
    dtype that is computed in, float32 for 16-bit floats, which are rounded once.
    residual: of x's shape; then x + residual is normalized, and the results are (y, x + residual).
    Source: Zhang and Sennrich 2019, arXiv:1910.07467. Raises ShapeError, DtypeError, ArgumentError.
    """
    axes = trailing("rms_norm", x, normalized_shape, weight=weight)
    total = added("rms_norm", x, residual)
    least = finfo(total.dtype).eps if eps is None else real("rms_norm", "eps", eps)
    y = affine(total * fn.rsqrt(mean(fn.square(total), axis=axes, keepdims=True) + least), weight, None)
    return y if residual is None else (y, total)


@composed(reference=exact.group_norm, samples=partial(examples, "group_norm"))
def group_norm(
    x: Operand,
    num_groups: int,
    weight: Operand | None = None,
    bias: Operand | None = None,
    eps: float = 1e-5,
    *,
    residual: Operand | None = None,
) -> Results:
    """(x - mean) / sqrt(variance + eps) * weight + bias, with mean and variance of groups of channels.

    x: (n, channels, …). The channels of each of the n samples are cut into num_groups equal parts, and each part has
    its mean and variance, over the axes behind too. weight, bias: (channels,); None: 1 and 0. The variance is divided
    by the number of elements. float16 and bfloat16 are computed in float32 and rounded once.
    residual: of x's shape; then x + residual is normalized, and the results are (y, x + residual).
    Source: Wu and He 2018, arXiv:1803.08494. Raises ShapeError, DtypeError, ArgumentError.
    """
    per_channel("group_norm", x, weight=weight, bias=bias)
    check_residual("group_norm", x, residual)
    count = integer("group_norm", "num_groups", num_groups)
    if count < 1 or x.shape[1] % count:
        raise ShapeError(f"group_norm: num_groups: {x.shape[1]} channels are not cut into {shown(count)} equal parts")
    shape = (x.shape[0], count, x.shape[1] // count, *x.shape[2:])
    behind = range(3, len(shape))
    weight, bias = (None if v is None else expand_dims(reshape(v, shape[1:3]), (0, *behind)) for v in (weight, bias))
    parts, other = (None if v is None else reshape(v, shape) for v in (x, residual))
    total = added("group_norm", parts, other)
    y = affine(standard("group_norm", total, (2, *behind), eps), weight, bias)
    return reshape(y, x.shape) if residual is None else (reshape(y, x.shape), reshape(total, x.shape))


@composed(reference=exact.normalize, samples=partial(examples, "normalize"))
def normalize(x: Operand, p: float = 2.0, axis: Axes = 1, eps: float = 1e-12) -> Array:
    """x / max(norm, eps), with the norm of order p of the vectors along an axis (or several; None: all).

    p: as `linalg.vector_norm` has it, whose scaling lets vectors of any finite length be normalized. float16 and
    bfloat16 are computed in float32 and rounded once. Raises AxisError, ShapeError, DtypeError, ArgumentError.
    """
    axes = normalize_axes("normalize", axis, x.ndim)
    norm = length("normalize", x, axes, order("normalize", "p", p))
    return x / fn.maximum(norm, real("normalize", "eps", eps))


@composed(reference=exact.cosine_similarity, samples=partial(examples, "cosine_similarity"))
def cosine_similarity(x1: Operand, x2: Operand, axis: int = 1, eps: float = 1e-8) -> Array:
    """The sum of products of x1 / max(norm of x1, eps) and x2 / max(norm of x2, eps) along an axis.

    x1, x2: broadcast against each other; axis: of their common shape. The norms are of order 2, and their scaling lets
    vectors have any finite length. float16 and bfloat16 are computed in float32 and rounded once.
    Raises AxisError, ShapeError, DtypeError, ArgumentError.
    """
    shape = broadcast_shapes(x1.shape, x2.shape, what="cosine_similarity: x1, x2")
    axes = normalize_axes("cosine_similarity", integer("cosine_similarity", "axis", axis), len(shape))
    least = real("cosine_similarity", "eps", eps)
    sides = [broadcast_to(x, shape) for x in (x1, x2)]
    left, right = (x / fn.maximum(length("cosine_similarity", x, axes, 2.0), least) for x in sides)
    return sum(left * right, axis=axes)


# what these and batch_norm.py are made of


def standard(op: str, x: Array, axes: Shape, eps: float) -> Array:
    """(x - mean) / sqrt(variance + eps) over axes."""
    variance, middle = moments(x, axes)
    return (x - middle) * fn.rsqrt(variance + real(op, "eps", eps))


def affine(x: Array, weight: Array | None, bias: Array | None) -> Array:
    """x * weight + bias, of those that are there."""
    scaled = x if weight is None else x * weight
    return scaled if bias is None else scaled + bias


def added(op: str, x: Array, residual: Array | None) -> Array:
    """x + residual. Raises ShapeError where they have two shapes."""
    check_residual(op, x, residual)
    return x if residual is None else x + residual


def check_residual(op: str, x: Array, residual: Array | None) -> None:
    """Raises ShapeError where the two have two shapes."""
    if residual is not None and residual.shape != x.shape:
        raise ShapeError(f"{op}: residual: expected x's shape {x.shape}, got {residual.shape}")


def trailing(op: str, x: Array, normalized_shape: int | Shape, **operands: Array | None) -> Shape:
    """The axes that normalized_shape names: the last ones of x. Raises ShapeError where x, or an operand beside it, has
    other lengths."""
    shape = integers(op, "normalized_shape", normalized_shape)
    if not shape:
        raise ArgumentError(f"{op}: normalized_shape: expected at least one length, got {shown(normalized_shape)}")
    if len(shape) > x.ndim or x.shape[x.ndim - len(shape) :] != shape:
        raise ShapeError(f"{op}: normalized_shape: x of shape {x.shape} does not end in {shown(shape)}")
    for name, its in operands.items():
        if its is not None and its.shape != shape:
            raise ShapeError(f"{op}: {name}: expected the shape of normalized_shape {shape}, got {its.shape}")
    return tuple(range(x.ndim - len(shape), x.ndim))


def per_channel(op: str, x: Array, **operands: Array | None) -> None:
    """Raises ShapeError where x has no channels, or an operand has not a number for each."""
    if x.ndim < 2:
        raise ShapeError(f"{op}: x: expected (n, channels, …), got shape {x.shape}")
    for name, its in operands.items():
        if its is not None and its.shape != x.shape[1:2]:
            raise ShapeError(f"{op}: {name}: expected a number for each channel, shape {x.shape[1:2]}, got {its.shape}")
