"""One call, served by every choice of its kernel: first whether the bits are those of the computed choice, then how
long it takes beside that one, in turns."""

from __future__ import annotations

import time
from collections.abc import Sequence
from math import inf
from statistics import median
from typing import Any

import numpy as np

from ... import tuning
from ...array import Array
from ...backends.base import Call, Choice, Kernel
from ...dtypes import DType
from ...errors import AccelError
from ...layout import Layout, span
from ...plan import prepare, single
from ..measure.worker import Emit

GUARD = 256
"""Bytes before and behind a result, which no kernel may write."""

STALE = 0xA5
"""The byte that results and guards hold before a kernel runs."""

BATCH_SECONDS = 2e-3
"""Launches are timed in batches that take about so long, so that waiting for the device does not count."""

HOPELESS = 2.0
"""A choice that takes so many times the computed one's time at its second run is not timed further."""

ROUNDS, CAREFUL, MOST = 5, 25, 200
"""Rounds of a choice at least, of one that is measured a second time, and at most."""

CONFIRMED = 3
"""Choices that are measured a second time at most, the best first: of many noisy numbers the least is too low. Of the
second time's rounds three of four must save `tuning.GAIN`, so that what is used is faster on a busy machine too."""


class DifferentBits(AccelError):
    """A choice gives other bits than the computed one."""


class Trial:
    """A call's operands, and the result of its kernel's computed choice. seconds: of timing for each choice."""

    def __init__(self, kernel: Kernel, call: Call, seconds: float) -> None:
        assert kernel.tunable is not None
        self.kernel, self.call, self.seconds, self.tunable = kernel, call, seconds, kernel.tunable
        rng = np.random.default_rng(0)
        self.inputs = [operand(x, rng) for x in call.inputs]
        self.outputs = [_result(x) for x in call.outputs]
        self.computed = self._plan(self.tunable.default(call))
        self.expected = self._bits(self.computed)
        self.batch = 1
        while (took := self._timed(self.computed, self.batch)) < BATCH_SECONDS / 2 and self.batch < 1 << 12:
            self.batch *= 2
        self.took = took / self.batch

    def bits_of(self, choice: Choice) -> list[bytes]:
        """All bytes of the results, and of guards around them, that a choice gives."""
        return self._bits(self._plan(choice))

    def ratio(self, choice: Choice, least: int = ROUNDS, seconds: float | None = None) -> tuple[float, float]:
        """Time of a choice over the computed one's, in turns: the median, and what three rounds of four are below.

        least: rounds. Raises DifferentBits, and CompileError and the like where the device does not take the choice.
        """
        plan = self._plan(choice)
        if self._bits(plan) != self.expected:
            computed = tuning.named(self.kernel, self.call, self.tunable.default(self.call))
            raise DifferentBits(f"other bits than with {computed}")
        once, batch = min(self._timed(plan, 1), self._timed(plan, 1)), self.batch
        if once > HOPELESS * max(self.took, BATCH_SECONDS / 2):
            return once / self.took, once / self.took
        ratios: list[float] = []
        end = time.perf_counter() + (seconds or self.seconds)
        while len(ratios) < least or (time.perf_counter() < end and len(ratios) < MOST):
            if len(ratios) % 2:
                before, its = self._timed(self.computed, batch), self._timed(plan, batch)
            else:
                its, before = self._timed(plan, batch), self._timed(self.computed, batch)
            ratios.append(its / before)
        return median(ratios), float(np.quantile(ratios, 0.75))

    def _plan(self, choice: Choice) -> Any:
        # what stands in the place of the kernel's own preparation is prepared in the same way
        chosen = Kernel(
            self.kernel.op, self.kernel.name, self.kernel.source, self.kernel.supports,
            lambda call: self.tunable.prepare(call, choice),
        )  # fmt: skip
        made = prepare(chosen, self.call)
        return single(self.call.device, [x.layout for x in self.outputs], made, len(self.inputs), None)

    def _bits(self, plan: Any) -> list[bytes]:
        """All bytes of the results and their guards, after one run."""
        device, found = self.call.device, []
        for x in self.outputs:
            device.copy_in(x.buffer, 0, np.full(_nbytes(x.layout), STALE, np.uint8))
        plan(self.inputs, self.outputs[0] if len(self.outputs) == 1 else tuple(self.outputs))
        for x in self.outputs:
            found.append(device.copy_out(x.buffer, 0, _nbytes(x.layout)).tobytes())
        return found

    def _timed(self, plan: Any, launches: int) -> float:
        """Seconds of so many runs, until the device has done them."""
        out = self.outputs[0] if len(self.outputs) == 1 else tuple(self.outputs)
        begin = time.perf_counter()
        for _ in range(launches):
            plan(self.inputs, out)
        self.call.device.synchronize()
        return time.perf_counter() - begin


