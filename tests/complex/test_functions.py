"""Complex functions against mpmath: the largest error, in units of the last place of the result's magnitude."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import accel

BOUND = 4.0
"""docs/numerics.md: |error| <= 4 eps |result|."""

mp = mpmath.mp.clone() if hasattr(mpmath.mp, "clone") else mpmath.MPContext()
mp.prec = 2400

EXACT = {
    "abs": lambda z: mp.mpc(abs(z)),
    "acos": mp.acos,
    "acosh": mp.acosh,
    "asin": mp.asin,
    "asinh": mp.asinh,
    "atan": mp.atan,
    "atanh": mp.atanh,
    "cos": mp.cos,
    "cosh": mp.cosh,
    "exp": mp.exp,
    "expm1": lambda z: mp.exp(z) - 1,
    "log": mp.log,
    "log10": lambda z: mp.log(z) / mp.log(10),
    "log1p": lambda z: mp.log(1 + z),
    "log2": lambda z: mp.log(z) / mp.log(2),
    "reciprocal": lambda z: 1 / z,
    "sign": lambda z: z / abs(z),
    "sin": mp.sin,
    "sinh": mp.sinh,
    "sqrt": mp.sqrt,
    "square": lambda z: z * z,
    "tan": mp.tan,
    "tanh": mp.tanh,
}
DTYPES = (np.complex64, np.complex128)


def drawn(dtype, n: int, seed: int) -> np.ndarray:
    """Numbers of all sizes; near 0, the units and their square roots of one; on the unit circle; on large arguments of
    exponentials."""
    rng = np.random.default_rng(seed)
    part = np.dtype(dtype).type(0).real.dtype
    most = np.log10(float(np.finfo(part).max))

    def parts(low: float, high: float) -> np.ndarray:
        made = np.empty(n, dtype)
        made.real, made.imag = (rng.choice([-1, 1], n) * 10.0 ** rng.uniform(low, high, n) for _ in range(2))
        return made

    around = rng.choice(np.array([1, -1, 1j, -1j], dtype), n)
    return np.concatenate(
        [
            parts(-1, 1),
            parts(-8, 0),
            parts(-most, most),
            parts(-1, np.log10(most * 2.4)),
            (parts(-9, -1) + around).astype(dtype),
            np.exp(1j * rng.uniform(-np.pi, np.pi, n)).astype(dtype),
            (parts(-1, 1).real + 1j * parts(-most, 0).imag).astype(dtype),
        ]
    )


def exactly(z: complex) -> mpmath.mpc:
    return mp.mpc(float(z.real), float(z.imag))


def error(got: complex, exact: mpmath.mpc, part) -> float:
    """In eps times the magnitude, but for what the smallest numbers of the dtype do not resolve."""
    off = abs(exactly(got) - exact) - 3 * mp.mpf(float(part.smallest_subnormal))
    return max(0.0, float(off / (abs(exact) * float(part.eps)))) if exact else float(off > 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", EXACT)
def test_error(request, name, dtype):
    z = drawn(dtype, 200 if request.config.getoption("--deep") else 12, 7)
    part = np.finfo(dtype)
    with accel.config(device="cpu"):
        results = getattr(accel, name)(z)
    found = [(EXACT[name](exactly(x)), x, y) for x, y in zip(z, results, strict=True)]
    inside = [(w, x, y) for w, x, y in found if max(abs(w.real), abs(w.imag)) < float(part.max) * 0.999]
    assert len(inside) > len(z) / 2
    worst, at = max(((error(y, w, part), x) for w, x, y in inside), key=lambda pair: pair[0])
    print(f"{name} {np.dtype(dtype)}: {worst:.3g} eps at {at}")
    assert worst <= BOUND, f"{name}({at})"


def test_a_larger_error_is_seen():
    part, exact = np.finfo(np.complex64), mp.mpc(3, 4)
    assert error(complex(3, 4), exact, part) == 0
    assert error(complex(3, 4 * (1 + 8 * 2.0**-23)), exact, part) > BOUND


OPERANDS = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPERANDS)
def test_error_of_arithmetic(name, dtype):
    x, y = drawn(dtype, 40, 1), drawn(dtype, 40, 2)
    part = np.finfo(dtype)
    with accel.config(device="cpu"):
        results = getattr(accel, name)(x, y)
        by_real, of_real = getattr(accel, name)(x, y.real), getattr(accel, name)(x.real, y)
    for a, b, got in (
        *zip(x, y, results, strict=True),
        *zip(x, y.real, by_real, strict=True),
        *zip(x.real, y, of_real, strict=True),
    ):
        exact = OPERANDS[name](exactly(a), exactly(b))
        sizes = float(abs(exact.real)), float(abs(exact.imag))
        products = [abs(float(p) * float(q)) for p in (a.real, a.imag) for q in (b.real, b.imag)]
        if max(sizes) < float(part.max) * 0.999 and (name != "multiply" or max(products) < float(part.max) / 2):
            assert error(got, exact, part) <= BOUND, (a, b, got)


@pytest.mark.parametrize("dtype", DTYPES)
def test_error_of_powers(dtype):
    rng = np.random.default_rng(3)
    x, y = ((rng.standard_normal(60) * 3 + 3j * rng.standard_normal(60)).astype(dtype) for _ in range(2))
    with accel.config(device="cpu"):
        results = accel.pow(x, y)
        squares = accel.pow(x, 2)
        assert np.array_equal(squares, accel.square(x))
    for a, b, got in zip(x, y, results, strict=True):
        exponent = exactly(b) * mp.log(exactly(a))
        assert error(got, mp.exp(exponent), np.finfo(dtype)) <= BOUND * (1 + float(abs(exponent)))
