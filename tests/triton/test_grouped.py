"""Products of groups of rows: tiles that find their group, also where ends do not ascend, and matrix units."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import accel
from accel import nn
from accel.kernels.triton import grouped_matmul as rows
from accel.ops import canonical
from accel.registry import OPS
from accel.testing.compare import check, differing, fetch, place

RNG = np.random.default_rng(5)
GROUPED = OPS["grouped_matmul"]


def numbers(dtype, *shape):
    if np.dtype(dtype).kind in "iu":
        return RNG.integers(-100, 100, shape, dtype)
    return RNG.standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int16])
def test_dtypes(device, dtype):
    """Several tiles, chunks and groups, some of them empty; weights as a linear layer has them, and their gradient."""
    k = 300 if dtype is np.float32 else 20
    x, w = numbers(dtype, 38, k), numbers(dtype, 4, 21, k)
    counts = np.array((19, 0, 1, 18))
    with accel.config(numerics="reproducible"):
        check(GROUPED, device, (x, w.transpose(0, 2, 1), counts))
        check(GROUPED, device, (x[:, :9].T, x[:, 9:], counts))


def test_more_groups_than_rows(device):
    counts = np.zeros(35, np.int32)
    counts[[3, 20, 34]] = 1, 17, 2
    x, w = numbers(np.float32, 20, 5), numbers(np.float32, 35, 5, 3)
    check(GROUPED, device, (x, w), {"offs": counts.cumsum().astype(np.int32)})
    check(GROUPED, device, (x[:1], w[:1], np.array([1])))


def test_chunks_of_a_group_begin_with_it(device):
    """A group of no terms, one of a chunk and some, and one of less."""
    counts = np.array((0, 260, 3))
    a, b = numbers(np.float32, 263, 9), numbers(np.float32, 263, 5)
    check(GROUPED, device, (a.T, b, counts))
    got = fetch(nn.grouped_matmul(*(place(each, device) for each in (a.T, b, counts))))
    assert not differing(got[1], canonical.matmul(a[:260].T, b[:260])).any()
    assert differing(got[1], canonical.matmul(a[:260].T, b[:260], kc=200)).any(), "the control"


def test_ends_that_do_not_ascend_reach_no_other_memory(device):
    """The emulator checks every address; the interpreter's operands lie between NaN."""
    x, w = (place(numbers(np.float32, *shape), device) for shape in ((40, 9), (3, 9, 5)))
    turned = place(numbers(np.float32, 40, 9).T, device)
    with accel.config(check="off"):
        for ends in ((-5, 90, 3), (40, 2, 1), (2**40, -(2**40), 7)):
            offs = place(np.array(ends), device)
            assert not np.isnan(fetch(nn.grouped_matmul(x, w, offs=offs))).any()
            assert not np.isnan(fetch(nn.grouped_matmul(turned, x, offs=offs))).any()


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_matrix_units(any_device, dtype):
    check(GROUPED, any_device, (numbers(dtype, 40, 70), numbers(dtype, 3, 70, 33), np.array((19, 0, 21))))
    check(GROUPED, any_device, (numbers(dtype, 40, 9).T, numbers(dtype, 40, 20), np.array((19, 0, 21))))


def test_tiles_are_as_high_as_groups(device):
    """So that few rows of many experts are no whole tiles of zeros; the bits are the same."""
    layouts = [accel.zeros(s, device=device).layout for s in ((512, 64), (64, 64, 64), (512, 64))]
    ends = accel.zeros(64, dtype="int32", device=device).layout
    from accel.backends.base import Call
    from accel.ops.parameters import Groups

    call = Call("grouped_matmul", (*layouts[:2], ends), (layouts[2],), Groups(False), device, accel.config.current())
    assert rows.config_of(call).tile[0] == 16
