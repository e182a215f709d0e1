"""Makes coefficients.py: ``python -P src/accel/scalar/minimax.py > coefficients.py`` (needs mpmath; two minutes).

With a name it makes those of ``fits_<name>.py``: ``minimax.py trigonometric > coefficients_trigonometric.py``. Those
of ``error_function``, ``bessel`` and ``gamma`` take a quarter of an hour together.

Each polynomial minimises the largest weighted error over an interval (Remez exchange on a dense Chebyshev grid, in
60-digit arithmetic). Its coefficients are rounded to the dtype one by one, from the lowest power, and the rest is
fitted again each time, so that later coefficients make up for what rounding an earlier one lost. The printed comment is
the largest weighted error of the rounded polynomial, as a power of two.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import mpmath
from mpmath import mp

mp.dps = 60
Real = Any  # mpmath.mpf


@dataclass(frozen=True)
class Fit:
    """function ~ sum of c_i x**i on the interval, with error times |weight| minimised; degree per dtype.

    doubled: how many of the lowest coefficients are kept as an unevaluated sum of two floats.
    """

    name: str
    what: str
    function: Callable[[Real], Real]
    weight: Callable[[Real], Real]
    interval: dict[str, tuple[Real, Real]]
    degree: dict[str, int]
    doubled: int = 0


def rounded(value: Real, dtype: str) -> float:
    """The nearest float of the dtype."""
    nearest = float(value)
    if dtype == "float64":
        return nearest
    single = struct.unpack("<f", struct.pack("<f", nearest))[0]
    step = mpmath.mpf(2) ** -200
    neighbours = [single]
    bits = struct.unpack("<i", struct.pack("<f", single))[0]
    neighbours += [struct.unpack("<f", struct.pack("<i", bits + d))[0] for d in (-1, 1)] if single else []
    return min(neighbours, key=lambda c: abs(c - value) + step * abs(c))


def grid(low: Real, high: Real, count: int) -> list[Real]:
    middle, half = (low + high) / 2, (high - low) / 2
    return [middle - half * mpmath.cos(mpmath.pi * i / (count - 1)) for i in range(count)]


def remez(points: list[Real], values: list[Real], weights: list[Real], powers: list[int]) -> tuple[list[Real], Real]:
    """Coefficients of x**p, p in powers, that minimise the largest |weight (value - polynomial)|; and that error."""
    n = len(powers)
    chosen = [round(k * (len(points) - 1) / n) for k in range(n + 1)]
    best: tuple[list[Real], Real] = ([mpmath.mpf(0)] * n, mpmath.inf)
    for _ in range(40):
        matrix = mpmath.matrix(n + 1, n + 1)
        right = mpmath.matrix(n + 1, 1)
        for row, i in enumerate(chosen):
            for column, p in enumerate(powers):
                matrix[row, column] = points[i] ** p
            matrix[row, n] = (-1) ** row / weights[i]
            right[row] = values[i]
        try:
            solution = mpmath.lu_solve(matrix, right)
        except ZeroDivisionError:
            break
        coefficients, level = list(solution[:n]), abs(solution[n])
        errors = weighted_errors(coefficients, powers, points, values, weights)
        worst = max(abs(e) for e in errors)
        best = min(best, (coefficients, worst), key=lambda c: c[1])
        chosen = alternating(errors, n + 1)
        if not chosen or worst <= level * mpmath.mpf("1.0001"):
            break
    return best


def weighted_errors(
    coefficients: list[Real], powers: list[int], points: list[Real], values: list[Real], weights: list[Real]
) -> list[Real]:
    return [w * (v - evaluate(coefficients, powers, x)) for x, v, w in zip(points, values, weights, strict=True)]


def evaluate(coefficients: list[Real], powers: list[int], x: Real) -> Real:
    """The polynomial in x, by Horner's rule over the powers from the highest."""
    result, last = mpmath.mpf(0), powers[-1]
    for c, p in zip(reversed(coefficients), reversed(powers), strict=True):
        result = result * x ** (last - p) + c
        last = p
    return result * x**last


def alternating(errors: list[Real], count: int) -> list[int]:
    """Indices of ``count`` extrema of alternating sign, the largest there are; none if there are fewer."""
    runs: list[int] = []
    for i, e in enumerate(errors):
        if e == 0:
            continue
        if runs and (errors[runs[-1]] > 0) == (e > 0):
            if abs(e) > abs(errors[runs[-1]]):
                runs[-1] = i
        else:
            runs.append(i)
    while len(runs) > count:
        if len(runs) == count + 1:
            runs.pop(0 if abs(errors[runs[0]]) < abs(errors[runs[-1]]) else -1)
        else:
            k = min(range(len(runs) - 1), key=lambda k: min(abs(errors[runs[k]]), abs(errors[runs[k + 1]])))
            del runs[k : k + 2]
    return runs if len(runs) == count else []


