"""Discrete Fourier transforms along one axis or several: the functions of the array API standard's extension fft."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod, sqrt

from ..._core import FloatEnvironment
from ...arguments import integer, integers, word
from ...array import Array
from ...dtypes import FLOAT32, FLOAT64
from ...errors import ArgumentError, AxisError, ShapeError, shown
from ...layout import check_size
from .. import bounds
from ..complex.rule import both, split
from ..compose import NumericOperand, Operand, composed, unlisted
from ..pieces import filled, joined
from ..primitive.pointwise import fn
from ..primitive.reduce import axis_of
from . import exact_fourier
from .real_transform import reals_of_transform, transform_of_reals
from .transform import Parts, transform

Axes = tuple[int, ...] | None


# pairs of real arrays: the rows of the op table


@composed(
    reference=exact_fourier.fourier,
    samples=exact_fourier.samples("fourier"),
    bound=exact_fourier.bound,
    bits=bounds.unless_fast,
    namespace="internal",
    dtypes=(FLOAT32, FLOAT64),
)
def fourier(re: Operand, im: Operand, axis: int = -1, inverse: bool = False, scale: float = 1.0) -> Parts:
    """The discrete Fourier transform of real and imaginary parts along an axis, times a factor."""
    return transform(re, im, axis_of("fourier", "axis", axis, re.ndim), inverse, scale)


@composed(
    reference=exact_fourier.fourier_of_reals,
    samples=exact_fourier.samples("fourier_of_reals"),
    bound=exact_fourier.bound,
    bits=bounds.unless_fast,
    namespace="internal",
    dtypes=(FLOAT32, FLOAT64),
)
def fourier_of_reals(x: Operand, axis: int = -1, scale: float = 1.0) -> Parts:
    """The first half of the discrete Fourier transform of real numbers along an axis, times a factor."""
    return transform_of_reals(x, axis_of("fourier_of_reals", "axis", axis, x.ndim), scale)


@composed(
    reference=exact_fourier.reals_of_fourier,
    samples=exact_fourier.samples("reals_of_fourier"),
    bound=exact_fourier.bound,
    bits=bounds.unless_fast,
    namespace="internal",
    dtypes=(FLOAT32, FLOAT64),
)
def reals_of_fourier(re: Operand, im: Operand, n: int, axis: int = -1, scale: float = 1.0) -> Array:
    """The n real numbers along an axis of which the first half of a discrete Fourier transform is given, times a
    factor."""
    return reals_of_transform(re, im, axis_of("reals_of_fourier", "axis", axis, re.ndim), n, scale)


# arguments


def _length(op: str, argument: str, n: int) -> int:
    """Points of a transform. Raises ShapeError."""
    if n < 1:
        raise ShapeError(f"{op}: {argument}: expected at least one point, got {shown(n)}")
    return n


def _points(op: str, x: Array, n: int | None, axis: int) -> tuple[int, int]:
    """The axis of a transform, and its length."""
    along = axis_of(op, "axis", axis, x.ndim)
    return along, _length(op, "n", x.shape[along] if n is None else integer(op, "n", n))


def _several(op: str, x: Array, s: Sequence[int] | None, axes: Axes) -> tuple[list[int], list[int]]:
    """The axes of transforms along several, and their lengths: -1 is the one that x has."""
    asked = None if s is None else integers(op, "s", s)
    if axes is None:
        count = x.ndim if asked is None else len(asked)
        if count > x.ndim:
            raise ShapeError(f"{op}: s: {len(asked or ())} lengths for an array with {x.ndim} axes")
        along = list(range(x.ndim - count, x.ndim))
    else:
        along = [axis_of(op, "axes", a, x.ndim) for a in integers(op, "axes", axes)]
    if len(set(along)) < len(along):
        raise AxisError(f"{op}: axes: {axes} names an axis twice")
    if asked is not None and len(asked) != len(along):
        raise ShapeError(f"{op}: s: {len(asked)} lengths for {len(along)} axes")
    lengths = [x.shape[a] for a in along] if asked is None else list(asked)
    lengths = [x.shape[a] if n == -1 else n for a, n in zip(along, lengths, strict=True)]
    lengths = [_length(op, "s", n) for n in lengths]
    check_size(tuple(dict(zip(along, lengths, strict=True)).get(a, n) for a, n in enumerate(x.shape)), x.dtype)
    return along, lengths


def _factor(op: str, norm: str, n: int, inverse: bool) -> float:
    """What the results of a transform of n points are multiplied by."""
    kind = word(op, "norm", norm, ("backward", "ortho", "forward"))
    with FloatEnvironment():
        if kind == "ortho":
            return 1.0 / sqrt(n)
        return 1.0 / n if (kind == "backward") == inverse else 1.0


def _pair(x: Array) -> Parts:
    re, im = split(x)
    return re, filled(0.0, re.shape, re.dtype, re.device) if im is None else im


def _fitted(x: Array, axis: int, n: int) -> Array:
    """The first n elements along an axis, with zeros behind where there are fewer."""
    have = x.shape[axis]
    if have >= n:
        return x[(*(slice(None),) * axis, slice(0, n))]
    rest = filled(0.0, (*x.shape[:axis], n - have, *x.shape[axis + 1 :]), x.dtype, x.device)
    return joined([x, rest], axis) if have else rest


# transforms of complex numbers


def _along(x: Parts, axes: Sequence[int], lengths: Sequence[int], inverse: bool, scale: float) -> Parts:
    """Transforms along axes, the last one first; the factor comes with the last transform."""
    x = tuple(x)
    for place in range(len(axes) - 1, -1, -1):
        re, im = (_fitted(part, axes[place], lengths[place]) for part in x)
        x = transform(re, im, axes[place], inverse, 1.0 if place else scale)
    return x


@unlisted("fft")
def fft(x: NumericOperand, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Array:
    """The discrete Fourier transform: X_k is the sum of x_j exp(-2 pi i jk / n) over j.

    x: real or complex floating. n: points; x is cut, or has zeros behind it, to have as many; by default as many as x
    has along the axis. norm: "backward" multiplies by 1, "ortho" by 1 / sqrt(n), "forward" by 1 / n. The result is
    complex. Raises DtypeError, ShapeError, AxisError, ArgumentError.
    """
    along, points = _points("fft", x, n, axis)
    return both(*_along(_pair(x), [along], [points], False, _factor("fft", norm, points, False)))


@unlisted("fft")
def ifft(x: NumericOperand, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Array:
    """The inverse discrete Fourier transform: the sum of x_j exp(2 pi i jk / n) over j, times 1 / n.

    x: real or complex floating. n: as for `fft`. norm: "backward" multiplies by 1 / n, "ortho" by 1 / sqrt(n),
    "forward" by 1. The result is complex. Raises DtypeError, ShapeError, AxisError, ArgumentError.
    """
    along, points = _points("ifft", x, n, axis)
    return both(*_along(_pair(x), [along], [points], True, _factor("ifft", norm, points, True)))


@unlisted("fft")
def fftn(x: NumericOperand, /, *, s: tuple[int, ...] | None = None, axes: Axes = None, norm: str = "backward") -> Array:
    """The discrete Fourier transform along several axes, the last one first.

    x: real or complex floating. s: points along each of the axes, as n of `fft`; -1 is as many as x has. axes: by
    default the last len(s), or all. norm: as for `fft`, n being the product of all points. The result is complex.
    Raises DtypeError, ShapeError, AxisError, ArgumentError.
    """
    along, points = _several("fftn", x, s, axes)
    return both(*_along(_pair(x), along, points, False, _factor("fftn", norm, prod(points), False)))


@unlisted("fft")
def ifftn(
    x: NumericOperand, /, *, s: tuple[int, ...] | None = None, axes: Axes = None, norm: str = "backward"
) -> Array:
    """The inverse discrete Fourier transform along several axes, the last one first.

    x, s, axes: as for `fftn`. norm: as for `ifft`, n being the product of all points. The result is complex.
    Raises DtypeError, ShapeError, AxisError, ArgumentError.
    """
    along, points = _several("ifftn", x, s, axes)
    return both(*_along(_pair(x), along, points, True, _factor("ifftn", norm, prod(points), True)))


# and of real ones


@unlisted("fft")
def rfft(x: Operand, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Array:
    """The discrete Fourier transform of real numbers: its first n // 2 + 1 elements; the others are conjugates.

    x: real floating. n, norm: as for `fft`. The result is complex.
    Raises DtypeError, ShapeError, AxisError, ArgumentError.
    """
    along, points = _points("rfft", x, n, axis)
    return both(*transform_of_reals(_fitted(x, along, points), along, _factor("rfft", norm, points, False)))


@unlisted("fft")
def irfft(x: NumericOperand, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Array:
    """The inverse of `rfft`: n real numbers from the first n // 2 + 1 elements of their transform.

    x: complex floating; it is cut, or has zeros behind it. n: 2 (m - 1) by default, of the m elements along the axis.
    norm: as for `ifft`. The imaginary part of the first element, and of the last where n is even, counts as 0.
    Raises DtypeError, ShapeError, AxisError, ArgumentError.
    """
    return _to_reals("irfft", _pair(x), n, axis, norm, True)


def _to_reals(op: str, x: Parts, n: int | None, axis: int, norm: str, inverse: bool) -> Array:
    along = axis_of(op, "axis", axis, x[0].ndim)
    points = _length(op, "n", 2 * (x[0].shape[along] - 1) if n is None else integer(op, "n", n))
    re, im = (_fitted(part, along, points // 2 + 1) for part in x)
    return reals_of_transform(re, im, along, points, _factor(op, norm, points, inverse))


@unlisted("fft")
def rfftn(x: Operand, /, *, s: tuple[int, ...] | None = None, axes: Axes = None, norm: str = "backward") -> Array:
    """The discrete Fourier transform of real numbers along several axes: `rfft` along the last one, then `fft` along
    the others.

    x: real floating. s, axes, norm: as for `fftn`; at least one axis. The result is complex.
    Raises DtypeError, ShapeError, AxisError, ArgumentError.
    """
    along, points = _last("rfftn", *_several("rfftn", x, s, axes))
    scale = _factor("rfftn", norm, prod(points), False)
    first = transform_of_reals(_fitted(x, along[-1], points[-1]), along[-1], 1.0 if len(along) > 1 else scale)
    return both(*_along(first, along[:-1], points[:-1], False, scale))


def _last(op: str, axes: list[int], lengths: list[int]) -> tuple[list[int], list[int]]:
    if not axes:
        raise ArgumentError(f"{op}: axes: expected at least one axis")
    return axes, lengths


@unlisted("fft")
def irfftn(
    x: NumericOperand, /, *, s: tuple[int, ...] | None = None, axes: Axes = None, norm: str = "backward"
) -> Array:
    """The inverse of `rfftn`: `ifft` along all axes but the last one, then `irfft` along that.

    x: complex floating. s: points of the result along each of the axes; by default 2 (m - 1) along the last one, of m
    elements. axes, norm: as for `ifftn`; at least one axis. Raises DtypeError, ShapeError, AxisError, ArgumentError.
    """
    re, im = _pair(x)
    if s is None or integers("irfftn", "s", s)[-1:] == (-1,):
        given, _ = _last("irfftn", *_several("irfftn", re, None, axes))
        own = [re.shape[a] for a in given] if s is None else list(integers("irfftn", "s", s))
        s = (*own[:-1], 2 * (re.shape[given[-1]] - 1))
    along, points = _last("irfftn", *_several("irfftn", re, s, axes))
    re, im = (_fitted(part, along[-1], points[-1] // 2 + 1) for part in (re, im))
    re, im = _along((re, im), along[:-1], points[:-1], True, 1.0)
    return reals_of_transform(re, im, along[-1], points[-1], _factor("irfftn", norm, prod(points), True))


@unlisted("fft")
def hfft(x: NumericOperand, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Array:
    """The discrete Fourier transform, which is real, of n numbers of which those after the first n // 2 + 1 are
    conjugates of these.

    x: complex floating. n: 2 (m - 1) by default, of the m elements along the axis. norm: as for `fft`.
    Raises DtypeError, ShapeError, AxisError, ArgumentError.
    """
    re, im = _pair(x)
    return _to_reals("hfft", (re, fn.negative(im)), n, axis, norm, False)


@unlisted("fft")
def ihfft(x: Operand, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Array:
    """The inverse of `hfft`: the first n // 2 + 1 elements.

    x: real floating. n: as for `fft`. norm: as for `ifft`. The result is complex.
    Raises DtypeError, ShapeError, AxisError, ArgumentError.
    """
    along, points = _points("ihfft", x, n, axis)
    re, im = transform_of_reals(_fitted(x, along, points), along, _factor("ihfft", norm, points, True))
    return both(re, fn.negative(im))
