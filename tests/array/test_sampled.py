"""Derivatives and convolutions of samples against NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def same(got: Any, want: Any) -> None:
    assert isinstance(got, tuple) == isinstance(want, tuple)
    for a, b in zip(*(v if isinstance(v, tuple) else (v,) for v in (got, want)), strict=True):
        assert a.shape == b.shape and np.allclose(a, b, rtol=1e-11, atol=1e-11)


@given(st.lists(st.integers(3, 6), min_size=1, max_size=3), st.sampled_from([1, 2]), st.data())
def test_derivatives(shape: list[int], order: int, data: Any) -> None:
    x = normal(*shape)
    axes = data.draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, max_size=len(shape), unique=True))
    spacing = [data.draw(st.sampled_from([0.5, 3, np.cumsum(np.abs(normal(shape[a], seed=1)) + 0.1)])) for a in axes]
    axis: Any = axes[0] if len(axes) == 1 else tuple(axes)
    want = np.gradient(x, *spacing, axis=axis, edge_order=order)
    same(accel.gradient(x, *spacing, axis=axis, edge_order=order), want)
    same(accel.gradient(x, edge_order=order), np.gradient(x, edge_order=order))
    same(accel.gradient(x, 0.3, edge_order=order), np.gradient(x, 0.3, edge_order=order))
    same(accel.gradient(x, np.float64(0.3), axis=0), np.gradient(x, 0.3, axis=0))


def test_of_16_bit_floats_they_are_rounded_once() -> None:
    x = normal(40).astype(np.float16)
    wide = accel.gradient(x.astype(np.float32), 0.1, edge_order=2)
    got = accel.gradient(x, 0.1, edge_order=2)
    assert got.dtype == np.float16 and np.array_equal(got, wide.astype(np.float16))


def test_two_samples_are_enough_for_edges_of_order_1() -> None:
    assert accel.gradient(np.array([1.0, 4.0])).tolist() == [3.0, 3.0]
    with pytest.raises(accel.ShapeError, match="gradient: x: expected at least 3 samples"):
        accel.gradient(np.array([1.0, 4.0]), edge_order=2)


@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from(["full", "same", "valid"]))
def test_convolutions(n: int, m: int, mode: str) -> None:
    a, b = normal(n), normal(m, seed=1)
    same(accel.convolve(a, b, mode), np.convolve(a, b, mode))
    whole = [np.round(4 * x).astype(np.int16) for x in (a, b)]
    got = accel.convolve(*whole, mode)
    assert got.dtype == np.int16 and np.array_equal(got, np.convolve(*whole, mode))


@pytest.mark.parametrize("device", ["opencl:0", "triton:interpreter"])
def test_convolutions_elsewhere_have_the_same_bits(device: str) -> None:
    """Windows that overlap in memory are read by every backend's products."""
    try:
        target = accel.device(device)
    except accel.AccelError as error:
        pytest.skip(f"{device}: {error}")
    a, b = normal(300).astype(np.float32), normal(17, seed=1).astype(np.float32)
    for mode in ("full", "same", "valid"):
        got = accel.convolve(*(accel.asarray(x, device=target) for x in (a, b)), mode)
        assert np.array_equal(np.asarray(got), np.asarray(accel.convolve(a, b, mode)))


def test_fused() -> None:
    x, v = accel.asarray(normal(20)), accel.asarray(normal(5))
    for function in (lambda x, v: accel.convolve(x * 2.0, v, "same"), lambda x, v: accel.gradient(x * 2.0, 0.5)):
        assert np.array_equal(np.asarray(accel.fuse(function)(x, v)), np.asarray(function(x, v)))


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda x: accel.gradient(x, 1.0, 2.0, 3.0), accel.ArgumentError, "gradient: spacing: expected none"),
        (lambda x: accel.gradient(x, np.ones(3)), accel.ArgumentError, r"gradient: spacing\[0\]: expected a vector"),
        (lambda x: accel.gradient(x, 1.0, np.ones(5)), accel.ShapeError, r"gradient: spacing\[1\]: expected shape"),
        (lambda x: accel.gradient(x, "wide"), accel.ArgumentError, r"gradient: spacing\[0\]"),
        (lambda x: accel.gradient(x, axis=5), accel.AxisError, "gradient: axis"),
        (lambda x: accel.gradient(x, edge_order=3), accel.ArgumentError, "gradient: edge_order"),
        (lambda x: accel.gradient(x > 0), accel.DtypeError, "gradient: x"),
        (lambda x: accel.convolve(x, x), accel.ShapeError, "convolve: x1"),
        (lambda x: accel.convolve(x[0], x[0, :0]), accel.ShapeError, "convolve: x2"),
        (lambda x: accel.convolve(x[0], 2.0), accel.ArgumentError, "convolve: x2"),
        (lambda x: accel.convolve(x[0], x[0], "whole"), accel.ArgumentError, "convolve: mode"),
    ],
)
def test_errors(call: Any, kind: Any, words: str) -> None:
    with pytest.raises(kind, match=words):
        call(normal(3, 4))
