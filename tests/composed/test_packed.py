"""Quantised weights: what they stand for, how they lie, and that linear computes with them to the bit."""

import ml_dtypes
import numpy as np
import pytest

import accel
from accel import nn
from accel.errors import ArgumentError, DtypeError, ShapeError
from accel.ops.composed.linear import linear as float_linear

DEVICES = [d.name for d in accel.devices() if d.name == "cpu" or d.name.startswith("opencl")]
"""Triton runs the examples of packed_linear and quantized_matmul in tests/agreement."""


def weight(n: int, k: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, k)) * 2.0 ** rng.integers(-3, 4, (n, 1))).astype(np.float32)


def quantized(w: np.ndarray, bits: int, group: int, symmetric: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """docs/quantization.md in NumPy: codes from 0 or -128 on, one in each element, scales, zeros."""
    grouped = w.reshape(w.shape[0], -1, group)
    if symmetric:
        top = np.float32(2 ** (bits - 1) - 1)
        scales = np.abs(grouped).max(-1) / top
        zeros = np.full(scales.shape, 0 if bits == 8 else 8, np.float32)
        low, high = zeros - top, zeros + top
    else:
        least, greatest = np.minimum(grouped.min(-1), 0), np.maximum(grouped.max(-1), 0)
        scales = (greatest - least) / np.float32(2**bits - 1)
        low, high = (-128, 127) if bits == 8 else (0, 15)
        zeros = np.clip(np.rint(-(least / np.where(scales > 0, scales, np.float32(1)))) + np.float32(low), low, high)
        low, high = np.full(zeros.shape, low), np.full(zeros.shape, high)
    divisor = np.where(scales > 0, scales, np.float32(1))
    codes = np.rint(grouped / divisor[..., None]) + zeros[..., None]
    codes = np.clip(codes, low[..., None], high[..., None]).reshape(w.shape)
    return codes.astype(np.int8 if bits == 8 else np.uint8), scales, zeros.astype(np.int8)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize(("bits", "group"), [(8, None), (8, 32), (4, 32), (4, 64), (4, 128)])
def test_codes_are_those_of_the_page_and_read_back(bits: int, group: int | None, symmetric: bool, device: str) -> None:
    w = weight(37, 256)
    w[3, :128] = 0
    its = group or 256
    codes, scales, zeros = quantized(w, bits, its, symmetric)
    made = nn.quantize(accel.asarray(w, device=device), bits=bits, group=group, symmetric=symmetric)
    want = codes if bits == 8 else codes[:, ::2] | codes[:, 1::2] << 4
    assert np.array_equal(np.asarray(made.codes), want)
    assert np.array_equal(np.asarray(made.scales), scales)
    assert made.zeros is None if symmetric else np.array_equal(np.asarray(made.zeros), zeros)
    over = [np.repeat(x, its, axis=1) for x in (zeros, scales)]
    back = (codes.astype(np.float32) - over[0]) * over[1]
    assert np.array_equal(np.asarray(nn.dequantize(*made, bits=bits)), back)
    packed = nn.PackedWeight.of_codes(*made, bits=bits)
    assert np.array_equal(np.asarray(packed.dequantize()), back)
    # rounding moves a weight by half a step at most, of which the largest one is not near a code's end
    assert np.all(np.abs(back - w) <= over[1] * (0.5001 if symmetric else 1.0001))
    assert np.abs(back - w).max() > 0


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize(("bits", "group"), [(8, None), (4, 32)])
def test_linear_has_the_bits_of_the_weight_in_float(bits: int, group: int | None, dtype: type, device: str) -> None:
    rng = np.random.default_rng(1)
    packed = nn.PackedWeight.quantized(
        accel.asarray(weight(70, 320), device=device), bits=bits, group=group, symmetric=False
    )
    wide = packed.dequantize()
    for lead in ((), (1,), (8,), (3, 7)):
        x = accel.asarray(rng.standard_normal((*lead, 320)).astype(dtype), device=device)
        bias = accel.asarray(rng.standard_normal(70).astype(np.float32), device=device)
        for keywords in ({}, {"activation": "gelu"}):
            got = np.asarray(nn.linear(x, packed, bias, **keywords))
            exact = float_linear(accel.asarray(x, dtype=accel.float32), wide, bias, **keywords)
            want = np.asarray(accel.astype(exact, got.dtype))
            assert got.dtype == dtype and np.array_equal(got, want)


def test_one_changed_bit_of_a_code_shows() -> None:
    made = nn.quantize(weight(70, 320), bits=4, group=32)
    x = np.random.default_rng(2).standard_normal((4, 320)).astype(np.float32)
    before = nn.linear(x, nn.PackedWeight.of_codes(*made, bits=4))
    codes = made.codes.copy()
    codes[69, 159] ^= 0x10  # output 69, input 319
    after = nn.linear(x, nn.PackedWeight.of_codes(codes, *made[1:], bits=4))
    assert np.array_equal(before[:, :69], after[:, :69]) and np.all(before[:, 69] != after[:, 69])


def test_rows_are_the_same_in_any_batch() -> None:
    packed = nn.PackedWeight.quantized(weight(70, 512), bits=4, group=64)
    x = np.random.default_rng(3).standard_normal((530, 512)).astype(np.float32)
    whole = nn.linear(x, packed)
    for rows in (slice(0, 1), slice(5, 7), slice(11, 20), slice(500, 530)):
        assert np.array_equal(nn.linear(x[rows], packed), whole[rows])


def test_a_packed_float_weight_is_the_weight() -> None:
    w, x = weight(33, 65), np.random.default_rng(4).standard_normal((5, 65)).astype(np.float32)
    packed = nn.PackedWeight(w)
    assert not packed.is_quantized and np.array_equal(np.asarray(packed.dequantize()), w)
    assert np.array_equal(nn.linear(x, packed, activation="relu"), nn.linear(x, w, activation="relu"))


def test_bytes_are_a_quarter_and_an_eighth() -> None:
    w = weight(64, 4096)
    assert nn.PackedWeight.quantized(w).nbytes < 0.26 * w.nbytes
    assert nn.PackedWeight.quantized(w, bits=4, group=128).nbytes < 0.14 * w.nbytes


WRONG = (
    (lambda w: nn.quantize(w, bits=3), ArgumentError, "bits"),
    (lambda w: nn.quantize(w, group=48), ArgumentError, "group.*divides.*64"),
    (lambda w: nn.quantize(w, bits=4, group=1), ArgumentError, "group.*even"),
    (lambda w: nn.quantize(w[0]), ShapeError, "weight.*two axes"),
    (lambda w: nn.quantize(w.astype(np.int32)), DtypeError, "weight.*int32"),
    (lambda w: nn.PackedWeight(w.astype(np.int32)), DtypeError, "weight.*int32"),
    (lambda w: nn.PackedWeight.of_codes(w, w), DtypeError, "codes.*int8"),
    (lambda w: nn.PackedWeight.of_codes(np.int8(w), np.float64(w[:, :1])), DtypeError, "scales.*float32"),
    (lambda w: nn.PackedWeight.of_codes(np.int8(w), w[:, :3]), ShapeError, "scales.*divides the 64"),
    (lambda w: nn.PackedWeight.of_codes(np.int8(w), w[:3, :1]), ShapeError, "scales"),
    (lambda w: nn.PackedWeight.of_codes(np.int8(w), w[:, :2], np.int8(w[:, :1])), ShapeError, "zeros"),
    (lambda w: nn.PackedWeight.of_codes(np.int8(w), w[:, :1], bits=4), DtypeError, "codes.*uint8"),
    (lambda w: nn.linear(w[:, :5], nn.PackedWeight.quantized(w)), ShapeError, "64"),
    (lambda w: nn.linear(np.float64(w), nn.PackedWeight.quantized(w)), DtypeError, "x.*float64"),
    (lambda w: nn.linear(w, nn.PackedWeight.quantized(w), w[0, :3]), ShapeError, "bias"),
    (lambda w: nn.linear(w, nn.PackedWeight.quantized(w), activation="nothing"), ArgumentError, "activation"),
)


@pytest.mark.parametrize(("call", "error", "words"), WRONG)
def test_wrong_arguments_are_named(call: object, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        call(weight(9, 64))


def test_linear_of_plain_weights_is_the_op_itself() -> None:
    """No function of Python lies between: a packed weight is met where a call's arguments are new."""
    assert nn.linear is accel.registry.OPS["linear"].function
    packed = nn.PackedWeight(np.ones((4, 3), np.float32))
    assert np.asarray(nn.linear(np.ones((2, 3), np.float32), packed)).tolist() == [[3.0] * 4] * 2
    with pytest.raises(accel.ArgumentError, match="linear: x: expected an"):
        nn.linear(packed.shape, packed)


def test_a_packed_weight_stands_for_its_array_in_every_operand() -> None:
    """Of composed ops, of primitives and beside arrays of any kind, which say what the result is."""
    w = weight(3, 4)
    packed, codes = nn.PackedWeight(w), nn.PackedWeight.quantized(w)
    for function in (nn.softmax, accel.sum, lambda x: nn.linear(x, x)):
        got = function(packed)
        assert isinstance(got, accel.Array)
        assert np.asarray(got).tobytes() == np.asarray(function(packed.dequantize())).tobytes()
    for x in (w, accel.asarray(w)):
        for function in (nn.linear, accel.add):
            got = function(x, packed)
            assert type(got) is type(x)
            assert np.asarray(got).tobytes() == np.asarray(function(x, packed.dequantize())).tobytes()
    for function in (lambda x: nn.linear(x, w), nn.softmax, accel.sum, lambda x: nn.linear(w, w, x)):
        with pytest.raises(ArgumentError, match=r"^\w+: (x|bias): takes no weight of 8 bits"):
            function(codes)


def test_fused_and_derived():
    """A packed weight is an argument of what is traced: another one of the same layout is not traced anew."""
    traced = []

    def layer(x, weights):
        traced.append(1)
        return nn.gelu(nn.linear(x, weights["w"]))

    fused, rng = accel.fuse(layer), np.random.default_rng(3)
    x = rng.standard_normal((3, 64)).astype(np.float32)
    made = [
        nn.PackedWeight.quantized(rng.standard_normal((5, 64)).astype(np.float32), bits=4, group=group)
        for group in (32, 32, 64)
    ]
    results = [fused(x, {"w": w}) for w in (*made, *made)]
    assert len(traced) == 2, "one for each layout"
    for w, got, again in zip(made, results[:3], results[3:], strict=True):
        assert (got == nn.gelu(nn.linear(x, w))).all() and (got == again).all()
    assert (results[0] != results[1]).any()
    alone = accel.fuse(lambda x, w: nn.linear(x, w))
    for _ in range(3):
        assert all((alone(x, w) == nn.linear(x, w)).all() for w in made)
    slope = accel.grad(lambda x, w: accel.sum(nn.linear(x, w)))(x, made[0])
    np.testing.assert_allclose(slope, np.tile(np.asarray(made[0].dequantize()).sum(0), (3, 1)), 1e-5, 1e-5)
