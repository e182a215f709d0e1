"""The exact answers of int8_products.py: of real numbers, rounded only where codes are."""

from __future__ import annotations

from typing import Any

import numpy as np

from .linear import exact_linear

Zero = np.ndarray | None


def _less(x: np.ndarray, zero: Zero) -> np.ndarray:
    """In int64, where nothing wraps."""
    return x.astype(np.int64) - (0 if zero is None else zero.astype(np.int64))


def int8_matmul(a: np.ndarray, b: np.ndarray, a_zero_point: Zero = None, b_zero_point: Zero = None) -> np.ndarray:
    """In int64, wrapped to int32."""
    return (_less(a, a_zero_point) @ _less(b, b_zero_point)).astype(np.int32)


def scaled_int8_matmul(
    a: np.ndarray,
    b: np.ndarray,
    a_scale: np.ndarray,
    b_scale: np.ndarray,
    a_zero_point: Zero = None,
    b_zero_point: Zero = None,
    bias: Zero = None,
    dtype: Any = None,
) -> np.ndarray:
    total = int8_matmul(a, b, a_zero_point, b_zero_point).astype(np.float64)
    with np.errstate(all="ignore"):
        scaled = total * a_scale.astype(np.float64) * b_scale.astype(np.float64)
        return scaled if bias is None else scaled + bias.astype(np.float64)


def dynamic_quantize(x: np.ndarray, symmetric: bool = True) -> tuple[np.ndarray, ...]:
    wide = x.astype(np.float64)
    with np.errstate(all="ignore"):
        if symmetric:
            scales = np.abs(wide).max(-1, keepdims=True) / 127
            codes = np.clip(np.rint(wide / _divisor(scales)), -127, 127)
            return _whole(codes, np.int8), scales
        least = np.minimum(wide.min(-1, keepdims=True), 0)
        scales = (np.maximum(wide.max(-1, keepdims=True), 0) - least) / 255
        zeros = np.clip(np.rint(-(least / _divisor(scales))), 0, 255)
        codes = np.clip(np.rint(wide / _divisor(scales)) + zeros, 0, 255)
        return _whole(codes, np.uint8), scales, _whole(zeros, np.uint8)


def _divisor(scales: np.ndarray) -> np.ndarray:
    return np.where(scales > 0, scales, 1)


def _whole(x: np.ndarray, dtype: type) -> np.ndarray:
    return np.nan_to_num(x).astype(dtype)


def int8_linear(
    x: np.ndarray,
    codes: np.ndarray,
    scales: np.ndarray,
    zeros: np.ndarray,
    bias: Zero = None,
    *,
    outputs: int,
    activation: str | None = None,
    dtype: Any = None,
) -> np.ndarray:
    rows, row_scales = dynamic_quantize(x)
    with np.errstate(all="ignore"):
        weights = (codes.astype(np.float64) - zeros) * scales.astype(np.float64)
        weights = np.moveaxis(weights, 1, 0).reshape(x.shape[-1], -1)[:, :outputs]
        return exact_linear(rows * row_scales, weights.T, bias, activation)
