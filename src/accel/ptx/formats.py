"""PTX operand types and floating-point formats. Between instructions a floating-point value travels as its bits."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.unsignedinteger]
Values = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_] | None  # the lanes that take part; None: all of them

UINT = {n: np.dtype(f"u{n}") for n in (1, 2, 4, 8)}
TYPES = {f"{k}{8 * n}": np.dtype(f"{c}{n}") for k, c in (("b", "u"), ("u", "u"), ("s", "i")) for n in (1, 2, 4, 8)}
TYPES |= {
    "pred": np.dtype(bool),
    "f16": UINT[2],
    "bf16": UINT[2],
    "f16x2": UINT[4],
    "u16x2": UINT[4],
    "s16x2": UINT[4],
    "bf16x2": UINT[4],
    "f32x2": UINT[8],
    "f32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
    "tf32": np.dtype(np.float32),
}
FLOATS = {"f16", "bf16", "f32", "f64", "f16x2", "bf16x2", "f32x2"}


class Format(NamedTuple):
    """The bits of a format's landmarks, as scalars of its unsigned type."""

    infinity: np.unsignedinteger
    one: np.unsignedinteger
    nan: np.unsignedinteger  # the canonical one, which the hardware makes
    min_normal: np.unsignedinteger


FORMATS = {
    "f16": Format(*map(np.uint16, (0x7C00, 0x3C00, 0x7FFF, 0x0400))),
    "bf16": Format(*map(np.uint16, (0x7F80, 0x3F80, 0x7FFF, 0x0080))),
    "f32": Format(*map(np.uint32, (0x7F800000, 0x3F800000, 0x7FFFFFFF, 0x00800000))),
    "f64": Format(*map(np.uint64, (0x7FF0 << 48, 0x3FF0 << 48, 0xFFF8 << 48, 1 << 52))),
}


def untyped(kind: str) -> str:
    """The untyped-bits twin of a type, for instructions that only move bits."""
    return kind if kind == "pred" else f"b{8 * TYPES[kind].itemsize}"


def sign_bit(bits: Bits) -> np.unsignedinteger:
    return bits.dtype.type(1 << (8 * bits.itemsize - 1))


def magnitude(bits: Bits) -> Bits:
    return bits & ~sign_bit(bits)


def is_nan(bits: Bits, fmt: str) -> npt.NDArray[np.bool_]:
    return magnitude(bits) > FORMATS[fmt].infinity


def flush(bits: Bits, fmt: str) -> Bits:
    """Subnormals become zeros of their sign."""
    return np.where(magnitude(bits) < FORMATS[fmt].min_normal, bits & sign_bit(bits), bits)


def widen(bits: Bits, fmt: str) -> Values:
    """The values as a NumPy float array: float64 for f64, float32 for the formats that fit in it."""
    if fmt == "f16":
        return bits.view(np.float16).astype(np.float32)
    if fmt == "bf16":
        return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return bits.view(np.float64 if fmt == "f64" else np.float32)
