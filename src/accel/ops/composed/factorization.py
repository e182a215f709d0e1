"""Factorisations as ops: systems, inverses, determinants, by the triangles of triangular.py.

A body works on (count, rows, columns): the axes before the last two are one. checked_factorization.py has the public
functions, which raise LinAlgError where an op counts matrices that it does not serve.
"""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any

from ...arguments import switch, word
from ...array import Array
from ...conversion import constant, index_range
from ...dtypes import FLOAT32, FLOAT64, INT64, DType, promote
from ...errors import DtypeError, ShapeError
from ...layout import broadcast_shapes
from .. import bounds
from ..complex.part import real
from ..compose import NumericOperand, composed
from ..pieces import filled, joined
from ..primitive.pointwise import astype, fn
from ..primitive.reduce import all, max, sum
from ..primitive.reduce import prod as product
from ..views import broadcast_to, reshape
from . import exact_factorization as exact
from . import factorization_derivative as derivative
from .statistics import SCALES
from .triangular import Masks, Triangle, diagonal, factored, factored_symmetric, identity, is_odd, reflected, taken


def examples(name: str, dtype: DType) -> Any:
    """Those of an op of this file."""
    from ...testing import factor_family

    return factor_family.FAMILIES[name](dtype)


# operands


def matrices(op: str, argument: str, x: Array) -> Array:
    """Square matrices of a dtype that is factored, as (count, n, n). Raises DtypeError, ShapeError."""
    check_dtype(op, argument, x)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{op}: {argument}: expected square matrices (…, n, n), got shape {x.shape}")
    return _flat(x)


def check_dtype(op: str, argument: str, x: Array) -> None:
    if x.dtype.component not in (FLOAT32, FLOAT64):
        raise DtypeError(
            f"{op}: {argument}: takes float32, float64 or complex numbers, got {x.dtype}; cast with astype"
        )


def _flat(x: Array) -> Array:
    result: Array = reshape(x, (prod(x.shape[:-2]), *x.shape[-2:]))
    return result


def _count(bad: Array) -> Array:
    """How many are true."""
    result: Array = sum(astype(bad, INT64))
    return result


def _none(x: Array) -> Array:
    return constant(0, INT64, x.device)


def _pivots(triangle: Triangle) -> Array:
    """U's diagonal, (count, n)."""
    parts = triangle.diagonals()
    return joined(parts, 1) if len(parts) > 1 else parts[0]


def _flops(times: float) -> Any:
    return lambda inputs, outputs, params: int(times * inputs[0].size * inputs[0].shape[-1])


@composed(
    reference=exact.cholesky,
    samples=partial(examples, "cholesky"),
    namespace="linalg",
    dtypes=(FLOAT32, FLOAT64),
    widen=False,
    bits=bounds.unless_fast,
    bound=exact.bound_cholesky,
    vjp=derivative.cholesky,
    flops=_flops(1 / 3),
)
def cholesky(x: NumericOperand, /, *, upper: bool = False) -> tuple[Array, Array]:
    """Cholesky factors of symmetric positive definite matrices."""
    a, turned = matrices("cholesky", "x", x), switch("cholesky", "upper", upper)
    if not x.size:
        return x, _none(x)
    lower = factored_symmetric(a.mT if turned else a, a.shape[1]).lower()
    good = all(real(diagonal(lower)) > 0.0, axis=1)
    result: Array = reshape(lower, x.shape)
    return result.mT if turned else result, _count(~good)


