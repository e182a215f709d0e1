"""Weights of linear layers, made once: in float, or of 8 or 4 bits; how they are quantised, and read back
(docs/quantization.md)."""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import interop
from ..arguments import switch
from ..array import Array
from ..creation import zeros as filled_with_zeros
from ..dtypes import FLOAT32, TABLE, DType, as_dtype
from ..errors import ArgumentError, DtypeError, ShapeError, shown
from ..layout import Shape
from .compose import INSTEAD
from .composed.linear import linear as float_linear
from .composed.packed_linear import packed_linear
from .concatenation import concat
from .parameters import PANEL, Quantized
from .primitive.pointwise import astype, fn
from .primitive.quantized_matmul import in_float
from .primitive.reduce import max as largest
from .primitive.reduce import min as smallest
from .views import reshape

INT8, UINT8 = TABLE["int8"], TABLE["uint8"]
CODES = {8: INT8, 4: UINT8}
"""How codes are given, by bits; of 4 bits two a byte."""

CENTRE = {8: 0, 4: 8}
"""The zero of symmetric codes."""


class Codes(NamedTuple):
    """A quantised weight (out, in): codes (out, in) int8 or (out, in / 2) uint8, scales (out, in / group) float32, and
    zeros, of the same shape and int8, or None for symmetric ones."""

    codes: Any
    scales: Any
    zeros: Any


def _check_bits(op: str, bits: Any) -> None:
    if type(bits) is not int or bits not in CODES:
        raise ArgumentError(f"{op}: bits: expected 8 or 4, got {shown(bits)}")


def _checked(op: str, bits: Any, group: Any, k: int) -> int:
    """The group's length; None is the whole row. Raises ArgumentError."""
    _check_bits(op, bits)
    if group is None:
        group = k
    if not isinstance(group, int) or isinstance(group, bool) or group < 1 or k % group:
        raise ArgumentError(f"{op}: group: expected a length that divides the weight's {k} inputs, got {shown(group)}")
    if bits == 4 and group % 2:
        raise ArgumentError(f"{op}: group: expected an even length for 4 bits, two of which make a byte, got {group}")
    return group


def _matrix(op: str, name: str, x: Array) -> Shape:
    if not isinstance(x, Array):
        raise ArgumentError(f"{op}: {name}: expected an array, got the scalar {shown(x)}")
    if x.ndim != 2 or x.shape[1] == 0:
        raise ShapeError(f"{op}: {name}: expected two axes (out, in) with at least one input, got shape {x.shape}")
    return x.shape


