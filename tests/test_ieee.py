"""accel.ieee against exact rational arithmetic, and its fma, which is the C library's, against one of additions and
multiplications alone."""

from fractions import Fraction

import emulated_fma
import numpy as np
import pytest
from emulated_fma import two_product
from hypothesis import example, given, settings
from hypothesis import strategies as st

from accel.ieee import fma32, fma64, odd_sum, two_sum

# precision in bits, exponent of the smallest subnormal, first magnitude that is too large to round to a finite number
BINARY32 = (24, -149, Fraction(2**128 - 2**103))
BINARY64 = (53, -1074, Fraction(2**1024 - 2**970))
FORMAT = {np.float32: BINARY32, np.float64: BINARY64}
BITS = {np.float32: np.uint32, np.float64: np.uint64}
FMA = {np.float32: fma32, np.float64: fma64}
EMULATED = {np.float32: emulated_fma.fma32, np.float64: emulated_fma.fma64}
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def rounded(exact: Fraction, dtype: type) -> float:
    """The nearest value, ties to even, in integer arithmetic; exact is not zero."""
    precision, least, limit = FORMAT[dtype]
    if abs(exact) >= limit:
        return float("inf") if exact > 0 else float("-inf")
    exponent = abs(exact.numerator).bit_length() - exact.denominator.bit_length()
    exponent -= abs(exact) < Fraction(2) ** exponent  # now 2**exponent <= |exact| < 2**(exponent + 1)
    unit = Fraction(2) ** max(exponent - precision + 1, least)
    units = round(exact / unit)  # Python rounds fractions half to even
    return float(units * unit) if units else (0.0 if exact > 0 else -0.0)


def reference(a: float, b: float, c: float, dtype: type) -> float:
    """fma of three Python floats that dtype can hold."""
    if not (np.isfinite(a) and np.isfinite(b)):
        with np.errstate(all="ignore"):
            return float(np.float64(a) * np.float64(b) + np.float64(c))
    if not np.isfinite(c):
        return c
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    if exact:
        return rounded(exact, dtype)
    product_is_negative = np.signbit(a) != np.signbit(b)
    return -0.0 if product_is_negative and np.signbit(c) else 0.0


def identical(x: float, y: float) -> bool:
    """Equal bits, or both NaN."""
    return (x != x and y != y) or (x == y and np.signbit(x) == np.signbit(y))


def values(dtype: type) -> st.SearchStrategy[float]:
    """Numbers of every kind: any bits, few bits at any exponent (so that ties are common), and the edges."""
    precision, least, _ = FORMAT[dtype]
    top = least + precision + int(np.finfo(dtype).maxexp - np.finfo(dtype).minexp)
    any_bits = st.integers(0, 2 ** (8 * dtype().itemsize) - 1).map(
        lambda n: float(np.array(n, BITS[dtype]).view(dtype))
    )

    def scaled(significand: int, exponent: int) -> float:
        with np.errstate(all="ignore"):
            return float(dtype(np.ldexp(np.float64(significand), exponent)))

    few = st.builds(scaled, st.integers(-9, 9), st.integers(least - 3, top))
    sparse = st.builds(
        lambda n, high, low, exponent: scaled(n * 2**high + low, exponent),
        st.integers(-3, 3),
        st.integers(0, precision - 2),
        st.integers(-2, 2),
        st.integers(least - 3, top),
    )
    info = np.finfo(dtype)
    edges = [
        0.0,
        1.0,
        info.max,
        info.tiny,
        info.smallest_subnormal,
        info.tiny - info.smallest_subnormal,
        np.inf,
        np.nan,
    ]
    return st.one_of(any_bits, few, sparse, st.sampled_from([s * float(x) for x in edges for s in (1, -1)]))


