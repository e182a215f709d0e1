"""Blocks of GGUF's types, taken apart into the codes, scales and minors of a format (docs/quantization.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from ..errors import ArgumentError, DtypeError, ShapeError, shown
from ..layout import Shape
from .weight_formats import PANEL, SUPER

Arrays = tuple[np.ndarray, ...]


class Block(NamedTuple):
    """elements and bytes of a block; what takes blocks (rows, blocks, bytes) apart."""

    elements: int
    bytes: int
    apart: Callable[[np.ndarray], Arrays]


def _number(dtype: Any) -> Block:
    little = np.dtype(dtype).newbyteorder("<") if np.dtype(dtype).kind == "f" else np.dtype(dtype)
    return Block(1, little.itemsize, lambda blocks: (_rows(blocks).view(little).astype(dtype, copy=False),))


def _rows(x: np.ndarray) -> np.ndarray:
    """All of an output in one row."""
    return np.ascontiguousarray(x).reshape(x.shape[0], -1)


def _halves(x: np.ndarray) -> np.ndarray:
    """Little-endian float16 in the last axis."""
    return np.ascontiguousarray(x).view("<f2").astype(np.float16, copy=False)


def _pairs(codes: np.ndarray) -> np.ndarray:
    """Codes of 4 bits, two a byte."""
    flat = _rows(codes)
    made: np.ndarray = flat[:, ::2] | flat[:, 1::2] << 4
    return made


def _q4_0(x: np.ndarray) -> Arrays:
    """A scale; byte i holds code i and, above it, code i + 16."""
    codes = x[..., 2:]
    return _pairs(np.concatenate((codes & 15, codes >> 4), axis=-1)), _rows(_halves(x[..., :2]))


def _q8_0(x: np.ndarray) -> Arrays:
    """A scale, 32 codes."""
    return _rows(x[..., 2:]).view(np.int8), _rows(_halves(x[..., :2]))


def _minors(x: np.ndarray) -> np.ndarray:
    """12 bytes: levels and minima of 8 groups, 6 bits each, as rows that take turns."""
    first, second, third = x[..., :4], x[..., 4:8], x[..., 8:]
    levels = np.concatenate((first & 63, third & 15 | first >> 6 << 4), axis=-1)
    minima = np.concatenate((second & 63, third >> 4 | second >> 6 << 4), axis=-1)
    return _rows(np.stack((levels, minima), axis=-1))


def _nibbles(x: np.ndarray) -> np.ndarray:
    """128 bytes: of each 32, the low halves are 32 codes, and the high halves the next 32."""
    parts = x.reshape(*x.shape[:-1], 4, 32)
    return np.stack((parts & 15, parts >> 4), axis=-2)


def _q4_k(x: np.ndarray) -> Arrays:
    """A scale and one of minima, minors, 256 codes."""
    return _pairs(_nibbles(x[..., 16:])), _rows(_halves(x[..., :4])), _minors(x[..., 4:16])


def _q5_k(x: np.ndarray) -> Arrays:
    """As Q4_K, with 32 bytes before the codes: bit g of byte i is bit 4 of code i of group g."""
    high = x[..., None, 16:48] >> np.arange(8, dtype=np.uint8)[:, None] & 1
    codes = _nibbles(x[..., 48:]).reshape(high.shape) | high << 4
    return _rows(codes), _rows(_halves(x[..., :4])), _minors(x[..., 4:16])


def _q6_k(x: np.ndarray) -> Arrays:
    """Low halves of codes, 2 bits above each, levels, a scale. Of each 128 codes, 32 bytes hold in bits 2i and 2i + 1
    what belongs to the ith 32; 64 bytes hold the low halves of the first 64 and, above, of the other 64."""
    low = x[..., :128].reshape(*x.shape[:-1], 2, 1, 64)
    low = np.concatenate((low & 15, low >> 4), axis=-2).reshape(*x.shape[:-1], 2, 4, 32)
    high = x[..., 128:192].reshape(*x.shape[:-1], 2, 1, 32) >> (2 * np.arange(4, dtype=np.uint8))[:, None] & 3
    codes = (low | high << 4).astype(np.int8) - np.int8(32)
    return _rows(codes), _rows(_halves(x[..., 208:])), _rows(x[..., 192:208]).view(np.int8)


BLOCKS = {
    "F32": _number(np.float32),
    "F16": _number(np.float16),
    "BF16": _number(ml_dtypes.bfloat16),
    "Q4_0": Block(32, 18, _q4_0),
    "Q8_0": Block(32, 34, _q8_0),
    "Q4_K": Block(SUPER, 144, _q4_k),
    "Q5_K": Block(SUPER, 176, _q5_k),
    "Q6_K": Block(SUPER, 210, _q6_k),
}
"""GGUF's types that are read."""


def unpacked(op: str, data: Any, shape: Any, kind: Any) -> Arrays:
    """Codes, scales and minors of a weight (out, in), a row for each output; or its floats.

    Raises ShapeError, DtypeError, ArgumentError.
    """
    if not isinstance(kind, str) or kind not in BLOCKS:
        raise ArgumentError(f"{op}: kind: expected one of {', '.join(BLOCKS)}, got {shown(kind)}")
    n, k = _size(op, shape)
    block = BLOCKS[kind]
    if k % block.elements:
        raise ShapeError(f"{op}: shape: {kind} has blocks of {block.elements} inputs, which do not divide {k}")
    raw = _bytes(op, data)
    rows = k // block.elements
    if raw.size != n * rows * block.bytes:
        raise ShapeError(
            f"{op}: data: a {kind} weight of {n} by {k} has {n * rows * block.bytes} bytes, got {raw.size}"
        )
    return block.apart(raw.reshape(n, rows, block.bytes))


def _size(op: str, shape: Any) -> Shape:
    whole = isinstance(shape, tuple | list) and all(type(n) is int and n >= 0 for n in shape)
    if not whole or len(shape) != 2 or shape[1] == 0:
        raise ShapeError(f"{op}: shape: expected (out, in) with at least one input, got {shown(shape)}")
    return tuple(shape)


def _bytes(op: str, data: Any) -> np.ndarray:
    """The bytes of a buffer, in one row."""
    if isinstance(data, bytes | bytearray | memoryview):
        return np.frombuffer(data, np.uint8)
    if not isinstance(data, np.ndarray):
        raise ArgumentError(f"{op}: data: expected bytes or a NumPy array of uint8, got {shown(data)}")
    if data.dtype != np.uint8:
        raise DtypeError(f"{op}: data: expected uint8, got {data.dtype}")
    return np.ascontiguousarray(data).reshape(-1)


def in_panels(x: np.ndarray) -> np.ndarray:
    """(n, rows) as panels: (ceil(n / PANEL), rows, PANEL), filled up with zeros."""
    n, rows = x.shape
    made = np.zeros((-(-n // PANEL), rows, PANEL), x.dtype)
    whole = n // PANEL
    made[:whole] = x[: whole * PANEL].reshape(whole, PANEL, rows).transpose(0, 2, 1)
    if n % PANEL:
        made[whole, :, : n % PANEL] = x[whole * PANEL :].T
    return made
