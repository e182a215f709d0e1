"""The documented errors: float64 and binary functions against mpmath, float32 against float64 over its whole range."""

from __future__ import annotations

import numpy as np
import pytest
from scalar_native import Library
from scalar_reference import worst_error
from scalar_samples import UNARY_FLOAT, random, rng, special

from accel.scalar import FUNCTIONS, program_for
from accel.scalar.evaluate import evaluate

STEP = 4001  # of the float32s, in the quick run: a million
ROUNDED = [name for name in UNARY_FLOAT if FUNCTIONS[name].ulp[0] > 0]
BINARY = [n for n, row in FUNCTIONS.items() if row.arity == 2 and "float" in row.kinds and row.ulp[0] > 0]
EXACT = [n for n, row in FUNCTIONS.items() if "float" in row.kinds and row.ulp == (0.0, 0.0) and row.reference]

# Where the functions are hard: (low, high) of the argument, or of its logarithm to the base 2 ("log").
HARD = {
    "exp": [(-745, 710), (-1, 1)],
    "exp2": [(-1075, 1024), (-1, 1)],
    "expm1": [(-40, 710), (-1, 1)],
    "log": [(0.5, 2)],
    "log2": [(0.5, 2)],
    "log10": [(0.5, 2)],
    "log1p": [(-1, 1), (0, 100)],
    "exp10": [(-1, 1), (-324, 309)],
    "deg2rad": [(-360, 360)],
    "rad2deg": [(-4, 4)],
    "sinc": [(-3, 3), (-300, 300), (1e4, 1e6)],
    "entr": [(0, 2)],
    "logit": [(0, 1), (0.4, 0.6)],
    "erfc": [(-6, 28), (-1, 1), (0.5, 2)],
    "erfcx": [(-27, -1), (-1, 1), (0, 1e4)],
    "ndtr": [(-39, 9), (-2, 2)],
    "log_ndtr": [(-40, 40), (-2, 2), (-1e4, 0)],
    "erfinv": [(-1, 1), (0.99, 1)],
    "ndtri": [(0, 1), (0.4, 0.6), (0, 1e-3)],
    "gamma": [(-5, 5), (-185, 172)],
    "lgamma": [(-5, 5), (-200, 200), (0.5, 4.5)],
    "digamma": [(-5, 5), (-200, 200), (0.5, 4.5)],
    "trigamma": [(-5, 5), (-200, 200), (0.5, 3.5)],
    **{name: [(-10, 10), (-700, 714)] for name in ("i0", "i0e", "i1", "i1e")},
    "cbrt": [(1, 8)],
    "sin": [(-1, 1), (-20, 20), (-1e5, 1e5), (1e9, 1e10)],
    "cos": [(-2, 2), (-20, 20), (-1e5, 1e5), (1e9, 1e10)],
    "tan": [(-1, 1), (-20, 20), (-1e5, 1e5), (1e9, 1e10)],
    "asin": [(-1, 1), (0.5, 0.6), (0.8, 0.9)],
    "acos": [(-1, 1), (-0.6, -0.5), (0.5, 0.7)],
    "atan": [(-3, 3), (0.5, 0.6)],
    "sinh": [(-2, 2), (-712, 712)],
    "cosh": [(-2, 2), (-712, 712)],
    "asinh": [(-1, 1), (-20, 20)],
    "acosh": [(1, 1.2), (1, 20)],
    "atanh": [(-1, 1), (-0.2, 0.2)],
    "tanh": [(-1, 1), (-20, 20)],
    "sigmoid": [(-746, 40), (-3, 3)],
    "erf": [(-1, 1), (1, 6), (-6, -1)],
    "gelu": [(-39, -6), (-6, 1), (-1, 6)],
    "gelu_tanh": [(-25, -6), (-6, 1), (-1, 6)],
    "silu": [(-750, -20), (-20, 1), (-1, 20)],
    "logsigmoid": [(-40, 40), (-3, 3), (20, 746)],
    "mish": [(-750, -20), (-20, 1), (-1, 21)],
    "selu": [(-40, 0), (-1, 1)],
    "softsign": [(-3, 3)],
    "tanhshrink": [(-1, 1), (1, 3), (-21, -1)],
    "hardsigmoid": [(-3, -2.9), (-3, 3)],
    "hardswish": [(-3, -2.9), (-3, 3)],
}


def check(name: str, dtype: str, worst: float, where: object) -> None:
    """The documented error holds, and is not more than twice the worst plus a half."""
    documented = FUNCTIONS[name].ulp[dtype == "float64"]
    print(f"{name} {dtype}: worst {worst:.3f} ULP at {where}, documented {documented:g}")
    assert worst <= documented
    assert documented <= 2 * worst + 0.5


def doubles(name: str, count: int) -> np.ndarray:
    """float64 arguments: special ones, random ones, and from where the function is hard."""
    r = rng(name, "float64")
    hard = [r.uniform(low, high, count) for low, high in HARD.get(name, [])]
    return np.concatenate([special("float64"), random("float64", count, name), *hard])


