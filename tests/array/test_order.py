"""Pointwise results lie in memory as their operands do, where these lie alike."""

from __future__ import annotations

import numpy as np
import pytest

import accel

RNG = np.random.default_rng(5)
A, B = (RNG.standard_normal((3, 4, 5)).astype(np.float32) for _ in range(2))
ORDERS = ((2, 1, 0), (1, 0, 2), (0, 2, 1), (2, 0, 1))


def strides(x) -> tuple[int, ...]:
    return tuple(s // x.itemsize for s in x.strides)


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_the_operands_is_kept(order):
    x, y = A.transpose(order), B.transpose(order)
    for got, want in (
        (accel.add(x, y), x + y),
        (accel.multiply(x, 2.0), x * np.float32(2)),
        (accel.add(x, y[:1, :1, :1]), x + y[:1, :1, :1]),
        (accel.astype(accel.asarray(x), accel.float64), x.astype(np.float64)),
        (accel.equal(x, y), x == y),
    ):
        got = np.asarray(got)
        assert strides(got) == strides(x)
        assert np.array_equal(got, want)


def test_a_broadcast_operand_meets_the_right_elements():
    x, row, column = A[0].T, B[0, :, :1].T, B[0, :1].T
    assert np.array_equal(accel.add(x, row), x + row)
    assert np.array_equal(accel.add(x, column), x + column)
    assert strides(accel.add(x, row)) == strides(x)


def test_operands_that_lie_otherwise_give_row_major_results():
    rows = (20, 5, 1)
    assert strides(accel.add(A, B)) == rows
    x = A.transpose(2, 1, 0)
    assert strides(accel.add(x, np.ascontiguousarray(x))) == strides(np.ascontiguousarray(x))  # one of each
    gaps = RNG.standard_normal((6, 8)).astype(np.float32).T[::2]
    assert strides(accel.negative(gaps)) == (6, 1)
    assert strides(accel.negative(A[:, ::-1])) == rows
    assert strides(accel.negative(np.broadcast_to(A[0, 0], (4, 5)))) == (5, 1)


def test_a_copy_is_row_major():
    assert strides(accel.copy(A.transpose(2, 1, 0))) == (12, 3, 1)


def test_an_array_given_to_write_to_keeps_its_own_order():
    out = accel.asarray(np.zeros((5, 4, 3), np.float32))
    accel.copy(accel.add(accel.asarray(A.T), accel.asarray(B.T)), out=out)
    assert np.array_equal(np.asarray(out), A.T + B.T)
