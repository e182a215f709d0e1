"""Derivatives of every scalar function against central differences, and at ties and edges."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from accel.graph.elements import fn as numbers
from accel.scalar import FUNCTIONS

RNG = np.random.default_rng(11)
SMOOTH = [name for name, row in FUNCTIONS.items() if callable(row.derivative)]


def points(name: str, argument: int) -> np.ndarray:
    """Where a function is smooth: apart from its jumps, ties and poles."""
    x = np.array([-7.3, -3.1, -2.9, -1.3, -0.71, -0.01, 0.013, 0.29, 1.1, 2.3, 3.2, 4.9])
    x = np.roll(x, 5 * argument)
    if name in ("log", "log2", "log10", "sqrt", "rsqrt") or (name == "pow" and argument == 0):
        return np.abs(x)
    if name == "log1p":
        return np.abs(x) - 0.9
    if name in ("logit", "entr", "ndtri"):
        return np.abs(x) / 8
    if name == "xlogy" and argument == 1:
        return np.abs(x)
    if name == "xlog1py" and argument == 1:
        return np.abs(x) - 0.9
    if name == "ldexp" and argument == 1:
        return np.rint(x)
    if name in ("asin", "acos", "atanh", "erfinv"):
        return x / 8
    if name == "acosh":
        return np.abs(x) + 1
    if name == "clip":
        return x if argument == 0 else x * 0 + (-1.5 if argument == 1 else 2.5)
    return x


@pytest.mark.parametrize("name", SMOOTH)
def test_functions(name):
    """Against central differences of the exact function in 60 digits, or where there is none, of the function."""
    row = FUNCTIONS[name]
    x = [points(name, i) for i in range(row.arity)]
    if name == "where":
        x[0] = x[0] > 0
    y = getattr(numbers, name)(*x)
    cotangent = RNG.uniform(0.5, 2, y.shape)
    found = row.derivative(numbers, cotangent, y, *x)
    assert len(found) == row.arity
    for i, got in enumerate(found):
        if got is None:
            assert name in ("where", "copysign", "nextafter", "ldexp")
            continue
        want = [cotangent[at] * _difference(name, [v[at] for v in x], i) for at in range(y.size)]
        np.testing.assert_allclose(np.broadcast_to(got, y.shape), want, rtol=1e-10, atol=1e-13)


def _difference(name: str, x: list[Any], i: int) -> float:
    reference = FUNCTIONS[name].reference
    if reference is None:  # where and copysign, of which float64 differences are exact enough
        ahead, behind = ([v + h if j == i else v for j, v in enumerate(x)] for h in (2.0**-20, -(2.0**-20)))
        return float(getattr(numbers, name)(*ahead) - getattr(numbers, name)(*behind)) * 2.0**19
    with mpmath.workdps(60):
        h = mpmath.mpf(10) ** -20
        wide = [mpmath.mpf(float(v)) for v in x]
        ahead, behind = (
            reference(mpmath.mp, *(v + step if j == i else v for j, v in enumerate(wide))) for step in (h, -h)
        )
        return float((ahead - behind) / (2 * h))


@pytest.mark.parametrize(
    ("name", "x", "want"),
    [
        ("maximum", (1.0, 1.0), (0.5, 0.5)),
        ("minimum", (1.0, 1.0), (0.5, 0.5)),
        ("relu", (0.0,), (0.0,)),
        ("abs", (0.0,), (0.0,)),
        ("clip", (1.0, 1.0, 2.0), (1.0, 0.0, 0.0)),
        ("clip", (3.0, 1.0, 2.0), (0.0, 0.0, 1.0)),
        ("clip", (0.0, 1.0, 2.0), (0.0, 1.0, 0.0)),
        ("pow", (0.0, 0.0), (0.0, 0.0)),
        ("pow", (0.0, 2.0), (0.0, 0.0)),
        ("gelu", (0.0,), (0.5,)),
        ("mish", (0.0,), (0.6,)),
        ("hardswish", (3.0,), (1.5,)),
    ],
)
def test_ties_and_edges_go_by_torchs_rule(name, x, want):
    given = [np.float64(v) for v in x]
    with np.errstate(all="ignore"):
        found = FUNCTIONS[name].derivative(numbers, 1.0, getattr(numbers, name)(*given), *given)
    assert [float(v) for v in found] == pytest.approx(list(want))
