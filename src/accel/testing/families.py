"""The examples of an op, by its family: drawn ones, and beside them fixed ones at the edges of the bit contract.

An op's spec names its family, and has its edges with it. What an edge is for: sizes around powers of two, one beyond
a work-group, one of more than 2^20 elements (a tail, a grid, an index that is too short); lengths around LANES, BLOCK
and KC, and of several blocks and chunks, one of them with operands of one row and one column (the order of additions,
whatever the shape); the values that each rule has a case for (`values.CRAFTED`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from ..dtypes import BOOL, FLOAT32, FLOAT64, TABLE, DType
from ..numerics import BLOCK, KC, LANES
from ..scalar import FUNCTIONS, Program, ProgramBuilder, ScalarFunction
from .draw import Draw, array, broadcast, product_dtype, shape
from .values import REGIMES, values


@dataclass(frozen=True)
class Sample:
    """One example: what the op is called with, NumPy arrays for the operands.

    period: the operands are one-dimensional and repeat after so many elements, and so does the answer, of which the
    canonical algorithm, slow as it is, is then asked for one period only.
    """

    operands: tuple[Any, ...]
    keywords: dict[str, Any] = field(default_factory=dict)
    period: int | None = None

    @property
    def size(self) -> int:
        """Elements of the largest operand."""
        return max((x.size for x in self.operands if isinstance(x, np.ndarray)), default=0)


@dataclass(frozen=True)
class Edge:
    """A fixed example. size: elements of its largest operand or of the result. make: its sample."""

    size: int
    make: Callable[[], Sample]


@dataclass(frozen=True)
class Samples:
    """The examples of an op and dtype. draw: makes an ordinary one. edges: the fixed ones, which come first."""

    draw: Callable[[Draw], Sample]
    edges: Sequence[Edge] = ()

    def example(self, number: int) -> Sample:
        """The example of a number, the same at each run."""
        if number < len(self.edges):
            return self.edges[number].make()
        return self.draw(Draw.seeded(number - len(self.edges)))


HUGE = (1 << 20) + (1 << 12) + 63
"""Elements of the largest examples: the last ones are in no whole row of lanes, and beyond what 20 bits count."""

SIZES = (1, 2, 31, 33, 63, 64, 65, 127, 129, 255, 256, 257, 511, 513, 1023, 1024, 1025, 4095, 4097, 8193, 65535, 65537)

PERIOD = 1021
"""A prime, so that an element read from the wrong block or row of lanes is another one."""


def _edge(dtypes: Sequence[DType], shapes: Sequence[tuple[int, ...]], regime: str, *rest: Any, **keywords: Any) -> Edge:
    """Row-major operands of these dtypes and shapes, then the op's other arguments."""

    def make() -> Sample:
        rng = np.random.default_rng([prod(s) for s in shapes])
        arrays = [values(rng, dtype, s, regime) for dtype, s in zip(dtypes, shapes, strict=True)]
        return Sample((*arrays, *rest), keywords)

    return Edge(max(map(prod, shapes)), make)


def _repeated(dtypes: Sequence[DType], size: int, regime: str, *rest: Any, first: tuple[Any, ...] = ()) -> Edge:
    """One-dimensional operands of a size, from PERIOD elements each. Of the last element every function has a value,
    and not NaN, which hides faults."""

    def make() -> Sample:
        rng = np.random.default_rng(size)
        some = [values(rng, dtype, (min(size, PERIOD),), regime) for dtype in dtypes]
        for one in some:
            one[(size - 1) % PERIOD] = 0.75
        arrays = [np.resize(one, size) for one in some]
        return Sample((*first, *arrays, *rest), {}, PERIOD if size > PERIOD else None)

    return Edge(size, make)


def _pointwise_edges(dtypes: Sequence[DType], *rest: Any) -> list[Edge]:
    """Every size, each with the next regime; and a matrix in every layout."""
    edges = [_repeated(dtypes, n, REGIMES[i % len(REGIMES)], *rest) for i, n in enumerate((*SIZES, HUGE))]
    return [*edges, *(_matrix(dtypes, lay, *rest) for lay in ("columns", "reversed", "sliced", "stretched"))]


def _matrix(dtypes: Sequence[DType], lay: str, *rest: Any) -> Edge:
    """columns: the first operand, the others by rows. stretched: each row of the last operand is one element.

    Small integers, some of which are equal."""

    def one(rng: np.random.Generator, i: int, dtype: DType) -> np.ndarray:
        if lay == "stretched" and i == len(dtypes) - 1:
            return np.broadcast_to(values(rng, dtype, (65, 1), "integers"), (65, 5))
        if lay == "columns":
            return values(rng, dtype, (67, 33), "integers").T if i == 0 else values(rng, dtype, (33, 67), "integers")
        base = values(rng, dtype, (131, 11), "integers")
        return {"reversed": base[:65, :5][::-1, ::-1], "sliced": base[1::2, 1::2], "stretched": base[:65, :5]}[lay]

    def make() -> Sample:
        rng = np.random.default_rng(0)
        return Sample((*(one(rng, i, dtype) for i, dtype in enumerate(dtypes)), *rest))

    return Edge(33 * 67 if lay == "columns" else 65 * 5, make)


