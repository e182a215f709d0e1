"""Triton kernels whose threads work together: reductions, scans, sorts, and loops that depend on data."""

from collections.abc import Callable

import numpy as np
import pytest

triton = pytest.importorskip("triton", reason="compiles Triton kernels")
tl = pytest.importorskip("triton.language", reason="compiles Triton kernels")


@triton.jit
def tree_sum(x, y, n, B: tl.constexpr):
    row, lane = tl.program_id(0) * B + tl.arange(0, B), tl.arange(0, 64)
    a = tl.zeros([B, 64], tl.float32)
    for at in range(0, n, 64):
        k = at + lane
        a += tl.load(x + row[:, None] * n + k[None, :], mask=k[None, :] < n, other=0.0)
    for step in tl.static_range(6):
        low, high = tl.split(tl.reshape(a, [B, 32 >> step, 2]))
        a = low + high
    tl.store(y + row, tl.reshape(a, [B]))


@triton.jit
def collatz(x, y, n, B: tl.constexpr):
    i = tl.program_id(0) * B + tl.arange(0, B)
    v = tl.load(x + i, mask=i < n, other=1)
    c = tl.zeros([B], tl.int32)
    while tl.max(v, 0) > 1:
        go = v > 1
        v = tl.where(go, tl.where(v % 2 == 0, v // 2, 3 * v + 1), v)
        c += go.to(tl.int32)
    tl.store(y + i, c, mask=i < n)


@triton.jit
def scalar_steps(x, y):
    v, c = tl.load(x + tl.program_id(0)), 0
    while v > 1:
        if v % 2 == 0:
            v = v // 2
        else:
            v = 3 * v + 1
        c += 1
    tl.store(y + tl.program_id(0), c)


@triton.jit
def row_sum_max(x, s, m, n, B: tl.constexpr):
    r, i = tl.program_id(0), tl.arange(0, B)
    a = tl.load(x + r * n + i, mask=i < n, other=0.0)
    tl.store(s + r, tl.sum(a, 0))
    tl.store(m + r, tl.max(tl.where(i < n, a, float("-inf")), 0))


@triton.jit
def softmax(x, y, n, B: tl.constexpr):
    r, i = tl.program_id(0), tl.arange(0, B)
    a = tl.load(x + r * n + i, mask=i < n, other=float("-inf"))
    e = tl.exp(a - tl.max(a, 0))
    tl.store(y + r * n + i, e / tl.sum(e, 0), mask=i < n)


@triton.jit
def scan_sort(x, s, o, h, n, B: tl.constexpr):
    i = tl.arange(0, B)
    v = tl.load(x + i, mask=i < n, other=0)
    tl.store(s + i, tl.cumsum(v, 0))
    tl.store(o + i, tl.sort(v))
    tl.store(h + tl.arange(0, 64), tl.histogram(v, 64))


def test_tree_sum(launch: Callable, same: Callable) -> None:
    n = 200
    rng = np.random.default_rng(6)
    x = (rng.standard_normal((8, n)) * 10.0 ** rng.integers(-4, 4, (8, n))).astype(np.float32)
    want = np.zeros((8, 64), np.float32)
    for at in range(0, n, 64):
        part = x[:, at : at + 64]
        want += np.pad(part, ((0, 0), (0, 64 - part.shape[1])))
    while want.shape[1] > 1:
        want = want[:, 0::2] + want[:, 1::2]
    assert (want[:, 0] != x.sum(1)).any()  # another order has other bits
    y = np.zeros(8, np.float32)
    launch(tree_sum, (2, 1, 1), [x, y, n], {"B": 4})
    same(y, want[:, 0])


def steps(v: int) -> int:
    c = 0
    while v > 1:
        v, c = v // 2 if v % 2 == 0 else 3 * v + 1, c + 1
    return c


def test_data_dependent_loops(launch: Callable, same: Callable) -> None:
    x = np.random.default_rng(8).integers(1, 3000, 500).astype(np.int32)
    want = np.array([steps(int(v)) for v in x], np.int32)
    y = np.zeros_like(x)
    launch(collatz, (2, 1, 1), [x, y, 500], {"B": 256})
    same(y, want)
    for together in (1, 4):  # with 4 CTAs as lanes of one array, their branches diverge
        y = np.zeros_like(x)
        launch(scalar_steps, (21, 1, 1), [x, y], {}, ctas_at_once=together)
        same(y[:21], want[:21])


def test_sum_and_max(launch: Callable, same: Callable) -> None:
    x = np.random.default_rng(9).standard_normal((5, 1000)).astype(np.float32)
    s, m = np.zeros(5, np.float32), np.zeros(5, np.float32)
    result = launch(row_sum_max, (5, 1, 1), [x, s, m, 1000], {"B": 1024})
    same(m, x.max(1))
    assert result["counts"]["shfl.sync.bfly.b32"] > 0
    assert np.allclose(s, x.astype(np.float64).sum(1), rtol=0, atol=1e-4)


def test_softmax(launch: Callable) -> None:
    x = (np.random.default_rng(10).standard_normal((4, 700)) * 5).astype(np.float32)
    e = np.exp(x.astype(np.float64) - x.max(1, keepdims=True))
    y = np.zeros_like(x)
    result = launch(softmax, (4, 1, 1), [x, y, 700], {"B": 1024}, exact=False)
    assert np.allclose(y, e / e.sum(1, keepdims=True), rtol=3e-6, atol=0)
    assert set(result["approximate"]) == {"ex2.approx.f32", "div.full.f32"}, result["approximate"]


def test_scan_sort_histogram(launch: Callable) -> None:
    x = np.random.default_rng(20).integers(0, 64, 256).astype(np.int32)
    s, o, h = np.zeros(256, np.int32), np.zeros(256, np.int32), np.zeros(64, np.int32)
    launch(scan_sort, (1, 1, 1), [x, s, o, h, 256], {"B": 256})
    assert (s == np.cumsum(x)).all() and (o == np.sort(x)).all() and (h == np.bincount(x, minlength=64)).all()
