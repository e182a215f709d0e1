"""One call, served by every choice of its kernel: first whether the bits are those of the computed choice, then how
long it takes beside that one, in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
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
from ..measure.timing import OWN, rounds
from ..measure.worker import Emit

GUARD = 256
"""Bytes before and behind a result, which no kernel may write."""

STALE = 0xA5
"""The byte that results and guards hold before a kernel runs."""

BATCH_SECONDS = 2e-3
"""Launches are timed in batches that take about so long, so that waiting for the device does not count."""

HOPELESS = 2.0
"""A choice that takes so many times the computed one's time at its second run is not timed further."""

CONFIRMED = 3
"""Choices that are measured a second time at most, the best first: of many noisy numbers the least is too low."""


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
        while (took := self._timed(self.computed)) < BATCH_SECONDS / 2 and self.batch < 1 << 12:
            self.batch *= 2
        self.took = took / self.batch

    def bits_of(self, choice: Choice) -> list[bytes]:
        """All bytes of the results, and of guards around them, that a choice gives."""
        return self._bits(self._plan(choice))

    def ratio(self, choice: Choice, seconds: float | None = None) -> float:
        """Time of a choice over the computed one's. Raises DifferentBits, and CompileError and the like where the
        device does not take it."""
        plan = self._plan(choice)
        if self._bits(plan) != self.expected:
            computed = tuning.named(self.kernel, self.call, self.tunable.default(self.call))
            raise DifferentBits(f"other bits than with {computed}")
        batch, self.batch = self.batch, 1
        once = min(self._timed(plan), self._timed(plan))
        self.batch = batch
        if once > HOPELESS * max(self.took, BATCH_SECONDS / 2):
            return once / self.took
        samples = rounds([self._batch(plan)], {"computed": [self._batch(self.computed)]}, seconds or self.seconds, 0.01)
        return median(a / b for a, b in zip(samples[OWN], samples["computed"], strict=True))

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

    def _batch(self, plan: Any) -> Callable[[], object]:
        out = self.outputs[0] if len(self.outputs) == 1 else tuple(self.outputs)

        def run() -> None:
            for _ in range(self.batch):
                plan(self.inputs, out)
            self.call.device.synchronize()

        return run

    def _timed(self, plan: Any) -> float:
        run, begin = self._batch(plan), time.perf_counter()
        run()
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
            attempt(trial, choice, promised, emit, row, None)
    used = row.default
    for _ in range(CONFIRMED):
        best = min(row.ratios, key=row.ratios.__getitem__, default=row.default)
        if row.ratios.get(best, 1.0) > 1 - tuning.GAIN:
            break
        attempt(trial, best, promised, emit, row, 3 * seconds)
        if row.ratios.get(best, 1.0) <= 1 - tuning.GAIN:  # it may have failed this time
            used = best
            break
    emit({"done": used})


def attempt(trial: Trial, choice: Choice, promised: bool, emit: Emit, row: tuning.Row, seconds: float | None) -> None:
    """Measures one choice into a row."""
    emit({"begin": choice})
    try:
        row.ratios[choice] = round(trial.ratio(choice, seconds), 4)
        emit({"ratio": row.ratios[choice], "choice": choice})
    except Exception as error:  # drivers raise their own classes
        row.ratios.pop(choice, None)
        row.failed[choice] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        defect = promised and isinstance(error, DifferentBits)
        emit({"failed": row.failed[choice], "choice": choice, "defect": defect})


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
