"""Running error analysis (Wilkinson): every value is computed by the canonical algorithms, and carries a bound on its
distance from the exact value. What a primitive adds it states itself (`Primitive.analysed`), by the steps and folds
here; what a scalar function does to its arguments' errors is in `accel.graph.propagation`, its own rounding follows
from its documented ULP."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..dtypes import DType, as_dtype
from ..ops import canonical
from ..scalar import FUNCTIONS, Program, Step
from ..scalar.scalar_function import JUMPS
from .bounded import Bounded, bounded, rounding
from .folding import DECISIONS, FOLDS
from .propagation import RULES, Argument, of_function


class Analysis:
    """Computes primitives on `Bounded` operands of equal or broadcast shapes, and counts decisions.

    decided, undecided: elements of comparisons, roundings to integers and choices of an index whose outcome the errors
    leave no doubt about, and of those that may be otherwise for the exact values.
    """

    def __init__(self) -> None:
        self.decided = self.undecided = 0

    # scalar programs

    def program(self, program: Program, *inputs: Bounded) -> tuple[Bounded, ...]:
        """Every result of a program."""
        values = list(inputs)
        for step in program.steps:
            values.append(self.step(step.function, step.dtype, *(values[a] for a in step.args)))
        shape = np.broadcast_shapes(*(x.value.shape for x in inputs))
        return tuple(values[v].seen(lambda x: np.broadcast_to(x, shape)) for v in program.values)

    def step(self, name: str, dtype: str, *inputs: Bounded) -> Bounded:
        """A scalar function at a compute dtype, or a cast to one."""
        from ..scalar.evaluate import evaluate

        given = tuple(x.dtype.name for x in inputs)
        output = dtype if name == "cast" else FUNCTIONS[name].result_dtype(dtype)
        value = evaluate(_single(name, dtype, given, output), *(x.value for x in inputs))
        with np.errstate(all="ignore"):
            x = [(_stretched(i.wide(), value.shape), _stretched(i.error, value.shape)) for i in inputs]
            if name == "cast":
                return self._cast(value, inputs[0].dtype, *x)
            changed, own = of_function(name, dtype, value.astype(np.float64), x)
        if output == "bool" or FUNCTIONS[name].derivative == JUMPS:
            self._count(changed, any(i.dtype.kind == "f" for i in inputs))
        if output != "bool" and as_dtype(output).kind != "f":
            changed = _within_range(value, changed)
        return bounded(value, changed + own)

    def _cast(self, value: np.ndarray, source: DType, x: Argument) -> Bounded:
        target, y = as_dtype(value.dtype), value.astype(np.float64)
        if target.kind == "f":
            kept = (y == x[0]) | np.isnan(x[0])
            error = x[1] + np.where(kept, 0.0, rounding(y, 0.5, target))
            return bounded(value, np.where(np.isinf(y) & ~np.isinf(x[0]), np.inf, error))
        if target.kind == "b":
            error = RULES["not_equal"](y, x, (np.zeros_like(y), np.zeros_like(y)))
            self._count(error, source.kind == "f")
            return bounded(value, error)
        if source.kind != "f":
            return bounded(value, _within_range(value, x[1]))
        error = np.where(x[1] > 0, RULES["trunc"](np.trunc(x[0]), x), 0.0)
        self._count(error, True)
        return bounded(value, error)

    def _count(self, error: np.ndarray, of_floats: bool) -> None:
        if of_floats:
            undecided = int(np.count_nonzero(error))
            self.undecided += undecided
            self.decided += error.size - undecided

    # folds

    def fold(self, kind: str, x: Bounded) -> Bounded:
        """A reduction of the last axis, of a dtype that accumulates; the result has that axis with length 1."""
        value = canonical.reduce(kind, x.value, (x.value.ndim - 1,), x.dtype)[..., None]
        with np.errstate(all="ignore"):
            error = FOLDS[kind](value.astype(np.float64), x.wide(), x.error, x.dtype)
        if kind in DECISIONS:
            self._count(error, x.dtype.kind == "f")
        return bounded(value, error)

    def cast(self, dtype: str, x: Bounded) -> Bounded:
        """A cast, where it is one."""
        return x if x.dtype.name == dtype else self.step("cast", dtype, x)


@lru_cache(maxsize=512)
def _single(name: str, dtype: str, given: tuple[str, ...], output: str) -> Program:
    """The program of one function of operands of these dtypes."""
    return Program(given, (Step(name, dtype, tuple(range(len(given)))),), output)


def _stretched(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return x if x.shape == shape else np.broadcast_to(x, shape)


def _within_range(value: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Of integers, which wrap: nothing is known where the exact one might."""
    limits = np.iinfo(value.dtype)
    y = value.astype(np.float64)
    inside = (y - error > float(limits.min)) & (y + error < float(limits.max))
    return np.where((error == 0) | inside, error, np.inf)