@st.composite
def operands(draw: st.DrawFn, dtype: type) -> tuple[float, float, float]:
    """Three values; half the time c is near -a * b, within a few units, so that the sum cancels."""
    a, b = draw(values(dtype)), draw(values(dtype))
    if draw(st.booleans()):
        return a, b, draw(values(dtype))
    with np.errstate(all="ignore"):
        c = -(dtype(a) * dtype(b))
        for _ in range(draw(st.integers(0, 3))):
            c = np.nextafter(c, dtype(draw(st.sampled_from([0.0, np.inf, -np.inf]))))
        return a, b, float(c)


@DTYPES
@settings(max_examples=500, deadline=None)
@given(data=st.data())
def test_fma_is_rounded_once(dtype: type, data: st.DataObject) -> None:
    a, b, c = data.draw(operands(dtype))
    for fma in (FMA[dtype], EMULATED[dtype]):
        with np.errstate(all="raise"):
            got = fma(*(np.array([v], dtype) for v in (a, b, c)))
        assert got.dtype == dtype and identical(float(got[0]), reference(a, b, c, dtype)), (a.hex(), b.hex(), c.hex())


TINY, HUGE = 2.0**-1074, 2.0**1023


@pytest.mark.parametrize(
    ("a", "b", "c", "want"),
    [
        (HUGE, 2.0, -np.inf, -np.inf),  # the product alone would overflow
        (HUGE, 4.0, -HUGE * 1.5, np.inf),
        (HUGE, 2.0, -HUGE, HUGE),
        (1e200, -1e200, 1e308, -np.inf),
        (TINY, 0.5, 0.0, 0.0),  # half the smallest number: to even
        (TINY, 0.5, TINY, 2 * TINY),
        (TINY, 0.5, -TINY, -0.0),
        (-TINY, 0.5, 0.0, -0.0),
        (-TINY, 0.25, 0.0, -0.0),
        (TINY, 0.75, 0.0, TINY),
        (2.0**-538, 2.0**-537, 0.0, 0.0),
        (2.0**-538, 2.0**-537 * (1 + 2.0**-52), 0.0, TINY),  # just above half of it
        (2.0**-1000, 2.0**-1000, TINY, TINY),  # the product only decides ties
        (2.0**-1000, 2.0**-1000, 1.0, 1.0),
        (2.0**-1000, -(2.0**-1000), 1.0, 1.0),
        (1 + 2.0**-52, 1.5, 0.0, 1.5 + 2.0**-51),  # a tie, which the smallest number breaks
        (1 + 2.0**-52, 1.5, -TINY, 1.5 + 2.0**-52),
        (2.0**-600, 2.0**-600, -(2.0**-1060), -(2.0**-1060)),
        (1.0 + 2.0**-30, 1.0 - 2.0**-30, -1.0, -(2.0**-60)),  # the exact error of a product
        (3.0, 5.0, -15.0, 0.0),
        (-3.0, 5.0, 15.0, 0.0),
        (0.0, -5.0, -0.0, -0.0),
        (0.0, 5.0, -0.0, 0.0),
        (np.inf, 0.0, np.nan, np.nan),
        (np.inf, 0.0, 1.0, np.nan),
        (np.inf, 2.0, -np.inf, np.nan),
        (np.inf, -2.0, HUGE, -np.inf),
    ],
)
def test_fma64_edges(a: float, b: float, c: float, want: float) -> None:
    for x, y in ((a, b), (b, a)):
        for fma in (fma64, emulated_fma.fma64):
            assert identical(float(fma(*(np.array([v]) for v in (x, y, c)))[0]), want)
    assert identical(reference(a, b, c, np.float64), want)


def test_reference_sees_a_second_rounding() -> None:
    """Control: a product rounded before the sum, or a double rounding, is not what the reference gives."""
    rng = np.random.default_rng(1)
    for dtype in (np.float32, np.float64):
        a, b, c = (rng.standard_normal(300).astype(dtype) for _ in "abc")
        want = [reference(float(x), float(y), float(z), dtype) for x, y, z in zip(a, b, c, strict=True)]
        assert (np.array(want) == FMA[dtype](a, b, c)).all()
        assert (np.array(want) != a * b + c).mean() > 0.1
    a, b, c = np.float32(1 + 2**-12), np.float32(1 + 2**-12), np.float32(2**-60)  # halfway in float32, but for c
    assert fma32(a, b, c) == np.float32(1 + 2**-11 + 2**-23)
    assert np.float32(np.float64(a) * np.float64(b) + np.float64(c)) == np.float32(1 + 2**-11)


