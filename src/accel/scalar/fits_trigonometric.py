"""Makes coefficients_trigonometric.py (see minimax.py)."""

from __future__ import annotations

from collections.abc import Callable

import mpmath

from .minimax import Fit, Real, both, write


def tail(function: Callable[[Real], Real], cubic: Real) -> Callable[[Real], Real]:
    """(f(x) - x) / x**3 for odd f, where u = x**2; cubic: its limit at 0."""

    def over(u: Real) -> Real:
        x = mpmath.sqrt(u)
        return (function(x) - x) / x**3 if x else cubic

    return over


def share(function: Callable[[Real], Real]) -> Callable[[Real], Real]:
    """The weight that makes an error of `tail` one relative to f(x)."""
    return lambda u: mpmath.sqrt(u) ** 3 / function(mpmath.sqrt(u)) if u else mpmath.mpf(0)


def _cos(u: Real) -> Real:
    return (mpmath.cos(mpmath.sqrt(u)) - 1 + u / 2) / u**2 if u else mpmath.mpf(1) / 24


def _odd(
    name: str, what: str, function: Callable[[Real], Real], cubic: Real, end: Real, single: int, double: int
) -> Fit:
    return Fit(
        name, f"({what}(x) - x) / x**3 over u = x**2, x up to {float(end):.3g}, error relative to {what}(x)",
        tail(function, cubic), share(function), both(mpmath.mpf(0), end**2), {"float32": single, "float64": double},
    )  # fmt: skip


THIRD = mpmath.mpf(1) / 3

FITS = (
    _odd("SIN", "sin", mpmath.sin, -THIRD / 2, mpmath.pi / 4, 2, 5),
    Fit(
        "COS", "(cos(x) - 1 + u / 2) / u**2 over u = x**2, x up to pi / 4, error relative to cos(x)",
        _cos, lambda u: u**2 / mpmath.cos(mpmath.sqrt(u)), both(mpmath.mpf(0), (mpmath.pi / 4) ** 2),
        {"float32": 2, "float64": 5},
    ),
    _odd("ASIN", "asin", mpmath.asin, THIRD / 2, mpmath.mpf(1) / 2, 4, 12),
    _odd("ATAN", "atan", mpmath.atan, -THIRD, mpmath.mpf(1) / 2, 5, 13),
    _odd("SINH", "sinh", mpmath.sinh, THIRD / 2, mpmath.mpf(1), 3, 7),
    Fit(
        "CBRT", "m**(-1/3), 1 <= m <= 2, relative error",
        lambda m: m**-THIRD, lambda m: m**THIRD, both(mpmath.mpf(1), mpmath.mpf(2)), {"float32": 4, "float64": 6},
    ),
)  # fmt: skip

SUMS = (
    ("TWO_OVER_PI", 2 / mpmath.pi, 1),
    ("HALF_PI", mpmath.pi / 2, 3),
    ("QUARTER_PI", mpmath.pi / 4, 2),
    ("PI", mpmath.pi, 2),
    ("DEGREE", mpmath.pi / 180, 2),
    ("RADIAN", 180 / mpmath.pi, 2),
    ("CBRT_2", mpmath.cbrt(mpmath.mpf(1) / 2), 1),
    ("CBRT_4", mpmath.cbrt(mpmath.mpf(1) / 4), 1),
    ("LN10", mpmath.log(10), 2),
    ("LOG2_10", mpmath.log(10, 2), 1),
)


def write_turns() -> None:
    """1 / (2 pi) in words, see reduction.py, moved down by the bits of a fraction less one."""
    print()
    for width, fraction, words in ((32, 23, 7), (64, 52, 19)):
        with mpmath.workprec(2000):
            digits = int(mpmath.floor(mpmath.ldexp(1 / (2 * mpmath.pi), width * words - fraction + 1)))
        print(f"TURNS_{width} = (")
        for i in reversed(range(words)):
            print(f"    0x{(digits >> width * i) % 2**width:0{width // 4}X},")
        print(")")


def main() -> None:
    write("accel.scalar.fits_trigonometric", FITS, sums=SUMS)
    write_turns()
