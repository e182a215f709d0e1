"""Weights of float8 and of MX blocks: ml_dtypes, every code and every place between two of them are the reference."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import nn
from accel.errors import ArgumentError, DtypeError, ShapeError
from accel.ops.quantization import small_codes
from accel.ops.weight_formats import FLOATS, code_values, exponent_values

DEVICES = [d.name for d in accel.devices() if d.name == "cpu" or d.name.startswith("opencl")]
PEERS = {"e4m3fn": ml_dtypes.float8_e4m3fn, "e5m2": ml_dtypes.float8_e5m2, "e2m1": ml_dtypes.float4_e2m1fn}
MX = {"mxfp8_e4m3": "e4m3fn", "mxfp8_e5m2": "e5m2", "mxfp4": "e2m1"}


@pytest.mark.parametrize("name", FLOATS)
def test_every_code_is_that_of_ml_dtypes(name: str) -> None:
    values = code_values(name)
    peer = np.arange(values.size).astype(np.uint8).view(PEERS[name]).astype(np.float32)
    assert np.array_equal(values, peer, equal_nan=True) and np.array_equal(np.signbit(values), np.signbit(peer))


def test_every_exponent_is_that_of_ml_dtypes() -> None:
    peer = np.arange(256).astype(np.uint8).view(ml_dtypes.float8_e8m0fnu).astype(np.float32)
    assert np.array_equal(exponent_values(), peer, equal_nan=True)


def around(name: str) -> np.ndarray:
    """The numbers of a small float, those between two of them, and what lies beside those."""
    values = np.unique(code_values(name)[np.isfinite(code_values(name))])
    between = (values[1:] + values[:-1]) / 2
    infinity = np.float32(np.inf)
    beyond = np.float32([0.0, -0.0, 1e-45, -1e-45, 1e-20, 3e38, -3e38])
    beside = np.nextafter(between, infinity), np.nextafter(between, -infinity)
    return np.concatenate([values, between, *beside, beyond]).astype(np.float32)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", FLOATS)
def test_numbers_round_to_even_and_stay_finite(name: str, device: str) -> None:
    x, most = around(name), FLOATS[name].greatest
    want = np.clip(x, -most, most).astype(PEERS[name]).view(np.uint8)
    got = np.asarray(small_codes(FLOATS[name], accel.asarray(x, device=device)))
    assert np.array_equal(got, want)
    up = np.asarray(small_codes(FLOATS[name], accel.asarray(np.nextafter(x, np.float32(np.inf)), device=device)))
    assert np.any(up != want)  # ties are among them


def blocks(w: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """OCP's conversion: codes one in a byte, and exponents."""
    grouped = w.astype(np.float64).reshape(len(w), -1, 32)
    small = FLOATS[MX[name]]
    most = np.abs(grouped).max(-1)
    with np.errstate(divide="ignore"):
        shared = np.floor(np.log2(most)) - np.floor(np.log2(small.greatest))
    shared = np.clip(shared, -127, 127)
    scaled = np.clip((grouped * 2.0 ** -shared[..., None]), -small.greatest, small.greatest)
    codes = scaled.astype(np.float32).astype(PEERS[MX[name]]).view(np.uint8)
    return codes.reshape(w.shape), (shared + 127).astype(np.uint8)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", MX)
def test_mx_blocks_are_those_of_the_page(name: str, device: str) -> None:
    rng = np.random.default_rng(5)
    w = (rng.standard_normal((37, 96)) * 2.0 ** rng.integers(-40, 40, (37, 1))).astype(np.float32)
    w[3, :32] = 0
    w[4, 32:64] = np.float32(2.0**-149) * np.arange(32)
    w[5, :32] = 2.0**127 * np.linspace(-1.9, 1.9, 32, dtype=np.float32)
    codes, exponents = blocks(w, name)
    made = nn.quantize(accel.asarray(w, device=device), format=name)
    assert np.array_equal(np.asarray(made.scales), exponents) and made.zeros is None
    want = codes if name != "mxfp4" else codes[:, ::2] | codes[:, 1::2] << 4
    assert np.array_equal(np.asarray(made.codes), want)
    with np.errstate(over="ignore"):
        back = code_values(MX[name])[codes] * np.repeat(exponent_values()[exponents], 32, axis=1)
    assert np.array_equal(np.asarray(nn.dequantize(*made, format=name)), back)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["e4m3fn", "e5m2"])
