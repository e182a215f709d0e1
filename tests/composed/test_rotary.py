"""Rotary embeddings against products of complex numbers and torch, in one launch."""

from __future__ import annotations

import numpy as np
import pytest

import accel
from accel import nn

RNG = np.random.default_rng(17)
X = RNG.standard_normal((2, 3, 7, 20))
ANGLES = RNG.uniform(0, 100, (7, 8))


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("features", [16, 20])
def test_pairs_are_turned_and_others_stay(interleaved, features):
    x = X[..., :features]
    got = nn.rotary_embedding(x, np.cos(ANGLES), np.sin(ANGLES), interleaved=interleaved)
    places = np.arange(16).reshape((8, 2) if interleaved else (2, 8))
    first, second = places.T if interleaved else places
    turned = (x[..., first] + 1j * x[..., second]) * np.exp(1j * ANGLES)
    np.testing.assert_allclose(got[..., first], turned.real, atol=1e-13)
    np.testing.assert_allclose(got[..., second], turned.imag, atol=1e-13)
    assert (got[..., 16:] == x[..., 16:]).all()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_neighbours_are_halves_put_side_by_side(dtype):
    """The same bits for every number of pairs, with and without features behind them, and of views."""
    for pairs in (1, 2, 3, 4, 5, 7, 8, 9, 15, 17, 33, 600):
        cos, sin = (f(RNG.uniform(0, 100, (3, pairs))).astype(dtype) for f in (np.cos, np.sin))
        for rest in (0, 1, 6):
            whole = RNG.standard_normal((2, 6, 2 * (2 * pairs + rest))).astype(dtype)
            n = 2 * pairs + rest
            for x in (whole[:, ::2, :n], whole[:, 3:, ::2], whole[:, 2::-1, n - 1 :: -1]):
                order = np.r_[0 : 2 * pairs : 2, 1 : 2 * pairs : 2, 2 * pairs : n]
                want = np.empty(x.shape, dtype)
                want[..., order] = nn.rotary_embedding(np.ascontiguousarray(x[..., order]), cos, sin)
                got = nn.rotary_embedding(x, cos, sin, interleaved=True)
                assert (got == want).all(), (pairs, rest)
                assert pairs == 1 or (got != nn.rotary_embedding(x, cos, sin)).any(), "other pairs are seen"


def test_a_result_has_the_dtype_of_x_and_one_rounding():
    x = X[..., :16].astype(np.float16)
    cos, sin = (f(ANGLES).astype(np.float32) for f in (np.cos, np.sin))
    got = nn.rotary_embedding(x, cos, sin)
    assert got.dtype == np.float16
    assert (got == nn.rotary_embedding(x.astype(np.float32), cos, sin).astype(np.float16)).all()
    assert (got != nn.rotary_embedding(x, cos.astype(np.float16), sin.astype(np.float16))).any()


def test_a_row_does_not_depend_on_the_others():
    x = X[..., :16].astype(np.float32)
    cos, sin = (f(ANGLES).astype(np.float32) for f in (np.cos, np.sin))
    whole = nn.rotary_embedding(x, cos, sin)
    assert (nn.rotary_embedding(x[1:, :1, 3:4], cos[3:4], sin[3:4]) == whole[1:, :1, 3:4]).all()


@pytest.mark.parametrize("interleaved", [False, True])
def test_one_launch(interleaved):
    x, table = accel.ones((2, 3, 7, 16), device="cpu"), accel.ones((7, 8), device="cpu")
    report = str(accel.explain("rotary_embedding", x, table, table, interleaved=interleaved))
    assert report.count(" by cpu.") == 1


def test_what_is_refused():
    table = np.ones((7, 8))
    with pytest.raises(accel.ShapeError, match="cos and sin of one shape"):
        nn.rotary_embedding(X, table, table[:1])
    with pytest.raises(accel.ShapeError, match="too few features"):
        nn.rotary_embedding(X[..., :15], table, table)
    with pytest.raises(accel.ShapeError, match="does not broadcast to that of x"):
        nn.rotary_embedding(X[0, 0, :1], table, table)
    with pytest.raises(accel.ArgumentError, match="interleaved: expected True or False"):
        nn.rotary_embedding(X, table, table, interleaved="half")
