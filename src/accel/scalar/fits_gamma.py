"""Makes coefficients_gamma.py (see minimax.py)."""

from __future__ import annotations

import mpmath

from .minimax import Fit, Real, both, degrees, relative, write

STIRLING_LEAST = mpmath.mpf("4.5")
DIGAMMA_LEAST = 4
TRIGAMMA_LEAST = 3
DIGAMMA_ZERO = mpmath.findroot(mpmath.digamma, 1.46)
HALF = mpmath.mpf(1) / 2


def one(x: Real) -> Real:
    return mpmath.mpf(1)


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


FITS = (
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
    ("DIGAMMA_ROOT", DIGAMMA_ZERO, 2),
)


def main() -> None:
    write("accel.scalar.fits_gamma", FITS, sums=SUMS)
