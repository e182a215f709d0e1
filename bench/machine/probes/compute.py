"""Arithmetic per dtype: what chains of instructions reach (hard), and the best matmul found (reachable)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from .... import asarray, empty, matmul
from ....backends.base import Device
from ....dtypes import as_dtype
from ....errors import AccelError
from ....ops.primitive.pointwise import apply
from ....scalar import Program, Step
from ....scalar.expr import Expr, arg, fma
from .record import Effort, Probe, measured, refused, rounds, seconds_per_call

DTYPES = ("float32", "float64", "float16", "bfloat16", "int8")
"""Dtypes whose best matmul is sought."""

SIDES = (512, 1024, 2048, 4096, 8192)
"""Of the square matrices tried, as far as one call takes no longer than the effort allows."""

TRIALS = 3
"""Samples of each side, before the best one gets its own."""

CHAINS, LENGTH = 8, 32
"""Chains of fma of one element, and their steps: enough of them for two units of four cycles."""

ELEMENTS = {"gpu": 1 << 24, "accelerator": 1 << 24, "cpu": 1 << 20}
"""Elements of the chains' operand by the device's kind: a launch has to last longer than it costs."""


def hard(device: Device, effort: Effort) -> Iterator[Probe]:
    """What no kernel can exceed, by a pointwise program of chains of fma."""
    for dtype in ("float32", "float64"):
        id = f"fma/{dtype}"
        try:
            yield measured(id, "op/s", _chain_rates(device, dtype, effort), "program", dtype=dtype)
        except AccelError as error:
            yield refused(id, "fma", "op/s", dtype, str(error))


@dataclass(frozen=True)
class Chains(Program):
    """A program of chains of fma, which no scalar function is: x ↦ Σ of CHAINS values, each LENGTH steps
    v ↦ v y + x from another start. The steps state its dtypes only.
    """

    def expressions(self) -> tuple[Expr, ...]:
        """The chains, in the place of what the steps would give."""
        x, y = (arg(i, dtype) for i, dtype in enumerate(self.inputs))
        values = [x + float(i) for i in range(CHAINS)]
        for _ in range(LENGTH):
            values = [fma(value, y, x) for value in values]
        total = values[0]
        for value in values[1:]:
            total = total + value
        return (total,)


def chains(dtype: str) -> Chains:
    """The program at a compute dtype, of the operands x and y."""
    return Chains((dtype, dtype), (Step("multiply", dtype, (0, 1)),), dtype)


OPERATIONS = 2 * CHAINS * LENGTH + 2 * CHAINS - 1
"""Of one element: an fma is two."""


def _chain_rates(device: Device, dtype: str, effort: Effort) -> list[float]:
    count = ELEMENTS.get(device.kind, 1 << 12)
    random = np.random.default_rng(0)
    x = asarray(random.random(count, np.float32).astype(dtype), device=device)
    y = asarray(np.full(1, 0.5, dtype), device=device)
    out, program = empty((count,), dtype=as_dtype(dtype), device=device), chains(dtype)
    times = seconds_per_call(lambda: apply(program, x, y, out=out), device.synchronize, effort.samples)
    return [OPERATIONS * count / t for t in times]


def reachable(device: Device, effort: Effort) -> Iterator[Probe]:
    """The best rate of `accel.matmul` over square matrices, by dtype."""
    sides: dict[str, int] = {}
    reasons: dict[str, str] = {}
    calls: dict[str, Callable[[], object]] = {}
    for dtype in DTYPES:
        try:
            sides[dtype] = best_side(device, dtype, effort)
            calls[dtype] = product(device, dtype, sides[dtype])
        except AccelError as error:
            reasons[dtype] = str(error)
    times = rounds(calls, device.synchronize, effort.samples)
    for dtype in DTYPES:
        id, found = f"matmul/{dtype}", times.get(dtype)
        if found is None or isinstance(found, AccelError):
            yield refused(id, "matmul", "op/s", dtype, reasons.get(dtype, str(found)))
            continue
        rates = [2 * sides[dtype] ** 3 / t for t in found]
        yield measured(id, "op/s", rates, "program", dtype=dtype, note=f"best of the sides tried: {sides[dtype]}")


def best_side(device: Device, dtype: str, effort: Effort) -> int:
    """The side at which the rate is best."""
    found: dict[int, float] = {}
    for side in SIDES:
        try:
            took = min(seconds_per_call(product(device, dtype, side), device.synchronize, TRIALS))
        except MemoryError:
            if not found:
                raise
            break
        found[side] = side**3 / took
        if 8 * took > effort.call_s:
            break
    return max(found, key=lambda side: found[side])


def product(device: Device, dtype: str, side: int) -> Callable[[], object]:
    """A call of matmul on two square matrices of random values that lie on the device."""
    random = np.random.default_rng(0)
    numpy_dtype = as_dtype(dtype).numpy
    if dtype == "int8":
        a, b = (random.integers(-128, 128, (side, side), np.int8) for _ in range(2))
    else:
        a, b = (random.standard_normal((side, side), np.float32).astype(numpy_dtype) for _ in range(2))
    x, y = asarray(a, device=device), asarray(b, device=device)
    return lambda: matmul(x, y)
