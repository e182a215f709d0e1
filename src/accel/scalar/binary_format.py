"""The two IEEE formats that programs compute in, and the bit-level steps that several families share."""

from __future__ import annotations

from dataclasses import dataclass

from .expr import Expr, bitcast, const, fma


@dataclass(frozen=True)
class BinaryFormat:
    """name: dtype. bits: unsigned dtype of the same width. fraction: explicit fraction bits. bias: of the exponent."""

    name: str
    bits: str
    fraction: int
    bias: int

    @property
    def sign_mask(self) -> int:
        return 1 << (31 if self.name == "float32" else 63)

    @property
    def infinity_bits(self) -> int:
        return (2 * self.bias + 1) << self.fraction

    @property
    def one_bits(self) -> int:
        return self.bias << self.fraction

    @property
    def smallest_normal(self) -> float:
        return 2.0 ** (1 - self.bias)

    @property
    def magic(self) -> float:
        """1.5 * 2**fraction: the last place of the floats around it is 1, so that adding it rounds to an integer."""
        return 1.5 * 2.0**self.fraction


FORMATS = {
    "float32": BinaryFormat("float32", "uint32", 23, 127),
    "float64": BinaryFormat("float64", "uint64", 52, 1023),
}


def format_of(x: Expr) -> BinaryFormat:
    return FORMATS[x.dtype]


def infinity(dtype: str) -> Expr:
    return const(float("inf"), dtype)


def nan(dtype: str) -> Expr:
    return const(float("nan"), dtype)


def raw(x: Expr) -> Expr:
    """The bits of a float as an unsigned integer."""
    return bitcast(x, format_of(x).bits)


def with_sign_of(magnitude: Expr, sign: Expr) -> Expr:
    """The sign bit of ``sign`` set in ``magnitude``, whose own sign bit is clear or the same (a NaN stays one)."""
    f = format_of(magnitude)
    return bitcast(raw(magnitude) | (raw(sign) & f.sign_mask), magnitude.dtype)


def nearest_integer(x: Expr, factor: float = 1.0) -> tuple[Expr, Expr]:
    """round(x * factor), half to even, for magnitudes below 2**(fraction - 1): a float, and bits that end in it."""
    magic = format_of(x).magic
    shifted = x + magic if factor == 1.0 else fma(x, factor, magic)
    return shifted - magic, raw(shifted)


def power_of_two(low_bits: Expr, dtype: str) -> Expr:
    """2**k for k from 1 - bias to bias, from bits whose low bits hold k."""
    f = FORMATS[dtype]
    return bitcast((low_bits << f.fraction) + f.one_bits, dtype)
