"""How weights are quantised, and read back (docs/quantization.md)."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from .. import interop
from ..arguments import switch
from ..array import Array
from ..creation import zeros as filled_with_zeros
from ..dtypes import FLOAT32, TABLE
from ..errors import ArgumentError, DtypeError, ShapeError, shown
from ..layout import Shape
from .composed.elementwise import frexp
from .concatenation import concat
from .parameters import Quantized
from .primitive.pointwise import astype, fn
from .primitive.quantized_matmul import in_float
from .primitive.reduce import max as largest
from .primitive.reduce import min as smallest
from .views import broadcast_to, reshape
from .weight_formats import FORMATS, PANEL, Format, SmallFloat, format_named

INT8, UINT8 = TABLE["int8"], TABLE["uint8"]

QUANTIZED = ("int8", "int4", "e4m3fn", "e5m2", "mxfp8_e4m3", "mxfp8_e5m2", "mxfp4")
"""Formats that `quantize` makes; the others are those of files."""

BY_BITS = {8: "int8", 4: "int4"}

EXPONENT_BIAS = 127
"""Of a byte that is the scale of MX."""


class Codes(NamedTuple):
    """A quantised weight (out, in): codes (out, in) int8, or uint8 that holds float8, or (out, in / 2) uint8 that holds
    two of 4 bits; scales (out, in / group) float32, or uint8 exponents of MX; (1, 1) where one is for all; zeros, of
    the scales' shape and int8, or None where there are none."""

    codes: Any
    scales: Any
    zeros: Any


def named(op: str, bits: Any, format: Any) -> str:
    """The name of a format that quantize takes, which bits may stand for. Raises ArgumentError."""
    if format is not None:
        format_named(op, format, QUANTIZED)
        return str(format)
    if type(bits) is not int or bits not in BY_BITS:
        raise ArgumentError(f"{op}: bits: expected 8 or 4, got {shown(bits)}")
    return BY_BITS[bits]


def length_of_groups(op: str, name: str, group: Any, k: int) -> int:
    """The group's length; None is the format's, else the whole row. Raises ArgumentError."""
    its = FORMATS[name]
    if group is None:
        group = its.group or k
    if not isinstance(group, int) or isinstance(group, bool):
        raise ArgumentError(f"{op}: group: expected a length that divides the weight's {k} inputs, got {shown(group)}")
    if why := its.misfit(k, group):
        raise ArgumentError(f"{op}: group: {name} {why}")
    return group


def matrix(op: str, name: str, x: Array) -> Shape:
    """The shape of a weight. Raises ArgumentError, ShapeError."""
    if not isinstance(x, Array):
        raise ArgumentError(f"{op}: {name}: expected an array, got the scalar {shown(x)}")
    if x.ndim != 2 or x.shape[1] == 0:
        raise ShapeError(f"{op}: {name}: expected two axes (out, in) with at least one input, got shape {x.shape}")
    return x.shape


