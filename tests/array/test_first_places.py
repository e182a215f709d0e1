"""The first places of the order on the CPU, on every instruction set: few of many are looked for by the least elements
of blocks, more of them by a sort that leaves the others as they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel.backends.cpu import native

DTYPES = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
FLOATS = ("float16", "float32", "float64")


@pytest.fixture(params=native().isas(), autouse=True)
def isa(request):
    with accel.config(device="cpu", cpu_isa=request.param, num_threads=1):
        yield request.param


def key(x: np.ndarray, descending: bool) -> np.ndarray:
    """Unsigned integers in the order of `sort` (docs/numerics.md)."""
    bits = x.view(f"u{x.itemsize}")
    sign = bits.dtype.type(1 << (8 * x.itemsize - 1))
    if x.dtype.kind == "f":
        bits = np.where(np.isnan(x), np.iinfo(bits.dtype).max, np.where(bits & sign, ~bits, bits | sign))
    elif x.dtype.kind == "i":
        bits = bits ^ sign
    return ~bits if descending else bits


def agrees(x: np.ndarray, k: int, array: accel.Array | None = None) -> bool:
    """Whether indices are those of a stable sort, in both directions, and values the elements at them."""
    for largest in (False, True):
        values, indices = (
            np.asarray(y) for y in accel.topk(accel.asarray(x) if array is None else array, k, -1, largest)
        )
        wanted = np.argsort(key(x, largest), axis=-1, kind="stable")[..., :k]
        if not np.array_equal(indices, wanted):
            return False
        there = np.take_along_axis(x, wanted, -1)
        if not np.array_equal(key(values, largest), key(there, largest)):
            return False
    return True


def patterns(n: int) -> dict[str, np.ndarray]:
    rng, up = np.random.default_rng(n), np.arange(n)
    return {
        "random": rng.integers(0, 1 << 62, n),
        "three values": rng.integers(0, 3, n),
        "one value": np.zeros(n, np.int64),
        "ascending": up,
        "descending": up[::-1],
        "up and down": np.minimum(up, up[::-1]),
        "the least ones in one block": np.where(up % 64 == 5, -1 - up % 7, up),
        "the least ones at the end": np.where(up < n - 3, 9, 0),
        "the largest ones at the end": np.where(up < n - 3, 9, 100),
    }


@pytest.mark.parametrize("dtype", [*DTYPES, *FLOATS])
@pytest.mark.parametrize("n", [1024, 4097, 5000, 65535])
def test_patterns(dtype, n):
    for name, x in patterns(n).items():
        with np.errstate(over="ignore"):
            x = np.ascontiguousarray(x).astype(dtype)
        for k in (1, 10, n // 50, n // 16, n // 3):
            assert agrees(x, k), (name, k)


@pytest.mark.parametrize("dtype", ["int8", "float16", "int32", "float32", "int64"])
def test_every_length(dtype):
    """Rows end in any lane of a vector and in any vector of a part."""
    rng = np.random.default_rng(5)
    for n in range(16, 300):
        x = rng.integers(-100, 100, n).astype(dtype)
        assert agrees(x, max(1, n // 20)), n
        x[-1] = -128 if dtype == "int8" else -200
        assert agrees(x, 1), n


@given(st.integers(64, 3000), st.integers(1, 16), st.integers(0, 2**32 - 1), st.sampled_from(FLOATS))
def test_floats_of_any_bits(n, share, seed, dtype):
    """NaN of any sign and payload are one NaN, the largest, of which the first ones are taken; -0 comes before +0."""
    rng = np.random.default_rng(seed)
    x = np.frombuffer(rng.bytes(n * np.dtype(dtype).itemsize), dtype).copy()
    special = np.array([0.0, -0.0, np.nan, -np.nan, np.inf, -np.inf, 1, -1], dtype)
    chosen = rng.random(n) < rng.random()
    x[chosen] = rng.choice(special, int(chosen.sum()))
    assert agrees(x, max(1, n // (16 * share)))


@pytest.mark.parametrize("dtype", ["int8", "int32", "float64"])
@pytest.mark.parametrize("threads", [1, 3])
def test_rows_of_views(dtype, threads):
    x = np.random.default_rng(1).integers(0, 100, (6, 5, 700)).astype(dtype)
    with accel.config(num_threads=threads):
        array = accel.asarray(x)
        assert agrees(x, 7, array)
        assert agrees(np.ascontiguousarray(x[:, ::2, ::-3]), 7, array[:, ::2, ::-3])
        across = np.ascontiguousarray(np.moveaxis(x, -1, 0))
        assert agrees(x, 7, accel.permute_dims(accel.asarray(across), (1, 2, 0)))
        single = np.ascontiguousarray(np.repeat(x[0, 0], 3))
        assert agrees(x[0, 0], 7, accel.asarray(single)[::3])


def test_more_equal_elements_than_are_wanted():
    """The first ones of them, wherever lesser elements come."""
    for n, k in ((1000, 20), (70000, 1000)):
        for seed in range(20):
            x = np.random.default_rng(seed).choice([1, 2], n, p=[(k - 3) / n, 1 - (k - 3) / n]).astype(np.int32)
            assert agrees(x, k)
            x[-(k // 2) :] = 0
            assert agrees(x, k)
