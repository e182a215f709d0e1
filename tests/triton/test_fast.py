"""Attention, convolutions and products with quantised weights on matrix units, which "fast" allows: within the bound
of the exact answer, with other bits than the canonical ones, and skipping what is to be skipped."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import accel
from accel.conversion import to_numpy
from accel.dtypes import TABLE
from accel.ops.parameters import Quantized
from accel.ops.weight_formats import FORMATS, SUPER
from accel.registry import OPS
from accel.testing.compare import check, place
from accel.testing.quantized_family import weights
from accel.testing.values import values

RNG = np.random.default_rng(17)


@pytest.fixture(autouse=True)
def fast():
    with accel.config(numerics="fast"):
        yield


def numbers(dtype, *shape):
    return RNG.standard_normal(shape).astype(getattr(ml_dtypes, dtype, dtype))


ATTENTION = OPS["scaled_dot_product_attention"]

OPTIONS = {
    "plain": {},
    "causal": {"is_causal": True},
    "decode": {"is_causal": True, "causal_alignment": "lower_right"},
    "window": {"window_size": (20, 5), "softcap": 3.0},
}


@pytest.mark.parametrize(
    ("options", "dtype"),
    [("plain", "float32"), ("causal", "bfloat16"), ("decode", "float16"), ("window", "float32")],
)
def test_attention(any_device, options, dtype):
    """Grouped heads, several tiles of rows and keys, head dimensions that are no powers of two."""
    q, k, v = numbers(dtype, 1, 4, 19, 20), numbers(dtype, 1, 2, 40, 20), numbers(dtype, 1, 2, 40, 9)
    check(ATTENTION, any_device, (q, k, v), {"enable_gqa": True, **OPTIONS[options]})


def test_attention_of_every_operand(any_device):
    q, k, v = (numbers("float32", 2, 1, n, 16) for n in (5, 40, 40))
    keywords = {
        "sinks": numbers("float32", 1), "alibi_slopes": np.abs(numbers("float32", 1)),
        "key_starts": np.array([3, 0]), "key_lengths": np.array([30, 9]),
    }  # fmt: skip
    for mask in (RNG.random((2, 1, 5, 40)) < 0.5, numbers("float32", 5, 40)):
        check(ATTENTION, any_device, (q, k, v), {"attn_mask": mask, **keywords})


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_attention_of_chunks_that_are_shared_out(any_device, dtype):
    """Few queries and many keys, of which a sequence has none in the last chunks."""
    q, k, v = numbers(dtype, 2, 4, 2, 20), numbers(dtype, 2, 2, 1100, 20), numbers(dtype, 2, 2, 1100, 9)
    more = {"sinks": numbers("float32", 4), "key_lengths": np.array([1090, 70])}
    check(ATTENTION, any_device, (q, k, v), {"enable_gqa": True, **OPTIONS["decode"], **more})


def test_values_that_are_not_seen_are_skipped(any_device):
    """NaN among values that are masked, or behind the sequence; a query that sees nothing gets 0."""
    q, k, v = (numbers("float16", 1, 1, 33, 16) for _ in range(3))
    v[:, :, 7], v[:, :, 20:] = np.nan, np.inf
    mask = RNG.random((33, 33)) < 0.5
    mask[:, 7] = mask[3] = False
    given = {"attn_mask": mask, "key_lengths": np.array([20])}
    check(ATTENTION, any_device, (q, k, v), given)
    got = to_numpy(accel.nn.scaled_dot_product_attention(
        *(place(x, any_device) for x in (q, k, v)), **{name: place(x, any_device) for name, x in given.items()}
    ))  # fmt: skip
    assert np.isfinite(got).all() and not got[0, 0, 3].any()


CONVOLUTIONS = {
    "conv2d": ((2, 16, 9, 7), (24, 16, 3, 3), {"padding": 1}),
    "conv2d, of 3 channels": ((1, 3, 9, 9), (9, 3, 3, 3), {"stride": 2, "padding": (0, 2), "dilation": (1, 2)}),
    "conv2d, last": ((2, 8, 7, 64), (40, 32, 1, 1), {"groups": 2, "data_format": "NHWC"}),
    "conv1d": ((1, 20, 50), (8, 20, 2), {}),
    "conv_transpose2d": ((1, 16, 4, 5), (16, 10, 3, 3), {"stride": 2, "padding": 1}),
}


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolution(any_device, case):
    x, weight, keywords = CONVOLUTIONS[case]
    bias = weight[1 if case.startswith("conv_transpose") else 0]
    check(
        OPS[case.split(",")[0]], any_device,
        (numbers("float32", *x), numbers("float32", *weight), numbers("float32", bias)), keywords,
    )  # fmt: skip


def test_an_epilogue(any_device):
    """A residual and an activation, of a tile that is made again as a weight that meets padding is infinite too."""
    shapes = ((1, 32, 3, 3), (8, 32, 3, 3), (8,), (1, 8, 3, 3))
    x, weight, bias, more = (numbers("float32", *shape) for shape in shapes)
    block = accel.fuse(lambda x, weight, bias, more: accel.nn.silu(accel.nn.conv2d(x, weight, bias, padding=1) + more))
    for special in (False, True):
        if special:
            weight[3, 2, 0, 0] = np.inf
        arrays = [place(each, any_device) for each in (x, weight, bias, more)]
        got = to_numpy(block(*arrays))
        with accel.config(numerics="default"):
            want = to_numpy(block(*arrays))
        assert (np.isfinite(got) == np.isfinite(want)).all() and np.isfinite(got[0, 3, 0]).all()
        finite = np.isfinite(want)
        assert np.abs(got[finite] - want[finite]).max() < 0.2
        assert special or (got != want).any()  # the control: this is the kernel for matrix units


def test_padding_is_no_term(any_device):
    """A weight that is not finite makes no NaN of the padding."""
    x, weight = numbers("float32", 1, 8, 5, 5), numbers("float32", 8, 8, 3, 3)
    weight[3, 2, 0, 0] = np.inf
    got = to_numpy(accel.nn.conv2d(place(np.abs(x) + 1, any_device), place(weight, any_device), padding=1))
    assert np.isfinite(got[0, :3]).all() and np.isfinite(got[0, 3, 0]).all() and np.isfinite(got[0, 3, :, 0]).all()
    assert (got[0, 3, 1:, 1:] == np.inf).all()


QUICK = (("int8", "float32"), ("int4", "float16"), ("mxfp4", "bfloat16"), ("Q4_0", "float32"), ("Q6_K", "float16"))


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        pytest.param(name, dtype, marks=[] if (name, dtype) in QUICK else [pytest.mark.slow])
        for name in FORMATS
        for dtype in ("float32", "float16", "bfloat16")
    ],
)
def test_quantized(any_device, name, dtype):
    """Of every format: two panels, several groups, an odd number of rows; scales and minors of every kind."""
    form = FORMATS[name]
    params = Quantized(name, 70, form.group or 32, dtype)
    k = 2 * SUPER if form.super else 128
    check(OPS["quantized_matmul"], any_device, (params, numbers(dtype, 5, k), *weights(RNG, params, k)), {})


def test_weights_that_underflow(any_device):
    """A scale multiplies sums of float8, where the contract rounds each weight, and of some nothing is left."""
    rng, params, k = np.random.default_rng(1019675566), Quantized("e4m3fn", 130, 272, "float32"), 272
    x = values(rng, TABLE["float16"], (40, k), "wide")
    check(OPS["quantized_matmul"], any_device, (params, x, *weights(rng, params, k, "tiny")), {})


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["int8", "int4", "e4m3fn"])
def test_products_that_nearly_overflow(any_device, name, dtype):
    """Of weights of about 1 and x that sums with codes, which are 128 times as large, would take out of range."""
    rng, params, k = np.random.default_rng(3), Quantized(name, 70, 32, dtype), 128
    x = (numbers("float32", 5, k) * 1e36).astype(TABLE[dtype].numpy)
    codes, scales, *zeros = weights(rng, params, k)
    scales = (scales * 2.0**-10).astype(scales.dtype)
    check(OPS["quantized_matmul"], any_device, (params, x, codes, scales, *zeros), {})


def test_other_bits(any_device):
    """Control: the mode has kernels of its own, so that what is tested here are not the canonical ones."""
    x = [place(numbers("float32", 1, 16, 40, 16), any_device) for _ in range(3)]
    image, weight = (place(numbers("float32", *shape), any_device) for shape in ((1, 32, 4, 4), (8, 32, 3, 3)))
    packed = accel.nn.PackedWeight.quantized(place(numbers("float32", 70, 128), any_device), bits=4, group=32)
    matrix = place(numbers("float32", 5, 128), any_device)
    for run in (
        lambda: accel.nn.scaled_dot_product_attention(*x),
        lambda: accel.nn.conv2d(image, weight, padding=1),
        lambda: accel.nn.linear(matrix, packed),
    ):
        fast = to_numpy(run())
        with accel.config(numerics="default"):
            assert (fast != to_numpy(run())).any()
