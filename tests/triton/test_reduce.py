"""Reductions against the canonical order, with controls that change it."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import accel
from accel.array import Array
from accel.conversion import to_numpy
from accel.layout import layout
from accel.ops import canonical
from accel.registry import OPS
from accel.testing.compare import check, differing, place

RNG = np.random.default_rng(11)
KINDS = ("sum", "prod", "max", "min", "any", "all", "argmax", "argmin")
DTYPES = {
    "float32": np.float32, "float64": np.float64, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16,
    "int8": np.int8, "uint64": np.uint64, "bool": np.bool_,
}  # fmt: skip


def numbers(dtype, shape):
    if dtype == np.bool_:
        return RNG.integers(0, 2, shape).astype(bool)
    if np.dtype(dtype).kind in "iu":
        info = np.iinfo(dtype)
        return RNG.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    return (1 + RNG.standard_normal(shape) / 8).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_dtypes(device, kind, dtype):
    """Rows longer than one block, so that a second pass reduces block results."""
    if dtype == "bool" and kind.startswith("arg"):
        pytest.skip("argmax and argmin take no bool")
    check(OPS[kind], device, (numbers(DTYPES[dtype], (2, 4200)),), {"axis": 1})


@pytest.mark.parametrize("n", [1, 2, 3, 31, 32, 33, 63, 64, 65, 127, 4095, 4096, 4097, 8192, 12289])
def test_lengths(any_device, n):
    """Every number of lanes, and both sides of each block's edge, in sums that round at nearly every step."""
    check(OPS["sum"], any_device, (numbers(np.float32, (n,)),), {})


def test_three_passes(device):
    """More blocks than a block has elements."""
    if device.kind == "emulated":
        pytest.skip("17 million elements take the emulator a minute; the interpreter runs the same passes")
    check(OPS["sum"], device, (numbers(np.int8, ((1 << 24) + 5000,)),), {})


@pytest.mark.parametrize("kind", ["sum", "argmax"])
@pytest.mark.parametrize("axes", [0, 1, 2, 3, (0, 2), (1, 3), (0, 1, 3), None])
def test_axes(device, kind, axes):
    """Inner, outer and scattered axes, of a permuted and reversed array that collapses little."""
    if kind == "argmax" and isinstance(axes, tuple):
        pytest.skip("argmax takes one axis or all")
    x = numbers(np.float32, (5, 6, 7, 40)).transpose(2, 0, 3, 1)[::-1, :, ::2]
    check(OPS[kind], device, (x,), {"axis": axes})


def test_long_columns(device):
    """An outer axis of several blocks, with few and with many columns."""
    for columns in (3, 150):
        check(OPS["sum"], device, (numbers(np.float32, (4500, columns)),), {"axis": 0})


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_special_values(device, dtype):
    """NaN and infinity propagate, only −0 sums to −0, +0 is above −0, the first NaN and the first of equals win."""
    nan, inf = np.nan, np.inf
    x = np.array(
        [
            [-0.0] * 5,
            [-0.0, 0.0, -0.0, 0.0, -0.0],
            [1, inf, 2, -inf, 3],
            [1, nan, 5, nan, -2],
            [-inf] * 5,
            [3, 1, 3, 1, 3],
        ]
    ).astype(DTYPES[dtype])
    for kind in KINDS:
        check(OPS[kind], device, (x,), {"axis": 1})


@pytest.mark.parametrize("kind", ["sum", "prod", "any", "all"])
@pytest.mark.parametrize("dtype", ["float16", "float64", "int8"])
def test_nothing(device, kind, dtype):
    """Reductions of no elements: +0, 1, False and True."""
    x = np.zeros((3, 0, 2), DTYPES[dtype])
    check(OPS[kind], device, (x,), {"axis": 1})
    check(OPS[kind], device, (x,), {"axis": (0, 1)})


def test_result_dtypes(device):
    """16-bit floats keep their accumulator, integers wrap to what is asked for."""
    check(OPS["sum"], device, (numbers(np.float16, (4, 300)),), {"axis": 1, "dtype": accel.float32})
    check(OPS["sum"], device, (numbers(np.int8, (4, 300)),), {"axis": 1, "dtype": accel.uint16})
    check(OPS["prod"], device, (numbers(np.int8, (4, 30)) | 1,), {"axis": 1, "dtype": accel.uint8})


def test_offsets_beyond_32_bits(device):
    """Elements 2**31 + 16 apart, reduced and multiplied, in memory of which only their pages are touched."""
    step = (1 << 31) + 16
    memory = Array(device.allocate(step + 64), 0, layout(accel.int8, (step + 64,), None, device))
    table = memory.view((2, 3), (step, 1), 7)
    table[...] = place(np.array([[1, 2, 3], [4, 5, 6]], np.int8), device)
    for axis, sums in ((0, [5, 7, 9]), (1, [6, 15])):
        np.testing.assert_array_equal(to_numpy(accel.sum(table, axis=axis)), sums)
    np.testing.assert_array_equal(to_numpy(accel.argmax(table, axis=0)), [1, 1, 1])
    np.testing.assert_array_equal(to_numpy(accel.matmul(table, table.mT)), [[14, 32], [32, 77]])


@pytest.mark.parametrize("variant", [{"lanes": 32}, {"lanes": 128}, {"block": 2048}, {"block": 8192}], ids=str)
def test_another_order_has_other_bits(device, variant):
    """Control: halving or doubling the lanes or the block changes sums that the kernel is compared with."""
    x = numbers(np.float32, (64, 9000))
    got = to_numpy(accel.sum(place(x, device), axis=1))
    assert not differing(got, canonical.reduce("sum", x, (1,), accel.float32)).any()
    assert differing(got, canonical.reduce("sum", x, (1,), accel.float32, **variant)).any()