def elementwise(row: ScalarFunction, dtype: DType) -> Samples:
    """Operands of a scalar function: one of them of the full shape, the others broadcast against it."""
    dtypes = [BOOL if row.name == "where" and i == 0 else dtype for i in range(row.arity)]

    def draw(its: Draw) -> Sample:
        full_shape, full = shape(its), its.integer(0, row.arity - 1)
        return Sample(
            tuple(array(its, d, full_shape if i == full else broadcast(its, full_shape)) for i, d in enumerate(dtypes))
        )

    return Samples(draw, _pointwise_edges(dtypes))


KIND = {"b": "bool", "i": "int", "u": "int", "f": "float"}


def programs(dtype: DType) -> Samples:
    """A chain of random scalar functions over one operand, at times with several of its values as results; at the
    edges, sums and differences of products, alone and with all that they are made of."""
    kinds = [f for f in FUNCTIONS.values() if f.result == "same" and KIND[dtype.kind] in f.kinds]
    names = sorted(f.name for f in kinds if f.arity == 1)

    def draw(its: Draw) -> Sample:
        build = ProgramBuilder(dtype.name)
        value = 0
        for _ in range(its.integer(0, 3) if names else 0):
            value = build.apply(its.choice(names), value)
        program = build.finish(value, dtype.name)
        if its.once_in(3):
            program = _with_results(program, its.some(range(len(program.value_dtypes()))) or [0])
        return Sample((program, array(its, dtype, shape(its))))

    edges = []
    if any(f.name == "multiply" for f in kinds):
        for outer, n in (("add", 1025), ("subtract", 4097)):
            edges.append(_repeated([dtype], n, "normal", first=(_of_products(dtype, outer, 1),)))
            program = _of_products(dtype, outer, 4)
            edges.append(_repeated([dtype] * 4, n, "normal", first=(program,)))
            every = _with_results(program, range(len(program.value_dtypes())))
            edges += [_edge_of(every, [dtype] * 4, s) for s in ((n,), (33, 65))]
            edges.append(_edge_of(_with_results(program, [len(program.value_dtypes()) - 1, 1]), [dtype] * 4, (3, 7)))
    return Samples(draw, edges)


def _with_results(program: Program, results: Sequence[int]) -> Program:
    return Program(program.inputs, program.steps, program.value_dtypes()[results[0]], tuple(results))


def _edge_of(program: Program, dtypes: Sequence[DType], shape: tuple[int, ...]) -> Edge:
    """The first operand has its axes reversed in memory, the last one is stretched."""

    def make() -> Sample:
        rng = np.random.default_rng(shape)
        first, *rest = (values(rng, dtype, shape, "normal") for dtype in dtypes)
        rest[-1] = np.broadcast_to(rest[-1][..., :1], shape)
        return Sample((program, np.asfortranarray(first), *rest))

    return Edge(prod(shape), make)


def _of_products(dtype: DType, outer: str, operands: int) -> Program:
    """x * x ± x, or a * b ± c * d: roundings that a contraction would leave out."""
    build = ProgramBuilder(*[dtype.name] * operands)
    left = build.apply("multiply", 0, 1 if operands > 1 else 0)
    right = build.apply("multiply", 2, 3) if operands > 1 else 0
    return build.finish(build.apply(outer, left, right), dtype.name)


def casts(dtype: DType) -> Samples:
    """Any dtype to any dtype."""

    def draw(its: Draw) -> Sample:
        target = its.choice([d.name for d in TABLE.values()])
        return Sample((array(its, dtype, shape(its)), target))

    edges = [
        _edge([dtype], [(n,)], regime, target)
        for target in TABLE
        for n, regime in ((511, "limits"), (1023, "halfway"), (129, "special"))
    ]
    edges += [_repeated([dtype], n, "normal", "float32") for n in (4095, 65537, HUGE)]
    return Samples(draw, [*edges, *(_matrix([dtype], lay, "int16") for lay in ("reversed", "sliced", "stretched"))])


def copies(dtype: DType) -> Samples:
    """One operand."""
    return Samples(lambda its: Sample((array(its, dtype, shape(its)),)), _pointwise_edges([dtype]))


ORDERED = ("sum", "prod", "mean", "logsumexp")
"""Reductions whose result shows the order in which they compute."""


