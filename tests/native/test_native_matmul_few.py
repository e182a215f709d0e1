"""Few rows and many small products on accel._cpu.Matmul: where B begins in memory, matrix units, and batches."""

from __future__ import annotations

import numpy as np
import pytest
from native_reference import KC, matmul, numpy_dtype, random, run_matmul, same
from test_native_matmul_paths import columns, has_matrix_units, on_matrix_units

LINE = 64  # bytes


def placed(x: np.ndarray, past: int) -> np.ndarray:
    """x with rows that are whole lines apart and begin `past` bytes after one."""
    size = x.dtype.itemsize
    row = -(-(x.shape[1] * size) // LINE) * LINE
    memory = np.full(x.shape[0] * row + 2 * LINE, 0x7F, np.uint8)
    first = -memory.ctypes.data % LINE + past
    view = np.lib.stride_tricks.as_strided(memory[first : first + x.shape[0] * row].view(x.dtype), x.shape, (row, size))
    view[...] = x
    return view


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int8", "uint8", "int16", "int32"])
def test_wherever_rows_begin(cpu, isa, ieee, dtype):
    """Vectors are read from line to line: ends of chunks, of k and of n in the middle of one."""
    rng = np.random.default_rng(21)
    size = numpy_dtype(dtype).itemsize
    for n, k in [(64, 31), (77, 300), (150, 2 * KC + 90), (70, 4 * KC + 65)]:
        a, b = random(rng, dtype, (9, k)), random(rng, dtype, (k, n))
        if "int" in dtype:
            info = np.iinfo(dtype)
            a[:, ::3], b[1::3] = info.min, info.min
            want = (a.astype(np.int64) @ b.astype(np.int64)).astype("int32")
        else:
            wide = "float64" if dtype == "float64" else "float32"
            want = matmul(a.astype(wide), b.astype(wide), ieee.fma64 if dtype == "float64" else ieee.fma32)
        for past in sorted({0, size, 16, 16 + size, 48, 64 - size}):
            for right in (placed(b, past), placed(np.ascontiguousarray(b.T), past).T):
                for m in (1, 9):
                    out = np.full((m, n), 7, want.dtype)
                    assert same(run_matmul(cpu, isa, a[:m], right, out), want[:m]), (m, n, k, past)


@pytest.mark.parametrize("m", [1, 2, 3, 8, 16, 21, 32])
def test_few_rows_on_matrix_units(cpu, isa, m):
    rng = np.random.default_rng(22)
    used = isa == "avx512" and has_matrix_units()
    dtype = numpy_dtype("bfloat16")
    for n, k in [(64, 255), (97, 257), (530, 1031)]:
        a, b = random(rng, "bfloat16", (m, k)), random(rng, "bfloat16", (k, n))
        exact = a.astype(np.float64) @ b.astype(np.float64)
        depth = (min(k, KC) + -(-k // KC) - 1) * 2.0**-24
        bound = depth / (1 - depth) * (np.abs(a.astype(np.float64)) @ np.abs(b.astype(np.float64)))
        canonical = run_matmul(cpu, isa, a, b, np.empty((m, n), np.float32))
        for right in (b, columns(b), placed(b, 16), placed(np.ascontiguousarray(b.T), 16).T):
            got = on_matrix_units(cpu, isa, a, right)
            assert (np.abs(got - exact) <= bound).all()
            assert same(got, canonical) == (not used)
            assert same(on_matrix_units(cpu, isa, a, right, 2), got)
        # One number so small that a product could be flushed, wherever it is: the canonical bits, for the whole call.
        for tiny in (2.0**-57, -(2.0**-57), 2.0**-133):
            for at in [(0, 0), (k - 1, n - 1), (k // 2, n // 3), (0, n - 1)]:
                small = b.copy()
                small[at] = dtype.type(tiny)
                want = run_matmul(cpu, isa, a, small, np.empty((m, n), np.float32))
                for right in (small, columns(small), placed(small, 16), placed(np.ascontiguousarray(small.T), 16).T):
                    assert same(on_matrix_units(cpu, isa, a, right, 1 + at[0] % 2), want), (n, k, at)
            small = a.copy()
            small[m - 1, k - 1] = dtype.type(tiny)
            want = run_matmul(cpu, isa, small, b, np.empty((m, n), np.float32))
            for left in (small, columns(small)):
                assert same(on_matrix_units(cpu, isa, left, b), want)
    # Zeros of both signs and the smallest numbers that are not too small are exact.
    a, b = np.full((m, 64), 2.0**-56, dtype), np.full((64, 80), -(2.0**-56), dtype)
    b[1], b[2] = dtype.type(0.0), dtype.type(-0.0)
    assert (on_matrix_units(cpu, isa, a, b) == -62 * 2.0**-112).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint64"])
def test_many_small_products(cpu, isa, ieee, dtype):
    rng = np.random.default_rng(23)
    shapes = [
        (4, 4, 4),
        (1, 3, 9),
        (8, 8, 8),
        (9, 15, 5),
        (16, 16, 16),
        (21, 16, 3),
        (5, 33, 20),
        (2, 64, 256),
        (3, 7, 257),
    ]
    for m, n, k in shapes:
        a, b = random(rng, dtype, (11, m, k)), random(rng, dtype, (11, k, n))
        flipped = np.ascontiguousarray(a.swapaxes(1, 2)).swapaxes(1, 2)
        for left, right in [(a, b), (flipped, b), (a[:1], b), (a[::-2], b[::2]), (a, columns_of_each(b))]:
            count = max(left.shape[0], right.shape[0])
            if dtype in ("int32", "uint64"):
                want = left @ right
            else:
                want = matmul(left, right, ieee.fma64 if dtype == "float64" else ieee.fma32)
            for threads in (1, 2):
                out = np.full((count, m, n), 7, dtype)
                assert same(run_matmul(cpu, isa, left, right, out, threads), want), (m, n, k)


def columns_of_each(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.swapaxes(1, 2)).swapaxes(1, 2)
