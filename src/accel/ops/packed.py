"""Weights of linear layers and of convolutions, made once, in float or quantised, and `linear`, which takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from .. import interop
from ..array import Array
from ..conversion import from_numpy
from ..creation import device_of
from ..dtypes import DType, as_dtype
from ..errors import ArgumentError, DtypeError, ShapeError
from ..holder import HOLDERS, Holder
from ..layout import Shape
from ..memory import Device
from .composed.packed_linear import packed_linear
from .gguf_blocks import in_panels, unpacked
from .parameters import Quantized
from .primitive.quantized_matmul import in_float
from .quantization import given, matrix, quantize
from .weight_formats import FORMATS

KERNELS = (3, 4, 5)
"""Axes of a convolution's weight."""


class PackedWeight:
    """The weight of a linear layer or a convolution, made once, which `linear` and `conv1d`, `conv2d`, `conv3d` take in
    a weight's place.

    Of a float array (out, in) or (out, in, *kernel) as it is, or of quantised ones of linear layers: by `quantized`
    from a float array, by `of_codes` from codes, scales and zeros, by `from_gguf` from the blocks of a file. It lives
    on its arrays' device, and is not changed any more.
    """

    __slots__ = ("_arrays", "_given", "bits", "dtype", "format", "group", "shape")

    def __init__(self, weight: Any) -> None:
        """weight: (out, in), or of a convolution (out, channels / groups, *kernel), of a floating dtype; it is laid out
        as kernels take it: with the outputs last, but of a kernel of one element with the channels last. Raises
        ShapeError, DtypeError."""
        (w,), _ = interop.adopt("PackedWeight", weight=weight)
        self.shape = w.shape if w.ndim in KERNELS else matrix("PackedWeight", "weight", w)
        if 0 in self.shape[2:]:
            raise ShapeError(f"PackedWeight: weight: expected no kernel axis of length 0, got shape {self.shape}")
        if w.dtype.kind != "f":
            raise DtypeError(f"PackedWeight: weight: takes floating dtypes, got {w.dtype}; of_codes takes codes")
        self.dtype: DType = w.dtype
        self.format: str | None = None
        self.bits, self.group = 8 * w.dtype.itemsize, self.shape[1]
        last = (*range(2, w.ndim), 1, 0)
        alone = w.ndim > 2 and set(self.shape[2:]) == {1}  # a matrix product, which takes rows as they lie
        self._arrays = (w.contiguous().permute(last) if alone else w.permute(last).contiguous(),)

    @classmethod
    def quantized(
        cls,
        weight: Any,
        *,
        bits: int = 8,
        group: int | Literal["tensor"] | None = None,
        symmetric: bool = True,
        format: str | None = None,
    ) -> PackedWeight:
        """A float weight, quantised as by `quantize`, which has the same arguments and errors."""
        (w,), _ = interop.adopt("quantize", weight=weight)
        codes = quantize(w, bits=bits, group=group, symmetric=symmetric, format=format)
        return cls.of_codes(*codes, bits=bits, format=format)

    @classmethod
    def of_codes(
        cls, codes: Any, scales: Any, zeros: Any = None, *, bits: int = 8, format: str | None = None
    ) -> PackedWeight:
        """Codes, scales and zeros as `quantize` gives them for a format (see `Codes` in docs/quantization.md): integers
        of 8 bits as int8, floats of 8 bits as uint8, two of 4 bits in a uint8.

        Raises ShapeError, DtypeError, ArgumentError."""
        its = given("PackedWeight.of_codes", codes, scales, zeros, bits, format)
        return cls._of(its.params, its.k, its.arrays)

    @classmethod
    def from_gguf(cls, data: Any, shape: Shape, kind: str, *, device: str | Device | None = None) -> PackedWeight:
        """The tensor of a GGUF file: its bytes as they are there, its shape (out, in), and its type's name, "F32",
        "F16", "BF16", "Q4_0", "Q8_0", "Q4_K", "Q5_K" or "Q6_K".

        data: bytes or an array of uint8 on the host. Blocks are laid out anew, in panels, on the device that is named,
        by default the default one; no code and no scale changes (docs/quantization.md).
        Raises ShapeError, DtypeError, ArgumentError, DeviceError.
        """
        arrays, place = unpacked("PackedWeight.from_gguf", data, shape, kind), device_of(device)
        if kind not in FORMATS:
            return cls(from_numpy(arrays[0], place))
        n, k = shape
        params = Quantized(kind, n, FORMATS[kind].group or k, "float32")
        return cls._of(params, k, tuple(from_numpy(in_panels(x), place) for x in arrays))

    @classmethod
    def _of(cls, params: Quantized, k: int, arrays: tuple[Array, ...]) -> PackedWeight:
        self = cls.__new__(cls)
        self.shape, self.group, self.format, self._arrays = (params.n, k), params.group, params.format, arrays
        self.bits, self.dtype = params.its.bits, params.its.dtypes[0]
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
        return self.format is not None

    def dequantize(self) -> Array:
        """The weight as it was given, as a view, or (out, in), float32, of codes."""
        if not self.is_quantized:
            if not hasattr(self, "_given"):
                (x,) = self._arrays
                self._given = x.permute((x.ndim - 1, x.ndim - 2, *range(x.ndim - 2)))
            return self._given
        return in_float(self._params, self.shape[1], *self._arrays)

    @property
    def _params(self) -> Quantized:
        assert self.format is not None
        return Quantized(self.format, self.shape[0], self.group, "float32")

    def __repr__(self) -> str:
        kind = f"{self.format} in groups of {self.group}" if self.is_quantized else self.dtype.name
        return f"PackedWeight({self.shape}, {kind}, on {self.device})"


