"""Matrix products against the canonical order, with controls that change it, and 16-bit products on matrix units."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest
from numpy.testing import assert_array_equal

import accel
from accel.array import empty
from accel.backends.base import Call
from accel.conversion import to_numpy
from accel.dtypes import TABLE
from accel.kernels.triton import matmul as rows
from accel.ops import canonical
from accel.ops.primitive.matmul import Product
from accel.plan import run_on
from accel.registry import OPS
from accel.testing.compare import check, differing, place

RNG = np.random.default_rng(13)
MATMUL, LINEAR = OPS["matmul"], OPS["linear"]


def numbers(dtype, shape):
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return RNG.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    return RNG.standard_normal(shape).astype(dtype)


@pytest.mark.parametrize(
    "dtype", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16, np.int8, np.uint8, np.int16, np.int32, np.uint64]
)
def test_dtypes(device, dtype):
    """More than one tile and one chunk, with edges in every direction."""
    with accel.config(numerics="reproducible"):
        check(MATMUL, device, (numbers(dtype, (70, 300)), numbers(dtype, (300, 37))), {})


@pytest.mark.parametrize("k", [0, 1, 15, 16, 17, 255, 256, 257, 512, 700])
def test_chunks(device, k):
    for dtype in (np.float32, np.float64):
        check(MATMUL, device, (numbers(dtype, (5, k)), numbers(dtype, (k, 6))), {})


@pytest.mark.parametrize("few", [0, rows.FILLED], ids=["whole", "shared"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int16"])
def test_chunks_are_shared_out(device, dtype, few):
    """One program instance for all chunks of a tile, or one for each and a second launch: the same bits."""
    a, b = numbers(dtype, (2, 17, 600)), numbers(dtype, (2, 600, 70))
    operands, out = [place(x, device) for x in (a, b)], empty((2, 17, 70), TABLE[dtype], device)
    settings = accel.config.current()
    call = Call("matmul", tuple(x.layout for x in operands), (out.layout,), Product(), device, settings)
    prepared = rows.multiply(call, rows.choose(device, TABLE[dtype], TABLE[dtype], 17, 70, "default"), few)
    assert len(prepared.launches) == (2 if few else 1)
    run_on(call, prepared, operands, [out])
    assert_array_equal(to_numpy(out), accel.matmul(a, b))


def test_zero_keeps_its_sign(device):
    """A product that underflows to −0 stays −0 to the end of a chunk that k does not fill, and through their sum."""
    for dtype, k in itertools.product((np.float32, np.float64), (1, 3, 257)):
        tiny = dtype(-1e-30 if dtype is np.float32 else -1e-200)
        a, b = np.full((2, k), tiny, dtype), np.full((k, 2), -tiny, dtype)
        a[1] = 0
        check(MATMUL, device, (a, b), {})
        assert np.signbit(to_numpy(accel.matmul(place(a, device), place(b, device)))[0]).all()


@pytest.mark.parametrize(("dtype", "large", "small"), [(np.float32, 3e38, 1e-42), (np.float64, 1.7e308, 1e-320)])
def test_special_values(device, dtype, large, small):
    a, b = numbers(dtype, (6, 20)), numbers(dtype, (20, 7))
    a[1, 3], a[2, 4], a[3, 5], b[6, 1], b[7, 2] = np.nan, np.inf, large, -np.inf, small
    a[4], b[:, 3] = -0.0, 100 * small
    check(MATMUL, device, (a, b), {})


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_layouts(device, dtype):
    """Transposed, reversed, stretched and batched operands."""
    a, b = numbers(dtype, (3, 1, 9, 20)), numbers(dtype, (4, 20, 11))
    check(MATMUL, device, (a, b), {})
    check(MATMUL, device, (a[:, 0].transpose(2, 1, 0)[:, ::-1], b[:3, 2:5, ::-1][0]), {})
    check(MATMUL, device, (np.broadcast_to(a[0, 0, :1], (6, 20)), b[::-1, :, ::3]), {})
    check(MATMUL, device, (a[0, 0, 0], b), {})


@pytest.mark.parametrize(("dtype", "activation"), [("float32", "gelu"), ("float64", "tanh"), ("bfloat16", "relu")])
def test_epilogue(device, dtype, activation):
    """Bias and activation in the kernel, one rounding at the end."""
    dtype = getattr(ml_dtypes, dtype, dtype)
    x, weight, bias = numbers(dtype, (7, 40)), numbers(dtype, (35, 40)), numbers(dtype, (35,))
    with accel.config(numerics="reproducible"):
        check(LINEAR, device, (x, weight, bias), {"activation": activation})


@pytest.mark.parametrize("k", [1, 2, 8])
def test_epilogue_of_few_products(device, k):
    """The bias is added to the rounded product, also where no loop is left between the two."""
    for dtype in (np.float32, np.float64):
        check(LINEAR, device, (numbers(dtype, (3, k)), numbers(dtype, (64, k)), numbers(dtype, 64)), {})


def test_integer_epilogue(device):
    x, weight, bias = numbers(np.int8, (7, 50)), numbers(np.int8, (9, 50)), numbers(np.int8, (9,))
    check(LINEAR, device, (x, weight, bias), {})
    check(LINEAR, device, (x, weight, bias), {"dtype": accel.int32, "activation": "square"})


def test_integer_matrix_units(device, monkeypatch):
    """int8 goes to tl.dot, in chunks."""
    monkeypatch.setattr(rows, "INT8_CHUNK", 128)
    check(MATMUL, device, (numbers(np.int8, (40, 301)), numbers(np.int8, (301, 33))), {})
    check(MATMUL, device, (numbers(np.int8, (3, 256)), numbers(np.int8, (256, 5))), {"dtype": accel.int32})


@pytest.mark.slow
def test_long_integer_products_wrap(device):
    """More products of −128 by −128 than int32 holds; without chunks NVIDIA's matrix units would saturate."""
    a, b = np.full((1, 140_000), -128, np.int8), np.full((140_000, 1), -128, np.int8)
    check(MATMUL, device, (a, b), {"dtype": accel.int32})


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_matrix_units(any_device, dtype):
    """In "default", 16-bit products go to matrix units, within the bound; the emulator counts them as approximate."""
    before = copy.deepcopy(getattr(any_device, "counts", None))
    check(MATMUL, any_device, (numbers(dtype, (70, 300)), numbers(dtype, (300, 40))), {})
    check(MATMUL, any_device, (numbers(dtype, (3, 20)), numbers(dtype, (20, 5))), {"dtype": accel.float32})
    if any_device.kind == "emulated":
        assert any("mma.sync" in opcode for opcode in any_device.counts["approximate"] - before["approximate"])
        assert any_device.counts["contractible"] == before["contractible"]


