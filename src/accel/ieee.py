"""Exact IEEE 754 binary32 and binary64 arithmetic on NumPy arrays: error-free transformations and fma.

NumPy has no fused multiply-add. ``fma32`` and ``fma64`` have one rounding (to nearest, ties to even) for every input,
subnormal, infinite and NaN included; NaN payloads and signs are the host's. They raise no floating-point warnings.
Nothing else of accel is imported here.

Sources: T. J. Dekker, "A floating-point technique for extending the available precision", 1971 (``two_product``);
D. E. Knuth, The Art of Computer Programming, 4.2.2 (``two_sum``); S. Boldo and G. Melquiond, "Emulation of a FMA and
correctly rounded sums: proved algorithms using rounding to odd", 2008 (``odd_sum``, ``fma64``).
"""

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.floating]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

SIGNED = {np.dtype(np.float32): np.dtype(np.int32), np.dtype(np.float64): np.dtype(np.int64)}

# Distance in exponents past which the smaller term of a sum only decides the direction of rounding: a product of two
# fractions is a multiple of 2**-106, and so is every value halfway between two results.
STICKY = 120
MIN_SUBNORMAL, MIN_NORMAL = -1074, -1022  # exponents


def two_sum(a: Float, b: Float) -> tuple[Float, Float]:
    """Rounded sum of two arrays of one float dtype, and its exact error (NaN if the sum is not finite)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def two_product(a: Float64, b: Float64) -> tuple[Float64, Float64]:
    """Rounded float64 product and its exact error.

    The error is exact for |a| and |b| below 2**996 and a product that is zero or between 2**-967 and 2**1022.
    """

    def split(x: Float64) -> tuple[Float64, Float64]:
        big = x * 134217729.0  # 2**27 + 1: 26 bits each
        high = big - (big - x)
        return high, x - high

    p = a * b
    (ah, al), (bh, bl) = split(a), split(b)
    return p, ((ah * bh - p) + ah * bl + al * bh) + al * bl


def odd_sum(a: Float, b: Float) -> Float:
    """a + b of one float dtype, rounded to odd: an inexact sum becomes the neighbour whose last bit is 1.

    Rounding the result again, to any format with at least two bits less precision, gives what rounding the exact sum
    would. A sum that overflows is infinite.
    """
    s, err = two_sum(a, b)
    bits = s.view(SIGNED[s.dtype])
    inexact = (np.abs(err) > 0) & (bits & 1 == 0)
    if inexact.any():
        # The bit pattern grows with the magnitude, so an error of the sum's sign adds 1 and the other subtracts 1.
        s = (bits + inexact * np.where((err > 0) == (s > 0), 1, -1)).astype(bits.dtype).view(s.dtype)
    return s


def fma32(a: Float32, b: Float32, c: Float32) -> Float32:
    """a * b + c of float32 arrays (broadcast together), rounded once."""
    a, b, c = _operands("fma32", np.float32, a, b, c)
    with np.errstate(all="ignore"):
        # The product of two 24-bit numbers is exact in float64, and 53 bits rounded to odd suffice for 24.
        return odd_sum(a.astype(np.float64) * b.astype(np.float64), c.astype(np.float64)).astype(np.float32)


def fma64(a: Float64, b: Float64, c: Float64) -> Float64:
    """a * b + c of float64 arrays (broadcast together), rounded once."""
    a, b, c = np.broadcast_arrays(*_operands("fma64", np.float64, a, b, c))
    with np.errstate(all="ignore"):
        p, low = two_product(a, b)
        r = np.asarray(_join(p, low, c)[0])
        zero = r == 0
        if zero.any():
            r = np.where(zero, p + c, r)  # an exact zero takes its sign from the plain sum
        mag = np.abs(p)
        easy = (np.abs(a) < 2.0**500) & (np.abs(b) < 2.0**500) & (np.abs(c) < 2.0**1000)
        easy &= (mag > 2.0**-900) | (a == 0) | (b == 0)
        if not easy.all():
            hard = ~np.asarray(easy)
            r[hard] = _fma64_scaled(a[hard], b[hard], c[hard])
    return r[()]


def _operands(name: str, dtype: type, *values: Float) -> tuple[Float, ...]:
    arrays = tuple(np.asarray(v) for v in values)
    for array in arrays:
        if array.dtype != dtype:
            raise TypeError(f"{name} takes {np.dtype(dtype)} arrays, not {array.dtype}")
    return arrays


def _join(p: Float64, low: Float64, c: Float64) -> tuple[Float64, Float64]:
    """p + low + c rounded to 53 bits, and a number whose sign is the sign of its error (0: exact)."""
    th, tl = two_sum(c, low)
    vh, vl = two_sum(p, th)
    return two_sum(vh, odd_sum(tl, vl))


def _fma64_scaled(a: Float64, b: Float64, c: Float64) -> Float64:
    """fma64 for any operands: fractions and exponents apart, so that no intermediate overflows or underflows.

    With a = fa 2**ea and so on, the sum is (fa fb + fc 2**d) 2**e, and only the last scaling can leave the range.
    """
    (fa, ea), (fb, eb), (fc, ec) = np.frexp(a), np.frexp(b), np.frexp(c)
    d = np.where(c == 0, -STICKY, np.clip(ec - (ea + eb), -STICKY, STICKY))
    # Where c is far larger its exponent sets the scale, elsewhere the product's does; e < -1200 gives zero anyway.
    e = np.maximum(np.where(d == STICKY, ec - STICKY, ea + eb), -1200)
    s, err = _join(*two_product(fa, fb), np.ldexp(fc, d))
    subnormal = np.abs(s) < np.ldexp(1.0, MIN_NORMAL - e)
    r = np.ldexp(np.where(subnormal, _to_grid(s, err, np.ldexp(1.0, MIN_SUBNORMAL - e)), s), e)
    finite = np.isfinite(a) & np.isfinite(b)
    # Signs of exact zeros, infinities and NaNs are those of the plain operations, except that a finite product that
    # overflows is no infinity yet.
    r = np.where((s == 0) | (a == 0) | (b == 0) | ~finite, a * b + c, r)
    return np.where(finite & ~np.isfinite(c), c, r)


def _to_grid(s: Float64, err: Float64, q: Float64) -> Float64:
    """s + err, err at most half a unit of s, rounded to a multiple of q, a power of two; |s| < 2**52 q."""
    offset = np.copysign(q * 2.0**52, s)  # numbers from 2**52 q to 2**53 q are the multiples of q
    t = (s + offset) - offset
    rest = s - t  # exact; a tie went to even, but err, if it is not zero, decides
    t = t + np.where((rest == q / 2) & (err > 0), q, 0.0) - np.where((rest == -q / 2) & (err < 0), q, 0.0)
    return np.copysign(t, s)