@pytest.mark.parametrize("name", ROUNDED)
def test_float64(name: str) -> None:
    x = doubles(name, 500)
    worst, where = worst_error(name, "float64", evaluate(program_for(name, ("float64",)), x), x)
    check(name, "float64", worst, where)


@pytest.mark.slow
@pytest.mark.parametrize("name", ROUNDED)
def test_float64_deep(name: str) -> None:
    x = doubles(name, 60_000)
    worst, where = worst_error(name, "float64", evaluate(program_for(name, ("float64",)), x), x)
    check(name, "float64", worst, where)


@pytest.mark.parametrize("name", ROUNDED)
def test_float32(fastest: Library, name: str) -> None:
    """Every 4001st float32 against the float64 function, whose own error is 2**-29 of a float32 unit per ULP."""
    check(name, "float32", *fastest.sweep(name, 0, STEP, 2**32 // STEP))


@pytest.mark.slow
@pytest.mark.parametrize("name", ROUNDED)
def test_float32_all(fastest: Library, name: str) -> None:
    check(name, "float32", *fastest.sweep(name, 0, 1, 2**32))


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_exact(name: str, dtype: str) -> None:
    arrays = [np.concatenate([special(dtype), random(dtype, 1500, f"{name}{i}")]) for i in range(FUNCTIONS[name].arity)]
    if name == "clip":  # low <= high
        arrays[1:] = [np.fmin(*arrays[1:]), np.fmax(*arrays[1:])]
    worst, where = worst_error(name, dtype, evaluate(program_for(name, (dtype,) * len(arrays)), *arrays), *arrays)
    assert worst == 0, where


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_binary(name: str, dtype: str) -> None:
    count = 4000
    r = rng(name, dtype)
    a, b = random(dtype, count, f"{name}0"), random(dtype, count, f"{name}1")
    if name == "pow":  # random exponents overflow: choose those of results of every size
        a = np.abs(a)
        near = 1 + r.normal(size=count) * 2.0 ** r.uniform(-20, 0, count)
        a = np.where(r.random(count) < 0.3, np.abs(near), a).astype(dtype)
        a[(a == 0) | ~np.isfinite(a)] = 2
        limit = 151 if dtype == "float32" else 1080
        with np.errstate(all="ignore"):
            b = (r.uniform(-limit, limit, count) / np.log2(a.astype(np.float64))).astype(dtype)
    values = np.repeat(special(dtype), 8)
    a, b = np.concatenate([a, values]), np.concatenate([b, random(dtype, len(values), f"{name}2")])
    worst, where = worst_error(name, dtype, evaluate(program_for(name, (dtype, dtype)), a, b), a, b)
    check(name, dtype, worst, where)


# The arguments whose distance to a multiple of pi / 2 is smallest among all floats beyond the first reduction's reach
# (J.-M. Muller, Elementary Functions, 2016, chapter 11), largest finite ones, and those beside where the other
# reduction begins.
HARDEST = {
    "float32": [16367173.0 * 2.0**72, 2.0**17, 2.0**17 - 2.0**-7, 2.0**127, 3.4028234663852886e38],
    "float64": [6381956970095103.0 * 2.0**797, 2.0**30, 2.0**30 - 2.0**-23, 2.0**1023, 1.7976931348623157e308],
}


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
@pytest.mark.parametrize("dtype", HARDEST)
def test_reduction_of_the_hardest_arguments(name: str, dtype: str) -> None:
    """And of floats of every exponent, and those nearest to the first multiples of pi / 2."""
    r = rng(name, dtype, "reduction")
    width, fraction = (32, 23) if dtype == "float32" else (64, 52)
    near = np.array(HARDEST[dtype] + [k * np.pi / 2 for k in range(1, 400)]).astype(dtype)
    exponents = np.arange(1, 2 ** (width - fraction - 1) - 1, dtype=f"uint{width}").repeat(2)
    fractions = r.integers(0, 2**fraction, exponents.size, dtype=exponents.dtype)
    bits = (exponents << np.array(fraction, exponents.dtype)) | fractions
    x = np.concatenate([near, -near, bits.view(dtype)])
    worst, where = worst_error(name, dtype, evaluate(program_for(name, (dtype,)), x), x)
    print(f"{name} {dtype}: {worst:.3f} at {where}")
    assert worst <= FUNCTIONS[name].ulp[dtype == "float64"]


def test_a_wrong_result_would_be_seen(fastest: Library) -> None:
    """Controls: the sweep finds a known error, and the check against mpmath a wrong last bit."""
    worst, _ = fastest.sweep("rsqrt", 0x3F800000, 1, 1 << 20)
    assert 0.49 < worst < 0.6
    x = np.linspace(1, 2, 50)
    right = evaluate(program_for("exp", ("float64",)), x)
    assert (
        worst_error("exp", "float64", np.nextafter(right, 9), x)[0] > 1.0 > worst_error("exp", "float64", right, x)[0]
    )