def fit(row: Fit, dtype: str) -> tuple[list[float], list[float], Real]:
    """Rounded coefficients, the low halves of the doubled ones, and the largest weighted error."""
    degree = row.degree[dtype]
    points = grid(*row.interval[dtype], 40 * (degree + 2))
    points = [x for x in points if abs(row.weight(x)) > 1e-12]
    weights = [abs(row.weight(x)) for x in points]
    values = [row.function(x) for x in points]
    high, low = [], []
    coefficients: list[Real] = []
    for power in range(degree + 1):
        powers = list(range(power, degree + 1))
        # Once rounding errors dominate there may be no better fit than what is left of the last one.
        kept = coefficients[1:]
        coefficients, worst = remez(points, values, weights, powers)
        if kept and max(map(abs, weighted_errors(kept, powers, points, values, weights))) < worst:
            coefficients = kept
        high.append(rounded(coefficients[0], dtype))
        total = mpmath.mpf(high[-1])
        if power < row.doubled:
            low.append(rounded(coefficients[0] - total, dtype))
            total += low[-1]
        values = [v - total * x**power for v, x in zip(values, points, strict=True)]
    return high, low, max(abs(w * v) for w, v in zip(weights, values, strict=True))


def both(low: Real, high: Real) -> dict[str, tuple[Real, Real]]:
    return {"float32": (low, high), "float64": (low, high)}


def relative(function: Callable[[Real], Real]) -> Callable[[Real], Real]:
    return lambda x: 1 / function(x)


def degrees(single: int, double: int) -> dict[str, int]:
    return {"float32": single, "float64": double}


HALF_LN2 = mpmath.log(2) / 2
ROOT_2 = mpmath.sqrt(2)
SELU_ALPHA = mpmath.mpf("1.6732632423543772848170429916717")
SELU_SCALE = mpmath.mpf("1.0507009873554804934193349852946")
MILLS_CENTRE = {"float32": 3, "float64": 4}
MILLS_END = {"float32": 15, "float64": 39}


def _exp(r: Real) -> Real:
    return (mpmath.expm1(r) - r) / r**2


def _log(f: Real) -> Real:
    return (mpmath.log1p(f) - f + f * f / 2) / f**3


def _log2_by_s(u: Real) -> Real:
    """log2(m) / s, where s = (m - 1) / (m + 1) and u = s**2"""
    s = mpmath.sqrt(u)
    return 2 * mpmath.atanh(s) / s / mpmath.log(2)


def _erf_by_x(u: Real) -> Real:
    """erf(x) / x, where u = x**2"""
    x = mpmath.sqrt(u)
    return mpmath.erf(x) / x if x else 2 / mpmath.sqrt(mpmath.pi)


def _tanhshrink(u: Real) -> Real:
    """(x - tanh(x)) / x**3, where u = x**2"""
    x = mpmath.sqrt(u)
    return (x - mpmath.tanh(x)) / x**3 if x else mpmath.mpf(1) / 3


def _mills(centre: int) -> Callable[[Real], Real]:
    """(a + centre) * exp(a**2 / 2) * erfc(a / sqrt 2) / 2 over t = (a - centre) / (a + centre)"""

    def function(t: Real) -> Real:
        a = centre * (1 + t) / (1 - t)
        return (a + centre) * mpmath.exp(a * a / 2) * mpmath.erfc(a / ROOT_2) / 2

    return function


def _mills_interval(dtype: str) -> tuple[Real, Real]:
    centre, end = MILLS_CENTRE[dtype], MILLS_END[dtype]
    return mpmath.mpf(-1), mpmath.mpf(end - centre) / (end + centre)


FITS = (
    Fit(
        "EXP", "(exp(r) - 1 - r) / r**2, error relative to exp(r) - 1",
        _exp, lambda r: r * r / mpmath.expm1(r), both(-HALF_LN2, HALF_LN2), {"float32": 5, "float64": 10},
    ),
    Fit(
        "EXP2", "(2**r - 1) / r, error of 2**r",
        lambda r: mpmath.expm1(r * mpmath.log(2)) / r, lambda r: r,
        both(mpmath.mpf(-0.5), mpmath.mpf(0.5)), {"float32": 5, "float64": 10},
    ),
    Fit(
        "LOG", "(log(1 + f) - f + f**2 / 2) / f**3, error relative to log(1 + f)",
        _log, lambda f: f**3 / mpmath.log1p(f), both(ROOT_2 / 2 - 1, ROOT_2 - 1), {"float32": 8, "float64": 19},
    ),
    Fit(
        "LOG2_S", "log2(m) / s over u = s**2, s = (m - 1) / (m + 1), relative error",
        _log2_by_s, lambda u: 1 / _log2_by_s(u),
        both(mpmath.mpf("1e-9"), ((ROOT_2 - 1) / (ROOT_2 + 1)) ** 2), {"float32": 4, "float64": 9}, doubled=2,
    ),
    Fit(
        "ERF", "erf(x) / x - 1 over u = x**2, 0 <= x <= 1, error relative to erf(x)",
        lambda u: _erf_by_x(u) - 1, lambda u: 1 / _erf_by_x(u),
        both(mpmath.mpf(0), mpmath.mpf(1)), {"float32": 6, "float64": 12},
    ),
    Fit(
        "ERFC_LOG", "-log(erfc(a)), a >= 1, error relative to erf(a)",
        lambda a: -mpmath.log(mpmath.erfc(a)), lambda a: mpmath.erfc(a) / mpmath.erf(a),
        {"float32": (mpmath.mpf(1), mpmath.mpf(4)), "float64": (mpmath.mpf(1), mpmath.mpf(6))},
        {"float32": 6, "float64": 18},
    ),
    *(
        Fit(
            "MILLS",
            f"(a + c) exp(a**2 / 2) erfc(a / sqrt 2) / 2 over t = (a - c) / (a + c), c = {c}, relative error",
            _mills(c), lambda t, c=c: 1 / _mills(c)(t), {dtype: _mills_interval(dtype)}, {dtype: degree}, doubled=1,
        )
        for dtype, c, degree in (("float32", MILLS_CENTRE["float32"], 10), ("float64", MILLS_CENTRE["float64"], 25))
    ),
    Fit(
        "TANHSHRINK", "(x - tanh(x)) / x**3 over u = x**2, 0 <= x <= 1, relative error",
        _tanhshrink, lambda u: 1 / _tanhshrink(u), both(mpmath.mpf(0), mpmath.mpf(1)), {"float32": 7, "float64": 15},
    ),
)  # fmt: skip


