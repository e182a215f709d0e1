"""Functions of elements that are made of others: frexp, isclose, lcm, lerp, nan_to_num."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from ...arguments import real, switch
from ...array import Array
from ...dtypes import FLOAT64, INT32, TABLE, DType, promote
from ...errors import UnsupportedError
from ...layout import broadcast_shapes
from ..compose import AnyOperand, Indices, MovedOperand, Operand, composed
from ..primitive.pointwise import astype, fn
from . import exact_elementwise as exact

INTEGERS = tuple(dtype for dtype in TABLE.values() if dtype.kind in "iu")


def examples(op: str, dtype: DType) -> Any:
    """Those of an op of this file."""
    from ...testing import elementwise_family

    return elementwise_family.of(op, dtype)


@composed(reference=exact.frexp, samples=partial(examples, "frexp"), namespace="")
def frexp(x: Operand, /) -> tuple[Array, Array]:
    """The m and e with x = m 2**e and 0.5 <= abs(m) < 1, for each element: m of x's dtype, e of int32.

    x: floating. 0, infinities and NaN are their own m, with e = 0. Exact. Raises DtypeError.
    """
    return fn.frexp_fraction(x), astype(fn.frexp_exponent(x), INT32)


def floating(x: Array, other: Array) -> Array:
    """Integers and booleans in the other operand's floating dtype, that of its parts, or in float64."""
    if x.dtype.kind in "fc":
        return x
    return astype(x, other.dtype.component if other.dtype.kind in "fc" else FLOAT64)


@composed(
    reference=exact.isclose,
    samples=partial(examples, "isclose"),
    namespace="",
    dtypes=tuple(TABLE.values()),
    widen=False,
    bits=lambda dtype, numerics: "bits",
    scalars=True,
)
def isclose(
    a: MovedOperand, b: MovedOperand, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Array:
    """Whether abs(a - b) <= atol + rtol abs(b) with b finite, or a == b, for each pair of elements.

    a, b: any dtypes; they broadcast, and one may be a Python number. 16-bit floats are compared in float32, integers in
    the other's floating dtype or, beside integers, in float64. equal_nan: whether NaN is close to NaN.
    Raises ShapeError, ArgumentError.
    """
    rtol, atol = real("isclose", "rtol", rtol), real("isclose", "atol", atol)
    same_nan = switch("isclose", "equal_nan", equal_nan)
    a, b = floating(a, b), floating(b, a)
    common = promote(a.dtype, b.dtype)
    wide = common if common.kind == "c" else common.accumulator
    a, b = (astype(x, wide, copy=False) for x in (a, b))
    return close(a, b, rtol, atol, same_nan)


def close(a: Array, b: Array, rtol: float, atol: float, equal_nan: bool) -> Array:
    """`isclose` of floating or complex arrays of one dtype, in which it is computed."""
    near = fn.less_equal(fn.abs(a - b), fn.abs(b) * rtol + atol)
    found = fn.logical_or(fn.logical_and(near, fn.isfinite(b)), fn.equal(a, b))
    return fn.logical_or(found, fn.logical_and(fn.isnan(a), fn.isnan(b))) if equal_nan else found


@composed(
    reference=exact.lcm,
    samples=partial(examples, "lcm"),
    namespace="",
    dtypes=INTEGERS,
    exact=True,
    scalars=True,
)
def lcm(x1: Indices, x2: Indices, /) -> Array:
    """The least common multiple of abs(x1) and abs(x2) for each pair of elements; 0 where either is 0.

    x1, x2: integers; they broadcast, and one may be a Python number. A multiple that the dtype does not hold wraps.
    Raises DtypeError, ShapeError, ArgumentError.
    """
    a, b = fn.abs(x1), fn.abs(x2)
    return fn.floor_divide(a, fn.gcd(a, b)) * b


@composed(reference=exact.lerp, samples=partial(examples, "lerp"), namespace="", scalars=True)
def lerp(start: Operand, end: Operand, weight: Operand) -> Array:
    """start + weight (end - start) for each triple of elements, from the end where abs(weight) is 1/2 or more, so that
    the weights 0 and 1 give start and end.

    start, end, weight: floating; they broadcast, and some may be Python numbers. The signature is torch's.
    Raises DtypeError, ShapeError, ArgumentError.
    """
    broadcast_shapes(start.shape, end.shape, weight.shape, what="lerp: start, end, weight")
    step = end - start
    return fn.where(fn.abs(weight) < 0.5, start + weight * step, end - step * (1.0 - weight))


@composed(
    reference=exact.nan_to_num,
    samples=partial(examples, "nan_to_num"),
    namespace="",
    dtypes=tuple(TABLE.values()),
    exact=True,
)
def nan_to_num(
    x: AnyOperand, copy: bool = True, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Array:
    """x with NaN, inf and -inf replaced by numbers: nan, posinf and neginf.

    x: any dtype; integers and booleans stay as they are. posinf, neginf: None is the largest finite number of the dtype
    and its negative. copy: True; an array is not changed in place. Raises UnsupportedError, ArgumentError.
    """
    if not switch("nan_to_num", "copy", copy):
        raise UnsupportedError("nan_to_num: copy: False would change x, which functions here do not; assign to x[...]")
    given = {"nan": nan, "posinf": posinf, "neginf": neginf}
    found = {name: None if v is None else real("nan_to_num", name, v) for name, v in given.items()}
    if x.dtype.kind != "f":
        return fn.positive(x) if x.dtype.kind in "iu" else astype(x, x.dtype)
    largest = exact.largest(x.dtype.numpy)
    for name, standard in (("nan", 0.0), ("posinf", largest), ("neginf", -largest)):
        found[name] = standard if found[name] is None else found[name]
    finite = fn.where(x == math.inf, found["posinf"], fn.where(x == -math.inf, found["neginf"], x))
    return fn.where(fn.isnan(x), found["nan"], finite)
