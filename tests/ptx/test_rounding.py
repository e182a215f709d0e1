"""Formats and rounding modes against exact fractions."""

from fractions import Fraction

import numpy as np
import pytest

from accel.ptx.formats import FORMATS, flush, is_nan, magnitude, widen
from accel.ptx.rounding import MODES, arithmetic, finish, minimum_maximum, narrow

UNSIGNED = {"f16": np.uint16, "bf16": np.uint16, "f32": np.uint32, "f64": np.uint64}


def fraction(bits: np.unsignedinteger, fmt: str) -> Fraction:
    return Fraction(float(widen(np.array([bits], UNSIGNED[fmt]), fmt)[0]))


def neighbours(bits: int, fmt: str) -> list[tuple[int, Fraction]]:
    """The finite numbers next to bits, and itself, with their values."""
    top = 1 << 8 * UNSIGNED[fmt]().itemsize - 1
    size = bits % top
    found = {bits, max(size - 1, 0) | bits & top, size + 1 | bits & top} | (
        {top, 0, 1, top | 1} if size <= 1 else set()
    )
    return [(v, fraction(v, fmt)) for v in found if v % top < int(FORMATS[fmt].infinity)]


def nearest(near: list[tuple[int, Fraction]], exact: Fraction, mode: str) -> Fraction:
    if mode == "rn":
        return min(near, key=lambda p: (abs(p[1] - exact), p[0] & 1))[1]
    if mode == "rp" or (mode == "rz" and exact < 0):
        return min(v for _, v in near if v >= exact)
    return max(v for _, v in near if v <= exact)


@pytest.mark.parametrize("fmt", ["f32", "f16", "bf16"])
def test_rounding_modes(fmt: str) -> None:
    """Narrowing to every format: the result is the format's nearest value on the demanded side."""
    rng, bits = np.random.default_rng(2), UNSIGNED[fmt]
    base = rng.integers(0, 0x7C00 if fmt == "f16" else int(FORMATS[fmt].infinity), 400).astype(bits)
    x = widen(base, fmt).astype(np.float64)
    after = widen(base + bits(1), fmt).astype(np.float64)
    after = np.where(np.isinf(after), x, after)
    for part in (0, 0.25, 0.5, 0.75, 1e-12):
        exact = (x + (after - x) * part) * rng.choice([-1, 1], 400)
        for mode in MODES:
            for g, e in zip(narrow(exact, fmt, mode), exact, strict=True):
                best = nearest(neighbours(int(g), fmt), Fraction(float(e)), mode)
                assert fraction(g, fmt) == best, (fmt, mode, float(e), g, best)


def test_narrowing_out_of_range() -> None:
    """Overflow gives infinity or the largest number, by mode; tiny values give zero or the smallest number."""
    for fmt in ("f32", "f16", "bf16"):
        infinity, least = int(FORMATS[fmt].infinity), 1
        top = 1 << 8 * UNSIGNED[fmt]().itemsize - 1
        for value, want in (
            (1e300, {"rn": infinity, "rz": infinity - 1, "rm": infinity - 1, "rp": infinity}),
            (-1e300, {"rn": top | infinity, "rz": top | infinity - 1, "rm": top | infinity, "rp": top | infinity - 1}),
            (1e-300, {"rn": 0, "rz": 0, "rm": 0, "rp": least}),
            (-1e-300, {"rn": top, "rz": top, "rm": top | least, "rp": top}),
            (np.inf, dict.fromkeys(MODES, infinity)),
        ):
            for mode in MODES:
                with np.errstate(over="ignore"):
                    got = narrow(np.array([value]), fmt, mode)
                assert int(got[0]) == want[mode], (fmt, value, mode)
        assert is_nan(narrow(np.array([np.nan]), fmt), fmt)


def exact_result(op: str, operands: tuple[Fraction, ...]) -> Fraction:
    a, b, *c = operands
    return {
        "add": lambda: a + b,
        "sub": lambda: a - b,
        "mul": lambda: a * b,
        "div": lambda: a / b,
        "fma": lambda: a * b + c[0],
    }[op]()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fmt", ["f16", "bf16", "f32", "f64"])