SPLITS = (
    # name, value, bits of the high part of each dtype (None: all): few enough for k * high to be exact
    ("LN2", mpmath.log(2), {"float32": 15, "float64": 41}),
    ("LOG10_2", mpmath.log10(2), {"float32": 15, "float64": 41}),
    ("LOG2_E", 1 / mpmath.log(2), None),
    ("LOG10_E", 1 / mpmath.log(10), None),
    ("GELU_TANH_LINEAR", 2 * mpmath.sqrt(2 / mpmath.pi), None),
    ("GELU_TANH_CUBIC", 2 * mpmath.sqrt(2 / mpmath.pi) * mpmath.mpf("0.044715"), None),
    ("SELU_POSITIVE", SELU_SCALE, None),
    ("SELU_NEGATIVE", SELU_SCALE * SELU_ALPHA, None),
)


def split(value: Real, dtype: str, bits: int | None) -> tuple[float, float]:
    """value as an unevaluated sum of two floats, the first of so many bits."""
    scale = mpmath.mpf(2) ** ((bits or 0) - mpmath.floor(mpmath.log(value, 2)) - 1)
    high = rounded(mpmath.nint(value * scale) / scale if bits else value, dtype)
    return high, rounded(value - high, dtype)


def parts(value: Real, dtype: str, count: int) -> tuple[float, ...]:
    """value as an unevaluated sum of floats, each the nearest to what those before it leave."""
    found: list[float] = []
    for _ in range(count):
        found.append(rounded(value - sum(map(mpmath.mpf, found), mpmath.mpf(0)), dtype))
    return tuple(found)


def write(module: str, fits: tuple[Fit, ...], splits: tuple = (), sums: tuple = ()) -> None:
    """Prints a module of coefficients. sums: (name, value, count) of `parts`."""
    print(f'"""Polynomial coefficients, lowest power first, and split constants. Generated by {module}."""')
    if splits or sums:
        print()
    for name, value, bits in splits:
        print(f"{name}: dict[str, tuple[float, float]] = {{")
        for dtype in ("float32", "float64"):
            print(f'    "{dtype}": {split(value, dtype, bits[dtype] if bits else None)},')
        print("}")
    for name, value, count in sums:
        print(f"{name}: dict[str, tuple[float, ...]] = {{")
        for dtype in ("float32", "float64"):
            print(f'    "{dtype}": {parts(value, dtype, count)},')
        print("}")
    merged: dict[str, list[str]] = {}
    for row in fits:
        lines = merged.setdefault(row.name, [])
        for dtype in row.degree:
            high, low, error = fit(row, dtype)
            lines.append(f"    # {dtype}: {row.what}: 2**{float(mpmath.log(error, 2)):.1f}\n")
            lines.append(
                f'    "{dtype}": (\n' + "".join(f"        {c!r},\n".replace("e+", "e") for c in high) + "    ),\n"
            )
            if low:
                merged.setdefault(row.name + "_LOW", []).append(f'    "{dtype}": {tuple(low)!r},\n')
    for name, lines in merged.items():
        print(f"\n{name}: dict[str, tuple[float, ...]] = {{\n{''.join(lines)}}}")


def main() -> None:
    write("accel.scalar.minimax", FITS, SPLITS)


def run(family: str) -> None:
    """The main function of a module of fits, imported without the rest of the package, which needs what it makes."""
    here = Path(__file__).parent
    for name, folder in (("accel", here.parent), ("accel.scalar", here)):
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__path__ = [str(folder)]
    import_module(f"accel.scalar.fits_{family}").main()


if __name__ == "__main__":
    run(sys.argv[1]) if sys.argv[1:] else main()
