"""Makes coefficients_bessel.py (see minimax.py)."""

from __future__ import annotations

from collections.abc import Callable

import mpmath

from .minimax import Fit, Real, both, degrees, relative, write

FAR = 8


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


FITS = (
    *(
        Fit(
            f"I{n}", f"I{n}(x) / x**{n} over u = x**2, x up to 8, relative error", bessel(n), relative(bessel(n)),
            both(mpmath.mpf(0), mpmath.mpf(FAR) ** 2), degrees(11, 16),
        )
        for n in (0, 1)
    ),
    *(
        Fit(
            f"I{n}_FAR", f"sqrt(x) exp(-x) I{n}(x) over v = 1 / x, x from 8, relative error",
            bessel_far(n), relative(bessel_far(n)),
            both(mpmath.mpf(0), mpmath.mpf(1) / FAR), degrees(6, 23),
        )
        for n in (0, 1)
    ),
)  # fmt: skip


def main() -> None:
    write("accel.scalar.fits_bessel", FITS)
