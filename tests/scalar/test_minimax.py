"""coefficients.py is what minimax.py makes, and its polynomials are as close as its comments say."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import mpmath
import pytest

from accel.scalar import coefficients, minimax

SOURCE = Path(coefficients.__file__).read_text(encoding="utf-8")
FITS = [(row, dtype) for row in minimax.FITS for dtype in row.degree]


def stated(row: minimax.Fit, dtype: str) -> float:
    """The binary logarithm of the error in the comment of a polynomial."""
    return float(re.search(rf"# {dtype}: {re.escape(row.what)}: 2\*\*(-[\d.]+)", SOURCE)[1])


@pytest.mark.parametrize(("row", "dtype"), FITS, ids=lambda v: getattr(v, "name", v))
def test_polynomials_are_as_close_as_stated(row: minimax.Fit, dtype: str) -> None:
    c = [mpmath.mpf(v) for v in getattr(coefficients, row.name)[dtype]]
    for i in range(row.doubled):
        c[i] += mpmath.mpf(getattr(coefficients, row.name + "_LOW")[dtype][i])
    worst = mpmath.mpf(0)
    for x in minimax.grid(*row.interval[dtype], 300):
        if abs(row.weight(x)) > 1e-12:
            value = minimax.evaluate(c, list(range(len(c))), x)
            worst = max(worst, abs(row.weight(x) * (row.function(x) - value)))
    assert abs(float(mpmath.log(worst, 2)) - stated(row, dtype)) < 0.3


@pytest.mark.parametrize(("name", "value", "bits"), minimax.SPLITS)
def test_splits(name: str, value: object, bits: dict[str, int] | None) -> None:
    for dtype, (high, low) in getattr(coefficients, name).items():
        assert (high, low) == minimax.split(value, dtype, bits[dtype] if bits else None)
        assert abs((mpmath.mpf(high) + mpmath.mpf(low)) / value - 1) < 2.0 ** (-36 if dtype == "float32" else -92)


def test_short_polynomials_are_made_again() -> None:
    for name, dtype in (("EXP", "float32"), ("LOG2_S", "float32"), ("ERF", "float32")):
        row = next(r for r in minimax.FITS if r.name == name)
        high, low, _ = minimax.fit(row, dtype)
        assert tuple(high) == getattr(coefficients, name)[dtype]
        assert not low or tuple(low) == getattr(coefficients, name + "_LOW")[dtype]


@pytest.mark.slow
def test_the_file_is_made_again() -> None:
    made = io.StringIO()
    with contextlib.redirect_stdout(made):
        minimax.main()
    assert made.getvalue() == SOURCE
