"""The beta function and its logarithm."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from ...array import Array
from ...dtypes import DType
from ..compose import Operand, composed
from ..primitive.pointwise import fn
from . import exact_beta as exact

FAR = 10.0
"""From here on the logarithm of gamma is Stirling's formula and a few terms of its series."""

SERIES = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
"""What Stirling's formula leaves of log(gamma(x)) is the sum of c[i] x**(-2 i - 1), to 2**-53 from FAR on."""

DIRECT = 30.0
"""Up to this sum of the arguments the beta function is a quotient of gammas, which neither overflow nor vanish."""


def examples(op: str, dtype: DType) -> Any:
    """Those of an op of this file."""
    from ...testing import elementwise_family

    return elementwise_family.positive(op, dtype)


def rest_of_stirling(x: Array) -> Array:
    inverse = fn.reciprocal(x)
    square = inverse * inverse
    total = square * SERIES[-1] + SERIES[-2]
    for c in SERIES[-3::-1]:
        total = total * square + c
    return total * inverse


def logarithm(x1: Array, x2: Array) -> Array:
    """Where the larger argument p is far out, lgamma(p) - lgamma(p + q) has its large terms taken off beforehand."""
    p, q = fn.maximum(x1, x2), fn.minimum(x1, x2)
    far = p >= FAR
    large = fn.where(far, p, FAR)
    total = large + q
    taken = (large - 0.5) * fn.log1p(q / large)
    some = fn.lgamma(q) + ((q - q * fn.log(total)) - taken + (rest_of_stirling(large) - rest_of_stirling(total)))
    both = q >= FAR
    second = fn.where(both, q, FAR)
    rest = rest_of_stirling(second) + (rest_of_stirling(large) - rest_of_stirling(large + second))
    middle = fn.log(second) * -0.5 + (0.5 * math.log(2 * math.pi) + rest)
    two = middle - second * fn.log1p(large / second) - (large - 0.5) * fn.log1p(second / large)
    near = fn.lgamma(q) + (fn.lgamma(p) - fn.lgamma(p + q))
    value = fn.where(far, fn.where(both, two, some), near)
    value = fn.where(fn.equal(q, 0.0), math.inf, fn.where(fn.isinf(p), -math.inf, value))
    return fn.where(fn.less(q, 0.0), math.nan, value)


@composed(
    reference=exact.betaln,
    samples=partial(examples, "betaln"),
    namespace="special",
    scalars=True,
)
def betaln(x1: Operand, x2: Operand, /) -> Array:
    """log(gamma(x1) gamma(x2) / gamma(x1 + x2)) for each pair of elements.

    x1, x2: floating, not below 0; they broadcast, and one may be a Python number. An argument below 0 gives NaN, 0
    gives inf, and inf gives -inf. Below 10 the gamma function's logarithms are subtracted; from there on Stirling's
    formula is, of which the large terms cancel beforehand. Raises DtypeError, ShapeError, ArgumentError.
    """
    return logarithm(x1, x2)


@composed(
    reference=exact.beta,
    samples=partial(examples, "beta"),
    namespace="special",
    scalars=True,
)
def beta(x1: Operand, x2: Operand, /) -> Array:
    """gamma(x1) gamma(x2) / gamma(x1 + x2) for each pair of elements.

    x1, x2: floating, not below 0; they broadcast, and one may be a Python number. An argument below 0 gives NaN, 0
    gives inf, and inf gives 0. Where the arguments add up to more than 30, e to the power of `betaln`, whose error in
    last places grows with the logarithm. Raises DtypeError, ShapeError, ArgumentError.
    """
    p, q = fn.maximum(x1, x2), fn.minimum(x1, x2)
    direct = p + q < DIRECT
    p, q = fn.where(direct, p, 1.0), fn.where(direct, q, 1.0)
    quotient = fn.gamma(q) * (fn.gamma(p) / fn.gamma(p + q))
    regular = fn.logical_and(direct, q > 0.0)
    return fn.where(regular, quotient, fn.exp(logarithm(x1, x2)))