def quantize(weight: Any, *, bits: int = 8, group: int | None = None, symmetric: bool = True) -> Codes:
    """A weight (out, in) of float32, float16 or bfloat16 in 8 or 4 bits: codes, scales, and zeros or None.

    group: how many consecutive inputs of an output share a scale, by default all. symmetric: 0 is the middle code;
    else the codes reach from the least weight of a group, or 0, to the greatest, or 0. Rounding and layouts are those
    of docs/quantization.md. Weights are to be finite: what a group with others becomes is not promised.
    Raises ShapeError, DtypeError, ArgumentError.
    """
    op = "quantize"
    (w,), restore = interop.adopt(op, weight=weight)
    n, k = _matrix(op, "weight", w)
    if w.dtype.kind != "f" or w.dtype.itemsize > 4:
        raise DtypeError(f"{op}: weight: takes float32, float16 and bfloat16, got {w.dtype}")
    group = _checked(op, bits, group, k)
    grouped = reshape(astype(w, FLOAT32, copy=False), (n, k // group, group))
    low, high = (-128, 127) if bits == 8 else (0, 15)
    if switch(op, "symmetric", symmetric):
        top = 2 ** (bits - 1) - 1
        scales = largest(fn.abs(grouped), axis=-1) / float(top)
        low, high, middle = CENTRE[bits] - top, CENTRE[bits] + top, float(CENTRE[bits])
        zeros = None
        codes = fn.round(grouped / _divisor(scales)) + middle
    else:
        least, greatest = (f(g, 0.0) for f, g in _ends(grouped))
        scales = (greatest - least) / float(2**bits - 1)
        zero = _between(low, fn.round(-(least / _divisor(scales)[:, :, 0])) + float(low), high)
        zeros = astype(zero, INT8)
        codes = fn.round(grouped / _divisor(scales)) + zero[:, :, None]
    whole = reshape(astype(_between(low, codes, high), CODES[bits]), (n, k))
    if bits == 4:
        whole = fn.bitwise_or(whole[:, ::2], fn.bitwise_left_shift(whole[:, 1::2], 4))
    return Codes(restore(whole), restore(scales), None if zeros is None else restore(zeros))


def _ends(grouped: Array) -> tuple[tuple[Any, Array], tuple[Any, Array]]:
    return (fn.minimum, smallest(grouped, axis=-1)), (fn.maximum, largest(grouped, axis=-1))


def _divisor(scales: Array) -> Array:
    """Scales that can be divided by, with an axis for what they belong to."""
    result: Array = fn.where(scales > 0.0, scales, 1.0)[:, :, None]
    return result


def _between(low: int, x: Array, high: int) -> Array:
    result: Array = fn.minimum(fn.maximum(x, float(low)), float(high))
    return result


def _panels(x: Array) -> Array:
    """(n, rows) as panels: (ceil(n / PANEL), rows, PANEL), filled up with zeros."""
    n, rows = x.shape
    if n % PANEL:
        x = concat((x, filled_with_zeros((-n % PANEL, rows), dtype=x.dtype, device=x.device)), axis=0)
    panels: Array = reshape(x, (-(-n // PANEL), PANEL, rows)).permute((0, 2, 1)).contiguous()
    return panels


class PackedWeight:
    """The weight of a linear layer, made once, which `linear` takes in a weight's place.

    Of a float array (out, in) as it is, or of quantised ones: by `quantized` from a float array, by `of_codes` from
    codes, scales and zeros. It lives on its arrays' device, and is not changed any more.
    """

    __slots__ = ("_arrays", "bits", "dtype", "group", "shape")

    def __init__(self, weight: Any) -> None:
        """weight: (out, in) of a floating dtype. Raises ShapeError, DtypeError."""
        (w,), _ = interop.adopt("PackedWeight", weight=weight)
        self.shape = _matrix("PackedWeight", "weight", w)
        if w.dtype.kind != "f":
            raise DtypeError(f"PackedWeight: weight: takes floating dtypes, got {w.dtype}; of_codes takes codes")
        self.dtype: DType = w.dtype
        self.bits, self.group = 8 * w.dtype.itemsize, self.shape[1]
        self._arrays = (w.mT.contiguous(),)

    @classmethod
    def quantized(cls, weight: Any, *, bits: int = 8, group: int | None = None, symmetric: bool = True) -> PackedWeight:
        """A float weight, quantised as by `quantize`, which has the same arguments and errors."""
        (w,), _ = interop.adopt("quantize", weight=weight)
        return cls.of_codes(*quantize(w, bits=bits, group=group, symmetric=symmetric), bits=bits)

    @classmethod
    def of_codes(cls, codes: Any, scales: Any, zeros: Any = None, *, bits: int = 8) -> PackedWeight:
        """Codes as `quantize` gives them: (out, in) int8, or (out, in / 2) uint8 for 4 bits; scales (out, in / group)
        float32, zeros the same of int8 or None. Raises ShapeError, DtypeError, ArgumentError."""
        codes, scales, zeros, group, k, _ = _given("PackedWeight.of_codes", codes, scales, zeros, bits)
        self = cls.__new__(cls)
        self.shape, self.bits, self.group, self.dtype = (codes.shape[0], k), bits, group, CODES[bits]
        self._arrays = (_panels(codes), _panels(scales), _panels(zeros))
        return self

    @property
    def device(self) -> Any:
        """Where it lives."""
        return self._arrays[0].device

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""
        return sum(x.size * x.dtype.itemsize for x in self._arrays)

    @property
    def is_quantized(self) -> bool:
        """Whether it holds codes."""
        return len(self._arrays) > 1

    def dequantize(self) -> Array:
        """The weight (out, in): float32 of codes, else as it was given."""
        if not self.is_quantized:
            return self._arrays[0].mT
        return in_float(self._params, self.shape[1], *self._arrays)

    @property
    def _params(self) -> Quantized:
        return Quantized(self.bits, self.shape[0], self.group, "float32")

    def __repr__(self) -> str:
        kind = f"{self.bits} bits in groups of {self.group}" if self.is_quantized else self.dtype.name
        return f"PackedWeight({self.shape}, {kind}, on {self.device})"


def _given(
    op: str, codes: Any, scales: Any, zeros: Any, bits: Any
) -> tuple[Array, Array, Array, int, int, interop.Restore]:
    """Codes, scales and zeros as arrays that fit each other; the group's length, and the number of inputs."""
    named = {"codes": codes, "scales": scales, **({} if zeros is None else {"zeros": zeros})}
    (codes, scales, *given), restore = interop.adopt(op, **named)
    _check_bits(op, bits)
    n, stored = _matrix(op, "codes", codes)
    k = stored * (8 // bits)
    for name, x, dtype in zip(named, (codes, scales, *given), (CODES[bits], FLOAT32, INT8), strict=False):
        if not isinstance(x, Array) or x.dtype is not dtype:
            what = x.dtype if isinstance(x, Array) else f"the scalar {shown(x)}"
            raise DtypeError(f"{op}: {name}: expected an array of {dtype} for weights of {bits} bits, got {what}")
    if scales.ndim != 2 or scales.shape[0] != n or scales.shape[1] < 1 or k % scales.shape[1]:
        raise ShapeError(
            f"{op}: scales: expected shape ({n}, groups), of a number of groups that divides the {k} inputs, "
            f"got {scales.shape}"
        )
    if given and given[0].shape != scales.shape:
        raise ShapeError(f"{op}: zeros: expected the shape of scales, {scales.shape}, got {given[0].shape}")
    group = _checked(op, bits, k // scales.shape[1], k)
    centre = (
        given[0] if given else fn.add(filled_with_zeros(scales.shape, dtype=INT8, device=codes.device), CENTRE[bits])
    )
    return codes, scales, centre, group, k, restore


def dequantize(codes: Any, scales: Any, zeros: Any = None, *, bits: int = 8) -> Any:
    """The weight (out, in), float32, of what `quantize` gives: (code - zero) * scale, rounded once.

    Raises ShapeError, DtypeError, ArgumentError.
    """
    codes, scales, zeros, group, k, restore = _given("dequantize", codes, scales, zeros, bits)
    params = Quantized(bits, codes.shape[0], group, "float32")
    return restore(in_float(params, k, *map(_panels, (codes, scales, zeros))))


def _linear(x: Any, weight: PackedWeight, bias: Any, activation: str | None, dtype: Any) -> Any:
    """`linear` of a weight that was made before."""
    named = {"x": x, **({} if bias is None else {"bias": bias})}
    (array, *rest), restore = interop.adopt("linear", **named)
    if not isinstance(array, Array) or array.ndim == 0:
        raise ShapeError("linear: x: expected at least one axis, got a scalar")
    if array.shape[-1] != weight.shape[1]:
        raise ShapeError(
            f"linear: x has shape {array.shape} and weight has shape {weight.shape}: "
            f"{array.shape[-1]} features meet {weight.shape[1]}"
        )
    keywords = {"activation": activation, "dtype": None if dtype is None else as_dtype(dtype)}
    if not weight.is_quantized:
        return restore(float_linear(array, weight.dequantize(), *rest, **keywords))
    made = packed_linear(
        array, *weight._arrays, *rest, bits=weight.bits, outputs=weight.shape[0], group=weight.group, **keywords
    )
    return restore(made)


INSTEAD["linear", "weight", PackedWeight] = _linear
