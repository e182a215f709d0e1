"""How the weights of a linear layer are stored: what codes stand for, and what scales them (docs/quantization.md)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ..dtypes import TABLE, DType
from ..errors import ArgumentError, shown
from ..layout import Shape

PANEL = 64
"""Columns of a panel of quantised weights."""

SUPER = 256
"""Inputs of a super-block, of which GGUF's K formats have a scale in float16, and maybe one for the minima."""


@dataclass(frozen=True)
class SmallFloat:
    """A float of a sign bit, an exponent and a mantissa: bits of the mantissa, the exponent's bias, the code of the
    greatest finite number; of what lies beyond this, below the sign bit, the code of infinity, if there is one, and
    NaN."""

    mantissa: int
    bias: int
    top: int
    sign: int
    infinity: int | None = None

    @property
    def least(self) -> int:
        """The exponent of the smallest normal number."""
        return 1 - self.bias

    @property
    def exponent_of_top(self) -> int:
        """That of the greatest finite number."""
        return (self.top >> self.mantissa) - self.bias

    @property
    def greatest(self) -> float:
        """The greatest finite number."""
        return float(self.values[self.top])

    @property
    def values(self) -> np.ndarray:
        """What every code stands for, float32."""
        codes = np.arange(2 * self.sign)
        magnitude = codes & (self.sign - 1)
        exponent, fraction = magnitude >> self.mantissa, magnitude & ((1 << self.mantissa) - 1)
        whole = np.where(exponent > 0, fraction + (1 << self.mantissa), fraction)
        value = np.ldexp(whole.astype(np.float32), np.maximum(exponent, 1) - self.bias - self.mantissa)
        value = np.where(magnitude > self.top, np.float32(np.nan), value)
        value = np.where(magnitude == self.infinity, np.float32(np.inf), value)
        return np.where(codes & self.sign, -value, value).astype(np.float32)


FLOATS = {
    "e4m3fn": SmallFloat(3, 7, 0x7E, 0x80),
    "e5m2": SmallFloat(2, 15, 0x7B, 0x80, 0x7C),
    "e2m1": SmallFloat(1, 1, 0x7, 0x8),
}
"""OCP's float8 and float4."""


@dataclass(frozen=True)
class Format:
    """codes: what a code is: int8, or uint8 below a minimum; int4 and uint4, two of which make a byte; or a name of
    FLOATS. scales: the dtype of scales. minors: what else is stored for each group: its zero, int8 ("zeros"); a
    factor of the super-block's scale, int8 ("levels"), or this and one of the super-block's minimum, uint8
    ("minima"); nothing. group: inputs that share a scale, where the format says it. zero: the code of 0 without zeros.
    """

    codes: str
    scales: str = "float32"
    minors: str = ""
    group: int | None = None
    zero: int = 0

    @property
    def bits(self) -> int:
        """Of a code as a panel holds it."""
        return 4 if self.codes in ("int4", "uint4", "e2m1") else 8

    @property
    def steps(self) -> int:
        """Codes of a byte."""
        return 8 // self.bits

    @property
    def float(self) -> SmallFloat | None:
        """The float that a code is."""
        return FLOATS.get(self.codes)

    @property
    def super(self) -> bool:
        """Whether scales are those of super-blocks."""
        return self.minors in ("levels", "minima")

    @property
    def dtypes(self) -> tuple[DType, ...]:
        """Of codes, scales, and minors if there are any."""
        names = ["int8" if self.codes == "int8" else "uint8", self.scales]
        if self.minors:
            names.append("uint8" if self.minors == "minima" else "int8")
        return tuple(TABLE[name] for name in names)

    def rows(self, k: int, group: int) -> tuple[int, ...]:
        """Of codes, scales and minors, for k inputs of an output."""
        groups, each = k // max(1, group), 2 if self.minors == "minima" else 1
        scales = k // SUPER * each if self.super else groups
        return (k // self.steps, scales, *((groups * each,) if self.minors else ()))

    def shapes(self, n: int, k: int, group: int) -> tuple[Shape, ...]:
        """Of the panels of codes, scales and minors of n outputs."""
        return tuple((-(-n // PANEL), rows, PANEL) for rows in self.rows(k, group))

    def misfit(self, k: int, group: int) -> str:
        """Why k inputs cannot lie in groups of this length; empty where they can."""
        if self.group is not None and group != self.group:
            return f"has groups of {self.group}, not of {group}"
        if group < 1 or k % group:
            return f"needs groups whose length divides the {k} inputs, got {group}"
        if group % self.steps:
            return f"needs groups of an even length, two codes of which make a byte, got {group}"
        if self.super and k % SUPER:
            return f"needs a multiple of {SUPER} inputs, got {k}"
        return ""


FORMATS = {
    "int8": Format("int8", minors="zeros"),
    "int4": Format("int4", minors="zeros", zero=8),
    "e4m3fn": Format("e4m3fn"),
    "e5m2": Format("e5m2"),
    "mxfp8_e4m3": Format("e4m3fn", "uint8", group=32),
    "mxfp8_e5m2": Format("e5m2", "uint8", group=32),
    "mxfp4": Format("e2m1", "uint8", group=32),
    "Q4_0": Format("int4", "float16", group=32, zero=8),
    "Q8_0": Format("int8", "float16", group=32),
    "Q4_K": Format("uint4", "float16", "minima", 32),
    "Q5_K": Format("uint8", "float16", "minima", 32),
    "Q6_K": Format("int8", "float16", "levels", 16),
}


def format_named(op: str, name: object, among: tuple[str, ...] = tuple(FORMATS)) -> Format:
    """The format of a name. Raises ArgumentError."""
    if not isinstance(name, str) or name not in among:
        raise ArgumentError(f"{op}: format: expected one of {', '.join(among)}, got {shown(name)}")
    return FORMATS[name]


@cache
def code_values(codes: str) -> np.ndarray:
    """What the codes of a small float stand for, float32, by code."""
    values = FLOATS[codes].values
    values.setflags(write=False)
    return values


@cache
def exponent_values() -> np.ndarray:
    """What a byte stands for as a scale of MX: 2^(byte - 127), NaN for 255; float32."""
    values = np.ldexp(np.float32(1), np.minimum(np.arange(256), 254) - 127)
    values[255] = np.nan
    values.setflags(write=False)
    return values
