"""Running error analysis (Wilkinson): every value is computed by the canonical algorithms, and carries a bound on its
distance from the exact value. What a primitive adds is stated here, one rule per primitive; what a scalar function does
to its arguments' errors in `accel.graph.propagation`, its own rounding by its documented ULP."""

from __future__ import annotations

import numpy as np

from ..dtypes import DType, as_dtype
from ..ops import bounds, canonical
from ..ops.parameters import Product, Reduction, Rows, Sort, accumulator_dtype
from ..scalar import FUNCTIONS, Fold, Index, Program, Step
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
        program = Program(given, (Step(name, dtype, tuple(range(len(given)))),), output)
        value = evaluate(program, *(x.value for x in inputs))
        with np.errstate(all="ignore"):
            x = [(np.broadcast_to(i.wide(), value.shape), np.broadcast_to(i.error, value.shape)) for i in inputs]
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

    def reduction(self, reduction: Reduction, output: DType, x: Bounded) -> Bounded:
        """The primitive ``reduce``: folds of accumulators over any axes, rounded to the output dtype."""
        kept = tuple(n for a, n in enumerate(x.value.shape) if a not in reduction.axes)
        flat = x.seen(lambda v: canonical.flatten(v, reduction.axes))
        if flat.value.shape[-1] == 0:
            return Bounded.exact(canonical.reduce(reduction.kind, x.value, reduction.axes, output).reshape(kept))
        if reduction.kind in ("sum", "prod"):
            accumulator = x.dtype.accumulator if x.dtype.kind == "f" else "uint64" if x.dtype.kind == "u" else "int64"
            flat = self._as(accumulator, flat)
        result = self.fold(reduction.kind, flat)
        return self._as(output.name, result).seen(lambda v: v.reshape(kept))

    def sort(self, params: Sort, x: Bounded) -> Bounded:
        """The primitive ``sort``: no sorted value moves by more than the largest error in its row; of indices nothing
        is known where any element may be another one."""
        order = canonical.argsort(x.value, params.axis, params.descending)
        most = np.broadcast_to(x.error.max(axis=params.axis, keepdims=True, initial=0.0), order.shape)
        if params.kind == "values":
            return bounded(np.take_along_axis(x.value, order, params.axis), most)
        self._count(most, x.dtype.kind == "f")
        return bounded(order, np.where(most > 0, np.inf, 0.0))

    def _as(self, dtype: str, x: Bounded) -> Bounded:
        return x if x.dtype.name == dtype else self.step("cast", dtype, x)

    # products of matrices, and rows

    def product(self, product: Product, output: DType, a: Bounded, b: Bounded, *extras: Bounded) -> Bounded:
        """The primitive ``matmul`` with its epilogue."""
        accumulator = accumulator_dtype(a.dtype, output)
        value = canonical.matmul(a.value, b.value, accumulator)
        with np.errstate(all="ignore"):
            left, right = np.abs(a.wide()), np.abs(b.wide())
            error = left @ b.error + a.error @ (right + b.error)
            if accumulator.kind == "f":
                k = left.shape[-1]
                magnitude = left @ right
                growth = bounds.gamma(bounds.dot_depth(k), bounds.unit_roundoff(accumulator))
                own = growth * magnitude + k * bounds.smallest(accumulator)
                if bounds.integral(a.value, b.value):
                    own = np.where(magnitude < 1 / bounds.unit_roundoff(accumulator), 0.0, own)
                exact = not (a.error.any() or b.error.any())
                fits = magnitude < bounds.largest(accumulator) / 2
                special = exact & ~np.isfinite(magnitude) & ~np.isfinite(value)
                error = np.where(fits, error + own, np.where(special, 0.0, np.inf))
        made = bounded(value, error)
        if product.epilogue is None:
            return self._as(output.name, made)
        return self.program(product.epilogue, made, *extras)[0]

    def rows(self, params: Rows, *inputs: Bounded) -> tuple[Bounded, ...]:
        """The primitive ``row``."""
        program = params.program
        shape = next(x.value.shape for x, its in zip(inputs, program.inputs, strict=True) if its.each)
        kept = shape[: len(shape) - params.reduced]
        n = int(np.prod(shape[len(kept) :]))
        values = [
            x.seen(lambda v, each=its.each: v.reshape(*kept, n if each else 1))
            for x, its in zip(inputs, program.inputs, strict=True)
        ]
        for item in program.steps:
            if isinstance(item, Index):
                values.append(Bounded.exact(np.broadcast_to(np.arange(n), (*kept, n))))
            elif isinstance(item, Fold):
                x = values[item.arg].seen(lambda v: np.broadcast_to(v, (*kept, n)))
                values.append(self.fold(item.kind, x))
            else:
                values.append(self.step(item.function, item.dtype, *(values[a] for a in item.args)))
        results = []
        for v in program.outputs:
            each = program.values[v].each
            whole = values[v].seen(lambda x, m=n if each else 1: np.broadcast_to(x, (*kept, m)))
            results.append(whole.seen(lambda x, its=shape if each else kept: np.ascontiguousarray(x).reshape(its)))
        return tuple(results)


def _within_range(value: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Of integers, which wrap: nothing is known where the exact one might."""
    limits = np.iinfo(value.dtype)
    y = value.astype(np.float64)
    inside = (y - error > float(limits.min)) & (y + error < float(limits.max))
    return np.where((error == 0) | inside, error, np.inf)