def measure(kernel: Kernel, call: Call, row: tuning.Row, promised: bool, emit: Emit, seconds: float) -> None:
    """Measures what a row does not have yet, and emits it: {"begin": choice}, then {"ratio": …} or {"failed": …} of the
    choice; at last {"done": choice}, the one to use. promised: whether other bits are a defect, as the mode and the
    dtypes promise them; else such a choice is only left out."""
    emit({"begin": row.default})
    trial = Trial(kernel, call, seconds)
    emit({"computed": trial.took})
    assert kernel.tunable is not None
    for choice in kernel.tunable.choices(call):
        if choice != row.default and choice not in row.ratios and choice not in row.failed:
            attempt(trial, choice, promised, emit, row)
    used = row.default
    for best in sorted(row.ratios, key=row.ratios.__getitem__)[:CONFIRMED]:
        if row.ratios[best] > 1 - tuning.GAIN:
            break
        if attempt(trial, best, promised, emit, row, CAREFUL, 4 * seconds) <= 1 - tuning.GAIN:
            used = best
            break
    emit({"done": used})


def attempt(
    trial: Trial,
    choice: Choice,
    promised: bool,
    emit: Emit,
    row: tuning.Row,
    least: int = ROUNDS,
    seconds: float | None = None,
) -> float:
    """Measures one choice into a row; returns the share of the computed one's time that three rounds of four are
    below."""
    emit({"begin": choice})
    try:
        middle, upper = trial.ratio(choice, least, seconds)
    except Exception as error:  # drivers raise their own classes
        row.ratios.pop(choice, None)
        row.failed[choice] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        defect = promised and isinstance(error, DifferentBits)
        emit({"failed": row.failed[choice], "choice": choice, "defect": defect})
        return inf
    row.ratios[choice] = round(middle, 4)
    emit({"ratio": row.ratios[choice], "choice": choice})
    return upper


def operand(like: Layout, rng: np.random.Generator) -> Array:
    """An array of a layout, of random numbers."""
    low, high = span(like.shape, like.strides)
    values = _numbers(like.dtype, high - low, rng)
    buffer = like.device.allocate(max(1, values.nbytes))
    like.device.copy_in(buffer, 0, values.view(np.uint8))
    return Array(buffer, -low, like)


def _numbers(dtype: DType, count: int, rng: np.random.Generator) -> np.ndarray:
    """Normal numbers; integers of the whole range."""
    if dtype.kind == "f":
        return rng.standard_normal(count, dtype=np.float32).astype(dtype.numpy)
    if dtype.kind == "b":
        return rng.integers(0, 2, count, dtype=np.uint8).view(np.bool_)
    return rng.integers(0, 256, count * dtype.itemsize, dtype=np.uint8).view(dtype.numpy)


def _nbytes(layout: Layout) -> int:
    low, high = span(layout.shape, layout.strides)
    return (high - low) * layout.dtype.itemsize + 2 * GUARD


def _result(like: Layout) -> Array:
    buffer = like.device.allocate(_nbytes(like))
    return Array(buffer, GUARD // like.dtype.itemsize - span(like.shape, like.strides)[0], like)


def needs_bytes(call: Call) -> int:
    """Memory of the device that a call's operands and results take."""
    return sum(_nbytes(x) for x in (*call.inputs, *call.outputs))


def requests(candidates: Sequence[tuple[str, Sequence[Any]]]) -> list[tuple[Kernel, Call]]:
    """What tunable kernels are asked for by recorded calls."""
    found = []
    for _, ways in candidates:
        used = next((way for way in ways if way.refusal is None), None)
        found += [(k, c) for k, c in (used.requests if used else ()) if k.tunable is not None]
    return found
