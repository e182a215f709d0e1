"""ldexp: a number times a power of two, rounded once."""

from __future__ import annotations

from .binary_format import format_of, infinity, nearest_integer, raw, with_sign_of
from .exponential import clamp
from .expr import WIDTH, Expr, bitcast, const, ne, rarely, select
from .scalar_function import ScalarFunction


def ldexp(x: Expr, n: Expr) -> Expr:
    """x 2**n: n, rounded to an integer, is added to the exponent; where that leaves the normal range, fraction + 2 more
    is, and the product with that power of two rounds."""
    f = format_of(x)
    signed = f"int{WIDTH[x.dtype]}"
    reach = 2.0 * (f.bias + f.fraction)
    _, bits = nearest_integer(clamp(n, -reach, reach))
    a = abs(x)
    subnormal = a < f.smallest_normal
    scaled = raw(rarely(subnormal, a * 2.0 ** (f.fraction + 1), a))
    fraction = scaled & ((1 << f.fraction) - 1)
    exponent = (scaled >> f.fraction) + (bits - raw(const(f.magic, x.dtype)))
    exponent = bitcast(rarely(subnormal, exponent - (f.fraction + 1), exponent), signed)
    small = exponent < 1
    raised = select(small, exponent + (f.fraction + 2), exponent)
    raised = select(raised < 1, const(1, signed), raised)
    value = bitcast(fraction | (bitcast(raised, f.bits) << f.fraction), x.dtype)
    value = select(small, value * 2.0 ** -(f.fraction + 2), value)
    value = select(exponent > 2 * f.bias, infinity(x.dtype), value)
    value = rarely(~((a > 0.0) & (a < infinity(x.dtype))), a, value)
    return with_sign_of(select(ne(n, n), n, value), x)


ROWS = (
    ScalarFunction(
        "ldexp", 2, ("float",), ldexp, "Gives x1 times 2**x2 for each pair of elements, x2 rounded to an integer.",
        ulp=(0.5, 0.5), special=("NaN in any argument -> NaN", "0, n -> x1", "inf, n -> x1"),
        source="integer addition to the exponent", reference=lambda mp, x, n: mp.ldexp(x, int(mp.nint(n))),
        derivative=lambda fn, g, y, x, n: (fn.ldexp(g, n), None),
    ),
)  # fmt: skip