def _in_place_of_an_array(op: str, name: str, weight: PackedWeight) -> Array:
    """A weight that an op takes as the array that it holds."""
    if weight.is_quantized:
        raise ArgumentError(f"{op}: {name}: takes no weight of {weight.bits} bits; linear does")
    return weight.dequantize()


def _apart(weight: PackedWeight) -> tuple[Any, tuple[Array, ...]]:
    return (weight.shape, weight.bits, weight.group, weight.format, weight.dtype), weight._arrays


def _together(compared: Any, arrays: Sequence[Array]) -> PackedWeight:
    made = PackedWeight.__new__(PackedWeight)
    made.shape, made.bits, made.group, made.format, made.dtype = compared
    made._arrays = tuple(arrays)
    return made


def rows_of(op: str, x: Any, weight: PackedWeight, bias: Any) -> tuple[Array, list[Any], interop.Restore]:
    """x, a bias where there is one, and what turns the result back, of a linear op. Raises ShapeError."""
    named = {"x": x, **({} if bias is None else {"bias": bias})}
    (array, *rest), restore = interop.adopt(op, **named)
    if not isinstance(array, Array) or array.ndim == 0:
        raise ShapeError(f"{op}: x: expected at least one axis, got a scalar")
    if array.shape[-1] != weight.shape[1]:
        raise ShapeError(
            f"{op}: x has shape {array.shape} and weight has shape {weight.shape}: "
            f"{array.shape[-1]} features meet {weight.shape[1]}"
        )
    return array, rest, restore


def _linear(x: Any, weight: PackedWeight, bias: Any, activation: str | None, dtype: Any) -> Any:
    """`linear` of codes."""
    array, rest, restore = rows_of("linear", x, weight, bias)
    keywords = {"activation": activation, "dtype": None if dtype is None else as_dtype(dtype)}
    held = [*weight._arrays, *[None] * (3 - len(weight._arrays))]
    made = packed_linear(
        array, *held, *rest, format=weight.format, outputs=weight.shape[0], group=weight.group, **keywords
    )
    return restore(made)


def _instead(op: str, name: str, weight: PackedWeight) -> Callable[..., Any] | None:
    return _linear if weight.is_quantized and (op, name) == ("linear", "weight") else None


HOLDERS[PackedWeight] = Holder(_apart, _together, _in_place_of_an_array, _instead)