def reductions(kind: str, dtype: DType) -> Samples:
    """An operand, axes and keepdims; at times more elements than one block, or than the lanes."""

    def draw(its: Draw) -> Sample:
        long = its.once_in(4)
        its_shape = shape(its, least=1 if long else 0, most=3)
        if long:
            n = its.choice((LANES - 1, LANES + 1, 2 * LANES, BLOCK, BLOCK + 1, 2 * BLOCK + 70))
            its_shape = tuple(its.permutation([*(min(m, 3) for m in its_shape[1:]), n]))
        keywords: dict[str, Any] = {}
        if kind in ("argmax", "argmin"):
            axis = its.choice([None, *range(-len(its_shape), len(its_shape))])
        else:
            axis = tuple(its.some(range(len(its_shape)))) if its_shape and its.integer(0, 1) else None
        if axis is not None:
            keywords["axis"] = axis
        if its.integer(0, 1):
            keywords["keepdims"] = True
        if kind in ("max", "min", "argmax", "argmin"):
            its_shape = tuple(max(1, n) for n in its_shape)
        if kind in ("sum", "prod") and its.once_in(4):
            wider = {
                "b": ("int32", "uint8", "bool"),
                "i": ("int64", "int8", "bool"),
                "u": ("uint64", "int16", "bool"),
            }
            keywords["dtype"] = its.choice(wider.get(dtype.kind, (dtype.accumulator,)))
        return Sample((array(its, dtype, its_shape),), keywords)

    return Samples(draw, _reduction_edges(kind, dtype))


def _reduction_edges(kind: str, dtype: DType) -> list[Edge]:
    regime = {"sum": "cancelling", "mean": "cancelling", "prod": "near one"}.get(kind, "normal")
    if kind not in ORDERED:
        regime = "few"
    n = 2 * BLOCK + 37
    made: list[tuple[tuple[int, ...], int | None, str]] = [
        ((m,), None, regime) for m in (LANES - 1, LANES, LANES + 1, 2 * LANES + 1, 1000, BLOCK - 1, BLOCK, BLOCK + 1, n)
    ]
    made += [((3, n), 1, regime), ((n, 3), 0, regime), ((70, 129), 1, regime), ((129, 70), 0, regime)]
    made += [((5000, 3), 1, regime), ((3, 70000), 0, regime)]
    made += [((m,), None, r) for m in (1, 65, BLOCK + 1) for r in ("zeros", "first", "last")]
    made += [((67, 65), axis, r) for r in ("special", "tiny", "wide") for axis in (0, 1)]
    if kind in ("max", "min", "argmax", "argmin"):
        made += [((m,), None, "special") for m in (LANES + 1, 511, BLOCK + 1, n)]
    if kind == "logsumexp":
        made += [((65,), None, "nothing")]
    edges = [_reduced(dtype, s, axis, r) for s, axis, r in made]
    if dtype.itemsize == 2 and dtype.kind == "f" and kind in ("sum", "prod"):
        edges += [_edge([dtype], [s], regime, dtype=dtype.accumulator) for s in ((LANES + 1,), (BLOCK + 1,), (n,))]
    # the blocks' results fill more than the lanes; a logarithm of so many exponentials costs seconds in float64
    last = 66 * BLOCK + 37 if kind == "logsumexp" else HUGE
    return edges if kind == "logsumexp" and dtype is FLOAT64 else [*edges, _edge([dtype], [(last,)], regime)]


def _reduced(dtype: DType, shape: tuple[int, ...], axis: int | None, regime: str) -> Edge:
    """A row-major operand whose elements are of a regime along the reduced axis."""

    def make() -> Sample:
        rng = np.random.default_rng(shape)
        if axis == 0:
            return Sample((np.ascontiguousarray(values(rng, dtype, shape[::-1], regime).T),), {"axis": 0})
        return Sample((values(rng, dtype, shape, regime),), {} if axis is None else {"axis": axis})

    return Edge(prod(shape), make)


MATRIX = (0, 1, 2, 3, 5, 7, 8, 17, 33)
DEPTH = (*MATRIX, 64, KC - 1, KC, KC + 1, 2 * KC + 3)

PRODUCTS = (
    *((9, k, 7) for k in (0, 1, LANES - 1, KC - 1, KC, KC + 1, 2 * KC + 3, 4 * KC + 5)),
    *((m, 2 * KC + 3, n) for m, n in ((1, 1), (1, 67), (67, 1), (33, 65))),
    *((m, 9, n) for m, n in ((1, 300), (300, 1), (127, 129), (64, 63), (257, 65))),
    (HUGE, 1, 1),
)
"""(m, k, n): no depth, and depths around the chunk; a row, a column and both with several chunks; more than a tile of
results; more rows of tiles than 16 bits count."""


