"""Sums, products, quotients, roots and signs; those of integers that need more are in integer.py, pow in power.py."""

from __future__ import annotations

from . import integer, power
from .binary_format import format_of, infinity, nan, nearest_integer, raw, with_sign_of
from .expr import FLOATS, SIGNED, UNSIGNED, Expr, bitcast, const, eq, floor, fma, ne, rarely, select, sqrt
from .scalar_function import JUMPS, ScalarFunction


def absolute(x: Expr) -> Expr:
    if x.dtype in FLOATS:
        return abs(x)
    return x if x.dtype in UNSIGNED else select(x < 0, -x, x)


def sign(x: Expr) -> Expr:
    if x.dtype in UNSIGNED:
        return select(ne(x, 0), const(1, x.dtype), 0)
    unit = select(x > 0, const(1, x.dtype), select(x < 0, const(-1, x.dtype), 0))
    return unit if x.dtype in SIGNED else select(ne(x, x), x, unit)


def copysign(magnitude: Expr, sign_of: Expr) -> Expr:
    return with_sign_of(abs(magnitude), sign_of)


def signbit(x: Expr) -> Expr:
    return ne(raw(x) & format_of(x).sign_mask, 0)


def rsqrt(x: Expr) -> Expr:
    """1 / sqrt(x), then one Newton step whose residual 1 - x y**2 is formed with both halves of x y."""
    y = 1.0 / sqrt(x)
    product = x * y
    residual = fma(-fma(x, y, -product), y, fma(-product, y, const(1.0, x.dtype)))
    return select(eq(residual, residual), fma(y * 0.5, residual, y), y)  # 0 and infinity have no residual


def floor_divide(x: Expr, y: Expr) -> Expr:
    """floor(x / y). The quotient may have been rounded up to an integer: the sign of x - q y, exact in fma, tells."""
    if x.dtype not in FLOATS:
        return integer.floor_divide(x, y)
    quotient = x / y
    whole = floor(quotient)
    rest = fma(-whole, y, x)
    proper = (abs(y) < infinity(y.dtype)) & eq(rest, rest)
    too_large = proper & ne(rest, 0.0) & signbit(bitcast(raw(rest) ^ raw(y), y.dtype))
    # A quotient that is zero though x is not (y infinite, or underflow) is negative or not by its sign bit.
    tiny_negative = eq(quotient, 0.0) & ne(x, 0.0) & signbit(quotient)
    return select(tiny_negative, const(-1.0, x.dtype), select(too_large, whole - 1.0, whole))


def _fraction(x: Expr) -> tuple[Expr, Expr, Expr]:
    """x > 0 as (fraction in [1, 2), biased exponent, whether x was subnormal and scaled by 2**(fraction bits + 1))."""
    f = format_of(x)
    subnormal = x < f.smallest_normal
    bits = raw(rarely(subnormal, x * 2.0 ** (f.fraction + 1), x))
    return bitcast((bits & ((1 << f.fraction) - 1)) | f.one_bits, x.dtype), bits >> f.fraction, subnormal


def remainder(x: Expr, y: Expr) -> Expr:
    """x - floor(x / y) y, with the sign of y: exact, except that x + y of opposite signs may have to be rounded."""
    if x.dtype not in FLOATS:
        return integer.remainder(x, y)
    ay = abs(y)
    magnitude = _rest_of_division(abs(x), ay)
    opposite = ne((raw(x) ^ raw(y)) & format_of(x).sign_mask, 0)
    folded = select(opposite & ne(magnitude, 0.0), ay - magnitude, magnitude)
    return _where_divisible(x, y, with_sign_of(folded, y))


def fmod(x: Expr, y: Expr) -> Expr:
    """x - trunc(x / y) y, with the sign of x, exactly."""
    if x.dtype not in FLOATS:
        return integer.fmod(x, y)
    return _where_divisible(x, y, with_sign_of(_rest_of_division(abs(x), abs(y)), x))


def _where_divisible(x: Expr, y: Expr, value: Expr) -> Expr:
    return select((abs(x) < infinity(x.dtype)) & (abs(y) > 0.0), value, nan(x.dtype))


