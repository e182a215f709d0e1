"""searchsorted, nonzero, count_nonzero, isin and boolean masks against NumPy and plain Python; and bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel.ops import canonical
from accel.ops.searching import true_places

DTYPES = [
    d.name for d in (accel.bool, accel.int8, accel.uint64, accel.int64, accel.float16, accel.float32, accel.float64)
]
VALUES = [0.0, -0.0, 1.0, -1.0, float("inf"), -float("inf"), float("nan"), -float("nan"), 5e-45, 3.0]


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


def same(got, want) -> bool:
    got = np.asarray(got)
    return got.dtype == np.asarray(want).dtype and got.shape == np.shape(want) and bool((got == want).all())


# searchsorted


def place(x: list[float], value: float, right: bool) -> int:
    """By looking at every element; NaN equals NaN and is above all numbers."""

    def before(a: float) -> bool:
        if a != a:
            return right and value != value
        return value != value or (a <= value if right else a < value)

    return sum(map(before, x))


@given(
    st.lists(st.sampled_from(VALUES), max_size=40),
    st.lists(st.sampled_from(VALUES), min_size=1, max_size=40),
    st.booleans(),
)
def test_the_place_of_special_values(elements, values, right):
    x = np.asarray(accel.sort(np.array(elements, np.float32)))
    got = accel.searchsorted(x, np.array(values, np.float32), side="right" if right else "left")
    assert np.asarray(got).tolist() == [place(x.tolist(), v, right) for v in np.array(values, np.float32).tolist()]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 31, 1000])
def test_as_numpys_searchsorted(dtype, n):
    rng = np.random.default_rng(n)
    x, values = (rng.integers(0, 2 if dtype == "bool" else 90, size).astype(dtype) for size in (n, (7, 65)))
    x.sort()
    for side in ("left", "right"):
        want = np.searchsorted(x, values, side)
        assert same(accel.searchsorted(x, values, side=side), want)
        assert same(accel.searchsorted(accel.asarray(x[::-1])[::-1], accel.asarray(values.T).T, side=side), want)
    if n > 2:
        assert not same(accel.searchsorted(x, values), np.searchsorted(x, values, "right"))


def test_long_vectors_and_many_threads():
    rng = np.random.default_rng(4)
    x, values = np.sort(rng.standard_normal(70001).astype(np.float32)), rng.standard_normal(50000).astype(np.float32)
    with accel.config(num_threads=3):
        assert same(accel.searchsorted(x, values), np.searchsorted(x, values))
        assert same(accel.searchsorted(x, np.sort(values)), np.searchsorted(x, np.sort(values)))


def test_a_sorter_a_number_and_other_dtypes():
    x = np.array([3, 1, 2, 7], np.int32)
    order = np.argsort(x)
    assert same(accel.searchsorted(x, np.array([2, 9]), sorter=order), np.array([1, 4]))
    assert same(accel.searchsorted(np.sort(x), 3), np.array(2))
    assert same(accel.searchsorted(np.sort(x), 3, side="right", sorter=np.arange(4, dtype=np.uint8)), np.array(3))
    assert same(accel.searchsorted(np.sort(x).astype(np.float32), np.array([2.5])), np.array([2]))
    assert same(accel.searchsorted(np.zeros(0, np.float32), np.ones((2, 2), np.float32)), np.zeros((2, 2), np.int64))
    assert accel.searchsorted(np.zeros(3), np.zeros((0, 2))).shape == (0, 2)


def test_a_vector_that_is_not_sorted_has_one_answer():
    rng = np.random.default_rng(5)
    x, values = rng.standard_normal(1000).astype(np.float32), rng.standard_normal(300).astype(np.float32)
    want = canonical.search(x, values, False)
    assert same(accel.searchsorted(x, values), want)
    assert not same(np.searchsorted(x, values), want)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: accel.searchsorted(x, x), accel.ShapeError, r"searchsorted: x1: .*\(2, 3\)"),
        (lambda x: accel.searchsorted(x[0], x, side="middle"), accel.ArgumentError, "searchsorted: side"),
        (lambda x: accel.searchsorted(x[0], x, sorter=x[0]), accel.DtypeError, "integer dtype"),
        (lambda x: accel.searchsorted(x[0], x, sorter=accel.arange(2)), accel.ShapeError, "searchsorted: sorter"),
        (lambda x: accel.searchsorted(x[0], x, sorter=accel.arange(1, 4)), IndexError, "3 is out of range"),
        (lambda x: accel.searchsorted(x[0], x, sorter=1), accel.ArgumentError, "searchsorted: sorter"),
        (lambda x: accel.searchsorted(3.0, x), accel.ShapeError, "searchsorted: x1"),
        (lambda x: accel.searchsorted(x[0], x, right=True), accel.ArgumentError, "right"),
        (lambda x: accel.nonzero(x[0, 0]), accel.ShapeError, "nonzero: x"),
        (lambda x: accel.nonzero([1]), accel.ArgumentError, "nonzero: x"),
        (lambda x: accel.count_nonzero(x, axis=2), IndexError, "count_nonzero: axis"),
        (lambda x: accel.isin(x, x, invert=3), accel.ArgumentError, "isin: invert"),
        (lambda x: accel.isin(1, 2), accel.ArgumentError, "isin"),
        (lambda x: accel.fuse(accel.nonzero)(x), accel.ArgumentError, "nonzero: the size"),
        (lambda x: accel.fuse(lambda y: y[y > 0])(x), accel.ArgumentError, "index: the size"),
        (lambda x: x[..., accel.ones(2, dtype="bool")], IndexError, "a mask of shape"),
        (lambda x: x[accel.ones((2, 3, 1), dtype="bool")], IndexError, "a mask of shape"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call(accel.ones((2, 3)))


# places of true elements

SIZES = [0, 1, 5, 4095, 4096, 4097, 12288, 20011]


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("density", [0.0, 0.01, 0.5, 1.0])
def test_true_places(n, density):
    mask = np.random.default_rng(n).random(2 * n) < density
    with accel.config(num_threads=3):
        assert same(true_places(accel.asarray(mask[:n])), np.flatnonzero(mask[:n]))
        assert same(true_places(accel.asarray(mask)[::-2]), np.flatnonzero(mask[::-2]))


@pytest.mark.parametrize("shape", [(7,), (5, 1000), (3, 4, 5), (1, 9), (9, 1, 2), (0,), (3, 0)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_as_numpys_nonzero(shape, dtype):
    x = np.random.default_rng(1).integers(0, 2, shape).astype(dtype)
    for array in (x, x.T):
        got, want = accel.nonzero(array), np.nonzero(array)
        assert isinstance(got, tuple) and len(got) == len(want)
        assert all(same(a, b) for a, b in zip(got, want, strict=True))


def test_what_masks_select():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((6, 70, 90)).astype(np.float32)
    a = accel.asarray(x)
    for mask, key in (
        (x > 0, lambda m: m), (x[:, 0, 0] > 0, lambda m: m), (x[..., 0] > 0, lambda m: m),
        (x[0] > 0, lambda m: (..., m)), (x[0, :, 0] > 0, lambda m: (slice(None), m)), (x[0, 0] > 0, lambda m: (..., m)),
        (x[:, :, 0] > 0, lambda m: (m, 3)), (x[0, 0] > 0, lambda m: (2, slice(1, 5), m)),
    ):  # fmt: skip
        assert same(a[key(accel.asarray(mask))], x[key(mask)])
    assert same(a.mT[accel.asarray(x.mT > 0)], x.mT[x.mT > 0])
    assert same(a[:, ::2][accel.asarray(x[:, ::2] > 1)], x[:, ::2][x[:, ::2] > 1])
    assert accel.asarray(x[:0])[accel.asarray(x[:0] > 0)].shape == (0,)


# counts and membership


@pytest.mark.parametrize("dtype", DTYPES)
def test_as_numpys_count_nonzero_and_isin(dtype):
    rng = np.random.default_rng(3)
    x, values = (rng.integers(0, top, size).astype(dtype) for top, size in ((9, (5, 700)), (4, (3, 2))))
    for axis in (None, 0, -1, (0, 1)):
        assert same(accel.count_nonzero(x, axis=axis), np.asarray(np.count_nonzero(x, axis)))
        assert same(accel.count_nonzero(x, axis=axis, keepdims=True), np.count_nonzero(x, axis, keepdims=True))
    assert same(accel.isin(x, values), np.isin(x, values))
    assert same(accel.isin(x, values, invert=True), np.isin(x, values, invert=True))
    assert same(accel.isin(x, values[:0]), np.zeros(x.shape, bool))
    assert same(accel.isin(x, values[:0], invert=True), np.ones(x.shape, bool))


def test_isin_of_numbers():
    """One after the other, as what is known of a call's other arguments is kept."""
    x = np.array([1.0, 2.0, np.nan, -0.0])
    for value in (1.0, 2.0, 0, 5.0, float("nan")):
        assert same(accel.isin(x, value), x == value)
        assert same(accel.isin(value, x), np.asarray((x == value).any()))
