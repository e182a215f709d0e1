"""Bags of embeddings against torch, and by rule 2; rows that are left out; and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import accel
from accel import nn
from accel.ops import canonical

RNG = np.random.default_rng(17)
TABLE = RNG.standard_normal((50, 9)).astype(np.float32)
NUMBERS, STARTS = RNG.integers(0, 50, 40), np.array([0, 3, 3, 10, 40])
FACTORS = RNG.standard_normal(40).astype(np.float32)


def of_torch(numbers: np.ndarray, *rest: np.ndarray, **keywords: object) -> np.ndarray:
    tensors = [torch.from_numpy(x) for x in (numbers, TABLE, *rest)]
    return torch.nn.functional.embedding_bag(*tensors, **keywords).numpy()


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding", [None, int(NUMBERS[4]), -3])
@pytest.mark.parametrize("last", [False, True])
def test_against_torch(mode, padding, last):
    how = {"mode": mode, "padding_idx": padding}
    got = nn.embedding_bag(NUMBERS, TABLE, STARTS, include_last_offset=last, **how)
    want = of_torch(NUMBERS, STARTS, include_last_offset=last, **how)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    assert (got[1] == 0).all() and (got[0] != 0).any(), "a bag without rows is 0"
    rows = nn.embedding_bag(NUMBERS.reshape(8, 5), TABLE, **how)
    np.testing.assert_allclose(rows, of_torch(NUMBERS.reshape(8, 5), **how), rtol=1e-5, atol=1e-6)
    starts = np.arange(0, 40, 5, dtype=np.int32)
    assert (nn.embedding_bag(NUMBERS, TABLE, starts, **how) == rows).all(), "both forms have the same bits"


def test_factors_and_the_canonical_sum():
    numbers = RNG.integers(0, 50, (2, 300))
    factors = RNG.standard_normal((2, 300)).astype(np.float32)
    got = nn.embedding_bag(numbers, TABLE, mode="sum", per_sample_weights=factors)
    rows = TABLE[numbers[1]] * factors[1][:, None]
    assert (got[1] == np.float32(0) + canonical.tree(rows.T, np.add, -0.0)).all()
    assert (got[1] != rows.sum(0)).any(), "another order is another sum"
    want = of_torch(NUMBERS, STARTS, mode="sum", per_sample_weights=torch.from_numpy(FACTORS))
    got = nn.embedding_bag(NUMBERS, TABLE, STARTS, mode="sum", per_sample_weights=FACTORS)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_what_ends_before_the_numbers_do_and_no_bags():
    ends = np.array([0, 4, 9])
    got = nn.embedding_bag(NUMBERS, TABLE, ends, mode="max", include_last_offset=True)
    assert (got == [TABLE[NUMBERS[:4]].max(0), TABLE[NUMBERS[4:9]].max(0)]).all()
    assert nn.embedding_bag(NUMBERS[:0], TABLE, ends[:0]).shape == (0, 9)
    assert (nn.embedding_bag(NUMBERS[:0].reshape(3, 0), TABLE) == np.zeros((3, 9))).all()


def test_a_bag_does_not_depend_on_the_others():
    whole = nn.embedding_bag(NUMBERS.reshape(8, 5), TABLE)
    assert (nn.embedding_bag(NUMBERS.reshape(8, 5)[3:5], TABLE) == whole[3:5]).all()


def test_16_bits_round_once():
    half = TABLE.astype(np.float16)
    got = nn.embedding_bag(NUMBERS, half, STARTS)
    assert got.dtype == np.float16
    assert (got == nn.embedding_bag(NUMBERS, half.astype(np.float32), STARTS).astype(np.float16)).all()


def test_what_is_refused():
    for bad in (NUMBERS - 50, NUMBERS + 11):
        with pytest.raises(IndexError, match="embedding_bag: input"):
            nn.embedding_bag(bad, TABLE, STARTS)
    for bad in (STARTS + 1, STARTS[::-1], STARTS * 2):
        with pytest.raises(IndexError, match="offsets: expected numbers that ascend from 0 to 40; "):
            nn.embedding_bag(NUMBERS, TABLE, bad)
    with pytest.raises(accel.ArgumentError, match="offsets: expected none"):
        nn.embedding_bag(NUMBERS.reshape(8, 5), TABLE, STARTS)
    with pytest.raises(accel.ShapeError, match="expected two axes, or one and offsets"):
        nn.embedding_bag(NUMBERS, TABLE)
    with pytest.raises(accel.ShapeError, match="weight: expected floats of shape"):
        nn.embedding_bag(NUMBERS, TABLE[0], STARTS)
    with pytest.raises(accel.ArgumentError, match="mode: expected 'sum'"):
        nn.embedding_bag(NUMBERS, TABLE, STARTS, mode="min")
    with pytest.raises(accel.ArgumentError, match="per_sample_weights: expected one for each"):
        nn.embedding_bag(NUMBERS, TABLE, STARTS, mode="mean", per_sample_weights=FACTORS)
    with pytest.raises(accel.ArgumentError, match="padding_idx: 50 is no row"):
        nn.embedding_bag(NUMBERS, TABLE, STARTS, padding_idx=50)
    with pytest.raises(accel.ArgumentError, match="max_norm"):
        nn.embedding_bag(NUMBERS, TABLE, STARTS, 1.0)
