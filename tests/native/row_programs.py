"""Row programs for the tests of the row kernel, and calls of it on NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import numpy as np
from native_reference import numpy_dtype, strides

from accel.dtypes import TABLE
from accel.ops.primitive.row import Rows, evaluate
from accel.scalar import Fold, Index, RowProgram, Step
from accel.scalar.row_program import Input


class Build:
    """Makes a row program: every method gives the number of a new value."""

    def __init__(self, *inputs: str) -> None:
        """Inputs by dtype; with "row " before it, of each row."""
        self.inputs = tuple(Input(name.removeprefix("row "), not name.startswith("row ")) for name in inputs)
        self.steps: list[Step | Fold | Index] = []

    def _add(self, item: Step | Fold | Index) -> int:
        self.steps.append(item)
        return len(self.inputs) + len(self.steps) - 1

    def step(self, function: str, dtype: str, *args: int) -> int:
        return self._add(Step(function, dtype, args))

    def fold(self, kind: str, arg: int) -> int:
        return self._add(Fold(kind, arg))

    def index(self) -> int:
        return self._add(Index())

    def finish(self, *outputs: int) -> RowProgram:
        return RowProgram(self.inputs, tuple(self.steps), outputs)


def softmax(dtype: str, kind: str = "softmax") -> RowProgram:
    """softmax, log_softmax or logsumexp (of finite maxima)."""
    acc = "float64" if dtype == "float64" else "float32"
    b = Build(dtype)
    x = b.step("cast", acc, 0)
    m = b.fold("max", x)
    d = b.step("subtract", acc, x, m)
    p = b.step("exp", acc, d)
    t = b.fold("sum", p)
    if kind == "softmax":
        result = b.step("divide", acc, p, t)
    else:
        log = b.step("log", acc, t)
        result = b.step("subtract", acc, d, log) if kind == "log_softmax" else b.step("add", acc, m, log)
    return b.finish(b.step("cast", dtype, result))


def layer_norm(dtype: str) -> RowProgram:
    """x, weight, bias, 1 / n of each row: the result, the mean and the reciprocal deviation."""
    b = Build("float32", dtype, "float32", "row float32")
    w = b.step("cast", "float32", 1)
    mean = b.step("multiply", "float32", b.fold("sum", 0), 3)
    d = b.step("subtract", "float32", 0, mean)
    square = b.step("square", "float32", d)
    scale = b.step("rsqrt", "float32", b.step("multiply", "float32", b.fold("sum", square), 3))
    y = b.step("multiply", "float32", b.step("multiply", "float32", d, scale), w)
    return b.finish(b.step("add", "float32", y, 2), mean, scale)


def cross_entropy(dtype: str) -> RowProgram:
    """x, and the target of each row (int64): the loss of each row, and the gradient of each element."""
    b = Build(dtype, "row int64")
    x = b.step("cast", "float32", 0)
    m = b.fold("max", x)
    p = b.step("exp", "float32", b.step("subtract", "float32", x, m))
    t = b.fold("sum", p)
    hit = b.step("equal", "int64", b.index(), 1)
    zero = b.step("subtract", "float32", m, m)
    one = b.step("divide", "float32", t, t)
    at = b.fold("sum", b.step("where", "float32", hit, x, zero))
    loss = b.step("subtract", "float32", b.step("add", "float32", m, b.step("log", "float32", t)), at)
    q = b.step("divide", "float32", p, t)
    gradient = b.step("subtract", "float32", q, b.step("where", "float32", hit, one, zero))
    return b.finish(loss, b.step("cast", dtype, gradient))


def integers(dtype: str) -> RowProgram:
    """int64 sums, products and extremes of integers, and the elements' numbers less the largest."""
    b = Build(dtype)
    wide = b.step("cast", "int64", 0)
    i = b.index()
    total = b.fold("sum", wide)
    last = b.fold("max", i)
    apart = b.step("subtract", "int64", b.step("multiply", "int64", i, total), last)
    return b.finish(total, b.fold("prod", wide), b.fold("min", apart), apart, b.fold("sum", total), i)


def run(
    cpu: ModuleType,
    isa: str,
    program: RowProgram,
    reduced: int,
    *inputs: np.ndarray,
    threads: int = 1,
    outputs: Sequence[np.ndarray] | None = None,
) -> tuple[np.ndarray, ...]:
    """Over the last `reduced` axes."""
    shape = next(x.shape for x, its in zip(inputs, program.inputs, strict=True) if its.each)
    kept = len(shape) - reduced
    values = [program.values[v] for v in program.outputs]
    if outputs is None:
        outputs = [np.empty(shape if v.each else shape[:kept], numpy_dtype(v.dtype)) for v in values]
    steps = []
    for item in program.steps:
        if isinstance(item, Index):
            steps.append(("index", "", []))
        elif isinstance(item, Fold):
            steps.append(("fold", item.kind, [item.arg]))
        else:
            steps.append((item.function, item.dtype, list(item.args)))
    kernel = cpu.Row(isa, [(its.dtype, its.each) for its in program.inputs], steps, list(program.outputs))
    kernel.run(
        [x.ctypes.data for x in inputs],
        [x.ctypes.data for x in outputs],
        shape[:kept],
        shape[kept:],
        [strides(x) for x in outputs],
        [strides(x) for x in inputs],
        threads,
    )
    return tuple(outputs)


def wanted(program: RowProgram, reduced: int, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
    """The judge's answer."""
    results = evaluate(Rows(program, reduced), *inputs)
    results = results if isinstance(results, tuple) else (results,)
    dtypes = [TABLE[program.values[v].dtype].numpy for v in program.outputs]
    return tuple(x.astype(d, copy=False) for x, d in zip(results, dtypes, strict=True))


def choices(dtype: str, swapped: bool = False) -> RowProgram:
    """x, a weight of each element, two numbers of elements and a value of each row: x less its maximum, and the weight,
    at one of these elements, and the row's value elsewhere, added up; beside a sum of all."""
    b = Build(dtype, dtype, "row int64", "row int64", f"row {dtype}")
    shifted = b.step("subtract", dtype, 0, b.fold("max", 0))
    at = [b.step("equal", "int64", *((n, b.index()) if swapped else (b.index(), n))) for n in (2, 3)]
    first = b.fold("sum", b.step("where", dtype, at[0], shifted, 4))
    second = b.fold("sum", b.step("where", dtype, at[1], 1, 4))
    return b.finish(first, second, b.fold("sum", b.step("exp", dtype, shifted)))