@composed(
    reference=exact.solve,
    samples=partial(examples, "solve"),
    namespace="linalg",
    dtypes=(FLOAT32, FLOAT64),
    widen=False,
    bits=bounds.unless_fast,
    bound=exact.bound_solve,
    vjp=derivative.solve,
    flops=_flops(2 / 3),
)
def solve(x1: NumericOperand, x2: NumericOperand, /) -> tuple[Array, Array]:
    """Solutions of systems of linear equations."""
    common = promote(x1.dtype, x2.dtype)
    x1, x2 = (astype(x, common, copy=False) for x in (x1, x2))
    a, n = matrices("solve", "x1", x1), x1.shape[-1] if x1.ndim else 0
    b = x2[:, None] if x2.ndim == 1 else x2
    if x2.ndim == 0 or b.shape[-2] != n:
        raise ShapeError(f"solve: x2: expected ({n},) or (…, {n}, k) beside x1 of shape {x1.shape}, got {x2.shape}")
    batch = broadcast_shapes(x1.shape[:-2], b.shape[:-2], what="solve: batch axes of x1 and x2")
    shape = (*batch, *b.shape[-2:])
    if not prod(shape):
        return _vector(broadcast_to(b, shape), x2), _none(x2)
    if a.shape[0] == 1:  # all right-hand sides beside each other
        beside = reshape(b.permute((b.ndim - 2, *range(b.ndim - 2), b.ndim - 1)), (1, n, b.size // n))
    else:
        a = _flat(broadcast_to(x1, (*batch, n, n)))
        beside = _flat(broadcast_to(b, shape))
    triangle, _, order = factored(a)
    y = triangle.backward(triangle.forward(taken(beside, order), unit=True))
    bad = _count(~all(_pivots(triangle) != 0.0, axis=1))
    if a.shape[0] == 1:
        y = reshape(y, (n, *b.shape[:-2], b.shape[-1]))
        y = y.permute((*range(1, y.ndim - 1), 0, y.ndim - 1)) if y.ndim > 2 else y
    return _vector(reshape(y, shape), x2), bad


def _vector(x: Array, given: Array) -> Array:
    """Without the axis that a one-dimensional operand had not."""
    return x[..., 0] if given.ndim == 1 else x


@composed(
    reference=exact.inv,
    samples=partial(examples, "inv"),
    namespace="linalg",
    dtypes=(FLOAT32, FLOAT64),
    widen=False,
    bits=bounds.unless_fast,
    bound=exact.bound_inv,
    vjp=derivative.inv,
    flops=_flops(2),
)
def inv(x: NumericOperand, /) -> tuple[Array, Array]:
    """Inverses of matrices."""
    a = matrices("inv", "x", x)
    if not x.size:
        return x, _none(x)
    triangle, _, order = factored(a)
    rows = astype(order[:, :, None] == index_range(a.shape[1], x.device), x.dtype)
    made = triangle.backward(triangle.forward(rows, unit=True))
    return reshape(made, x.shape), _count(~all(_pivots(triangle) != 0.0, axis=1))


@composed(
    reference=exact.det,
    samples=partial(examples, "det"),
    namespace="linalg",
    dtypes=(FLOAT32, FLOAT64),
    widen=False,
    bits=bounds.unless_fast,
    bound=exact.bound_det,
    vjp=derivative.det,
    flops=_flops(2 / 3),
)
def det(x: NumericOperand, /) -> Array:
    """Determinants of matrices (…, n, n), by LU factorisation with row exchanges; 1 of matrices without elements.

    x: float32, float64 or complex. Raises ShapeError, DtypeError.
    """
    a = matrices("det", "x", x)
    if not x.size:
        return product(x, axis=(-2, -1))
    triangle, _, order = factored(a)
    size = product(_pivots(triangle), axis=1)
    return reshape(fn.where(is_odd(order), -size, size), x.shape[:-2])


@composed(
    reference=exact.slogdet,
    samples=partial(examples, "slogdet"),
    namespace="linalg",
    dtypes=(FLOAT32, FLOAT64),
    widen=False,
    bits=bounds.unless_fast,
    bound=exact.bound_slogdet,
    vjp=derivative.slogdet,
    flops=_flops(2 / 3),
)
def slogdet(x: NumericOperand, /) -> tuple[Array, Array]:
    """Signs of determinants, and logarithms of their absolute values."""
    a, batch = matrices("slogdet", "x", x), x.shape[:-2]
    if not x.size:
        return product(x, axis=(-2, -1)), sum(real(x), axis=(-2, -1))
    triangle, _, order = factored(a)
    pivots = _pivots(triangle)
    sign = product(fn.sign(pivots), axis=1)
    signs = fn.where(is_odd(order), -sign, sign)
    return reshape(signs, batch), reshape(sum(fn.log(fn.abs(pivots)), axis=1), batch)


@composed(
    reference=exact.qr,
    samples=partial(examples, "qr"),
    namespace="linalg",
    dtypes=(FLOAT32, FLOAT64),
    widen=False,
    bits=bounds.unless_fast,
    bound=exact.bound_qr,
    vjp=derivative.qr,
    flops=_flops(8 / 3),
)
def qr(x: NumericOperand, /, *, mode: str = "reduced") -> tuple[Array, Array]:
    """Orthogonal and upper triangular factors of matrices."""
    how = word("qr", "mode", mode, ("reduced", "complete"))
    check_dtype("qr", "x", x)
    if x.ndim < 2:
        raise ShapeError(f"qr: x: expected matrices (…, m, n), got shape {x.shape}")
    *batch, m, n = x.shape
    least = min(m, n)
    k = m if how == "complete" else least
    if not x.size:
        return broadcast_to(identity(m, k, x), (*batch, m, k)), filled(0.0, (*batch, k, n), x.dtype, x.device)
    high, down, low, up = SCALES[x.dtype.component.name]
    a = _flat(x)
    largest = max(fn.abs(a), axis=(1, 2), keepdims=True)
    scale = fn.where(largest > high, down, fn.where(largest < low, up, fn.copysign(1.0, largest)))
    a = a * scale
    made, r = reflected(a[:, :, :least], Masks.of(m, x))
    if n > least:
        r = joined([r, made.turn(a[:, :, least:])], 2)
    r = r / scale
    if k > least:
        r = joined([r, filled(0.0, (r.shape[0], k - least, n), x.dtype, x.device)], 1)
    return reshape(made.columns(k), (*batch, m, k)), reshape(r, (*batch, k, n))
