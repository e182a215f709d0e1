"""cbrt and hypot; sqrt and rsqrt are in arithmetic.py."""

from __future__ import annotations

from typing import Any

from .binary_format import format_of, infinity, raw, with_sign_of
from .coefficients_trigonometric import CBRT, CBRT_2, CBRT_4
from .expr import Expr, bitcast, const, eq, fma, rarely, select, sqrt
from .extended import polynomial, two_product
from .scalar_function import ScalarFunction

THIRD = {"float32": 0.3333333432674408, "float64": 1 / 3}


def cbrt(x: Expr) -> Expr:
    """z t**2 with t near z**(-1/3) and x = 8**k z, 1 <= z < 8: t from a polynomial by one step of Newton's (two of
    float64), the product by another whose residual z - y**3 is formed with both halves of y**2. Nothing is divided."""
    f = format_of(x)
    a = abs(x)
    subnormal = a < f.smallest_normal
    up = 3 * (f.fraction // 3 + 1)
    bits = raw(rarely(subnormal, a * 2.0**up, a))
    extra = -f.bias % 3
    field = (bits >> f.fraction) + extra
    third = (field * 43691) >> 17  # a third of what is below 2**15, truncated
    rest = field - third * 3
    m = bitcast((bits & ((1 << f.fraction) - 1)) | f.one_bits, x.dtype)
    z = bitcast(raw(m) + (rest << f.fraction), x.dtype)
    one = const(1.0, x.dtype)
    root = select(eq(rest, 0), one, select(eq(rest, 1), const(CBRT_2[x.dtype][0], x.dtype), CBRT_4[x.dtype][0]))
    t = polynomial(m, CBRT[x.dtype]) * root
    for _ in range(1 if x.dtype == "float32" else 2):
        t = fma(t * THIRD[x.dtype], fma(-z * t, t * t, 1.0), t)
    square = t * t
    y = z * square
    product, low = two_product(y, y)
    residual = fma(-y, product, z) - y * low
    y = fma(residual, square * THIRD[x.dtype], y)
    shift = bitcast((third + (f.bias - (f.bias + extra) // 3)) << f.fraction, x.dtype)
    y = y * rarely(subnormal, shift * 2.0 ** -(up // 3), shift)
    return with_sign_of(rarely(~((a > 0.0) & (a < infinity(x.dtype))), a, y), x)


def hypot(x: Expr, y: Expr) -> Expr:
    """sqrt(x**2 + y**2), both first multiplied by a power of two where a square might leave the normal range."""
    f = format_of(x)
    ax, ay = abs(x), abs(y)
    larger, smaller = select(ax < ay, ay, ax), select(ax < ay, ax, ay)
    half = f.bias // 2 + 1
    up, down = 2.0 ** (half + f.fraction), 2.0 ** -(half + f.fraction)
    high, low = larger > 2.0 ** (half - 2), larger < 2.0 ** (f.fraction + 3 - half)
    large, small = rarely(high, larger * down, larger), rarely(high, smaller * down, smaller)
    large, small = rarely(low, larger * up, large), rarely(low, smaller * up, small)
    root = sqrt(fma(large, large, small * small))
    root = rarely(high, root * up, root)
    root = rarely(low, root * down, root)
    inf = infinity(x.dtype)
    return rarely(eq(ax, inf) | eq(ay, inf), inf, root)


def _hypot_derivative(fn: Any, g: Any, y: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """a / y and b / y; 0 at the origin, as torch has it."""
    flat = fn.equal(y, 0.0)
    return fn.where(flat, 0.0, g * (a / y)), fn.where(flat, 0.0, g * (b / y))


FLOAT = ("float",)

ROWS = (
    ScalarFunction(
        "cbrt", 1, FLOAT, cbrt, "Gives the cube root of each element.", ulp=(0.51, 0.51),
        special=("NaN -> NaN", "+0 -> +0", "-0 -> -0", "+inf -> +inf", "-inf -> -inf"),
        source="Newton's steps from a minimax polynomial of the reciprocal root, the last in extended precision",
        reference=lambda mp, x: mp.cbrt(x) if x >= 0 else -mp.cbrt(-x),
        derivative=lambda fn, g, y, x: (g / (y * y * 3.0),), turns=(0.0,),
    ),
    ScalarFunction(
        "hypot", 2, FLOAT, hypot, "Gives sqrt(x1**2 + x2**2), which overflows only where the result does.",
        ulp=(1.1, 1.1), range="[0, inf]",
        special=("inf in any argument -> +inf, even beside NaN", "NaN in any argument -> NaN otherwise"),
        source="definition, scaled by powers of two", reference=lambda mp, x, y: mp.sqrt(x * x + y * y),
        derivative=_hypot_derivative,
    ),
)  # fmt: skip
