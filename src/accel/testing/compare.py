"""One example of one op on one device: run it, and hold the result against the canonical answer, the exact one and its
bound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..array import Array
from ..backends.base import Device, HostBuffer
from ..config import config
from ..dtypes import DType, as_dtype
from ..layout import layout, span
from ..ops.spec import OpSpec

GUARD = 256
"""Bytes before and after an operand's elements, which are NaN or -1: what a kernel reads there shows."""

STALE = 0xA5
"""What fills the memory that a result is likely to get: an element that the kernel does not write shows."""


class Disagreement(AssertionError):
    """A result that differs from what the op's spec promises."""


@dataclass(frozen=True)
class Placed:
    """An operand on a device: its array, and all the bytes of its buffer."""

    array: Array
    content: np.ndarray

    def unchanged(self) -> bool:
        """Whether the device still holds the same bytes, before and after the elements as well."""
        held = self.array.device.copy_out(self.array.buffer, 0, self.content.size)
        return bool((held == self.content).all())


def place(x: np.ndarray, device: Device) -> Array:
    """A NumPy array on a device in the same memory layout."""
    return guarded(x, device).array


def guarded(x: np.ndarray, device: Device, lead: int = 0) -> Placed:
    """A NumPy array on a device in the same memory layout, byte by byte, as a copy of its whole span.

    lead: elements by which it begins behind an aligned address.
    """
    itemsize = x.dtype.itemsize
    strides = tuple(s // itemsize for s in x.strides)
    low, high = span(x.shape, strides)
    start, nbytes = GUARD + lead * itemsize, (high - low) * itemsize
    content = np.full(start + nbytes + GUARD, 0xFF, np.uint8)
    if nbytes:
        content[start : start + nbytes] = memory(x, low, nbytes)
    buffer = device.allocate(content.size)
    device.copy_in(buffer, 0, content)
    its_layout = layout(as_dtype(x.dtype), x.shape, strides, device)
    return Placed(Array(buffer, start // itemsize - low, its_layout), content)


def memory(x: np.ndarray, low: int, nbytes: int) -> np.ndarray:
    """The bytes that a strided array spans."""
    start = x.__array_interface__["data"][0] + low * x.dtype.itemsize
    return np.asarray(HostBuffer(start, nbytes, x, True))


def fetch(array: Array) -> np.ndarray:
    """An array's elements as they lie on its device: bytes are copied, no kernel runs."""
    dtype, its = array.dtype.numpy, array.layout
    low, high = span(its.shape, its.strides)
    if high == low:
        return np.empty(its.shape, dtype)
    size = dtype.itemsize
    raw = np.array(array.device.copy_out(array.buffer, (array.offset + low) * size, (high - low) * size))
    return np.ndarray(its.shape, dtype, raw.data, -low * size, tuple(step * size for step in its.strides))


def differing(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Where two arrays of one dtype differ in bits; every NaN equals every NaN, -0 differs from +0."""
    bits = np.dtype(f"u{got.dtype.itemsize}")
    same = np.ascontiguousarray(got).view(bits) == np.ascontiguousarray(want).view(bits)
    if as_dtype(got.dtype).kind == "f":
        same |= np.isnan(got) & np.isnan(want)
    return ~same.reshape(got.shape)


def in_parts(x: np.ndarray) -> np.ndarray:
    """Complex numbers with a last axis of their two parts; any other array as it is."""
    if x.dtype.kind != "c":
        return x
    return np.ascontiguousarray(x).view(x.real.dtype).reshape(*x.shape, 2)


class Answers:
    """What a spec says of one example, on whichever device: computed when it is first asked for."""

    def __init__(
        self,
        spec: OpSpec,
        operands: tuple[Any, ...],
        keywords: Mapping[str, Any] | None = None,
        period: int | None = None,
    ) -> None:
        """period: see `accel.testing.families.Sample`."""
        self._spec, self._keywords = spec, keywords or {}
        self._operands = tuple(x[:period] if period and isinstance(x, np.ndarray) else x for x in operands)

    @cached_property
    def canonical(self) -> tuple[np.ndarray, ...]:
        """The canonical answer's results, of one period."""
        return _results(self._spec.canonical(*self._operands, **self._keywords))

    @cached_property
    def exact(self) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        """The exact answer's results, each with the bound on the error around it."""
        answer = self._spec.reference(*self._operands, **self._keywords)
        exact = _results(answer)
        with np.errstate(all="ignore"):
            around = answer if isinstance(answer, tuple) else exact[0]
            bounds = _results(self._spec.bound(around, *self._operands, **self._keywords))
        return tuple(zip(exact, (np.asarray(bound, np.float64) for bound in bounds), strict=True))


def check(
    spec: OpSpec,
    device: Device,
    operands: tuple[Any, ...],
    keywords: Mapping[str, Any] | None = None,
    period: int | None = None,
    lead: int = 0,
    answers: Answers | None = None,
) -> float:
    """Runs one example. Returns the largest |error| / bound met (0 where the answer is exact); raises Disagreement.

    period: see `accel.testing.families.Sample`. lead: elements by which operands begin behind an aligned address.
    answers: this example's, where another device has asked for them.
    """
    keywords = keywords or {}
    answers = answers or Answers(spec, operands, keywords, period)
    wanted = answers.canonical
    size = max(x.size for x in operands if isinstance(x, np.ndarray)) if period else None
    placed = [guarded(x, device, lead) if isinstance(x, np.ndarray) else x for x in operands]
    named = {name: guarded(x, device, lead) if isinstance(x, np.ndarray) else x for name, x in keywords.items()}
    _make_stale(device, [(want.size if size is None else size) * want.dtype.itemsize for want in wanted])
    given = {name: x.array if isinstance(x, Placed) else x for name, x in named.items()}
    result = spec.function(*(x.array if isinstance(x, Placed) else x for x in placed), **given)
    results = result if isinstance(result, tuple) else (result,)
    if len(results) != len(wanted):
        raise Disagreement(f"got {len(results)} results, expected {len(wanted)}")
    for its in results:
        if its.device is not device:
            raise Disagreement(f"the result is on {its.device}, the operands are on {device}")
    got = [fetch(its) for its in results]
    for i, x in (*enumerate(placed), *named.items()):
        if isinstance(x, Placed) and not x.unchanged():
            raise Disagreement(f"operand {i}, or memory beside it, was changed by the call")
    dtypes = [as_dtype(x.dtype) for x in reversed(operands) if isinstance(x, np.ndarray)]
    dtype = next((each for each in dtypes if each.kind in "fc"), dtypes[0])  # and not that of indices or counts
    for i, (its, want) in enumerate(zip(got, wanted, strict=True)):
        which, shape = f"result {i}: " if len(got) > 1 else "", want.shape if size is None else (size,)
        if (its.shape, its.dtype) != (shape, want.dtype):
            raise Disagreement(f"{which}got {its.dtype}{its.shape}, expected {want.dtype}{shape}")
        if spec.bits(dtype, config.numerics) != "bound":
            _same_bits(which, in_parts(its), in_parts(np.resize(want, shape) if period else want))
    return _within_bounds([its[:period] if period else its for its in got], answers)


def _results(result: Any) -> tuple[np.ndarray, ...]:
    """One or several."""
    return tuple(map(np.asarray, result)) if isinstance(result, tuple) else (np.asarray(result),)


def _make_stale(device: Device, sizes: list[int]) -> None:
    """Fills memory that results of so many bytes are likely to get."""
    sizes = [nbytes for nbytes in sizes if nbytes]
    buffers = [device.allocate(nbytes) for nbytes in sizes]
    for buffer, nbytes in zip(buffers, sizes, strict=True):
        device.copy_in(buffer, 0, np.full(nbytes, STALE, np.uint8))


def _same_bits(which: str, got: np.ndarray, want: np.ndarray) -> None:
    where = differing(got, want)
    if where.any():
        at = _first(where)
        raise Disagreement(
            f"{which}{int(where.sum())} of {where.size} elements differ in bits, the first at {at}: "
            f"got {_element(got[at])}, canonical {_element(want[at])}{_apart(got[at], want[at])}"
        )


def _first(where: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(where)), where.shape))


def _bits(x: Any) -> int:
    return int(np.asarray(x).view(f"u{x.dtype.itemsize}"))


def _element(x: Any) -> str:
    """A value and its bits."""
    number = repr(x.item()) if as_dtype(x.dtype).kind != "f" else f"{float(x)!r}"
    return f"{number} (0x{_bits(x):0{2 * x.dtype.itemsize}x})"


def ulps(a: Any, b: Any) -> int:
    """How many floats of their dtype lie from one to the other; -0 and +0 are one apart."""
    return abs(_rank(a) - _rank(b))


def _rank(x: Any) -> int:
    """Its number in the ascending order of the floats."""
    bits, sign = _bits(x), 1 << (8 * x.dtype.itemsize - 1)
    return bits if bits < sign else sign - 1 - bits


def _apart(a: Any, b: Any) -> str:
    dtype: DType = as_dtype(a.dtype)
    if dtype.kind == "f":
        return "" if np.isnan(a) or np.isnan(b) else f", {ulps(a, b)} ULP apart"
    return "" if dtype.kind == "b" else f", {abs(int(a) - int(b))} apart"


def _within_bounds(got: list[np.ndarray], answers: Answers) -> float:
    floats = [as_dtype(its.dtype).kind == "f" for its in got]
    if not any(floats):
        return 0.0
    ratios = [0.0]
    for i, (its, (exact, bound)) in enumerate(zip(got, answers.exact, strict=True)):
        if floats[i]:
            ratios.append(_within_bound(f"result {i}: " if len(got) > 1 else "", its, exact, bound))
    return max(ratios)


def _within_bound(which: str, got: np.ndarray, exact: np.ndarray, bound: np.ndarray) -> float:
    with np.errstate(all="ignore"):
        error = np.abs(got.astype(exact.dtype) - exact).astype(np.float64)
        judged = np.isfinite(np.asarray(exact, np.float64)) & np.isfinite(bound)
        wrong = judged & ~(error <= bound)
        if wrong.any():
            at = _first(wrong)
            nearest = exact[at].astype(got.dtype)
            raise Disagreement(
                f"{which}{int(wrong.sum())} of {wrong.size} elements are outside their bound, the first at {at}: got "
                f"{_element(got[at])}, exact {float(exact[at])!r} (0x{_bits(nearest):0{2 * got.itemsize}x} when "
                f"rounded){_apart(got[at], nearest)}; error {error[at]:.3g}, which exceeds the bound {bound[at]:.3g}"
            )
        ratio = np.where(judged & (bound > 0), error / bound, 0)
    return float(ratio.max(initial=0.0))
