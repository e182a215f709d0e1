"""Products of 8-bit integers: what they are of, with zero points and scales, and that rows do not depend on others."""

import ml_dtypes
import numpy as np
import pytest

import accel
from accel import nn
from accel.errors import ArgumentError, DtypeError, ShapeError

DEVICES = [d.name for d in accel.devices() if d.name == "cpu" or d.name.startswith("opencl")]
"""Triton runs the examples of the table's ops in tests/agreement."""

RNG = np.random.default_rng(0)


def codes(dtype: str, *shape: int) -> np.ndarray:
    return RNG.integers(np.iinfo(dtype).min, np.iinfo(dtype).max + 1, shape).astype(dtype)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("a_dtype", "b_dtype"), [("int8", "int8"), ("uint8", "int8"), ("int8", "uint8")])
def test_zero_points_are_taken_off_before_the_product(a_dtype: str, b_dtype: str, device: str) -> None:
    a, b = codes(a_dtype, 2, 37, 1030), codes(b_dtype, 70, 1030).T
    for za, zb in ((None, codes(b_dtype)), (codes(a_dtype, 2, 37, 1), codes(b_dtype, 70))):
        left, right = (x.astype(np.int64) - (0 if z is None else z) for x, z in ((a, za), (b, zb)))
        given = [x if x is None else accel.asarray(x, device=device) for x in (a, b, za, zb)]
        got = nn.int8_matmul(*given)
        assert got.dtype is accel.int32
        assert np.array_equal(np.asarray(got), left @ right)


def test_a_result_that_fits_is_exact_where_its_parts_wrap() -> None:
    k = 80_000
    a, b = np.full((1, k), 255, np.uint8), np.full((k, 1), 127, np.int8)
    assert int(a.astype(np.int64).sum()) * 127 > 2**31, "the product alone wraps"
    a[0, 0] = 254
    assert nn.int8_matmul(a, b, np.uint8(255)).tolist() == [[-127]]


@pytest.mark.parametrize("device", DEVICES)
def test_scales_multiply_the_rounded_total_one_after_the_other(device: str) -> None:
    a, b = codes("uint8", 9, 3000), codes("uint8", 3000, 70)
    scale_a, scale_b = RNG.standard_normal((9, 1)).astype(np.float32), RNG.standard_normal(70).astype(np.float32)
    bias = RNG.standard_normal(70).astype(np.float32)
    total = a.astype(np.int32) @ b.astype(np.int32)
    assert np.any(total != total.astype(np.float32)), "totals are rounded"
    want = total.astype(np.float32) * scale_a * scale_b + bias
    other = total.astype(np.float32) * (scale_a * scale_b) + bias
    given = [accel.asarray(x, device=device) for x in (a, b, scale_a, scale_b)]
    got = np.asarray(nn.scaled_int8_matmul(*given, bias=accel.asarray(bias, device=device)))
    assert np.array_equal(got, want) and not np.array_equal(got, other)
    narrow = nn.scaled_int8_matmul(*given, bias=accel.asarray(bias, device=device), dtype="bfloat16")
    assert np.array_equal(np.asarray(narrow), want.astype(ml_dtypes.bfloat16))


def quantized(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """docs/quantization.md in NumPy, symmetric."""
    scales = np.abs(x).max(-1, keepdims=True) / np.float32(127)
    return np.clip(np.rint(x / np.where(scales > 0, scales, np.float32(1))), -127, 127).astype(np.int8), scales


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_activations_are_quantised_by_rows(dtype: type, device: str) -> None:
    x = (RNG.standard_normal((3, 5, 300)) * 2.0 ** RNG.integers(-3, 4, (3, 5, 1))).astype(dtype)
    x[1, 2] = 0
    wide = x.astype(np.float32)
    got, scales = (np.asarray(y) for y in nn.dynamic_quantize(accel.asarray(x, device=device)))
    want = quantized(wide)
    assert got.dtype == np.int8 and np.array_equal(got, want[0])
    assert scales.dtype == np.float32 and np.array_equal(scales, want[1])
    got, scales, zeros = (np.asarray(y) for y in nn.dynamic_quantize(accel.asarray(x, device=device), symmetric=False))
    assert got.dtype == zeros.dtype == np.uint8 and scales.shape == zeros.shape == (3, 5, 1)
    back = (got.astype(np.float32) - zeros) * scales
    assert np.all(np.abs(back - wide) <= scales) and np.any(back != wide)
    assert np.all(got[1, 2] == zeros[1, 2])


def test_a_row_that_is_not_finite_says_so() -> None:
    x = np.ones((3, 70), np.float32)
    x[0, 3], x[1, 69] = np.nan, np.inf
    _, scales = nn.dynamic_quantize(x)
    assert np.isnan(scales[0, 0]) and np.isinf(scales[1, 0]) and scales[2, 0] == np.float32(1) / np.float32(127)
    y = nn.quantized_linear(x, nn.PackedWeight.quantized(np.ones((5, 70), np.float32)))
    assert np.all(np.isnan(y[:2])) and np.all(np.isfinite(y[2]))


def weight(n: int, k: int) -> np.ndarray:
    return (RNG.standard_normal((n, k)) * 2.0 ** RNG.integers(-3, 4, (n, 1))).astype(np.float32)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("n", "symmetric", "dtype"), [(70, True, np.float32), (128, False, np.float32), (70, False, np.float16)]
)
def test_linear_is_the_scaled_product_of_codes(n: int, symmetric: bool, dtype: type, device: str) -> None:
    w = accel.asarray(weight(n, 320), device=device)
    its, scales, zeros = nn.quantize(w, symmetric=symmetric)
    packed = nn.PackedWeight.of_codes(its, scales, zeros)
    bias = accel.asarray(RNG.standard_normal(n).astype(np.float32), device=device)
    for lead in ((1,), (3, 7)):
        x = accel.asarray(RNG.standard_normal((*lead, 320)).astype(dtype), device=device)
        q, s = nn.dynamic_quantize(accel.reshape(x, (-1, 320)))
        b_zero = None if zeros is None else zeros.mT
        want = nn.scaled_int8_matmul(q, its.mT, s, scales.mT, b_zero_point=b_zero, bias=bias)
        want = accel.reshape(accel.astype(accel.maximum(want, 0.0), x.dtype), (*lead, n))
        got = nn.quantized_linear(x, packed, bias, activation="relu")
        assert got.dtype is x.dtype and np.array_equal(np.asarray(got), np.asarray(want))
        exact = np.asarray(x, np.float64) @ np.asarray(packed.dequantize(), np.float64).T
        near = np.asarray(nn.quantized_linear(x, packed, dtype="float32"))
        assert 0 < np.abs(near - exact).max() < 0.05 * np.abs(exact).max()


