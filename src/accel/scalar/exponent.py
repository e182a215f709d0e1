"""ldexp: a number times a power of two, rounded once; and the two results of frexp."""

from __future__ import annotations

from .binary_format import format_of, infinity, nearest_integer, raw, with_sign_of
from .exponential import clamp
from .expr import WIDTH, Expr, bitcast, const, ne, rarely, select
from .scalar_function import JUMPS, ScalarFunction


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


def _scaled(x: Expr) -> tuple[Expr, Expr]:
    """The bits of |x|, a subnormal one multiplied by 2**(fraction + 1), and whether it is one."""
    f = format_of(x)
    a = abs(x)
    subnormal = a < f.smallest_normal
    return raw(rarely(subnormal, a * 2.0 ** (f.fraction + 1), a)), subnormal


def _regular(x: Expr) -> Expr:
    return (abs(x) > 0.0) & (abs(x) < infinity(x.dtype))


def frexp_fraction(x: Expr) -> Expr:
    f = format_of(x)
    bits, _ = _scaled(x)
    fraction = bitcast((bits & ((1 << f.fraction) - 1)) | raw(const(0.5, x.dtype)), x.dtype)
    return rarely(~_regular(x), x, with_sign_of(fraction, x))


def frexp_exponent(x: Expr) -> Expr:
    f = format_of(x)
    bits, subnormal = _scaled(x)
    # The field placed in the fraction of 2**fraction, as in logarithm.py.
    field = bitcast((bits >> f.fraction) | ((f.bias + f.fraction) << f.fraction), x.dtype)
    exponent = field - (2.0**f.fraction + (f.bias - 1))
    exponent = rarely(subnormal, exponent - float(f.fraction + 1), exponent)
    return rarely(~_regular(x), const(0.0, x.dtype), exponent)


ROWS = (
    ScalarFunction(
        "frexp_exponent", 1, ("float",), frexp_exponent,
        "Gives the integer e with x = m 2**e, 0.5 <= |m| < 1, for each element, as a float.",
        special=("0, inf, NaN -> +0",), reference=lambda mp, x: mp.mpf(mp.frexp(x)[1]), derivative=JUMPS,
    ),
    ScalarFunction(
        "frexp_fraction", 1, ("float",), frexp_fraction,
        "Gives the m with x = m 2**e, 0.5 <= |m| < 1, for each element.", range="(-1, 1)",
        special=("NaN -> NaN", "0 -> x", "inf -> x"), reference=lambda mp, x: mp.frexp(x)[0],
        derivative=lambda fn, g, y, x: (fn.ldexp(g, -fn.frexp_exponent(x)),),
    ),
    ScalarFunction(
        "ldexp", 2, ("float",), ldexp, "Gives x1 times 2**x2 for each pair of elements, x2 rounded to an integer.",
        ulp=(0.5, 0.5), special=("NaN in any argument -> NaN", "0, n -> x1", "inf, n -> x1"),
        source="integer addition to the exponent", reference=lambda mp, x, n: mp.ldexp(x, int(mp.nint(n))),
        derivative=lambda fn, g, y, x, n: (fn.ldexp(g, n), None),
    ),
)  # fmt: skip