def _against_emulation(dtype: type, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> None:
    want = EMULATED[dtype](a, b, c)
    got = FMA[dtype](a, b, c)
    differ = (got.view(BITS[dtype]) != want.view(BITS[dtype])) & ~(np.isnan(got) & np.isnan(want))
    assert not differ.any(), f"{differ.sum()} differ: {a[differ][0].hex()} {b[differ][0].hex()} {c[differ][0].hex()}"


@DTYPES
def test_fma_against_an_emulation(dtype: type) -> None:
    """Many triples: any bits, cancellations, ordinary values, subnormal products, and ties that the addend decides."""
    rng, n = np.random.default_rng(2), 40_000
    single = dtype == np.float32
    low, high = (-75, 22) if single else (-535, 51)

    def normal() -> np.ndarray:
        return rng.standard_normal(n).astype(dtype)

    def any_bits() -> np.ndarray:
        return rng.integers(0, np.iinfo(BITS[dtype]).max, n, BITS[dtype], endpoint=True).view(dtype)

    def odd() -> np.ndarray:
        return (rng.integers(-999, 1000, n) * 2 + 1).astype(dtype)

    def eighths() -> np.ndarray:
        return np.round(normal() * 8) / dtype(8)

    a, b = any_bits(), any_bits()
    with np.errstate(all="ignore"):
        _against_emulation(dtype, a, b, -(a * b))
    _against_emulation(dtype, any_bits(), any_bits(), any_bits())
    _against_emulation(dtype, normal(), normal(), normal())
    _against_emulation(dtype, np.ldexp(normal(), low), np.ldexp(normal(), low), np.ldexp(normal(), 2 * low))
    _against_emulation(dtype, eighths(), eighths(), np.ldexp(eighths(), high))
    half, tiny = (12, -80) if single else (26, -150)
    a, b = 1 + np.ldexp(odd(), -half), 1 + np.ldexp(odd(), -half - (not single))
    _against_emulation(dtype, a, b, np.ldexp(odd(), tiny))


@pytest.mark.parametrize(
    ("a", "b", "c"),
    [
        ((-540, -530), (-540, -530), (-1074, -1010)),  # products around the smallest number
        ((-1074, -1000), (0, 60), (-1074, -1000)),
        ((500, 520), (500, 520), (960, 1021)),  # around the largest
        ((-600, -500), (-600, -500), (-1074, -960)),
        ((-1074, 1021), (-1074, 1021), (-1074, 1021)),
        ((-1074, -900), (-100, 1021), (-1074, -1000)),
    ],
)
def test_fma64_at_extreme_exponents(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> None:
    """Few bits at extreme exponents, where results are subnormal, overflow, or lie halfway but for the other term."""
    rng, n = np.random.default_rng(3), 30_000

    def sparse(low: int, high: int) -> np.ndarray:
        significand = rng.integers(-8, 9, n) / 2 + rng.integers(-2, 3, n) * 2.0**-50
        return np.ldexp(significand, rng.integers(low, high, n))

    with np.errstate(all="ignore"):
        _against_emulation(np.float64, sparse(*a), sparse(*b), sparse(*c))


@DTYPES
def test_shapes(dtype: type) -> None:
    """0-d and broadcast operands, read-only views, the rows of a transposed array, and the elements of hard cases."""
    fma = FMA[dtype]
    assert fma(dtype(2), dtype(3), dtype(4)) == 10 and np.ndim(fma(dtype(2), dtype(3), dtype(4))) == 0
    huge = np.finfo(dtype).max
    assert fma(np.array(huge), dtype(2), np.array(-huge)) == huge
    column, row = np.array([[1], [huge], [0]], dtype), np.array([1, 2, huge, 3], dtype)
    got = fma(column, row, dtype(-1))
    assert got.shape == (3, 4)
    for i in range(3):
        for j in range(4):
            want = reference(float(column[i, 0]), float(row[j]), -1.0, dtype)
            assert got[i, j] == want
    square = np.arange(12, dtype=dtype).reshape(3, 4)
    assert (fma(square.T, square.T, np.broadcast_to(dtype(1), (4, 3))) == (square * square + 1).T).all()
    assert fma(np.zeros((0, 3), dtype), dtype(1), dtype(1)).shape == (0, 3)
    a = np.full(4, huge)
    fma(a, a, a)
    assert (a == huge).all()  # operands are left alone


def test_dtypes_are_demanded() -> None:
    one, wide = np.float32(1), np.float64(1)
    with pytest.raises(TypeError, match="fma32 takes float32 arrays, not float64"):
        fma32(one, wide, one)
    with pytest.raises(TypeError, match="fma64 takes float64 arrays, not float32"):
        fma64(wide, wide, one)
    with pytest.raises(TypeError, match="not int64"):
        fma64(wide, np.arange(3), wide)
    with pytest.raises(ValueError, match="broadcast"):
        fma64(np.zeros(2), np.zeros(3), np.zeros(3))


@DTYPES
@settings(max_examples=500, deadline=None)
@given(data=st.data())
def test_two_sum_and_odd_sum(dtype: type, data: st.DataObject) -> None:
    a, b = (np.array([data.draw(values(dtype))], dtype) for _ in "ab")
    if not (np.isfinite(a) & np.isfinite(b)).all():
        with np.errstate(all="ignore"):
            assert identical(odd_sum(a, b)[0], (a + b)[0])
        return
    with np.errstate(all="ignore"):
        (s,), (err,), (odd,) = *two_sum(a, b), odd_sum(a, b)
        assert s == (a + b)[0] and odd.dtype == dtype
    exact = Fraction(float(a[0])) + Fraction(float(b[0]))
    if np.isinf(s):
        assert odd == s
        return
    assert Fraction(float(s)) + Fraction(float(err)) == exact
    if err == 0:
        assert identical(odd, s)
        return
    below = np.nextafter(np.abs(odd), dtype(0))  # an odd number has the same spacing on both sides
    assert odd.view(BITS[dtype]) & 1
    assert abs(Fraction(float(odd)) - exact) < Fraction(float(np.abs(odd))) - Fraction(float(below))


def test_odd_sum_saves_the_second_rounding() -> None:
    a, b = np.array([1 + 2.0**-24]), np.array([2.0**-60])
    assert (a + b).astype(np.float32) == 1 and odd_sum(a, b).astype(np.float32) == np.float32(1 + 2.0**-23)
    assert (-a - b).astype(np.float32) == -1 and odd_sum(-a, -b).astype(np.float32) == np.float32(-1 - 2.0**-23)
    a = np.array([1 + 2.0**-23 + 2.0**-24])
    assert (a - b).astype(np.float32) == 1 + 2.0**-22 and odd_sum(a, -b).astype(np.float32) == np.float32(1 + 2.0**-23)


@settings(max_examples=500, deadline=None)
@given(st.tuples(values(np.float64), values(np.float64)))
@example((2.0**995, 2.0**26))
@example((2.0**-1022, 2.0**56))
@example((-(2.0**-480), 2.0**-486))
def test_two_product(pair: tuple[float, float]) -> None:
    a, b = pair
    exact = Fraction(a) * Fraction(b) if np.isfinite(a) and np.isfinite(b) else None
    in_range = exact is not None and max(abs(a), abs(b)) < 2.0**996
    if not in_range or (exact and not Fraction(2) ** -967 < abs(exact) < Fraction(2) ** 1022):
        return
    p, err = two_product(np.array([a]), np.array([b]))
    assert p[0] == a * b and Fraction(float(p[0])) + Fraction(float(err[0])) == exact