def _rest_of_division(ax: Expr, ay: Expr) -> Expr:
    """ax - trunc(ax / ay) ay for ax >= 0 and ay > 0, ax finite.

    Long division of the fractions a and b in the base 2**step. The partial remainder stays a multiple of the last place
    of b and below b, so that every fma is exact: a digit estimated with the rounded reciprocal of b is off by less than
    3/4. The first digit takes (difference of exponents) mod step bits; quotients of more are rare.
    """
    f = format_of(ax)
    step = f.fraction - 2
    (a, i, subnormal_x), (b, j, subnormal_y) = _fraction(ax), _fraction(ay)
    scaled = f.fraction + 1
    shift = i - j
    shift = rarely(subnormal_x, shift - scaled, shift)
    shift = rarely(subnormal_y, shift + scaled, shift)
    small = ax < ay
    shift = select(small, const(0, f.bits), shift)
    digits = (2 * f.bias + f.fraction) // step  # whole digits in the largest shift
    count, first = _divide_by_constant(shift, step, digits)
    inverse = 1.0 / b
    short = _reduce(a * bitcast((first << f.fraction) + f.one_bits, ax.dtype), b, inverse)
    rest = short
    for digit in range(digits, 0, -1):
        rest = rarely(count >= digit, _reduce(rest * 2.0**step, b, inverse), rest)
    rest = rarely(count >= 1, rest, short)
    rest = select(rest < 0.0, rest + b, rest) * bitcast(j << f.fraction, ax.dtype)
    rest = rarely(subnormal_y, rest * 2.0**-scaled, rest)
    return select(small, ax, rest)


def _reduce(rest: Expr, b: Expr, inverse: Expr) -> Expr:
    return fma(-nearest_integer(rest * inverse)[0], b, rest)


