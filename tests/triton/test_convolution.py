"""Convolutions by tl.dot in the canonical order, where padding counts as 0 and a weight may be no finite number."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import accel
from accel.conversion import to_numpy

CASES = {
    "padded": ((2, 16, 7, 9), (24, 16, 3, 3), {"padding": 1}),
    "of two chunks": ((1, 300, 5, 5), (9, 300, 1, 1), {}),
    "of each channel": ((2, 8, 7, 9), (8, 1, 3, 3), {"padding": 1, "groups": 8}),
    "odd": ((1, 5, 9, 9), (17, 5, 3, 3), {"padding": 2, "dilation": 2, "stride": 2}),
}


@pytest.mark.parametrize("strange", [False, True], ids=["finite", "strange"])
@pytest.mark.parametrize("case", CASES)
def test_bits(any_device, case, strange):
    """As on the CPU, where what is in the padding is skipped: 0 times an infinite weight makes no NaN there."""
    rng = np.random.default_rng(3)
    x_shape, weight_shape, keywords = CASES[case]
    x, weight, bias = (rng.standard_normal(s).astype(np.float32) for s in (x_shape, weight_shape, weight_shape[:1]))
    x[0, 0] = 0
    if strange:
        weight.flat[3], weight.flat[-2] = np.inf, np.nan
    want = accel.nn.conv2d(x, weight, bias, **keywords)
    got = accel.nn.conv2d(*(accel.asarray(each, device=any_device) for each in (x, weight, bias)), **keywords)
    assert np.isnan(want).any() == strange
    assert not strange or case == "of two chunks" or not np.isnan(want).all()
    assert_array_equal(to_numpy(got), want)
