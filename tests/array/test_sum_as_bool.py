"""sum and prod with dtype=bool, on every backend: any and all, as NumPy has them."""

from __future__ import annotations

import numpy as np
import pytest

import accel

CASES = {
    "zeros": np.zeros((3, 4), np.float32),
    "cancelling": np.array([[1, -1], [0, 0]], np.int32),
    "wrapping": np.full((2, 256), 1, np.uint8),
    "halves": np.array([[0.5, 0.25], [0.5, 0.0]], np.float32),
    "nan": np.array([[np.nan, 0.0], [-0.0, 0.0]], np.float32),
    "booleans": np.array([[True, False], [True, True]]),
    "nothing": np.zeros((2, 0), np.float32),
    "column-major": np.asfortranarray(np.eye(3, dtype=np.int32)),
}


def check(ours, numpy, source, device, axis, keepdims=False, dtype=bool):
    got = ours(accel.asarray(source, device=device, copy=True), axis=axis, dtype=dtype, keepdims=keepdims)
    want = np.asarray(numpy(source != 0, axis=axis, keepdims=keepdims))
    assert (got.dtype, got.shape) == (accel.bool, want.shape)
    assert (np.asarray(got) == want).all()


def test_sum_and_prod_as_bool_on_every_backend(target):
    with target.in_force() as device:
        check(accel.sum, np.any, CASES["cancelling"], device, 1)
        check(accel.prod, np.all, CASES["nan"], device, 1)


@pytest.mark.parametrize("name", CASES)
def test_sum_and_prod_as_bool(name):
    for axis, keepdims in ((None, False), (1, False), (0, True), ((0, 1), False), (None, True)):
        for dtype in (bool, accel.bool, "bool", np.bool_):
            check(accel.sum, np.any, CASES[name], "cpu", axis, keepdims, dtype)
            check(accel.prod, np.all, CASES[name], "cpu", axis, keepdims, dtype)


def test_numpy_says_so():
    for source in CASES.values():
        assert np.sum(source, dtype=bool) == np.any(source != 0)
        assert np.prod(source, dtype=bool) == np.all(source != 0)
        assert accel.sum(source, dtype=bool, axis=1).tolist() == np.sum(source, dtype=bool, axis=1).tolist()
    assert bool(np.array([1, -1]).sum()) is False, "control: a sum that becomes bool is another thing"