def _divide_by_constant(n: Expr, divisor: int, largest: int) -> tuple[Expr, Expr]:
    """n // divisor and n % divisor for unsigned n, the quotient at most ``largest``, by a rounded-up reciprocal."""
    reciprocal = -(-(1 << 16) // divisor)
    assert all(m * reciprocal >> 16 == m // divisor for m in range((largest + 1) * divisor))
    quotient = (n * reciprocal) >> 16
    return quotient, n - quotient * divisor


NUMBER = ("int", "float")
FLOAT = ("float",)
NAN = "NaN in any argument -> NaN"

ROWS = (
    ScalarFunction(
        "add", 2, NUMBER, lambda a, b: a + b, "Adds each x2 to its x1; integers wrap.", ulp=(0.5, 0.5),
        special=(NAN, "inf + -inf -> NaN", "-0 + -0 -> -0", "+0 + -0 -> +0"),
        source="IEEE 754 addition", reference=lambda mp, a, b: a + b,
        derivative=lambda fn, g, y, a, b: (g, g),
    ),
    ScalarFunction(
        "subtract", 2, NUMBER, lambda a, b: a - b, "Subtracts each x2 from its x1; integers wrap.", ulp=(0.5, 0.5),
        special=(NAN, "inf - inf -> NaN"), source="IEEE 754 subtraction", reference=lambda mp, a, b: a - b,
        derivative=lambda fn, g, y, a, b: (g, -g),
    ),
    ScalarFunction(
        "multiply", 2, NUMBER, lambda a, b: a * b, "Multiplies each x1 by its x2; integers wrap.", ulp=(0.5, 0.5),
        special=(NAN, "inf * 0 -> NaN"), source="IEEE 754 multiplication", reference=lambda mp, a, b: a * b,
        derivative=lambda fn, g, y, a, b: (g * b, g * a),
    ),
    ScalarFunction(
        "divide", 2, FLOAT, lambda a, b: a / b, "Divides each x1 by its x2, correctly rounded.", ulp=(0.5, 0.5),
        special=(NAN, "0 / 0 -> NaN", "inf / inf -> NaN", "x / 0 -> inf with the sign of the quotient"),
        source="IEEE 754 division", reference=lambda mp, a, b: a / b,
        derivative=lambda fn, g, y, a, b: (g / b, -g * (y / b)),
    ),
    ScalarFunction(
        "floor_divide", 2, NUMBER, floor_divide,
        "Gives the largest integer not above x1 / x2, rounded where no float holds it; for integers x1 // 0 is 0.",
        ulp=(0.5, 0.5),
        special=(
            NAN, "inf // inf -> NaN", "0 // 0 -> NaN", "x // 0 -> inf with the sign of the quotient",
            "inf // y -> inf with the sign of the quotient", "positive // -inf -> -1", "negative // +inf -> -1",
        ),
        source="quotient, floor, and the sign of the fma residual", reference=lambda mp, a, b: mp.floor(a / b),
        derivative=JUMPS,
    ),
    ScalarFunction(
        "remainder", 2, NUMBER, remainder,
        "Gives x1 - floor(x1 / x2) x2, which has the sign of x2; for integers x1 % 0 is 0.",
        ulp=(0.5, 0.5),
        special=(
            NAN, "x % 0 -> NaN", "inf % y -> NaN", "positive % -inf -> -inf", "negative % +inf -> +inf",
            "0 % y -> 0 with the sign of y",
        ),
        source="long division by fma with a rounded reciprocal, every step exact",
        reference=lambda mp, a, b: a - mp.floor(a / b) * b,
        derivative=lambda fn, g, y, a, b: (g, -g * fn.floor_divide(a, b)),
    ),
    ScalarFunction(
        "fmod", 2, NUMBER, fmod,
        "Gives x1 - trunc(x1 / x2) x2, which has the sign of x1, exactly; for integers fmod(x1, 0) is 0.",
        special=(NAN, "x, 0 -> NaN", "inf, y -> NaN", "x, inf -> x", "0, y -> x1"),
        source="long division by fma with a rounded reciprocal, every step exact",
        reference=lambda mp, a, b: mp.sign(a) * (abs(a) - mp.floor(abs(a) / abs(b)) * abs(b)),
        derivative=lambda fn, g, y, a, b: (g, -g * fn.trunc(a / b)),
    ),
    ScalarFunction(
        "pow", 2, NUMBER, lambda a, b: power.power(a, b) if a.dtype in FLOATS else integer.power(a, b),
        "Raises each x1 to the power x2; integers wrap, a negative integer exponent gives the exact power truncated.",
        ulp=(1.1, 1.1), special=power.SPECIAL, source=power.SOURCE, reference=lambda mp, a, b: mp.power(a, b),
        derivative=power.derivative,
    ),
    ScalarFunction(
        "negative", 1, NUMBER, lambda a: -a, "Changes the sign of each element; integers wrap.",
        special=("+0 -> -0", "-0 -> +0"),
        reference=lambda mp, a: -a,
        derivative=lambda fn, g, y, a: (-g,),
    ),
    ScalarFunction(
        "positive", 1, NUMBER, lambda a: a, "Gives each element as it is.", reference=lambda mp, a: a,
        derivative=lambda fn, g, y, a: (g,),
    ),
    ScalarFunction(
        "abs", 1, NUMBER, absolute, "Gives the magnitude of each element; the smallest integer stays itself.",
        range="[0, inf]",
        special=("NaN -> NaN", "-0 -> +0", "-inf -> +inf"), reference=lambda mp, a: abs(a),
        derivative=lambda fn, g, y, a: (g * fn.sign(a),),
    ),
    ScalarFunction(
        "sign", 1, NUMBER, sign, "Gives -1, 0 or 1, as the sign of each element is.", range="-1, +0, 1",
        special=("NaN -> NaN", "-0 -> +0"),
        reference=lambda mp, a: mp.sign(a),
        derivative=JUMPS,
    ),
    ScalarFunction(
        "square", 1, NUMBER, lambda a: a * a, "Multiplies each element by itself; integers wrap.", ulp=(0.5, 0.5),
        range="[0, inf]",
        special=("NaN -> NaN",), source="IEEE 754 multiplication", reference=lambda mp, a: a * a,
        derivative=lambda fn, g, y, a: (g * (a + a),),
    ),
    ScalarFunction(
        "reciprocal", 1, FLOAT, lambda a: 1.0 / a, "Gives 1 / x for each element, correctly rounded.", ulp=(0.5, 0.5),
        special=("NaN -> NaN", "+0 -> +inf", "-0 -> -inf", "inf -> 0 with its sign"),
        source="IEEE 754 division", reference=lambda mp, a: 1 / a,
        derivative=lambda fn, g, y, a: (-g * y * y,),
    ),
    ScalarFunction(
        "sqrt", 1, FLOAT, sqrt, "Gives the square root of each element, correctly rounded.", ulp=(0.5, 0.5),
        range="-0, [0, inf]",
        special=("NaN -> NaN", "negative -> NaN", "-0 -> -0", "+inf -> +inf"),
        source="IEEE 754 squareRoot", reference=lambda mp, a: mp.sqrt(a),
        derivative=lambda fn, g, y, a: (g / (y + y),),
    ),
    ScalarFunction(
        "rsqrt", 1, FLOAT, rsqrt, "Gives 1 / sqrt(x) for each element.", ulp=(0.6, 0.6), range="(0, inf], -inf",
        special=("NaN -> NaN", "negative -> NaN", "+0 -> +inf", "-0 -> -inf", "+inf -> +0"),
        source="reciprocal of the root, one Newton step in extended precision",
        reference=lambda mp, a: 1 / mp.sqrt(a),
        derivative=lambda fn, g, y, a: (g * -0.5 * y * (y * y),),
    ),
    ScalarFunction(
        "signbit", 1, FLOAT, signbit, "Tells whether the sign bit of each element is set.", "bool",
        special=("-0 -> True", "NaN -> its sign bit"),
    ),
    ScalarFunction(
        "copysign", 2, FLOAT, copysign, "Gives the magnitude of each x1 with the sign bit of its x2.",
        special=("NaN, x -> NaN",),
        derivative=lambda fn, g, y, a, b: (g * fn.sign(a) * fn.sign(y), None),
    ),
)  # fmt: skip