def test_fast_float32(any_device):
    """In "fast", float32 may be rounded to TF32: 11 bits of each operand, so each product is off by 2**-10 at most."""
    a, b = numbers(np.float32, (33, 100)), numbers(np.float32, (100, 40))
    with accel.config(numerics="fast"):
        got = to_numpy(accel.matmul(place(a, any_device), place(b, any_device)))
    exact = a.astype(np.float64) @ b.astype(np.float64)
    error = np.abs(got - exact) / (np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64))
    assert error.max() < 2.0**-10 * 1.01
    if any_device.kind == "emulated":
        assert error.max() > 2.0**-20, "float32's own precision: TF32 was not used, so the test shows nothing"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_another_order_has_other_bits(device, dtype):
    """Control: half the chunk, twice the chunk, and products rounded before they are added give other bits."""
    a, b = numbers(dtype, (20, 700)), numbers(dtype, (700, 20))
    got = to_numpy(accel.matmul(place(a, device), place(b, device)))
    assert not differing(got, canonical.matmul(a, b)).any()
    for variant in ({"kc": 128}, {"kc": 512}, {"fused": False}):
        assert differing(got, canonical.matmul(a, b, **variant)).any(), variant


@pytest.mark.parametrize("dtype", [accel.float32, accel.float64])
def test_order_of_a_dot_is_found_out(device, monkeypatch, dtype):
    """The check that a GPU goes through: tl.dot passes, and a config that adds in another order does not."""
    config = rows.choose(device, dtype, dtype, 64, 64, "default")
    if dtype is accel.float32 or config.kernel == "dot":  # the emulator has no float64 matrix instructions
        assert config.ordered
    assert rows.keeps_order(device, config)
    short = replace(config, kc=128)
    monkeypatch.setattr(rows, "written_out", lambda c: replace(c, kernel="chain", tile=(32, 32, 4), kc=256))
    assert not rows.keeps_order(device, short)
