"""Casts between all dtypes, with a defined result for every value, and the 16-bit storage of float16 and bfloat16.

Float to integer truncates, saturates, and takes NaN to 0. To bool is x != 0. Integer to integer wraps. To a float
rounds once, half to even; a wide source goes to float16 and bfloat16 through a value that keeps a sticky last bit
(rounding to odd: S. Boldo and G. Melquiond, "Emulation of a FMA and correctly rounded sums: proved algorithms using
rounding to odd", 2008).
"""

from __future__ import annotations

from .binary_format import raw
from .expr import COMPUTE_DTYPES, FLOATS, INTEGERS, SIGNED, WIDTH, Expr, bitcast, const, convert, eq, limits, ne, select

HALVES = ("float16", "bfloat16")
DTYPES = (*COMPUTE_DTYPES, *HALVES)
"""Every dtype that a program may take, hold or return."""


def storage(dtype: str) -> str:
    """The dtype of the node that holds a value of ``dtype``."""
    return "uint16" if dtype in HALVES else dtype


def compute_dtype(dtype: str) -> str:
    """The dtype that functions of ``dtype`` are computed in."""
    return "float32" if dtype in HALVES else dtype


def cast(x: Expr, source: str, target: str) -> Expr:
    """x, a value of ``source`` in its storage dtype, as a value of ``target`` in its storage dtype."""
    if x.dtype != storage(source):
        raise TypeError(f"a {source} is stored as {storage(source)}, not {x.dtype}")
    if source == target:
        return x
    if source in HALVES:
        return cast(widen(x, source), "float32", target)
    if target == "bool":
        return ne(x, const(0, x.dtype))
    if target in HALVES:
        return narrow(_single(x, target), target)
    if x.dtype == "bool":
        return select(x, const(1, target), 0)
    if source in FLOATS and target in INTEGERS:
        return _to_integer(x, target)
    return convert(x, target)


def widen(h: Expr, source: str) -> Expr:
    """float16 or bfloat16 bits to float32, exactly."""
    bits = convert(h, "uint32")
    if source == "bfloat16":
        return bitcast(bits << 16, "float32")
    sign = (bits & 0x8000) << 16
    shifted = (bits & 0x7FFF) << 13  # fraction and exponent in float32's places; the exponent is 112 too small
    normal = shifted + (112 << 23)
    special = shifted + (224 << 23)
    subnormal = raw(bitcast(shifted + (113 << 23), "float32") - 2.0**-14)
    size = bitcast(shifted, "int32")  # SIMD units compare signed integers
    magnitude = select(size >= 0x7C00 << 13, special, select(size < 0x0400 << 13, subnormal, normal))
    return bitcast(magnitude | sign, "float32")


def narrow(x: Expr, target: str) -> Expr:
    """float32 to float16 or bfloat16 bits, rounded half to even; NaN becomes the quiet NaN."""
    bits = raw(x)
    magnitude = bits & 0x7FFFFFFF
    size = bitcast(magnitude, "int32")
    sign = (bits >> 16) & 0x8000
    nan = size > 0x7F800000
    if target == "bfloat16":
        rounded = (magnitude + (((magnitude >> 16) & 1) + 0x7FFF)) >> 16
        return convert(select(nan, const(0x7FC0, "uint32"), rounded | sign), "uint16")
    normal = (magnitude + (((magnitude >> 13) & 1) + (0xFFF - (112 << 23)) % 2**32)) >> 13
    # Adding 0.5, whose last place is float16's smallest subnormal, rounds a small value to a multiple of it.
    subnormal = raw(bitcast(magnitude, "float32") + 0.5) - (126 << 23)
    finite = select(size < 113 << 23, subnormal, normal)
    limited = select(size >= 0x47800000, const(0x7C00, "uint32"), finite)  # 65536 and above
    return convert(select(nan, const(0x7E00, "uint32"), limited | sign), "uint16")


def _to_integer(x: Expr, target: str) -> Expr:
    low, high = limits(target)
    first_above = 2.0 ** (WIDTH[target] - (target in SIGNED))
    # Through a signed dtype, which every device converts to; the upper half of unsigned is moved down for it.
    wide = "int64" if WIDTH[target] == 64 else "int32"
    unsigned_wide = target in ("uint32", "uint64")
    above = x >= first_above
    inside = select((x > float(low) - 1.0 if WIDTH[target] < 32 else x >= float(low)) & (x < first_above), x, 0.0)
    if unsigned_wide:
        half = first_above / 2
        upper = inside >= half
        whole = bitcast(convert(select(upper, inside - half, inside), wide), target)
        value = whole | select(upper, const(1 << (WIDTH[target] - 1), target), 0)
    else:
        value = convert(convert(inside, wide), target)
    result = select(above, const(high, target), value)
    return select(x < float(low), const(low, target), result) if low else result


def _single(x: Expr, target: str) -> Expr:
    """x as a float32 that rounds to ``target`` as x would: exact, or with a sticky last bit."""
    if x.dtype == "float32":
        return x
    if x.dtype == "bool":
        return select(x, const(1.0, "float32"), 0.0)
    if x.dtype == "float64":
        return _odd_single(x)
    if WIDTH[x.dtype] < 32:
        return convert(x, "float32")
    unsigned = "uint64" if WIDTH[x.dtype] == 64 else "uint32"
    negative = x < 0 if x.dtype in SIGNED else None
    magnitude = x if negative is None else bitcast(select(negative, -x, x), unsigned)
    if target == "float16":  # 2**17 and above are infinite, and all below is exact
        single = convert(convert(select(magnitude < 1 << 17, magnitude, 1 << 17), "int32"), "float32")
    else:
        single = _sticky_single(magnitude)
    return single if negative is None else select(negative, -single, single)


def _sticky_single(magnitude: Expr) -> Expr:
    """An unsigned integer as float32, cut to at least 16 leading bits with a sticky last bit."""
    scale = const(1.0, "float32")
    # After each step at most 48, 32 and 24 bits are left.
    steps = ((48, 16), (32, 16), (24, 8)) if WIDTH[magnitude.dtype] == 64 else ((24, 8),)
    for width, drop in steps:
        large = magnitude >= 1 << width
        sticky = select(ne(magnitude & ((1 << drop) - 1), 0), const(1, magnitude.dtype), 0)
        magnitude = select(large, (magnitude >> drop) | sticky, magnitude)
        scale = select(large, scale * 2.0**drop, scale)
    return convert(convert(magnitude, "int32"), "float32") * scale


def _odd_single(x: Expr) -> Expr:
    """float64 to float32 rounded to odd."""
    nearest = convert(x, "float32")
    back = convert(nearest, "float64")
    bits = raw(nearest)
    toward_zero = select(abs(back) > abs(x), bits - 1, bits)
    return bitcast(select(eq(back, x), bits, toward_zero | 1), "float32")