@pytest.mark.parametrize("group", [None, 32, "tensor"])
def test_float8_with_scales_of_rows_groups_and_tensors(group: object, name: str, device: str) -> None:
    w = np.random.default_rng(6).standard_normal((37, 96)).astype(np.float32)
    w[2] = 0
    length = group if isinstance(group, int) else 96
    made = nn.quantize(accel.asarray(w, device=device), format=name, group=group)
    most = np.abs(w).reshape(37, -1, length).max(-1)
    scales = (most.max().reshape(1, 1) if group == "tensor" else most) / np.float32(FLOATS[name].greatest)
    assert np.array_equal(np.asarray(made.scales), scales)
    over = np.broadcast_to(np.repeat(scales, length, axis=1), w.shape)
    want = (w / np.where(over > 0, over, np.float32(1))).astype(PEERS[name])
    assert np.array_equal(np.asarray(made.codes), want.view(np.uint8))
    back = want.astype(np.float32) * over
    assert np.array_equal(np.asarray(nn.dequantize(*made, format=name)), back)
    packed = nn.PackedWeight.of_codes(*made, format=name)
    assert np.array_equal(np.asarray(packed.dequantize()), back)


@given(
    st.sampled_from(("e4m3fn", "e5m2", *MX)), st.integers(0, 9), st.integers(1, 130), st.integers(1, 4),
    st.sampled_from(("float32", "float16", "bfloat16")), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_linear_has_the_bits_of_the_weight_in_float(
    name: str, m: int, n: int, groups: int, dtype: str, seed: int
) -> None:
    rng, k = np.random.default_rng(seed), 32 * groups
    w = rng.standard_normal((n, k)).astype(np.float32)
    packed = nn.PackedWeight.quantized(w, format=name, group=32)
    x = rng.standard_normal((m, k)).astype(accel.asarray(0.0, dtype=dtype).dtype.numpy)
    want = accel.astype(nn.linear(accel.asarray(x, dtype=accel.float32), packed.dequantize()), dtype)
    assert np.array_equal(np.asarray(nn.linear(x, packed)), np.asarray(want))


@pytest.mark.parametrize("name", ["e4m3fn", "e5m2"])
@pytest.mark.parametrize("rows", [1, 8, 9])
def test_infinite_codes_and_nan_reach_the_result(name: str, rows: int) -> None:
    codes = np.arange(256, dtype=np.uint8).reshape(256, 1)
    packed = nn.PackedWeight.of_codes(np.repeat(codes, 4, axis=1), np.ones((256, 1), np.float32), format=name)
    x = np.float32([[1, 0, 0, 0]] * rows)
    values = np.where(np.isinf(code_values(name)), np.float32(np.nan), code_values(name))  # infinity times zero
    assert np.array_equal(nn.linear(x, packed), np.tile(values + 0, (rows, 1)), equal_nan=True)
    assert np.isnan(values).any()


@pytest.mark.parametrize("rows", [1, 8, 9])
def test_scales_near_infinity_are_scales(rows: int) -> None:
    scales = np.float32(2.0) ** np.float32([[112], [118], [119], [120], [127]])
    codes = np.tile(np.arange(0, 120, dtype=np.uint8), (5, 1))  # up to 256
    packed = nn.PackedWeight.of_codes(codes, scales, format="e4m3fn")
    with np.errstate(over="ignore"):
        want = (code_values("e4m3fn")[codes] * scales).T
    for i in range(0, 120, rows):
        x = np.eye(120, dtype=np.float32)[i : i + rows]
        finite = np.isfinite(want).all(0)
        assert np.array_equal(nn.linear(x, packed)[:, finite], want[i : i + rows, finite])
    assert finite.tolist() == [True] * 4 + [False]


WRONG = (
    (lambda w: nn.quantize(w, format="e3m4"), ArgumentError, "format.*e4m3fn.*mxfp4"),
    (lambda w: nn.quantize(w, format="Q4_0"), ArgumentError, "format"),
    (lambda w: nn.quantize(w, format="e5m2", symmetric=False), ArgumentError, "symmetric.*e5m2"),
    (lambda w: nn.quantize(w, format="mxfp8_e4m3", group=64), ArgumentError, "group.*32.*64"),
    (lambda w: nn.quantize(w, format="mxfp8_e4m3", group="tensor"), ArgumentError, "group"),
    (lambda w: nn.quantize(w, group="tensor"), ArgumentError, "group.*tensor"),
    (lambda w: nn.quantize(w[:, :48], format="mxfp4"), ArgumentError, "group.*48 inputs.*32"),
    (lambda w: nn.dequantize(np.int8(w), w[:, :1], format="e4m3fn"), DtypeError, "codes.*uint8"),
    (lambda w: nn.dequantize(np.uint8(w), w[:, :2], format="mxfp8_e4m3"), DtypeError, "scales.*uint8"),
    (lambda w: nn.dequantize(np.uint8(w), w[:, :1], np.int8(w[:, :1]), format="e5m2"), ArgumentError, "zeros.*None"),
    (lambda w: nn.PackedWeight.of_codes(np.uint8(w), np.uint8(w[:, :1]), format="mxfp8_e4m3"), ArgumentError, "group"),
    (lambda w: nn.PackedWeight.of_codes(np.uint8(w), w[:4, :1], format="e5m2"), ShapeError, "scales"),
)


@pytest.mark.parametrize(("call", "error", "words"), WRONG)
def test_wrong_arguments_are_named(call: object, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        call(np.abs(np.random.default_rng(7).standard_normal((9, 64)).astype(np.float32)))
