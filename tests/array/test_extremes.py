"""topk, cummax and cummin against torch's and the order of `sort`; rows that are searched in blocks; and bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel.ops.composed import extremes

VALUES = [0.0, -0.0, 1.0, -1.0, float("inf"), -float("inf"), float("nan"), 5e-45, 3.0]


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


def alike(a, b) -> bool:
    """To the bit, but for the payloads of NaN."""
    a, b = np.asarray(a), np.asarray(b)
    there = a == a
    return (
        a.dtype == b.dtype
        and np.array_equal(a, b, equal_nan=True)
        and np.array_equal(np.signbit(a[there]), np.signbit(b[there]))
    )


@given(st.data(), st.booleans())
def test_topk_is_the_beginning_of_the_order(data, largest):
    """Rows of few different values, so that ties are everywhere, long enough to be searched in blocks."""
    n, k = data.draw(st.integers(4096, 6000)), data.draw(st.integers(1, 40))
    row = data.draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=40))
    seed = data.draw(st.integers(0, 99))
    x = np.random.default_rng(seed).choice(np.array(row, np.float32), (2, n))
    a = accel.asarray(x)
    assert extremes._candidates(a, k, largest) is not None
    values, indices = accel.topk(a, k, largest=largest)
    order = np.asarray(accel.argsort(a, descending=largest))[:, :k]
    assert np.array_equal(np.asarray(indices), order)
    assert np.array_equal(np.asarray(extremes._first_of_blocks(a, k, largest)), order)
    assert alike(values, np.take_along_axis(x, order, 1))


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "int64", "float16", "float64"])
@pytest.mark.parametrize("k", [0, 1, 5, 300, 2000])
def test_topk_of_every_kind_of_dtype(dtype, k):
    x = np.random.default_rng(3).integers(0, 2 if dtype == "bool" else 100, (2000, 3)).astype(dtype)
    for largest in (True, False):
        values, indices = accel.topk(accel.asarray(x), k, 0, largest, False)
        order = np.asarray(accel.argsort(accel.asarray(x), axis=0, descending=largest))[:k]
        assert values.shape == (k, 3) and np.array_equal(np.asarray(indices), order)
        assert alike(values, np.take_along_axis(x, order, 0))


def test_topk_as_torchs():
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    x = torch.randn(7, 3000, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    x[3, 11] = float("nan")
    for keywords in ({}, {"largest": False}, {"dim": 0}):
        got, want = accel.topk(x, 6, **keywords), torch.topk(x, 6, **keywords)
        assert all(isinstance(a, torch.Tensor) for a in got)
        assert torch.equal(got[0].nan_to_num(9), want[0].nan_to_num(9)) and torch.equal(got[1], want[1])
    values, _ = accel.topk(x, 6)
    assert not torch.equal(values.nan_to_num(9), torch.topk(x, 6, largest=False)[0].nan_to_num(9))


@given(st.lists(st.sampled_from(VALUES), min_size=1, max_size=60))
def test_running_extremes_as_torchs(elements):
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    x = np.array(elements, np.float32)
    for name in ("cummax", "cummin"):
        got, want = getattr(accel, name)(accel.asarray(x), 0), getattr(torch, name)(torch.from_numpy(x), 0)
        assert np.array_equal(np.asarray(got[1]), want[1].numpy())
        assert alike(got[0], want[0].numpy())


@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "float16", "float64"])
def test_running_extremes_along_axes(dtype):
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    x = np.random.default_rng(3).integers(0, 2 if dtype == "bool" else 9, (5, 70, 40)).astype(dtype)
    for name in ("cummax", "cummin"):
        for dim in (0, 1, -1):
            got, want = getattr(accel, name)(x, dim), getattr(torch, name)(torch.from_numpy(x), dim)
            assert all(np.array_equal(a, b.numpy()) for a, b in zip(got, want, strict=True))
    assert [a.shape for a in accel.cummax(x[:0], 0)] == [(0, 70, 40)] * 2


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: accel.topk(x, 4), accel.ArgumentError, "topk: k: expected 0 to 3"),
        (lambda x: accel.topk(x, -1), accel.ArgumentError, "topk: k"),
        (lambda x: accel.topk(x, 1.5), accel.ArgumentError, "topk: k"),
        (lambda x: accel.topk(x, 1, 2), IndexError, "topk: axis"),
        (lambda x: accel.topk(x[0, 0], 1), accel.ShapeError, "topk: x"),
        (lambda x: accel.topk(x, 1, largest="yes"), accel.ArgumentError, "topk: largest"),
        (lambda x: accel.topk(x, 1, sorted=2), accel.ArgumentError, "topk: sorted"),
        (lambda x: accel.cummax(x, 2), IndexError, "cummax: axis"),
        (lambda x: accel.cummin(x[0, 0], 0), accel.ShapeError, "cummin: x"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call(accel.ones((2, 3)))