def quantize(
    weight: Any,
    *,
    bits: int = 8,
    group: int | Literal["tensor"] | None = None,
    symmetric: bool = True,
    format: str | None = None,
) -> Codes:
    """A weight (out, in) of float32, float16 or bfloat16 in 8 or 4 bits: codes, scales, and zeros or None.

    format: "int8" and "int4", which bits are short for; "e4m3fn" and "e5m2", float8 with a scale in float32;
    "mxfp8_e4m3", "mxfp8_e5m2" and "mxfp4", whose groups of 32 share a power of two.
    group: how many consecutive inputs of an output share a scale, by default all; "tensor": the whole weight shares
    one, of float8. symmetric: 0 is the middle code; else integers reach from the least weight of a group, or 0, to the
    greatest, or 0. Rounding and layouts are those of docs/quantization.md. Weights are to be finite: what a group with
    others becomes is not promised.
    Raises ShapeError, DtypeError, ArgumentError.
    """
    op = "quantize"
    (w,), restore = interop.adopt(op, weight=weight)
    n, k = matrix(op, "weight", w)
    if w.dtype.kind != "f" or w.dtype.itemsize > 4:
        raise DtypeError(f"{op}: weight: takes float32, float16 and bfloat16, got {w.dtype}")
    name = named(op, bits, format)
    its, symmetric = FORMATS[name], switch(op, "symmetric", symmetric)
    if its.float is not None and not symmetric:
        raise ArgumentError(f"{op}: symmetric: expected True for {name}, which has no zeros, got False")
    whole = isinstance(group, str) and group == "tensor" and its.float is not None and its.group is None
    length = k if whole else length_of_groups(op, name, group, k)
    grouped = reshape(astype(w, FLOAT32, copy=False), (n, k // length, length))
    if its.float is None:
        codes, scales, zeros = _integers(its, grouped, symmetric)
    else:
        codes, scales, zeros = *_floats(its, its.float, grouped, whole), None
    flat = reshape(codes, (n, k))
    if its.steps == 2:
        flat = fn.bitwise_or(flat[:, ::2], fn.bitwise_left_shift(flat[:, 1::2], 4))
    return Codes(restore(flat), restore(scales), None if zeros is None else restore(zeros))


def _integers(its: Format, grouped: Array, symmetric: bool) -> tuple[Array, Array, Array | None]:
    """Codes, scales and zeros of groups (n, groups, group)."""
    bits = its.bits
    low, high = (-128, 127) if bits == 8 else (0, 15)
    zeros = None
    if symmetric:
        top = 2 ** (bits - 1) - 1
        scales = largest(fn.abs(grouped), axis=-1) / float(top)
        low, high = its.zero - top, its.zero + top
        codes = fn.round(grouped / _divisor(scales)) + float(its.zero)
    else:
        least, greatest = fn.minimum(smallest(grouped, axis=-1), 0.0), fn.maximum(largest(grouped, axis=-1), 0.0)
        scales = (greatest - least) / float(2**bits - 1)
        zero = _between(low, fn.round(-(least / _divisor(scales)[:, :, 0])) + float(low), high)
        zeros = astype(zero, INT8)
        codes = fn.round(grouped / _divisor(scales)) + zero[:, :, None]
    return astype(_between(low, codes, high), its.dtypes[0]), scales, zeros


def _floats(its: Format, small: SmallFloat, grouped: Array, whole: bool) -> tuple[Array, Array]:
    """Codes and scales of groups (n, groups, group), of which all are one where `whole` is set."""
    most = largest(fn.abs(grouped), axis=-1)
    if its.scales == "uint8":
        exponents = frexp(most)[1] - 1 - small.exponent_of_top
        exponents = fn.minimum(fn.maximum(fn.where(most > 0.0, exponents, -EXPONENT_BIAS), -EXPONENT_BIAS), 127)
        down = -astype(exponents, FLOAT32)[:, :, None]
        return small_codes(small, fn.ldexp(grouped, down)), astype(exponents + EXPONENT_BIAS, UINT8)
    if whole:
        most = reshape(largest(most), (1, 1))
    scales = most / small.greatest
    return small_codes(small, grouped / _divisor(scales)), scales


def small_codes(small: SmallFloat, x: Array) -> Array:
    """The nearest codes of float32 numbers, of two the even one; what lies beyond the greatest finite number is this.
    uint8. NaN is not looked for."""
    size = fn.abs(x)
    own = fn.where(size > 0.0, frexp(size)[1] - 1, small.least)
    exponents = fn.maximum(own, small.least)
    steps = fn.round(fn.ldexp(size, astype(small.mantissa - exponents, FLOAT32)))
    # An exponent more is as many codes as the mantissa has values; a step rounded up to the next exponent is its first.
    above = astype(exponents - small.least, FLOAT32) * float(1 << small.mantissa)
    codes = astype(fn.minimum(steps + above, float(small.top)), UINT8)
    sign = astype(fn.signbit(x), UINT8) * small.sign
    return fn.bitwise_or(codes, sign)


def _divisor(scales: Array) -> Array:
    """Scales that can be divided by, with an axis for what they belong to."""
    result: Array = fn.where(scales > 0.0, scales, 1.0)[:, :, None]
    return result


def _between(low: int, x: Array, high: int) -> Array:
    result: Array = fn.minimum(fn.maximum(x, float(low)), float(high))
    return result


def panels(x: Array) -> Array:
    """(n, rows) as panels: (ceil(n / PANEL), rows, PANEL), filled up with zeros."""
    n, rows = x.shape
    if n % PANEL:
        x = concat((x, filled_with_zeros((-n % PANEL, rows), dtype=x.dtype, device=x.device)), axis=0)
    made: Array = reshape(x, (-(-n // PANEL), PANEL, rows)).permute((0, 2, 1)).contiguous()
    return made


class Given(NamedTuple):
    """A quantised weight's format and size, its arrays in panels, and how a result is given back."""

    params: Quantized
    k: int
    arrays: tuple[Array, ...]
    restore: interop.Restore


def given(op: str, codes: Any, scales: Any, zeros: Any, bits: Any, format: Any) -> Given:
    """What `quantize` gives, checked. Raises ShapeError, DtypeError, ArgumentError."""
    operands = {"codes": codes, "scales": scales, **({} if zeros is None else {"zeros": zeros})}
    (codes, scales, *rest), restore = interop.adopt(op, **operands)
    name = named(op, bits, format)
    its = FORMATS[name]
    if rest and not its.minors:
        raise ArgumentError(f"{op}: zeros: expected None for {name}, which has no zeros")
    n, stored = matrix(op, "codes", codes)
    k = stored * its.steps
    for argument, x, dtype in zip(operands, (codes, scales, *rest), its.dtypes, strict=False):
        if not isinstance(x, Array) or x.dtype is not dtype:
            what = x.dtype if isinstance(x, Array) else f"the scalar {shown(x)}"
            raise DtypeError(f"{op}: {argument}: expected an array of {dtype} for {name}, got {what}")
    one = scales.shape == (1, 1) and its.group is None
    if not one and (scales.ndim != 2 or scales.shape[0] != n or scales.shape[1] < 1 or k % scales.shape[1]):
        raise ShapeError(
            f"{op}: scales: expected shape ({n}, groups), of a number of groups that divides the {k} inputs, "
            f"got {scales.shape}"
        )
    if rest and rest[0].shape != scales.shape:
        raise ShapeError(f"{op}: zeros: expected the shape of scales, {scales.shape}, got {rest[0].shape}")
    group = length_of_groups(op, name, k // scales.shape[1], k)
    if its.minors and not rest:
        rest = [fn.add(filled_with_zeros(scales.shape, dtype=INT8, device=codes.device), its.zero)]
    over = [broadcast_to(x, (n, x.shape[1])) if one else x for x in (scales, *rest)]
    return Given(Quantized(name, n, group, "float32"), k, tuple(map(panels, (codes, *over))), restore)


def dequantize(codes: Any, scales: Any, zeros: Any = None, *, bits: int = 8, format: str | None = None) -> Any:
    """The weight (out, in), float32, of what `quantize` gives: (code - zero) * scale, of floats the code's value times
    the scale, rounded once.

    Raises ShapeError, DtypeError, ArgumentError.
    """
    its = given("dequantize", codes, scales, zeros, bits, format)
    return its.restore(in_float(its.params, its.k, *its.arrays))
