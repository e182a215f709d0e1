"""Makes coefficients_special.py (see minimax.py) in a quarter of an hour."""

from __future__ import annotations

from collections.abc import Callable

import mpmath

from .minimax import Fit, Real, both, write

ERFCX_CENTRE = 3
ERFINV_NEAR, ERFINV_MIDDLE = mpmath.mpf("6.25"), mpmath.mpf(36)
"""Where the pieces of the inverse end, in w = -log(1 - x**2)."""
ERFINV_END = {"float32": 105, "float64": 746}
BESSEL_FAR = 8
STIRLING_LEAST = mpmath.mpf("4.5")
DIGAMMA_LEAST = 4
TRIGAMMA_LEAST = 3
DIGAMMA_ZERO = mpmath.findroot(mpmath.digamma, 1.46)


def one(x: Real) -> Real:
    return mpmath.mpf(1)


def relative(function: Callable[[Real], Real]) -> Callable[[Real], Real]:
    return lambda x: 1 / function(x)


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


def bessel(order: int) -> Callable[[Real], Real]:
    """I(x) / x**order, where u = x**2"""

    def function(u: Real) -> Real:
        x = mpmath.sqrt(u)
        return mpmath.besseli(order, x) / x**order if x else mpmath.mpf(1) / (1 + order)

    return function


def bessel_far(order: int) -> Callable[[Real], Real]:
    """sqrt(x) exp(-x) I(x), where v = 1 / x"""

    def function(v: Real) -> Real:
        if v == 0:
            return 1 / mpmath.sqrt(2 * mpmath.pi)
        return mpmath.exp(-1 / v) * mpmath.besseli(order, 1 / v) / mpmath.sqrt(v)

    return function


def lgamma(t: Real) -> Real:
    """log(gamma(2 + t)) / t"""
    return mpmath.loggamma(2 + t) / t if t else mpmath.digamma(2)


def stirling(u: Real) -> Real:
    """x (log(gamma(x)) - (x - 1/2) log(x) + x - log(2 pi) / 2), where u = 1 / x**2"""
    if u == 0:
        return mpmath.mpf(1) / 12
    x = 1 / mpmath.sqrt(u)
    return x * (mpmath.loggamma(x) - (x - mpmath.mpf(1) / 2) * mpmath.log(x) + x - mpmath.log(2 * mpmath.pi) / 2)


def digamma(t: Real) -> Real:
    """digamma(x) / (x - x0), x0 its zero, where x = 3/2 + t"""
    x = t + mpmath.mpf(3) / 2
    return mpmath.digamma(x) / (x - DIGAMMA_ZERO)


def digamma_tail(u: Real) -> Real:
    """x**2 (log(x) - 1 / (2 x) - digamma(x)), where u = 1 / x**2"""
    if u == 0:
        return mpmath.mpf(1) / 12
    x = 1 / mpmath.sqrt(u)
    return x * x * (mpmath.log(x) - 1 / (2 * x) - mpmath.digamma(x))


def trigamma(t: Real) -> Real:
    """trigamma(5/2 + t)"""
    return mpmath.psi(1, t + mpmath.mpf(5) / 2)


def trigamma_tail(u: Real) -> Real:
    """x**3 (trigamma(x) - 1 / x - 1 / (2 x**2)), where u = 1 / x**2"""
    if u == 0:
        return mpmath.mpf(1) / 6
    x = 1 / mpmath.sqrt(u)
    return x**3 * (mpmath.psi(1, x) - 1 / x - u / 2)


def degrees(single: int, double: int) -> dict[str, int]:
    return {"float32": single, "float64": double}


HALF = mpmath.mpf(1) / 2

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
    *(
        Fit(
            f"I{n}", f"I{n}(x) / x**{n} over u = x**2, x up to 8, relative error", bessel(n), relative(bessel(n)),
            both(mpmath.mpf(0), mpmath.mpf(BESSEL_FAR) ** 2), degrees(11, 16),
        )
        for n in (0, 1)
    ),
    *(
        Fit(
            f"I{n}_FAR", f"sqrt(x) exp(-x) I{n}(x) over v = 1 / x, x from 8, relative error",
            bessel_far(n), relative(bessel_far(n)),
            both(mpmath.mpf(0), mpmath.mpf(1) / BESSEL_FAR), degrees(6, 23),
        )
        for n in (0, 1)
    ),
    Fit(
        "LGAMMA", "log(gamma(2 + t)) / t, |t| <= 1/2, relative error", lgamma, relative(lgamma),
        both(-HALF, HALF), degrees(9, 18),
    ),
    Fit(
        "GAMMA", "gamma(2 + t), |t| <= 1/2, relative error", lambda t: mpmath.gamma(2 + t),
        relative(lambda t: mpmath.gamma(2 + t)), both(-HALF, HALF), degrees(9, 19),
    ),
    Fit(
        "STIRLING", "what Stirling's formula leaves of log(gamma(x)), times x, over 1 / x**2, x from 4.5",
        stirling, one, both(mpmath.mpf(0), 1 / STIRLING_LEAST**2), degrees(3, 8),
    ),
    Fit(
        "DIGAMMA", "digamma(3/2 + t) / (3/2 + t - x0), |t| <= 1/2, relative error", digamma, relative(digamma),
        both(-HALF, HALF), degrees(11, 22),
    ),
    Fit(
        "DIGAMMA_TAIL", "x**2 (log(x) - 1 / (2 x) - digamma(x)) over 1 / x**2, x from 4",
        digamma_tail, one, both(mpmath.mpf(0), mpmath.mpf(1) / DIGAMMA_LEAST**2), degrees(3, 10),
    ),
    Fit(
        "TRIGAMMA", "trigamma(5/2 + t), |t| <= 1/2, relative error", trigamma, relative(trigamma),
        both(-HALF, HALF), degrees(8, 17),
    ),
    Fit(
        "TRIGAMMA_TAIL", "x**3 (trigamma(x) - 1 / x - 1 / (2 x**2)) over 1 / x**2, x from 3",
        trigamma_tail, one, both(mpmath.mpf(0), mpmath.mpf(1) / TRIGAMMA_LEAST**2), degrees(4, 12),
    ),
)  # fmt: skip

SUMS = (
    ("LOG_ROOT_2PI", mpmath.log(2 * mpmath.pi) / 2, 2),
    ("LOG2_ROOT_2PI", mpmath.log(2 * mpmath.pi, 2) / 2, 2),
    ("LOG_PI", mpmath.log(mpmath.pi), 2),
    ("ROOT_2", mpmath.sqrt(2), 2),
    ("HALF_ROOT_2", mpmath.sqrt(2) / 2, 1),
    ("DIGAMMA_ROOT", DIGAMMA_ZERO, 2),
)


def main() -> None:
    write("accel.scalar.fits_special", FITS, sums=SUMS)
