"""Sums, means and extremes of segments: by the canonical rule, whatever else is there; and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import accel
from accel import nn
from accel.ops import canonical

RNG = np.random.default_rng(17)
ROWS = RNG.standard_normal((5000, 9)).astype(np.float32)
NUMBERS = RNG.integers(0, 40, 5000)


def test_sums_are_canonical_whatever_the_other_rows_are():
    got = nn.segment_sum(ROWS, NUMBERS, 41)
    for k in (0, 7, 39):
        own = canonical.tree(np.moveaxis(ROWS[k == NUMBERS], 0, -1), np.add, -0.0)
        assert (got[k] == np.float32(0) + own).all()
    assert (got[40] == 0).all()
    some = NUMBERS == 7
    alone = nn.segment_sum(ROWS[some], np.zeros(some.sum(), np.uint8), 1)
    assert (alone[0] == got[7]).all()
    backwards = nn.segment_sum(ROWS[::-1], NUMBERS[::-1], 41)
    assert (backwards != got).any(), "another order of rows is another sum"


@pytest.mark.parametrize("kind", ["sum", "max", "min"])
def test_rows_without_elements(kind):
    rows = np.zeros((3, 0), np.float32)
    assert canonical.reduce(kind, rows, (0,), accel.float32).shape == (0,)
    assert getattr(nn, f"segment_{kind}")(rows, np.array([1, 0, 1]), 2).shape == (2, 0)


def test_sorted_and_unsorted_segments_have_the_same_bits():
    order = np.argsort(NUMBERS, kind="stable")
    assert (nn.segment_sum(ROWS[order], NUMBERS[order], 40) == nn.segment_sum(ROWS, NUMBERS, 40)).all()


def test_means():
    got = nn.segment_mean(ROWS.astype(np.float64), NUMBERS, 41)
    want = np.stack([ROWS[k == NUMBERS].astype(np.float64).mean(0) for k in range(40)])
    np.testing.assert_allclose(got[:40], want, rtol=1e-12)
    assert (got[40] == 0).all()


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "uint16"])
def test_extremes(dtype):
    rows = (ROWS * 40).astype(dtype) if dtype != "uint16" else np.abs(ROWS * 40).astype(dtype)
    for op, ufunc in ((nn.segment_max, np.maximum), (nn.segment_min, np.minimum)):
        got = op(rows, NUMBERS, 41)
        for k in (0, 39):
            assert (got[k] == ufunc.reduce(rows[k == NUMBERS])).all()
        limits = np.finfo(dtype) if got.dtype.kind == "f" else np.iinfo(dtype)
        ends = (-np.inf, np.inf) if got.dtype.kind == "f" else (limits.min, limits.max)
        assert (got[40] == ends[ufunc is np.minimum]).all()
    assert (nn.segment_max(rows, NUMBERS, 41)[:40] != nn.segment_min(rows, NUMBERS, 41)[:40]).all()


def test_extremes_of_nan_and_zeros():
    x, ids = np.array([-0.0, 0.0, 0.0, -0.0, np.nan, np.inf, -np.inf, np.nan]), np.array([0, 0, 1, 1, 2, 2, 3, 3])
    for op, negative in ((nn.segment_max, False), (nn.segment_min, True)):
        got = op(x, ids, 4)
        assert (got[:2] == 0).all() and (np.signbit(got[:2]) == negative).all() and np.isnan(got[2:]).all()


@pytest.mark.parametrize("op", [nn.segment_sum, nn.segment_mean, nn.segment_max, nn.segment_min])
def test_what_is_refused(op):
    for bad in (NUMBERS - 1, NUMBERS + 3):
        with pytest.raises(IndexError, match=f"{op.__name__}: segment_ids"):
            op(ROWS, bad, 41)
    with pytest.raises(IndexError, match="out of range"):
        op(ROWS, NUMBERS, 0)
    with pytest.raises(accel.ShapeError, match="segment_ids: expected one for each row"):
        op(ROWS, NUMBERS[1:], 40)
    with pytest.raises(accel.DtypeError, match="segment_ids: expected an integer dtype"):
        op(ROWS, ROWS[:, 0], 40)
    with pytest.raises(accel.ArgumentError, match="num_segments: expected 0 or more"):
        op(ROWS, NUMBERS, -1)
    empty = {"segment_max": -np.inf, "segment_min": np.inf}.get(op.__name__, 0.0)
    assert op(ROWS[:0], NUMBERS[:0], 2).tolist() == [[empty] * 9] * 2


def test_rows_without_a_segment_are_left_out_where_nothing_is_checked():
    x, ids = (accel.asarray(v, device="cpu") for v in (ROWS, np.where(NUMBERS < 5, -1, NUMBERS)))
    with accel.config(check="off"):
        got = accel.fuse(lambda x, i: nn.segment_sum(x * 1.0, i, 40))(x, ids)
    want = nn.segment_sum(ROWS[NUMBERS >= 5], NUMBERS[NUMBERS >= 5], 40)
    assert (np.asarray(got) == want).all() and (want[:5] == 0).all()
