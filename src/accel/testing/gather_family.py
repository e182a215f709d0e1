"""Examples of elements that index arrays select."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import DType
from .draw import Draw, array, broadcast, shape
from .families import HUGE, Edge, Sample, Samples
from .values import values

DTYPES = ("int64", "int64", "int32", "uint8", "int16", "uint64")
"""Of indices."""


def gathers(op: str, dtype: DType) -> Samples:
    """Operands of take, take_along_axis, or gather."""
    draw = {"take": _take, "take_along_axis": _along, "gather": _several}[op]
    return Samples(lambda its: draw(its, dtype), _edges(op, dtype))


def positions(its: Draw, its_shape: tuple[int, ...], length: int) -> np.ndarray:
    """Indices in range for an axis, from both ends where their dtype has a sign, at times with strides."""
    rng = np.random.default_rng(its.integer(0, 2**32 - 1))
    kind = np.dtype(its.choice(DTYPES))
    low = 0 if kind.kind == "u" else -min(length, 100)
    made = rng.integers(low, min(length, 100), its_shape).astype(kind)
    return np.asarray(made[..., ::-1] if made.ndim and its.once_in(3) else made)


def _filled(its: Draw, least: int) -> tuple[int, ...]:
    """A shape without axes of no elements."""
    return tuple(max(1, n) for n in shape(its, least=least, most=4))


def _take(its: Draw, dtype: DType) -> Sample:
    full = _filled(its, 1)
    axis = its.integer(-len(full), len(full) - 1)
    index = positions(its, shape(its, most=2, elements=40), full[axis])
    return Sample((array(its, dtype, full), index), {} if len(full) == 1 and its.once_in(2) else {"axis": axis})


def _along(its: Draw, dtype: DType) -> Sample:
    full = _filled(its, 1)
    axis = its.integer(-len(full), len(full) - 1)
    chosen = list(full)
    chosen[axis] = its.choice((0, 1, 3, 17))
    rows = [1 if its.once_in(5) else n for n in full]
    rows[axis] = full[axis]
    return Sample((array(its, dtype, tuple(rows)), positions(its, tuple(chosen), full[axis])), {"axis": axis})


def _several(its: Draw, dtype: DType) -> Sample:
    """Some axes indexed, the others walked with axes of the result in any order."""
    full = _filled(its, 1)
    count = its.integer(1, len(full))
    indexed = its.permutation(range(len(full)))[:count]
    its_shape = shape(its, most=2, elements=40)
    walked = len(full) - count
    places = its.permutation(range(walked + len(its_shape)))
    free, of_index = iter(places[:walked]), sorted(places[walked:])
    walks = tuple(-1 if a in indexed else next(free) for a in range(len(full)))
    indices = []
    for axis in sorted(indexed):
        kept = (1,) * len(its_shape) if its.once_in(5) else its_shape
        kept = kept if indices or its.once_in(2) else broadcast(its, its_shape)
        kept = (1,) * (len(its_shape) - len(kept)) + kept
        spread = [1] * len(places)
        for a, n in zip(of_index, kept, strict=True):
            spread[a] = n
        indices.append(positions(its, kept, full[axis]).reshape(spread))
    return Sample((array(its, dtype, full), *indices), {"walks": walks})


def _edges(op: str, dtype: DType) -> list[Edge]:
    """Rows and columns of a table; positions of single elements; more than a block, and than 2^20 elements."""
    edges = []
    for full, its_shape, axis in (
        ((1000, 7), (333,), 0), ((7, 1000), (333,), 1), ((5000,), (4097,), 0), ((3, 65, 33), (2, 70), 1),
        ((97, 1031), (1040,), 0), ((HUGE,), (HUGE,), 0),
    ):  # fmt: skip
        size = int(np.prod(its_shape)) * int(np.prod(full)) // full[axis]
        edges.append(Edge(max(size, *full), _edge(op, dtype, full, its_shape, axis)))
    return edges


def _edge(op: str, dtype: DType, full: tuple[int, ...], its_shape: tuple[int, ...], axis: int) -> Any:
    def make() -> Sample:
        rng = np.random.default_rng(full)
        x = values(rng, dtype, full, "normal")
        if op == "take":
            return Sample((x, rng.integers(-full[axis], full[axis], its_shape)), {"axis": axis})
        beside = (*full[:axis], int(np.prod(its_shape)), *full[axis + 1 :])
        index = rng.integers(-full[axis], full[axis], beside)
        if op == "take_along_axis":
            return Sample((x, index), {"axis": axis})
        return Sample((x, index), {"walks": tuple(-1 if a == axis else a for a in range(len(full)))})

    return make
