"""Python scalars beside arrays, the first time and when they are met again: value, type, sign of zero, dtype."""

from __future__ import annotations

import numpy as np
import pytest

import accel

VALUES = [0, 1, -1, True, False, 0.0, -0.0, 1.0, 2.5, float("nan"), float("inf"), 3, 3.0]
DTYPES = ["float32", "float64", "bfloat16", "int32", "uint8", "bool"]


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


@pytest.mark.parametrize("dtype", DTYPES)
def test_met_again_they_are_the_same(dtype):
    x = accel.ones((3,), dtype=dtype)
    first = {}
    for turn in range(3):
        for i, value in enumerate(VALUES if turn != 1 else VALUES[::-1]):
            key = i if turn != 1 else len(VALUES) - 1 - i
            try:
                result = accel.equal(x, value), accel.where(accel.equal(x, x), value, x)
                seen = [(str(r.dtype), np.asarray(r).tobytes()) for r in result]
            except accel.AccelError as error:
                seen = [(type(error), str(error))]
            assert first.setdefault(key, seen) == seen, value


def test_zeros_keep_their_sign():
    x = accel.asarray(np.ones(2, "f4"))
    for _ in range(3):
        assert not np.signbit(np.asarray(accel.multiply(x, 0.0))).any()
        assert np.signbit(np.asarray(accel.multiply(x, -0.0))).all()
        assert not np.signbit(np.asarray(accel.multiply(x, 0))).any()


def test_numpy_arrays_and_scalars():
    x = np.arange(4, dtype="f4")
    for _ in range(2):
        result = accel.add(x, 2)
        assert (type(result), result.dtype) == (np.ndarray, np.float32)
        np.testing.assert_array_equal(result, x + 2)


def test_only_where_the_op_takes_scalars():
    x = accel.ones((2, 2))
    accel.add(x, 2.0)
    for _ in range(2):
        with pytest.raises(accel.ArgumentError, match=r"matmul: b: expected an array, got the scalar 2\.0"):
            accel.matmul(x, 2.0)


def test_out_of_range_each_time():
    x = accel.ones((2,), dtype="uint8")
    for _ in range(2):
        with pytest.raises(accel.AccelError):
            accel.add(x, 300)
        with pytest.raises(accel.AccelError):
            accel.add(x, -1)