@pytest.mark.parametrize("op", ["add", "sub", "mul", "fma", "div"])
def test_arithmetic_is_correctly_rounded(op: str, fmt: str, mode: str) -> None:
    """Numbers of every size, subnormal results and cancellations among them."""
    if fmt == "f64" and mode != "rn" and op in ("fma", "div"):
        with pytest.raises(NotImplementedError):
            arithmetic(op, fmt, mode)
        return
    rng, bits, n = np.random.default_rng(3), UNSIGNED[fmt], 300
    count = 3 if op == "fma" else 2
    raw = [rng.integers(0, int(FORMATS[fmt].infinity), n).astype(bits) for _ in range(count)]
    for x in raw:  # a third small, a third near 1
        x[: n // 3] = rng.integers(1, int(FORMATS[fmt].min_normal) * 4, n // 3).astype(bits)
        x[n // 3 : 2 * n // 3] = int(FORMATS[fmt].one) + rng.integers(-99, 99, n // 3)
    raw = [x | (rng.integers(0, 2, n) << 8 * x.itemsize - 1).astype(bits) for x in raw]
    raw[-1][2 * n // 3 :: 4] = raw[0][2 * n // 3 :: 4] ^ bits(5)  # close to cancelling
    values = [widen(x, fmt) for x in raw]
    with np.errstate(all="ignore"):
        got = arithmetic(op, fmt, mode)(*values)
    assert got.dtype == bits
    infinity, checked = int(FORMATS[fmt].infinity), 0
    for i, g in enumerate(got):
        exact = exact_result(op, tuple(Fraction(float(v[i])) for v in values))
        top = 1 << 8 * bits().itemsize - 1
        size, negative = int(g) % top, bool(int(g) & top)
        assert exact == 0 or negative == (exact < 0)
        largest = fraction(bits(infinity - 1), fmt)
        if (
            size == infinity
        ):  # past the largest number by half a unit, or by anything where the mode rounds away from zero
            half = (largest - fraction(bits(infinity - 2), fmt)) / 2 if mode == "rn" else 0
            assert abs(exact) >= largest + half and mode != "rz" and (mode == "rn" or (mode == "rm") == (exact < 0))
        elif abs(exact) > largest and mode != "rn":
            assert size == infinity - 1
        else:
            assert fraction(g, fmt) == nearest(neighbours(int(g), fmt), exact, mode), (
                op,
                fmt,
                mode,
                [v[i] for v in values],
            )
            checked += 1
    assert checked > n // 3


def test_roots_and_reciprocals() -> None:
    x = np.random.default_rng(4).integers(1, 0x7F800000, 500).astype(np.uint32).view(np.float32)
    for mode in MODES:
        for g, v in zip(arithmetic("sqrt", "f32", mode)(x), x, strict=True):
            near = [(b, f) for b, f in neighbours(int(g), "f32") if f >= 0]
            exact = Fraction(float(v))
            if mode == "rn":  # the nearest: both midpoints on their sides
                value = fraction(g, "f32")
                for _, other in near:
                    middle = (value + other) / 2
                    assert other == value or (middle**2 >= exact) == (other > value)
            elif mode == "rp":
                assert fraction(g, "f32") == min(f for _, f in near if f * f >= exact)
            else:
                assert fraction(g, "f32") == max(f for _, f in near if f * f <= exact)
        ordinary = x[(x > 1e-37) & (x < 1e37)]
        for g, v in zip(arithmetic("rcp", "f32", mode)(ordinary), ordinary, strict=True):
            assert fraction(g, "f32") == nearest(neighbours(int(g), "f32"), 1 / Fraction(float(v)), mode)


@pytest.mark.parametrize("fmt", ["f16", "f32", "f64"])
def test_signs_of_exact_zeros(fmt: str) -> None:
    """IEEE 754, 6.3: rounding down, x - x and 0 + -0 are -0; in every other mode they are +0."""
    kind = np.float64 if fmt == "f64" else np.float32
    one, zero = np.array([1], kind), np.array([0], kind)
    for mode in MODES:
        add, sub, down = arithmetic("add", fmt, mode), arithmetic("sub", fmt, mode), mode == "rm"

        def negative(bits: np.ndarray) -> bool:
            assert magnitude(bits)[0] == 0
            return bool(bits[0])

        assert negative(add(one, -one)) == negative(sub(one, one)) == negative(add(zero, -zero)) == down
        assert negative(sub(zero, zero)) == down and negative(sub(-zero, zero)) and negative(add(-zero, -zero))
        assert not negative(add(zero, zero))
        if fmt != "f64" or mode == "rn":
            fma = arithmetic("fma", fmt, mode)
            assert negative(fma(one, one, -one)) == negative(fma(-one, zero, zero)) == down
            assert not negative(fma(one, zero, zero)) and negative(fma(-one, zero, -zero))


def test_directed_f64_at_the_edges() -> None:
    """Overflow, and errors of products that are below the smallest number."""
    huge, tiny = np.array([1.7e308]), np.array([2.0**-1060])
    largest, least = np.array([np.finfo(np.float64).max]), np.array([2.0**-1074])

    def result(op: str, mode: str, a: np.ndarray, b: np.ndarray) -> float:
        with np.errstate(all="ignore"):
            return float(arithmetic(op, "f64", mode)(a, b).view(np.float64)[0])

    for op, a, b in (("add", huge, huge), ("sub", huge, -huge), ("mul", huge, huge)):
        assert [result(op, mode, a, b) for mode in MODES] == [np.inf, largest[0], largest[0], np.inf]
    assert [result("add", mode, -huge, -huge) for mode in MODES] == [-np.inf, -largest[0], -np.inf, -largest[0]]
    assert [result("mul", mode, tiny, tiny) for mode in MODES] == [0, 0, 0, least[0]]
    assert [result("mul", mode, -tiny, tiny) for mode in MODES] == [0, 0, -least[0], 0]
    near = np.array([1 + 2.0**-52])
    assert [result("mul", mode, least, near) for mode in MODES] == [least[0], least[0], least[0], 2 * least[0]]
    assert [result("mul", mode, least, 2 - near) for mode in MODES] == [least[0], 0, 0, least[0]]
    for mode in MODES:
        assert result("add", mode, np.array([np.inf]), huge) == np.inf
        assert result("mul", mode, np.array([-np.inf]), huge) == -np.inf
        assert np.isnan(result("add", mode, np.array([np.inf]), np.array([-np.inf])))


def test_finish() -> None:
    for fmt in ("f16", "bf16", "f32", "f64"):
        f = FORMATS[fmt]
        kind, sign = UNSIGNED[fmt], 1 << 8 * f.one.itemsize - 1
        one, infinity, least = int(f.one), int(f.infinity), int(f.min_normal)
        bits = np.array([least - 1, least, infinity, one | sign, 1 | sign, one + 1], kind)
        assert finish(bits, fmt, ftz=True).tolist() == [0, least, infinity, one | sign, sign, one + 1]
        assert finish(bits, fmt, sat=True).tolist() == [least - 1, least, one, 0, 0, one]
        nan = np.array([infinity + 1, infinity + 1 | sign, infinity], kind)
        assert is_nan(nan, fmt).tolist() == [True, True, False]
        if fmt != "f64":
            assert finish(nan, fmt).tolist() == [f.nan, f.nan, infinity]
        assert finish(nan, fmt, sat=True).tolist() == [0, 0, one]
        assert (flush(nan, fmt) == nan).all()


@pytest.mark.parametrize("fmt", ["f16", "bf16", "f32", "f64"])
def test_minimum_maximum(fmt: str) -> None:
    f = FORMATS[fmt]
    kind = f.one.dtype.type
    one, zero, nan, minus = f.one, kind(0), f.infinity + kind(1), kind(1 << 8 * f.one.itemsize - 1)
    rows = [(one, zero), (zero, minus), (minus, zero), (nan, one), (one, nan), (nan, nan), (one | minus, one)]
    x, y = (np.array(column) for column in zip(*rows, strict=True))
    low = [zero, minus, minus, one, one, nan, one | minus]
    high = [one, zero, zero, one, one, nan, one]
    for op, want in (("min", low), ("max", high)):
        got = minimum_maximum(op, x, y, fmt, nan=False)
        assert (np.delete(got, 5) == np.delete(np.array(want), 5)).all() and is_nan(got[5:6], fmt)
        got = minimum_maximum(op, x, y, fmt, nan=True)
        assert (got[3:6] == f.nan).all() and (np.delete(got, [3, 4, 5]) == np.delete(np.array(want), [3, 4, 5])).all()
