"""accel._cpu.Gather: single elements at positions, of every size and on every instruction set, also where a position is
out of range, and of more than the caches hold."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from native_reference import same

SIZES = (0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 255, 256, 257, 511, 512, 513, 70_001)
FAR = (40 << 20) // 16 + 77  # elements of float32 past which, with their positions, the caches do not hold them
DTYPES = (np.uint8, np.int16, np.float32, np.int64)


def gathered(cpu: ModuleType, isa: str, x: np.ndarray, index: np.ndarray, shift: int, threads: int) -> np.ndarray:
    """Elements of a vector, to an output that begins `shift` elements after a line of 64 bytes."""
    whole = np.full(index.size + 128, 7, x.dtype)
    begin = -whole.ctypes.data % 64 // x.itemsize + shift
    out = whole[begin : begin + index.size]
    cpu.Gather(isa, x.itemsize).run(
        [x.ctypes.data, index.ctypes.data], [out.ctypes.data], [index.size], [1], [0], [[1]], [x.size], [1], threads
    )
    outside = np.concatenate([whole[:begin], whole[begin + index.size :]])
    assert (outside == 7).all()
    return out


def selected(x: np.ndarray, index: np.ndarray) -> np.ndarray:
    inside = (index >= -x.size) & (index < x.size)
    return np.where(inside, x[np.where(inside, index, 0)], 0).astype(x.dtype)


def positions(rng: np.random.Generator, n: int, length: int) -> np.ndarray:
    return rng.integers(-length, length, n)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
def test_elements(cpu, isa, dtype, threads):
    rng = np.random.default_rng(0)
    for n in SIZES:
        for length in (1, 37, 300_000):
            x, index = rng.integers(-99, 99, length).astype(dtype), positions(rng, n, length)
            shift = n % 13
            assert same(gathered(cpu, isa, x, index, shift, threads), selected(x, index)), (n, length)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
def test_zeros_where_a_position_is_out_of_range(cpu, isa, dtype):
    rng = np.random.default_rng(1)
    x = rng.integers(1, 99, 300).astype(dtype)
    ends = np.iinfo(np.int64)
    for n in SIZES[1:]:
        for beyond in (300, -301, ends.max, ends.min):
            index = positions(rng, n, 300)
            index[rng.integers(0, n, max(1, n // 300))] = beyond
            assert same(gathered(cpu, isa, x, index, 0, 1), selected(x, index)), (n, beyond)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", [np.int8, np.float32, np.float64], ids=lambda dtype: dtype.__name__)
def test_more_than_the_caches_hold(cpu, isa, dtype, threads):
    rng = np.random.default_rng(2)
    x, index = rng.integers(-99, 99, 1 << 20).astype(dtype), positions(rng, FAR, 1 << 20)
    for shift in (0, 3):
        assert same(gathered(cpu, isa, x, index, shift, threads), selected(x, index))
        index[rng.integers(0, FAR, 5)] = 1 << 20
        index[[0, FAR - 1]] = -(1 << 20) - 1
