"""The paths of accel._cpu.Matmul that shape and dtype choose, at the sizes where one gives way to another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from native_reference import KC, matmul, numpy_dtype, random, run_matmul, same, strides

FEW = (1, 2, 3, 4, 5, 8, 9, 16, 17, 31, 32, 33)
"""Rows: every number that is computed together, one more and one less, and one more than counts as few."""


def columns(x: np.ndarray) -> np.ndarray:
    """x with its columns contiguous."""
    return np.ascontiguousarray(x.T).T


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_few_rows_of_floats(cpu, isa, ieee, dtype):
    rng = np.random.default_rng(11)
    wide = np.dtype("float64" if dtype == "float64" else "float32")
    fma = ieee.fma64 if dtype == "float64" else ieee.fma32
    for n, k in [(63, 300), (64, 255), (65, 257), (130, 33), (600, 70), (1, 1025)]:
        a, b = random(rng, dtype, (max(FEW), k)), random(rng, dtype, (k, n))
        want = matmul(a.astype(wide), b.astype(wide), fma)
        for m in FEW:
            for right in (b, columns(b)):
                out = np.full((m, n), 7, wide)
                assert same(run_matmul(cpu, isa, a[:m], right, out, 1 + m % 2), want[:m]), (m, n, k)
            tall = run_matmul(cpu, isa, b.T, a[:m].T, np.full((n, m), 7, wide), 1)
            assert same(tall, want[:m].T), (m, n, k)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "uint64"])
def test_few_and_many_rows_of_integers(cpu, isa, dtype):
    """Extreme values in every position, and every remainder of the groups that are multiplied at once."""
    rng = np.random.default_rng(12)
    output = "int32" if np.dtype(dtype).itemsize < 8 else dtype
    info = np.iinfo(dtype)
    for n, k in [(1, 40), (63, 5), (64, 258), (65, 1027), (130, 1030), (33, 64)]:
        a, b = random(rng, dtype, (60, k)), random(rng, dtype, (k, n))
        a[:, ::3], b[1::3] = info.min, info.min
        a[5], b[:, n // 2] = info.min, info.max
        a[7], b[:, n // 3] = info.max, info.min
        want = (a.astype(np.uint64) @ b.astype(np.uint64)).astype(output)
        for m in (*FEW, 60):
            for left, right in [(a, b), (columns(a), b), (a, columns(b)), (columns(a), columns(b))]:
                out = np.full((m, n), 7, output)
                assert same(run_matmul(cpu, isa, left[:m], right, out, 1 + m % 2), want[:m]), (m, n, k)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize("k", [4 * KC - 1, 4 * KC, 4 * KC + 1, 70 * KC, 256 * KC, 256 * KC + 3, 700 * KC + 100])
def test_long_dot_products(cpu, isa, ieee, dtype, k):
    rng = np.random.default_rng(13)
    a, b = random(rng, dtype, (1, k)), random(rng, dtype, (k, 1))
    if dtype == "int32":
        want = (a.astype(np.int64) @ b.astype(np.int64)).astype(dtype)
    else:
        # Chunks side by side: rule 3 with the chunk as another axis.
        fma = ieee.fma64 if dtype == "float64" else ieee.fma32
        want = np.zeros((1, 1), dtype)
        whole = k // KC
        x, y = a[0, : whole * KC].reshape(whole, KC), b[: whole * KC, 0].reshape(whole, KC)
        chunks = list(matmul(x[:, None, :], y[:, :, None], fma)[:, 0, 0])
        if k % KC:
            chunks.append(matmul(a[:, whole * KC :], b[whole * KC :], fma)[0, 0])
        total = chunks[0]
        for chunk in chunks[1:]:
            total = total + chunk
        want[0, 0] = total
    for threads in (1, 2):
        assert same(run_matmul(cpu, isa, a, b, np.full((1, 1), 7, dtype), threads), want)


def has_matrix_units() -> bool:
    """Whether this CPU's bfloat16 dot products are used: see csrc/isa.cpp."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "AuthenticAMD" in text and "avx512_bf16" in text


def on_matrix_units(cpu, isa, a, b, threads=1):
    m, k, n = *a.shape, b.shape[1]
    out = np.full((m, n), 7, np.float32)
    kernel = cpu.Matmul(isa, "bfloat16", "float32", None, True)
    at = [x.ctypes.data for x in (a, b)]
    kernel.run(at, [out.ctypes.data], [], m, n, k, strides(a), strides(b), strides(out), [], threads)
    return out


