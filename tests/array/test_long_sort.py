"""Rows longer than a network's: values and indices on every instruction set, and rows that no pivot divides."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel.backends.cpu import native

DTYPES = ("int32", "uint32", "int64", "uint64", "float32", "float64")
LENGTHS = (65, 100, 127, 128, 129, 200, 256, 257, 1023, 1025, 5000, 65536, 100001)


@pytest.fixture(params=native().isas(), autouse=True)
def isa(request):
    with accel.config(device="cpu", cpu_isa=request.param):
        yield request.param


def agrees(x: np.ndarray) -> bool:
    """Whether values and indices are NumPy's, in both directions."""
    array = accel.asarray(x)
    up, down = np.asarray(accel.sort(array)), np.asarray(accel.sort(array, descending=True))
    wanted = np.sort(x)
    same = up.tobytes() == wanted.tobytes() and down.tobytes() == np.ascontiguousarray(wanted[::-1]).tobytes()
    return same and bool((np.asarray(accel.argsort(array)) == np.argsort(x, kind="stable")).all())


def patterns(n: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(n)
    return {
        "random": rng.integers(0, 1 << 31, n),
        "three values": rng.integers(0, 3, n),
        "one value": np.zeros(n, np.int64),
        "ascending": np.arange(n),
        "descending": np.arange(n)[::-1],
        "up and down": np.minimum(np.arange(n), np.arange(n)[::-1]),
        "many of the largest": np.minimum(rng.integers(0, 1 << 31, n), 1 << 29),
    }


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", LENGTHS)
def test_patterns(dtype, n):
    for name, x in patterns(n).items():
        assert agrees(np.ascontiguousarray(x).astype(dtype)), name


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_ends_of_a_dtype(dtype):
    """Many elements are the largest there is, which is also what fills a block."""
    info = np.finfo(dtype) if dtype.startswith("float") else np.iinfo(dtype)
    largest = np.inf if dtype.startswith("float") else info.max
    for n in (130, 1000, 3001):
        x = np.full(n, largest, dtype)
        assert agrees(x)
        x[::3], x[1::7] = info.min, 1
        assert agrees(x)


@given(st.integers(65, 700), st.integers(0, 2**32 - 1), st.sampled_from([2, 30, 1 << 31]), st.sampled_from(DTYPES))
def test_any_length(n, seed, most, dtype):
    assert agrees(np.random.default_rng(seed).integers(0, most, n).astype(dtype))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
@pytest.mark.parametrize("n", [4095, 4096, 20001])
def test_integers_of_few_values(dtype, n):
    """Long rows of up to 1024 values next to each other, wherever these are, are counted; one other value anywhere,
    next to them or far, is seen."""
    info, rng = np.iinfo(dtype), np.random.default_rng(n)
    for spread in (0, 1, 200, 1022, 1023, 1024):
        spread = min(spread, info.max - info.min)
        for first in {info.min, max(info.min, -spread // 2), info.max - spread}:
            x = (rng.integers(0, spread + 1, n).astype(object) + first).astype(dtype)
            assert agrees(x), (spread, first)
            for other in (first - 1, first + 1024, first + spread - 1024, first + spread + 1, info.min, info.max):
                if info.min <= other <= info.max:
                    x[rng.integers(n)] = other
                    assert agrees(x), (spread, first, other)


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32"])
def test_every_length(dtype):
    """Of one and two leaves of whole and of partly filled vectors."""
    rng = np.random.default_rng(3)
    for n in range(65, 600):
        assert agrees(rng.integers(-5 * n, 5 * n, n).astype(dtype)), n


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32"])
@pytest.mark.parametrize("n", [529, 544])
def test_one_element_that_differs(dtype, n):
    """Pieces of one value are told from others by a look at each element."""
    for other in (6, 8):
        for place in range(n):
            x = np.full(n, 7, dtype)
            x[place] = other
            wanted = np.full(n, 7, dtype)
            wanted[0 if other < 7 else -1] = other
            assert np.asarray(accel.sort(accel.asarray(x))).tobytes() == wanted.tobytes(), place


@pytest.mark.parametrize("dtype", [*DTYPES, "int8", "float16"])
@pytest.mark.parametrize("threads", [1, 3])
def test_columns(dtype, threads):
    """Neighbouring rows whose elements are apart are copied together: as many as there are, fewer at the end of an
    axis, in a thread's share of them, and where a view goes through them otherwise."""
    shapes = [((300, 37), 0), ((1024, 64), 0), ((65, 2), 0), ((5, 129, 33), 1), ((2, 700, 3, 5), 1)]
    views = [lambda x: x, lambda x: x[::-1], lambda x: x[..., ::2], lambda x: x.T, lambda x: x[:, ::-1]]
    with accel.config(num_threads=threads):
        for shape, axis in shapes:
            x = np.random.default_rng(7).integers(0, 100, shape).astype(dtype)
            for view in views:
                seen, its = view(x), len(shape) - 1 - axis if view is views[3] else axis
                wanted = np.sort(seen, its)
                for array in (seen, accel.asarray(np.ascontiguousarray(seen))):
                    assert (np.asarray(accel.sort(array, axis=its)) == wanted).all()
                    assert (np.asarray(accel.sort(array, axis=its, descending=True)) == np.flip(wanted, its)).all()
                    got = np.asarray(accel.argsort(array, axis=its))
                    assert (got == np.argsort(seen, its, kind="stable")).all()
            first, best = (np.asarray(y) for y in accel.topk(accel.asarray(x), 3, axis))
            assert (first == np.flip(np.sort(x, axis), axis).take(range(3), axis)).all()
            assert (np.take_along_axis(x, best, axis) == first).all()


@given(st.integers(65, 700), st.integers(0, 2**32 - 1), st.sampled_from(["float32", "float64"]), st.booleans())
def test_floats_of_any_bits(n, seed, dtype, descending):
    """NaN of any sign and payload are one NaN, which is the largest, and -0 comes before +0."""
    rng = np.random.default_rng(seed)
    unsigned = np.dtype(f"uint{8 * np.dtype(dtype).itemsize}")
    least = np.array(-0.0, dtype).view(unsigned)
    nan = np.array(np.nan, dtype).view(unsigned) | (least - unsigned.type(1))  # all bits but the sign
    bits = np.frombuffer(rng.bytes(n * unsigned.itemsize), unsigned).copy()
    special = np.array([0.0, -0.0, np.nan, -np.nan, np.inf, -np.inf, 1, -1], dtype).view(unsigned)
    chosen = rng.random(n) < rng.random()
    bits[chosen] = rng.choice(special, int(chosen.sum()))
    x = bits.view(dtype)
    keys = np.sort(np.where(np.isnan(x), ~unsigned.type(0), np.where(bits & least, ~bits, bits | least)))
    wanted = np.where(keys & least, keys ^ least, ~keys)
    wanted = np.where(keys == ~unsigned.type(0), nan, wanted)[:: -1 if descending else 1]
    for array in (accel.asarray(x), accel.asarray(np.repeat(x, 2))[::2]):
        assert np.array_equal(np.asarray(accel.sort(array, descending=descending)).view(unsigned), wanted)


def partitioned(ids: np.ndarray, below: np.ndarray, lanes: int) -> tuple[np.ndarray, int]:
    """How csrc/kernels/quick_sort.hpp moves elements: those below to the beginning, the others to the end."""
    out, low, high = np.empty_like(ids), 0, len(ids)
    ends = [0, *range(len(ids) % lanes or lanes, len(ids) + 1, lanes)]
    for begin, end in pairwise(ends):
        its, mask = ids[begin:end], below[begin:end]
        count = int(mask.sum())
        out[low : low + count] = its[mask]
        out[high - (len(its) - count) : high] = its[~mask]
        low, high = low + count, high - (len(its) - count)
    return out, low


def middle(values: list[float]) -> float:
    if len(values) == 1:
        return values[0]
    third = len(values) // 3
    return sorted(middle(values[k * third : (k + 1) * third]) for k in range(3))[1]


def against_pivots(n: int, lanes: int) -> tuple[np.ndarray, int]:
    """A row whose pivots are all next to the smallest, and how often it is divided until it is short: elements get
    their values, ascending, when they are first looked at (McIlroy, A killer adversary for quicksort, 1999)."""
    values, ids, given, depth = np.full(n, np.inf), np.arange(n), 0, 0
    while len(ids) > 16 * lanes:
        vectors = 3 if len(ids) < 512 else 9 if len(ids) < 1 << 15 else 27
        looked = np.array([ids[at : at + lanes] for at in np.arange(vectors) * (len(ids) // vectors)])
        for each in looked.ravel():
            if np.isinf(values[each]):
                values[each], given = given, given + 1
        each_lane = [middle(list(lane)) for lane in values[looked].T]
        pivot = middle(each_lane[:3] if lanes == 4 else [*each_lane[:8], each_lane[0]])
        out, low = partitioned(ids, values[ids] < pivot, lanes)
        assert low > 0
        ids, depth = out[low:], depth + 1
    values[np.isinf(values)] = given + np.arange(int(np.isinf(values).sum()))
    return values, depth


@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize("vector_bytes", [32, 64])  # of AVX2 and of AVX-512
def test_rows_that_no_pivot_divides(dtype, vector_bytes):
    n = 8000
    x, depth = against_pivots(n, vector_bytes // np.dtype(dtype).itemsize)
    assert depth > 16 + 2 * n.bit_length()  # where the kernel gives up dividing
    assert agrees(x.astype(dtype))
