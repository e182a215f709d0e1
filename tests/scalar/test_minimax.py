"""coefficients.py is what minimax.py makes, and its polynomials are as close as its comments say."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from types import ModuleType

import mpmath
import pytest

from accel.scalar import (
    coefficients,
    coefficients_bessel,
    coefficients_error_function,
    coefficients_gamma,
    coefficients_trigonometric,
    fits_bessel,
    fits_error_function,
    fits_gamma,
    fits_trigonometric,
    minimax,
)

FAMILIES = {
    minimax: coefficients,
    fits_trigonometric: coefficients_trigonometric,
    fits_error_function: coefficients_error_function,
    fits_bessel: coefficients_bessel,
    fits_gamma: coefficients_gamma,
}
SUMS = [(made, *row) for fits, made in FAMILIES.items() if hasattr(fits, "SUMS") for row in fits.SUMS]
NAMES = [f"{row.name}-{dtype}" for fits in FAMILIES for row in fits.FITS for dtype in row.degree]
LONG = [(row, FAMILIES[fits]) for fits in (fits_error_function, fits_bessel, fits_gamma) for row in fits.FITS]
FITS = [(row, dtype, made) for fits, made in FAMILIES.items() for row in fits.FITS for dtype in row.degree]


def source(made: ModuleType) -> str:
    return Path(made.__file__).read_text(encoding="utf-8")


def stated(row: minimax.Fit, dtype: str, made: ModuleType) -> float:
    """The binary logarithm of the error in the comment of a polynomial."""
    return float(re.search(rf"# {dtype}: {re.escape(row.what)}: 2\*\*(-[\d.]+)", source(made))[1])


@pytest.mark.parametrize(("row", "dtype", "made"), FITS, ids=NAMES)
def test_polynomials_are_as_close_as_stated(row: minimax.Fit, dtype: str, made: ModuleType) -> None:
    c = [mpmath.mpf(v) for v in getattr(made, row.name)[dtype]]
    for i in range(row.doubled):
        c[i] += mpmath.mpf(getattr(made, row.name + "_LOW")[dtype][i])
    worst = mpmath.mpf(0)
    for x in minimax.grid(*row.interval[dtype], 300):
        if abs(row.weight(x)) > 1e-12:
            value = minimax.evaluate(c, list(range(len(c))), x)
            worst = max(worst, abs(row.weight(x) * (row.function(x) - value)))
    assert abs(float(mpmath.log(worst, 2)) - stated(row, dtype, made)) < 0.3


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


@pytest.mark.parametrize(("made", "name", "value", "count"), SUMS)
def test_sums(made: ModuleType, name: str, value: object, count: int) -> None:
    for dtype, terms in getattr(made, name).items():
        assert terms == minimax.parts(value, dtype, count)
        rest = abs(sum(map(mpmath.mpf, terms)) / value - 1)
        assert rest < 2.0 ** (-24 * count if dtype == "float32" else -53 * count)


@pytest.mark.slow
@pytest.mark.parametrize(("row", "made"), LONG, ids=[row.name for row, _ in LONG])
def test_float32_polynomials_are_made_again(row: minimax.Fit, made: ModuleType) -> None:
    """Those of float64 in these files would take a quarter of an hour."""
    high, low, _ = minimax.fit(row, "float32")
    assert tuple(high) == getattr(made, row.name)["float32"]
    assert not low or tuple(low) == getattr(made, row.name + "_LOW")["float32"]


@pytest.mark.parametrize("fits", FAMILIES, ids=lambda fits: fits.__name__)
def test_the_file_is_what_its_coefficients_are_written_as(fits: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it but the search for them."""
    made = FAMILIES[fits]

    def known(row: minimax.Fit, dtype: str) -> tuple[tuple[float, ...], tuple[float, ...], mpmath.mpf]:
        low = getattr(made, row.name + "_LOW", {dtype: ()})[dtype]
        return getattr(made, row.name)[dtype], low, mpmath.mpf(2) ** stated(row, dtype, made)

    monkeypatch.setattr(minimax, "fit", known)
    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        fits.main()
    assert written.getvalue() == source(made)


@pytest.mark.slow
@pytest.mark.parametrize("fits", [minimax, fits_trigonometric], ids=lambda fits: fits.__name__)
def test_the_file_is_made_again(fits: ModuleType) -> None:
    made = io.StringIO()
    with contextlib.redirect_stdout(made):
        fits.main()
    assert made.getvalue() == source(FAMILIES[fits])
