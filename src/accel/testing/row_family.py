"""The examples of the primitive ``row``: rows of the shapes that norms, softmax and losses have, and random ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from ..dtypes import FLOAT64, TABLE, DType
from ..numerics import BLOCK, LANES
from ..ops.parameters import Rows
from ..scalar import FUNCTIONS, Fold, Index, Input, RowProgram, Step
from .draw import Draw, array
from .families import Edge, Sample, Samples
from .values import values

Operand = tuple[DType, str]
"""dtype, and how it lies: ``each`` (an element's), ``column`` (an element's, the same in every row), ``row`` (a row's),
``uniform`` (a row's, the same for all), ``place`` (a row's: the number of an element, some of none)."""


class Build:
    """Makes a row program; values are numbers, as in `RowProgram`."""

    def __init__(self, *operands: Operand) -> None:
        self.operands = operands
        self.inputs = tuple(Input(dtype.name, lies in ("each", "column")) for dtype, lies in operands)
        self.steps: list[Any] = []

    @property
    def values(self) -> tuple[Input, ...]:
        return RowProgram(self.inputs, tuple(self.steps), (0,)).values

    def add(self, item: Any) -> int:
        self.steps.append(item)
        return len(self.inputs) + len(self.steps) - 1

    def cast(self, value: int, dtype: str) -> int:
        return value if self.values[value].dtype == dtype else self.add(Step("cast", dtype, (value,)))

    def apply(self, function: str, *args: int) -> int:
        """At the dtype of the last argument."""
        return self.add(Step(function, self.values[args[-1]].dtype, args))

    def fold(self, kind: str, value: int) -> int:
        return self.add(Fold(kind, value))

    def finish(self, *outputs: int) -> RowProgram:
        return RowProgram(self.inputs, tuple(self.steps), outputs)


Form = Callable[[DType], tuple[RowProgram, tuple[Operand, ...]]]


def _softmax(dtype: DType) -> tuple[RowProgram, tuple[Operand, ...]]:
    """Its operand and its result in the dtype, 16-bit floats widened and rounded once."""
    build = Build((dtype, "each"))
    x = build.cast(0, dtype.accumulator)
    power = build.apply("exp", build.apply("subtract", x, build.fold("max", x)))
    quotient = build.apply("divide", power, build.fold("sum", power))
    return build.finish(build.cast(quotient, dtype.name)), build.operands


def _layer_norm(dtype: DType) -> tuple[RowProgram, tuple[Operand, ...]]:
    """A weight and a bias for each column, two uniforms; an output for each element and two for each row."""
    wide = TABLE[dtype.accumulator]
    build = Build((dtype, "each"), (dtype, "column"), (dtype, "column"), (wide, "uniform"), (wide, "uniform"))
    x, weight, bias = (build.cast(i, wide.name) for i in range(3))
    mean = build.apply("multiply", build.fold("sum", x), 3)
    off = build.apply("subtract", x, mean)
    variance = build.apply("multiply", build.fold("sum", build.apply("multiply", off, off)), 3)
    scale = build.apply("rsqrt", build.apply("add", variance, build.apply("abs", 4)))
    scaled = build.apply("multiply", build.apply("multiply", off, scale), weight)
    result = build.cast(build.apply("add", scaled, bias), dtype.name)
    return build.finish(result, mean, scale), build.operands


def _logsumexp(dtype: DType) -> tuple[RowProgram, tuple[Operand, ...]]:
    """One output for each row, and the powers beside it."""
    build = Build((dtype, "each"))
    x = build.cast(0, dtype.accumulator)
    peak = build.fold("max", x)
    power = build.apply("exp", build.apply("subtract", x, peak))
    total = build.apply("add", build.apply("log", build.fold("sum", power)), peak)
    return build.finish(build.cast(total, dtype.name), build.cast(power, dtype.name)), build.operands


def _chosen(dtype: DType) -> tuple[RowProgram, tuple[Operand, ...]]:
    """The element of a row's own number, selected by every element's; and where it is."""
    wide = TABLE[dtype.accumulator]
    build = Build((dtype, "each"), (TABLE["int64"], "place"), (wide, "uniform"))
    x = build.cast(0, wide.name)
    here = build.apply("equal", build.add(Index()), 1)
    picked = build.fold("sum", build.add(Step("where", wide.name, (here, x, 2))))
    return build.finish(build.cast(picked, dtype.name), here), build.operands


def _extremes(dtype: DType) -> tuple[RowProgram, tuple[Operand, ...]]:
    """Folds of a row's value, of indices and of several kinds, and an input that is an output."""
    build = Build((dtype, "each"), (dtype, "row"))
    x, own = build.cast(0, dtype.accumulator), build.cast(1, dtype.accumulator)
    index = build.add(Index())
    low, high = build.fold("min", x), build.fold("max", build.apply("multiply", x, own))
    times, numbers = build.fold("sum", own), build.fold("sum", index)
    product = build.fold("prod", build.apply("subtract", x, low))
    return build.finish(low, high, times, numbers, product, 1), build.operands


FORMS: dict[str, Form] = {
    "softmax": _softmax,
    "layer norm": _layer_norm,
    "logsumexp": _logsumexp,
    "chosen": _chosen,
    "extremes": _extremes,
}

UNARY = ("abs", "exp", "negative", "reciprocal", "rsqrt", "sigmoid", "sqrt", "square", "tanh")
BINARY = ("add", "divide", "maximum", "minimum", "multiply", "subtract")


def _random(its: Draw, dtype: DType) -> tuple[RowProgram, tuple[Operand, ...]]:
    """Some steps and folds; every value that none uses is an output."""
    wide = TABLE[dtype.accumulator]
    kinds = [(dtype, "each"), (dtype, "column"), (dtype, "row"), (wide, "uniform")]
    operands = ((dtype, "each"), *its.some(kinds))
    build = Build(*operands)
    floats = [build.cast(i, wide.name) for i in range(len(operands))]
    used: set[int] = set()

    def take() -> int:
        """A value, rather one that none uses yet."""
        fresh = [v for v in floats if v not in used]
        value = its.choice(fresh if fresh and not its.once_in(3) else floats)
        used.add(value)
        return value

    for _ in range(its.integer(1, 7)):
        kind = its.choice(("unary", "binary", "binary", "fold", "fold"))
        if kind == "unary":
            floats.append(build.apply(its.choice([f for f in UNARY if f in FUNCTIONS]), take()))
        elif kind == "binary":
            floats.append(build.apply(its.choice(BINARY), take(), take()))
        else:
            floats.append(build.fold(its.choice(("sum", "max", "min", "prod")), take()))
    outputs = [v for v in floats if v not in used] or floats[-1:]
    narrow = [build.cast(v, dtype.name) if its.integer(0, 1) else v for v in outputs]
    return build.finish(*dict.fromkeys(narrow)), operands


LENGTHS = (1, 2, 3, 5, 7, 16, 33, LANES - 1, LANES, LANES + 1, 129)


def rows(dtype: DType) -> Samples:
    """Rows of every form and length. At the edges: lengths around LANES and BLOCK, many short rows and few long
    ones."""

    def draw(its: Draw) -> Sample:
        kept = tuple(its.choice((1, 2, 3, 5, 7)) for _ in range(its.integer(0, 2)))
        reduced = (its.choice((BLOCK - 1, BLOCK + 1)),) if its.once_in(8) else (its.choice(LENGTHS),)
        if reduced[0] < LANES and its.integer(0, 1):
            reduced = tuple(its.permutation((*reduced, its.choice((1, 2, 3)))))
        form = its.choice(("random", "random", *FORMS))
        program, operands = _random(its, dtype) if form == "random" else FORMS[form](dtype)
        arrays = [_drawn(its, operand, kept, reduced) for operand in operands]
        return Sample((Rows(program, len(reduced)), *arrays))

    names = list(FORMS)
    made = [(names[(i + j) % len(names)], (3,), (n,)) for j in (0, 2) for i, n in enumerate(
        (1, 2, LANES - 1, LANES, LANES + 1, 1000, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 37))]  # fmt: skip
    made += [(name, kept, reduced) for name in names for kept, reduced in (((129,), (70,)), ((), (3, 65)))]
    made += [("softmax", (2000,), (3,)), ("layer norm", (5, 67), (33,)), ("chosen", (2, 3), (5, 7, 11))]
    if dtype is not FLOAT64:  # a block's results fill more than the lanes; exp of so many costs seconds in float64
        made += [("softmax", (1,), (66 * BLOCK + 37,)), ("layer norm", (2,), (66 * BLOCK + 37,))]
    edges = [_edge(dtype, FORMS[name], kept, reduced, "normal") for name, kept, reduced in made]
    special = [(name, regime) for name in names for regime in ("special", "wide")]
    return Samples(draw, [*edges, *(_edge(dtype, FORMS[name], (33,), (65,), regime) for name, regime in special)])


def _drawn(its: Draw, operand: Operand, kept: tuple[int, ...], reduced: tuple[int, ...]) -> np.ndarray:
    """An operand in any memory layout that its kind may have."""
    dtype, lies = operand
    if lies in ("uniform", "place"):
        return _fixed(np.random.default_rng(its.integer(0, 2**32 - 1)), operand, kept, reduced, "normal")
    if lies == "column":
        return np.broadcast_to(array(its, dtype, reduced), (*kept, *reduced))
    return array(its, dtype, (*kept, *reduced) if lies == "each" else kept)


def _fixed(
    rng: np.random.Generator, operand: Operand, kept: tuple[int, ...], reduced: tuple[int, ...], regime: str
) -> np.ndarray:
    """A row-major operand, stretched where it is the same for all."""
    dtype, lies = operand
    if lies == "place":
        n = prod(reduced)
        return rng.integers(-1, n + 1, kept).astype(np.int64).reshape(kept)
    if lies == "uniform":
        return np.broadcast_to(np.abs(values(rng, dtype, (), "normal")) / prod(reduced), kept).astype(dtype.numpy)
    if lies == "column":
        return np.broadcast_to(values(rng, dtype, reduced, regime), (*kept, *reduced))
    return values(rng, dtype, (*kept, *reduced) if lies == "each" else kept, regime)


def _edge(dtype: DType, form: Form, kept: Sequence[int], reduced: Sequence[int], regime: str) -> Edge:
    def make() -> Sample:
        rng = np.random.default_rng([*kept, *reduced])
        program, operands = form(dtype)
        arrays = [_fixed(rng, operand, tuple(kept), tuple(reduced), regime) for operand in operands]
        return Sample((Rows(program, len(reduced)), *arrays))

    return Edge(prod((*kept, *reduced)), make)
