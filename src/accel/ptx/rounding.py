"""Correctly rounded floating-point operations of PTX: four rounding modes, .ftz, .sat and the canonical NaN.

Operations on f16, bf16 and f32 are exact, or rounded to odd, in float64 and are then rounded once to the format.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from accel.ieee import fma32, fma64, odd_sum, two_sum

from .formats import FORMATS, Bits, Values, flush, is_nan, sign_bit, widen

Float64 = npt.NDArray[np.float64]

NEAREST = "rn"
MODES = (NEAREST, "rz", "rm", "rp")


def nudge(bits: Bits, value: Values, exact: Values, mode: str) -> Bits:
    """Turns bits rounded to nearest (whose value is given) into bits rounded by a directed mode.

    Only the sign of value - exact matters. The bits grow with the magnitude, so adding 1 goes one unit away from zero.
    """
    negative = (bits & sign_bit(bits)) != 0
    high, low = value > exact, value < exact
    if mode == "rz":
        step = np.where(negative, low, high) * -1
    elif mode == "rm":
        step = np.where(negative, high * 1, high * -1)
    else:
        step = np.where(negative, low * -1, low * 1)
    return bits + step.astype(bits.dtype)


def narrow(x: Float64, fmt: str, mode: str = NEAREST) -> Bits:
    """float64 values, exact or rounded to odd, to a format's bits, rounded by mode."""
    if fmt == "f64":
        return np.asarray(x).view(np.uint64)
    single = x.astype(np.float32)
    if fmt == "f32":
        bits = single.view(np.uint32)
    else:  # through f32 rounded to odd, so that the second rounding is the only one that counts
        bits = nudge(single.view(np.uint32), single.astype(np.float64), x, "rz")
        bits = bits | (bits.view(np.float32).astype(np.float64) != x)
        if fmt == "f16":
            bits = bits.astype(np.uint32).view(np.float32).astype(np.float16).view(np.uint16)
        else:
            bits = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
        bits = np.where(np.isnan(x), FORMATS[fmt].nan, bits)
    return bits if mode == NEAREST else nudge(bits, widen(bits, fmt).astype(np.float64), x, mode)


def finish(bits: Bits, fmt: str, ftz: bool = False, sat: bool = False) -> Bits:
    """What every floating-point result goes through: .ftz, .sat and the canonical NaN (f64 NaNs stay the host's).

    .ftz looks at the rounded result: one that rounded up to the smallest normal number is kept, which PTX leaves open.
    """
    if ftz:
        bits = flush(bits, fmt)
    if sat:
        value = widen(bits, fmt)
        bits = np.where(value >= 1, FORMATS[fmt].one, np.where(value > 0, bits, bits.dtype.type(0)))
    if fmt != "f64":
        nan = is_nan(bits, fmt)
        if nan.any():
            bits = np.where(nan, FORMATS[fmt].nan, bits)
    return bits


def _reciprocal(a: Values) -> Values:
    return 1 / a


def _fma(a: Values, b: Values, c: Values) -> Values:
    return (fma32 if a.dtype == np.float32 else fma64)(a, b, c)


# Rounded to nearest in the operands' own format, f32 or f64.
PLAIN: dict[str, Callable[..., Values]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "sqrt": np.sqrt,
    "rcp": _reciprocal,
    "fma": _fma,
}

# On float64 copies of narrower operands, so that rounding the result again rounds the exact result. Products are exact.
# Quotients and roots are rounded to 53 bits, which for operands of 24 bits or fewer never reaches or crosses a tie.
WIDE: dict[str, Callable[..., Float64]] = {
    **PLAIN,
    "add": odd_sum,
    "sub": lambda a, b: odd_sum(a, -b),
    "fma": lambda a, b, c: odd_sum(a * b, c),
}

ADDENDS: dict[str, Callable[..., tuple[Values, Values]]] = {
    "add": lambda a, b: (a, b),
    "sub": lambda a, b: (a, -b),
    "fma": lambda a, b, c: (a * b, c),
}


def _down_zero(total: Float64, a: Values, b: Values) -> Float64:
    """IEEE 754, 6.3: rounding down, an exact sum of zero is -0 unless both addends are +0."""
    return np.where(total == 0, np.where(np.signbit(a) | np.signbit(b), -0.0, 0.0), total)


def _sum_error(a: Float64, b: Float64) -> tuple[Float64, Float64]:
    s, err = two_sum(a, b)
    return s, np.where(np.isinf(s) & np.isfinite(a) & np.isfinite(b), -s, err)


def _product_error(a: Float64, b: Float64) -> tuple[Float64, Float64]:
    """The rounded product, and a number with the sign of its error."""
    p = a * b
    (fa, ea), (fb, eb) = np.frexp(a), np.frexp(b)  # of fractions, the error cannot underflow
    return p, fma64(fa, fb, -np.ldexp(p, -(ea + eb)))


def _directed64(op: str, mode: str) -> Callable[..., Bits]:
    if op == "mul":

        def product(a: Float64, b: Float64) -> Bits:
            p, err = _product_error(a, b)
            return nudge(p.view(np.uint64), 0.0, err, mode)

        return product
    if op not in ("add", "sub"):
        raise NotImplementedError

    def total(*operands: Float64) -> Bits:
        a, b = ADDENDS[op](*operands)
        s, err = _sum_error(a, b)
        if mode == "rm":
            s = _down_zero(s, a, b)
        return nudge(s.view(np.uint64), 0.0, err, mode)

    return total


def arithmetic(op: str, fmt: str, mode: str) -> Callable[..., Bits]:
    """A function from operand values to the bits of op's result, correctly rounded by mode.

    f64 takes float64 values, every other format the values that `widen` gives. Raises NotImplementedError for
    operations that are not here: those without an exact definition in PTX, and directed f64 fma, quotients and roots.
    """
    if op not in PLAIN:
        raise NotImplementedError
    plain, wide = PLAIN[op], WIDE[op]
    if fmt == "f64":
        return _directed64(op, mode) if mode != NEAREST else lambda *v: plain(*v).view(np.uint64)
    if fmt == "f32" and mode == NEAREST:
        return lambda *v: plain(*v).view(np.uint32)
    if mode == "rm" and op in ADDENDS:

        def total(*operands: Values) -> Bits:
            operands = tuple(x.astype(np.float64) for x in operands)
            return narrow(_down_zero(wide(*operands), *ADDENDS[op](*operands)), fmt, mode)

        return total
    return lambda *v: narrow(wide(*(x.astype(np.float64) for x in v)), fmt, mode)


def minimum_maximum(op: str, x: Bits, y: Bits, fmt: str, nan: bool) -> Bits:
    """min or max of bits: a number beats a NaN unless .NaN is set, and -0 is below +0."""
    a, b = widen(x, fmt), widen(y, fmt)
    r = np.where((a < b if op == "min" else a > b) | np.isnan(b), x, y)
    r = np.where(a == b, x | y if op == "min" else x & y, r)
    if nan:
        r = np.where(np.isnan(a) | np.isnan(b), FORMATS[fmt].nan, r)
    return r