def matmul(dtype: DType) -> Samples:
    """Operands with batches that broadcast, 1-D operands, and depths around the chunk."""

    def draw(its: Draw) -> Sample:
        m, n, k = its.choice(MATRIX), its.choice(MATRIX), its.choice(DEPTH)
        batch = () if k > 64 else its.choice(((), (), (), (1,), (2,), (3, 2), (0,), (2, 1, 2)))
        left = (k,) if its.once_in(7) else (*broadcast(its, batch), m, k)
        right = (k,) if its.once_in(7) else (*broadcast(its, batch), k, n)
        return Sample((array(its, dtype, left), array(its, dtype, right)), product_dtype(its, dtype))

    edges = [_edge([dtype] * 2, [(m, k), (k, n)], "normal") for m, k, n in PRODUCTS]
    edges += [_edge([dtype] * 2, [(3, 5, 2 * KC + 3), (2 * KC + 3, 4)], "normal")]
    edges += [_edge([dtype] * 2, [(17, 5), (5, 33)], regime) for regime in ("tiny", "special", "wide", "zeros")]
    if dtype.itemsize == 2 and dtype.kind == "f":
        edges += [_edge([dtype] * 2, [(3, 2 * KC + 3), (2 * KC + 3, 5)], "normal", dtype=dtype.accumulator)]
    return Samples(draw, edges)


ACTIVATIONS = ("gelu", "gelu_tanh", "relu", "silu", "sigmoid", "tanh")


def linear(dtype: DType) -> Samples:
    """x, weight, perhaps a bias; an activation for floats."""
    regimes = ("integers", "normal", "tiny")

    def draw(its: Draw) -> Sample:
        rows, features, outputs = (its.choice(MATRIX) for _ in range(3))
        lead = its.choice(((), (rows,), (rows, 2), (2, rows, 1)))
        operands = [array(its, dtype, (*lead, features), regimes), array(its, dtype, (outputs, features), regimes)]
        keywords = product_dtype(its, dtype)
        if its.integer(0, 1):  # in the accumulator's dtype, or one that fits it
            bias = TABLE[keywords.get("dtype", dtype.name)] if dtype.kind != "f" else dtype
            operands.append(array(its, bias, (outputs,), regimes))
        if dtype.kind == "f" and its.integer(0, 1):
            keywords["activation"] = its.choice(ACTIVATIONS)
        return Sample(tuple(operands), keywords)

    edges = []
    for m, k, n in PRODUCTS[:-1]:
        edges += [_edge([dtype] * 2, [(m, k), (n, k)], "normal")]
    for m, k, n in ((3, KC + 1, 5), (65, 9, 67), (1, 9, 129), (1025, 3, 5)):
        edges += [_edge([dtype] * 3, [(m, k), (n, k), (n,)], "normal")]
    if dtype.kind == "f":
        edges += [_edge([dtype] * 3, [(33, 5), (65, 5), (65,)], "normal", activation=name) for name in ACTIVATIONS]
    return Samples(draw, edges)


def softmax(dtype: DType) -> Samples:
    """An operand with at least one axis, and an axis of it."""

    def draw(its: Draw) -> Sample:
        its_shape = shape(its, least=1, most=3)
        keywords: dict[str, Any] = {"axis": its.integer(-len(its_shape), len(its_shape) - 1)}
        if dtype.itemsize == 2 and its.integer(0, 1):
            keywords["dtype"] = "float32"
        return Sample((array(its, dtype, its_shape),), keywords)

    n = 2 * BLOCK + 37
    made = [((m,), 0) for m in (LANES - 1, LANES, LANES + 1, 1000, BLOCK - 1, BLOCK, BLOCK + 1, n)]
    made += [((2, n), 1), ((n, 2), 0), ((70, 129), 1), ((129, 70), 0), ((2000, 3), 1)]
    if dtype is FLOAT32:
        made += [((66 * BLOCK + 37,), 0)]
    edges = [_edge([dtype], [s], "normal", axis=axis) for s, axis in made]
    edges += [_edge([dtype], [(67, 33)], r, axis=1) for r in ("special", "tiny", "wide", "zeros", "nothing", "last")]
    if dtype.itemsize == 2:
        edges += [_edge([dtype], [s], "normal", axis=0, dtype="float32") for s in ((BLOCK + 1,), (n,))]
    return Samples(draw, edges)


def logsumexp(dtype: DType) -> Samples:
    """An operand, axes and keepdims, as for a sum, and at times float32 from 16-bit floats."""
    sums = reductions("logsumexp", dtype)

    def draw(its: Draw) -> Sample:
        sample = sums.draw(its)
        asked = {"dtype": "float32"} if dtype.itemsize == 2 and its.integer(0, 1) else {}
        return Sample(sample.operands, sample.keywords | asked)

    wide = [_edge([dtype], [(2 * BLOCK + 37,)], "normal", dtype="float32")] if dtype.itemsize == 2 else []
    return Samples(draw, [*sums.edges, *wide])
