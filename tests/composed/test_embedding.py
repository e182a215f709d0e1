"""Embeddings, one-hot rows, slopes and cache updates, against torch and NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import accel
from accel import nn

RNG = np.random.default_rng(17)
TABLE = RNG.standard_normal((11, 5)).astype(np.float32)
NUMBERS = RNG.integers(0, 11, (3, 4))


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_embeddings_are_rows(dtype):
    assert (nn.embedding(NUMBERS.astype(dtype), TABLE, padding_idx=2) == TABLE[NUMBERS]).all()
    assert nn.embedding(NUMBERS[:0], TABLE).shape == (0, 4, 5)


def test_what_embeddings_refuse():
    for bad in (NUMBERS - 11, NUMBERS + 11, [[-1]]):
        with pytest.raises(IndexError, match="embedding: input"):
            nn.embedding(np.asarray(bad), TABLE)
    with pytest.raises(accel.ArgumentError, match="max_norm"):
        nn.embedding(NUMBERS, TABLE, max_norm=1.0)
    with pytest.raises(accel.ArgumentError, match="padding_idx: 11 is no row"):
        nn.embedding(NUMBERS, TABLE, padding_idx=11)
    with pytest.raises(accel.ShapeError, match="weight: expected two axes"):
        nn.embedding(NUMBERS, TABLE[0])
    with pytest.raises(accel.DtypeError, match="input: expected an integer dtype"):
        nn.embedding(TABLE, TABLE)


def test_one_hot():
    assert (nn.one_hot(NUMBERS, 12) == np.eye(12, dtype=np.int64)[NUMBERS]).all()
    assert nn.one_hot(np.array([0, 3])).tolist() == [[1, 0, 0, 0], [0, 0, 0, 1]]
    for bad in (NUMBERS - 11, NUMBERS + 2):
        with pytest.raises(IndexError, match="one_hot: x"):
            nn.one_hot(bad, 11)
    with pytest.raises(accel.ArgumentError, match="num_classes"):
        nn.one_hot(NUMBERS, 0)


def test_slopes():
    assert np.asarray(nn.alibi_slopes(8)).tolist() == [2.0**-i for i in range(1, 9)]
    want = [2 ** (-8 * i / 8) for i in range(1, 9)] + [2 ** (-8 * i / 16) for i in range(1, 9, 2)]
    np.testing.assert_allclose(np.asarray(nn.alibi_slopes(12, "float64")), want, rtol=1e-15)
    np.testing.assert_allclose(np.asarray(nn.alibi_slopes(64, "float64")), 2 ** (-np.arange(1, 65) / 8), rtol=1e-15)
    with pytest.raises(accel.ArgumentError, match="num_heads"):
        nn.alibi_slopes(0)


def test_a_cache_is_written_where_it_is():
    cache = accel.zeros((2, 3, 8, 5), device="cpu")
    new = RNG.standard_normal((2, 3, 2, 5)).astype(np.float32)
    seen = nn.cache_update(cache, new, 3)
    assert seen.shape == (2, 3, 5, 5)
    whole = np.asarray(cache)
    assert (whole[:, :, 3:5] == new).all() and (np.delete(whole, (3, 4), 2) == 0).all()
    before = whole.copy()
    with pytest.raises(IndexError, match="7 to 9 is out of range"):
        nn.cache_update(cache, new, 7)
    with pytest.raises(accel.ShapeError, match="new: has shape"):
        nn.cache_update(cache, new[:1], 0)
    with pytest.raises(accel.DtypeError, match="new: expected the cache's dtype"):
        nn.cache_update(cache, new.astype(np.float64), 0)
    assert (np.asarray(cache) == before).all()


@pytest.mark.parametrize("device", [str(d) for d in accel.devices() if d.backend != "null" and d.kind != "emulated"])
@pytest.mark.parametrize("axis", [-2, 1])
def test_sequences_of_a_cache_have_positions_of_their_own(device, axis):
    cache, starts = accel.zeros((3, 7, 8, 5), device=device), np.array([5, 0, 2], np.int32)
    new = RNG.standard_normal((3, 7, 2, 5) if axis == -2 else (3, 2, 8, 5)).astype(np.float32)
    its = [accel.asarray(v, device=device) for v in (new, starts)]
    want = np.zeros((3, 7, 8, 5), np.float32)
    for b, start in enumerate(starts):
        want[(b, slice(None), slice(start, start + 2)) if axis == -2 else (b, slice(start, start + 2))] = new[b]
    whole = nn.cache_update(cache, *its, axis=axis)
    for seen in (cache, whole):
        assert (np.asarray(accel.asarray(seen, device="cpu")) == want).all()
    for bad in (starts - 1, starts + 2):
        with pytest.raises(IndexError, match=r"position: -?[0-9] is out of range for 2 new places along an axis"):
            nn.cache_update(cache, its[0] + 1, accel.asarray(bad, device=device), axis=axis)
    assert (np.asarray(accel.asarray(cache, device="cpu")) == want).all()
    with pytest.raises(accel.ShapeError, match="position: expected an integer or shape"):
        nn.cache_update(cache, its[0], its[1][:2], axis=axis)
