"""Dropout: how many are left out, that place and key alone say which, on every device, in functions that are fused, and
in derivatives."""

from __future__ import annotations

import numpy as np
import pytest

import accel
from accel import nn
from accel.ops.composed.exact_random import philox

RNG = np.random.default_rng(17)
X = RNG.standard_normal((40, 500)).astype(np.float32)
X[X == 0] = 1
DEVICES = [str(d) for d in accel.devices() if d.backend != "null" and d.kind != "emulated"]


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_as_many_are_left_out_as_p_says_and_the_rest_is_scaled(p):
    got = nn.dropout(X, p, key=3)
    left = got == 0
    assert abs(left.mean() - p) < 5 * np.sqrt(p * (1 - p) / X.size)
    assert (got[~left] == (X * np.float32(1 / (1 - p)))[~left]).all()
    assert (nn.dropout(X, p, key=4) != got).any(), "another key leaves out others"


def test_the_word_of_the_place_decides():
    words = philox(np.arange(X.size, dtype=np.uint64), 0, 12345).reshape(X.shape)
    assert ((nn.dropout(X, 0.3, key=12345) == 0) == ((words & (2**32 - 1)) < round(0.3 * 2**32))).all()


def test_ends():
    wild = np.where(X > 0, np.float32(np.nan), np.float32(np.inf))
    assert (nn.dropout(wild, 1.0, key=1) == 0).all() and (nn.dropout(X, 1 - 2.0**-50, key=1) == 0).all()
    for same in (nn.dropout(X, 0.0), nn.dropout(X, 0.5, training=False), nn.alpha_dropout(X, 0)):
        assert same.ctypes.data == X.ctypes.data
    assert (nn.alpha_dropout(X, 1.0, key=1) == 0).all()
    assert nn.dropout(X[:0], 0.5, key=1).shape == (0, 500)


@pytest.mark.parametrize("device", DEVICES)
def test_every_device_leaves_out_the_same(device):
    x = X[:5, :100]
    for function in (nn.dropout, nn.alpha_dropout, nn.feature_alpha_dropout):
        got = accel.asarray(function(accel.asarray(x, device=device), 0.4, key=2**64 - 1), device="cpu")
        want = function(x, 0.4, key=2**64 - 1)
        assert (np.asarray(got) == want).all() and (want != x).any()


def test_rows_of_the_same_place_and_other_dtypes_have_the_same_mask():
    whole = nn.dropout(X, 0.5, key=9)
    assert (nn.dropout(X[:7], 0.5, key=9) == whole[:7]).all()
    assert (nn.dropout(X[7:14], 0.5, key=9) != whole[7:14]).any(), "rows of other places have another mask"
    for dtype in (np.float16, np.float64):
        assert ((nn.dropout(X.astype(dtype), 0.5, key=9) == 0) == (whole == 0)).all()
    turned = np.ascontiguousarray(X.T).T
    assert (nn.dropout(turned, 0.5, key=9) == whole).all(), "strides change nothing"


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("batch", [(), (6,)])
def test_whole_channels(axes, batch):
    op = getattr(nn, f"dropout{axes}d")
    x = np.ones((*batch, 50, *(3,) * axes), np.float32)
    if axes == 2 and not batch:
        with pytest.raises(accel.ShapeError, match="dropout2d: x: expected 4 axes"):
            op(x, key=1)
        return
    flat = op(x, 0.5, key=1).reshape(-1, 3**axes)
    assert (flat == flat[:, :1]).all()
    assert (flat[:, 0] == nn.dropout(x.reshape(-1, 3**axes)[:, 0].copy(), 0.5, key=1)).all()


def test_alpha_dropout_keeps_mean_and_variance():
    x = RNG.standard_normal(200_000)
    for op in (nn.alpha_dropout, lambda x, *p, key: nn.feature_alpha_dropout(x.reshape(1, -1), *p, key=key)):
        got = op(x, 0.3, key=5)
        assert abs(got.mean()) < 0.02 and abs(got.var() - 1) < 0.02
        assert len(np.unique(got)) < 0.75 * x.size, "what is left out has one value"


def test_a_generators_keys_in_a_fused_function():
    rng = accel.random.Generator(7, "cpu")
    x, function = accel.asarray(X, device="cpu"), accel.fuse(lambda x, key: nn.dropout(x * 2.0, 0.5, key=key))
    keys = [rng.key(), rng.key()]
    assert keys[0].tolist() == [0, 7] and keys[1].tolist() == [256, 7] and rng.state["calls"] == 2
    masks = []
    for key in keys:
        got = np.asarray(function(x, key))
        assert (got == nn.dropout(X * 2, 0.5, key=np.asarray(key))).all()
        masks.append(got == 0)
    assert (masks[0] != masks[1]).any()


def test_a_number_as_key_is_a_constant_of_a_fused_function():
    x, function = accel.asarray(X, device="cpu"), accel.fuse(lambda x: nn.dropout(x, 0.5, key=3))
    assert (np.asarray(function(x)) == nn.dropout(X, 0.5, key=3)).all()


def test_what_is_refused():
    with pytest.raises(accel.ArgumentError, match="key: expected an integer, or the key"):
        nn.dropout(X)
    for key in (-1, 2**64, 0.5):
        with pytest.raises(accel.ArgumentError, match="dropout: key"):
            nn.dropout(X, key=key)
    with pytest.raises(accel.DtypeError, match="key: expected uint64 of shape"):
        nn.dropout(X, key=np.zeros(3, np.uint64))
    for p in (-0.1, 1.5, float("nan"), "x"):
        with pytest.raises(accel.ArgumentError, match="dropout: p"):
            nn.dropout(X, p, key=1)
    with pytest.raises(accel.DtypeError, match="takes floating dtypes"):
        nn.dropout(X.astype(np.int32), key=1)
    with pytest.raises(accel.ShapeError, match="dropout1d: x: expected 2 or 3 axes"):
        nn.dropout1d(X[0], key=1)