def test_matrix_units_stay_within_the_bound_and_flush_nothing(cpu, isa):
    rng = np.random.default_rng(14)
    used = isa == "avx512" and has_matrix_units()
    dtype = numpy_dtype("bfloat16")
    for m, n, k in [(33, 64, 1), (40, 33, 255), (61, 97, 257), (200, 130, 1030)]:
        a, b = random(rng, "bfloat16", (m, k)), random(rng, "bfloat16", (k, n))
        exact = a.astype(np.float64) @ b.astype(np.float64)
        depth = (min(k, KC) + -(-k // KC) - 1) * 2.0**-24
        bound = depth / (1 - depth) * (np.abs(a.astype(np.float64)) @ np.abs(b.astype(np.float64)))
        canonical = run_matmul(cpu, isa, a, b, np.empty((m, n), np.float32))
        for left, right in [(a, b), (columns(a), columns(b))]:
            got = on_matrix_units(cpu, isa, left, right)
            assert (np.abs(got - exact) <= bound).all()
            assert same(got, canonical) == (not used or k == 1)
            assert same(on_matrix_units(cpu, isa, left, right, 2), got)
        # One operand with a number so small that a product could be flushed: the canonical bits, for the whole call.
        for tiny in (2.0**-57, 2.0**-130):
            small = a.copy()
            small[m // 2, k // 2] = dtype.type(tiny)
            want = run_matmul(cpu, isa, small, b, np.empty((m, n), np.float32))
            assert same(on_matrix_units(cpu, isa, small, b), want)
            assert same(on_matrix_units(cpu, isa, b.T, small.T), want.T)
    a, b = np.full((40, 2), 2.0**-56, dtype), np.full((2, 40), 2.0**-56, dtype)
    a[:, 1] = dtype.type(-(2.0**-56) * (1 - 2.0**-8))  # still at least 2**-57: not taken for exact
    b[:, 1] = dtype.type(2.0**-56)
    assert same(on_matrix_units(cpu, isa, a, b), run_matmul(cpu, isa, a, b, np.empty((40, 40), np.float32)))
    a[:, 1] = dtype.type(-(2.0**-56) * (1 + 2.0**-7))  # the smallest difference that there can be: 2**-119
    assert (on_matrix_units(cpu, isa, a, b) == -(2.0**-119)).all()


@pytest.mark.parametrize("k", [64, 257])
def test_what_lies_beside_an_operand_decides_nothing(cpu, isa, k):
    """A's rows, or B's columns, are the first of a wider array's, whose others are too small for matrix units."""
    rng = np.random.default_rng(15)
    used = isa == "avx512" and has_matrix_units()
    dtype = numpy_dtype("bfloat16")
    a, b = random(rng, "bfloat16", (41, k)), random(rng, "bfloat16", (k, 70))
    canonical = run_matmul(cpu, isa, a, b, np.empty((41, 70), np.float32))
    want = on_matrix_units(cpu, isa, columns(a), b)
    assert same(want, canonical) == (not used), "matrix units take these"
    beside = np.full((k, 41 + 64), 2.0**-130, dtype)
    beside[:, :41] = a.T
    assert same(on_matrix_units(cpu, isa, beside[:, :41].T, b), want)
    beside = np.full((k, 70 + 64), 2.0**-130, dtype)
    beside[:, :70] = b
    assert same(on_matrix_units(cpu, isa, columns(a), beside[:, :70]), want)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_one_block_of_rows_meets_columns_in_groups(cpu, isa, ieee, dtype):
    """Rows that are packed once, for one chunk of k or for all, beside more columns of B than are packed at a time."""
    rng = np.random.default_rng(16)
    fma = ieee.fma64 if dtype == "float64" else ieee.fma32
    for m, n, k in [(41, 590, 2 * KC + 9), (64, 310, 8 * KC + 1)]:
        a, b = random(rng, dtype, (m, k)), random(rng, dtype, (k, n))
        want = (a.astype(np.int64) @ b.astype(np.int64)).astype(dtype) if dtype == "int32" else matmul(a, b, fma)
        for right in (b, columns(b)):
            for threads in (1, 2):
                assert same(run_matmul(cpu, isa, a, right, np.full((m, n), 7, dtype), threads), want), (m, n, k)
