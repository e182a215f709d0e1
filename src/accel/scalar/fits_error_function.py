"""Makes coefficients_error_function.py (see minimax.py)."""

from __future__ import annotations

from collections.abc import Callable

import mpmath

from .minimax import Fit, Real, both, degrees, relative, write

ERFCX_CENTRE = 3
ERFINV_NEAR, ERFINV_MIDDLE = mpmath.mpf("6.25"), mpmath.mpf(36)
"""Where the pieces of the inverse end, in w = -log(1 - x**2)."""
ERFINV_END = {"float32": 105, "float64": 746}


def erfcx(t: Real) -> Real:
    """(x + 9 / 16) exp(x**2) erfc(x), which is nearly constant, over t = (x - c) / (x + c)"""
    c = mpmath.mpf(ERFCX_CENTRE)
    if t == 1:
        return 1 / mpmath.sqrt(mpmath.pi)
    x = c * (1 + t) / (1 - t)
    return (x + mpmath.mpf(9) / 16) * mpmath.exp(x * x) * mpmath.erfc(x)


def erfinv(w: Real) -> Real:
    """erfinv(x) / x, where x**2 = 1 - exp(-w): Newton's steps on log(erfc)"""
    if w == 0:
        return mpmath.sqrt(mpmath.pi) / 2
    x = mpmath.sqrt(-mpmath.expm1(-w))
    wanted = mpmath.log(mpmath.exp(-w) / (1 + x))
    y = mpmath.sqrt(w) if w > 3 else x
    for _ in range(60):
        tail = mpmath.erfc(y)
        step = (mpmath.log(tail) - wanted) * mpmath.exp(y * y) * tail * mpmath.sqrt(mpmath.pi) / 2
        y += step
        if abs(step) < abs(y) * mpmath.mpf(10) ** -30:
            break
    return y / x


def erfinv_near(t: Real) -> Real:
    """erfinv(x) / x over t = w - 25/8"""
    return erfinv(t + ERFINV_NEAR / 2)


def erfinv_tail(c: int) -> Callable[[Real], Real]:
    """erfinv(x) / (x s) with s = sqrt(w), over t = (s - c) / (s + c)"""

    def function(t: Real) -> Real:
        s = c * (1 + t) / (1 - t)
        return erfinv(s * s) / s

    return function


def erfinv_ends(c: int, low: Real, high: Real) -> tuple[Real, Real]:
    ends = (mpmath.sqrt(w) for w in (low, high))
    return tuple((s - c) / (s + c) for s in ends)


FITS = (
    Fit(
        "ERFCX", "(x + 9/16) exp(x**2) erfc(x) over t = (x - 3) / (x + 3), relative error",
        erfcx, relative(erfcx), both(mpmath.mpf(-1), mpmath.mpf(1)), degrees(12, 26), doubled=1,
    ),
    Fit(
        "ERFINV", "erfinv(x) / x over t = w - 25/8, w = -log(1 - x**2) up to 6.25, relative error",
        erfinv_near, relative(erfinv_near), both(-ERFINV_NEAR / 2, ERFINV_NEAR / 2), degrees(12, 24),
    ),
    Fit(
        "ERFINV_MIDDLE", "erfinv(x) / (x s) over t = (s - 4) / (s + 4), s**2 = w from 6.25 to 36, relative error",
        erfinv_tail(4), relative(erfinv_tail(4)), both(*erfinv_ends(4, ERFINV_NEAR, ERFINV_MIDDLE)), degrees(12, 24),
    ),
    Fit(
        "ERFINV_FAR", "erfinv(x) / (x s) over t = (s - 12) / (s + 12), s**2 = w from 36, relative error",
        erfinv_tail(12), relative(erfinv_tail(12)),
        {dtype: erfinv_ends(12, ERFINV_MIDDLE, mpmath.mpf(end)) for dtype, end in ERFINV_END.items()}, degrees(6, 22),
    ),
)  # fmt: skip

SUMS = (
    ("ROOT_2", mpmath.sqrt(2), 2),
    ("HALF_ROOT_2", mpmath.sqrt(2) / 2, 1),
)


def main() -> None:
    write("accel.scalar.fits_error_function", FITS, sums=SUMS)