def test_rows_are_the_same_in_any_batch() -> None:
    packed = nn.PackedWeight.quantized(weight(70, 512), symmetric=False)
    x = RNG.standard_normal((530, 512)).astype(np.float32)
    whole = nn.quantized_linear(x, packed)
    for rows in (slice(0, 1), slice(5, 7), slice(11, 20), slice(500, 530)):
        assert np.array_equal(nn.quantized_linear(x[rows], packed), whole[rows])
    x[3, 0] += 1
    assert np.any(nn.quantized_linear(x, packed)[3] != whole[3])


A, S = np.zeros((3, 4), np.int8), np.ones((3, 1), np.float32)
B = np.zeros((4, 5), np.int8)
W = np.ones((5, 4), np.float32)
WRONG = (
    (lambda: nn.int8_matmul(A.astype(np.int16), B), DtypeError, "a.*int16"),
    (lambda: nn.int8_matmul(A[0], B), ShapeError, "a.*two axes"),
    (lambda: nn.int8_matmul(A, B[:3]), ShapeError, "4 columns meet 3 rows"),
    (lambda: nn.int8_matmul(A, B, S), DtypeError, "a_zero_point.*float32"),
    (lambda: nn.int8_matmul(A, B, A[:, 0]), ShapeError, r"a_zero_point.*rows.*\(3, 1\)"),
    (lambda: nn.int8_matmul(A, B, None, A[:, :1]), ShapeError, r"b_zero_point.*columns.*\(1, 5\)"),
    (lambda: nn.scaled_int8_matmul(A, B, S.astype(np.float64), S[0]), DtypeError, "a_scale.*float64"),
    (lambda: nn.scaled_int8_matmul(A, B, S, S), ShapeError, "b_scale"),
    (lambda: nn.scaled_int8_matmul(A, B, S, S[0], bias=S[0]), ShapeError, "bias"),
    (lambda: nn.scaled_int8_matmul(A, B, S, S[0], dtype="float64"), DtypeError, "dtype.*float64"),
    (lambda: nn.dynamic_quantize(A), DtypeError, "x.*int8"),
    (lambda: nn.dynamic_quantize(W[:, :0]), ShapeError, "x.*at least one"),
    (lambda: nn.dynamic_quantize(W, symmetric=2), ArgumentError, "symmetric"),
    (lambda: nn.quantized_linear(W, W), ArgumentError, "weight.*PackedWeight"),
    (lambda: nn.quantized_linear(W, nn.PackedWeight(W)), ArgumentError, "weight.*8 bits"),
    (lambda: nn.quantized_linear(W, nn.PackedWeight.quantized(W, group=2)), ArgumentError, "weight.*one scale"),
    (lambda: nn.quantized_linear(W[:, :3], nn.PackedWeight.quantized(W)), ShapeError, "3 features meet 4"),
    (lambda: nn.quantized_linear(A, nn.PackedWeight.quantized(W)), DtypeError, "x.*int8"),
    (lambda: nn.quantized_linear(W, nn.PackedWeight.quantized(W), W[0]), ShapeError, "bias"),
    (lambda: nn.quantized_linear(W, nn.PackedWeight.quantized(W), activation=3), ArgumentError, "activation"),
    (lambda: nn.quantized_linear(W, nn.PackedWeight.quantized(W), dtype="float16"), DtypeError, "dtype.*float16"),
)


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_wrong_arguments_are_named(number: int) -> None:
    call, error, words = WRONG[number]
    with pytest.raises(error, match=words):
        call()
