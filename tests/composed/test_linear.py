"""linear, and products with what follows them, are one launch of the matmul kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import accel
from accel import recording

DEVICES = ("cpu", "opencl:intel", "triton:interpreter")


def on(name: str) -> accel.Device:
    try:
        return accel.device(name)
    except accel.DeviceError:
        pytest.skip(f"needs {name}")


def operand(device: accel.Device, dtype: str, *shape: int) -> accel.Array:
    rng = np.random.default_rng(shape)
    return accel.asarray(rng.standard_normal(shape), dtype=dtype, device=device)


def block(x: Any, w: Any, b: Any, s: Any, residual: Any) -> Any:
    return accel.nn.gelu(x @ w + b) * s + residual


def projected(x: Any, w: Any, b: Any, s: Any, residual: Any) -> Any:
    return accel.nn.linear(x, w.mT, b, activation="silu") * s * 0.5 + residual


def cast(x: Any, w: Any, b: Any, s: Any, residual: Any) -> Any:
    wide = accel.matmul(x, w, dtype="float32") + residual
    return accel.astype(accel.where(wide > 0.0, wide, s * wide), "float16")


def gated(x: Any, w: Any, b: Any, s: Any, residual: Any) -> Any:
    """What stands beside the product has steps of its own, of each element, of each column and of each row."""
    gate = accel.nn.sigmoid(residual * 2.0)
    return (x @ w + b * 0.5) * gate * (residual[:, :1] + 1.0)


def of_three_axes(x: Any, w: Any, b: Any, s: Any, residual: Any) -> Any:
    """The product has two axes, what follows it has three."""
    y = accel.nn.linear(x[:, None], w.mT, b)
    return y * accel.nn.sigmoid(y) * s + accel.exp(residual[:, None] - 1.0)


def of_vectors(x: Any, w: Any, b: Any, s: Any, residual: Any) -> Any:
    """The product is a matrix of one row."""
    return accel.tanh(x[0] @ w) * accel.exp(b) + s * s


SHAPES = ((5, 33), (33, 70), (70,), (70,), (5, 70))


@pytest.mark.parametrize("function", [block, projected, cast, gated, of_three_axes, of_vectors])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("name", DEVICES)
def test_what_follows_a_product_is_its_epilogue(name: str, dtype: str, function: Callable[..., Any]) -> None:
    device = on(name)
    operands = [operand(device, dtype, *shape) for shape in SHAPES]
    with accel.config(numerics="reproducible"):
        apart = function(*operands)
        fused = accel.fuse(function)
        with recording.recording(run=True) as recorder:
            together = fused(*operands)
        ((_, found),) = recorder.calls
        (compiled,) = (candidate for candidate in found if candidate.what == recording.COMPILED)
        assert len(compiled.more) == 1 and compiled.more[0].startswith("matmul by"), compiled.more
        again = fused(*operands)
    assert together.dtype is apart.dtype
    for got in (together, again):
        np.testing.assert_array_equal(np.asarray(got).view(np.uint8), np.asarray(apart).view(np.uint8))
    assert np.unique(np.asarray(apart).astype(np.float32)).size > 20, "and the results tell kernels apart"


def test_a_rounding_that_is_left_out_is_seen() -> None:
    """The control: linear rounds a 16-bit result once, the calls one by one after each step."""
    x, w, b, *_ = (operand(accel.device("cpu"), "float16", *shape) for shape in SHAPES)
    once = np.asarray(accel.nn.linear(x, w.mT, b, activation="gelu"))
    often = np.asarray(accel.fuse(lambda x, w, b: accel.nn.gelu(x @ w + b))(x, w, b))
    assert 0 < np.count_nonzero(once.view(np.uint16) != often.view(np.uint16)) < once.size


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_integers_are_added_as_integers_under_a_floating_epilogue(dtype: str, device: str) -> None:
    """Totals that are negative, and that float32 would not hold."""
    rng = np.random.default_rng(3)
    a, b = (rng.integers(100, 127, shape).astype(dtype) for shape in ((5, 3000), (3000, 9)))
    b = b if dtype == "uint8" else -b
    scale = rng.standard_normal((5, 1)).astype(np.float32)

    def scaled(a: Any, b: Any, scale: Any) -> Any:
        total = accel.matmul(a, b, dtype="int32")
        return accel.astype(total, "float32") * scale + accel.astype(accel.bitwise_and(total, 255), "float32")

    operands = [accel.asarray(x, device=on(device)) for x in (a, b, scale)]
    fused = accel.fuse(scaled)
    with recording.recording(run=True) as recorder:
        got = np.asarray(fused(*operands))
    ((_, found),) = recorder.calls
    (compiled,) = (candidate for candidate in found if candidate.what == recording.COMPILED)
    assert len(compiled.more) == 1 and compiled.more[0].startswith("matmul by"), compiled.more
    total = a.astype(np.int32) @ b.astype(np.int32)
    assert np.any(total != total.astype(np.float32)), "float32 would hold every total"
    assert np.array_equal(got, total.astype(np.float32) * scale + (total & 255).astype(np.float32))
